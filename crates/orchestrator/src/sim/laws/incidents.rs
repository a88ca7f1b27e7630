//! Events: numbers, and what may follow what.

use health_spec::EventKind;

use super::{BLIND, CHANGES, CLOSED, Checked, EBB, EXHAUSTED, LATE_RESULT, NUMBERS, Watch, law};
use crate::machine::{Effect, Happened, ServerId};
use crate::sim::World;

impl Watch {
    pub(super) fn number(&mut self, world: &World, seq: u64) -> Checked {
        let last = std::mem::replace(&mut self.seq, seq);
        law(&NUMBERS, world, seq == last + 1, || format!("event {seq} follows event {last}"))
    }

    /// A storm has let somebody go on in this step. Whoever was on the way when it began is among them, and so is the canary.
    pub(super) fn judge_ebb(&self, world: &World) -> Checked {
        let lets_go = |effect: &Effect| matches!(effect, Effect::Publish(it) if is_let_go(&it.kind));
        let most = world.setting().limits.recoveries + 1;
        let on_their_way = self.lives.iter().filter(|life| life.ebbing).count();
        let holds = on_their_way <= most || !world.step().effects.iter().any(lets_go);
        law(&EBB, world, holds, || format!("{on_their_way} go on at once; {most} may, with the canary"))
    }

    pub(super) fn judge(&mut self, world: &World, id: ServerId, happened: &Happened) -> Checked {
        let life = &self.lives[world.actor(id)];
        let kind = &happened.kind;
        let told = || format!("{} of {id:?}, {life:?}", kind.name());
        match kind {
            EventKind::StatusChanged { previous_status, status, .. } => {
                law(&CHANGES, world, previous_status != status && *previous_status == life.status, told)
            }
            EventKind::ServerDown { reason, .. } => {
                let number = happened.incident.unwrap_or_default();
                law(&CLOSED, world, life.incident.is_none(), told)?;
                law(&NUMBERS, world, number > self.incidents, told)?;
                self.incidents = number;
                self.judge_down(world, id, reason)
            }
            EventKind::RecoveryStarted { attempt, delay_ms, .. } => self.judge_attempt(world, id, *attempt, *delay_ms),
            EventKind::RecoverySuccessful { .. } => {
                law(&CLOSED, world, life.attempt.is_some(), told)?;
                self.judge_confirmed(world, id)
            }
            EventKind::RecoveryFailed { error, .. } => {
                law(&BLIND, world, !life.blind || error != "verify_timeout", told)?;
                law(&CLOSED, world, life.attempt.is_some(), told)
            }
            EventKind::RecoverySuperseded { .. } => law(&CLOSED, world, life.attempt.is_some(), told),
            EventKind::ServerRecovered { .. } => {
                law(&CLOSED, world, life.incident.is_some(), told)?;
                self.judge_confirmed(world, id)
            }
            EventKind::RecoveryExhausted { reason, .. } => {
                law(&EXHAUSTED, world, life.incident.is_some_and(|(_, exhausted)| !exhausted), told)?;
                self.judge_exhausted(world, id, reason)
            }
            EventKind::HealthCheckCompleted { .. } => law(&LATE_RESULT, world, world.step().stale != Some(id), told),
            _ => Ok(()),
        }
    }
}

fn is_let_go(kind: &EventKind) -> bool {
    matches!(kind, EventKind::RecoveryReleased { reason } if reason == "storm")
}
