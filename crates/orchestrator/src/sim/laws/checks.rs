//! Checks: when they start, and what a row of them means.

use health_spec::Phase;

use super::{ALONE, CONFIRMED, Checked, GRACE, ON_TIME, ROOM, THRESHOLD, Watch, law};
use crate::machine::server::Server;
use crate::machine::{Mono, ServerId, Ticket};
use crate::sim::World;
use std::time::Duration;

/// The machine's slots are this wide.
const SLOT: Duration = Duration::from_millis(10);

impl Watch {
    /// A check starts. Those that only ask a witness are not the server's own.
    pub(super) fn probes(&mut self, world: &World, ticket: Ticket) -> Checked {
        if world.fleet().servers()[ticket.server.0].checking() != Some(ticket.serial) {
            return Ok(());
        }
        let life = &mut self.lives[world.actor(ticket.server)];
        life.paced = world.now();
        let alone = life.alone;
        law(&ALONE, world, world.now() >= alone, || format!("{:?} asked to be left alone until {alone:?}", ticket.server))
    }

    /// Checks alone have decided: enough of them, and none within the grace.
    pub(super) fn judge_down(&self, world: &World, id: ServerId, reason: &str) -> Checked {
        if !reason.ends_with("_consecutive_failures") {
            return Ok(());
        }
        let life = &self.lives[world.actor(id)];
        let most = world.fleet().servers()[id.0].policy().failure_threshold;
        law(&THRESHOLD, world, !(life.may_end && world.now() < life.ends_by), || {
            format!("{id:?} is down, and may be being stopped")
        })?;
        law(&THRESHOLD, world, life.failures >= most, || format!("{id:?} is down after {} of {most} failures", life.failures))?;
        self.judge_grace(world, id)
    }

    pub(super) fn judge_grace(&self, world: &World, id: ServerId) -> Checked {
        let life = &self.lives[world.actor(id)];
        let over = life.started.after(world.fleet().servers()[id.0].policy().start_period);
        let counts = life.phase != Some(Phase::Starting) || life.amended || world.now() >= over;
        law(&GRACE, world, counts, || format!("{id:?} started at {:?}: its failures count from {over:?} on", life.started))
    }

    /// It is well again: a row of good answers says so.
    pub(super) fn judge_confirmed(&self, world: &World, id: ServerId) -> Checked {
        let life = &self.lives[world.actor(id)];
        let wanted = world.fleet().servers()[id.0].policy().success_threshold;
        let was_down = matches!(life.phase, Some(Phase::Recovering | Phase::Down | Phase::Failed));
        law(&CONFIRMED, world, !was_down || life.successes >= wanted, || {
            format!("{id:?} is well after {} of {wanted} good answers", life.successes)
        })
    }

    pub(super) fn judge_streak(&self, world: &World, id: ServerId, server: &Server) -> Checked {
        let life = &self.lives[world.actor(id)];
        let up = matches!(server.phase(), Phase::Healthy | Phase::Suspect);
        let most = server.policy().failure_threshold;
        let fine = !up || life.amended || life.excused || server.state().failures < most;
        law(&THRESHOLD, world, fine, || format!("{id:?} is up after {} of {most} failures", server.state().failures))
    }

    pub(super) fn judge_pace(&self, world: &World, id: ServerId, server: &Server) -> Checked {
        let life = &self.lives[world.actor(id)];
        let latest = life.paced.after(longest_pace(server, world.setting().spread, id)).max(life.alone);
        let fine = life.amended || world.now() <= latest || is_awaited(world, life, server);
        law(&ON_TIME, world, fine, || {
            format!("{id:?} in {}: no check since {:?}, the next at {:?}", server.phase(), life.paced, server.state().next_check)
        })
    }
}

pub(super) fn judge_room(world: &World) -> Checked {
    let (checking, most) = (checking(world), world.setting().limits.checks);
    law(&ROOM, world, checking <= most, || format!("{checking} checks at once, {most} may be"))
}

/// Its check runs, starts at this very moment, or has to wait: for room, an action, or a word.
fn is_awaited(world: &World, life: &super::account::Life, server: &Server) -> bool {
    if server.state().next_check.is_some_and(|at| at <= world.now()) {
        return true;
    }
    let waits = server.is_checking() || server.is_queued() || life.in_flight || server.state().dying.is_some();
    waits || checking(world) >= world.setting().limits.checks
}

fn checking(world: &World) -> usize {
    world.fleet().servers().iter().filter(|server| server.is_checking()).count()
}

fn longest_pace(server: &Server, spread: bool, id: ServerId) -> Duration {
    let policy = server.policy();
    let share = if spread { policy.interval / 2 + SLOT } else { Duration::ZERO };
    let pace = match server.phase() {
        Phase::Starting | Phase::Suspect | Phase::Recovering => policy.confirm_interval,
        Phase::Failed => policy.max_backoff,
        Phase::Healthy => policy.interval + share,
        Phase::Down | Phase::Stopped => policy.interval,
    };
    // First checks are 2 ms apart.
    let first = Duration::from_millis(2 * u64::try_from(id.0).unwrap_or(u64::MAX));
    if spread { pace + first } else { pace }
}

/// What a server is in the middle of. When that changes, its pace counts anew.
pub(super) fn course(server: &Server) -> (Phase, u8, bool, bool) {
    use crate::machine::memory::Recovery;
    let recovery = match server.state().recovery {
        Recovery::Idle => 0,
        Recovery::Waiting { .. } => 1,
        Recovery::Acting { .. } => 2,
        Recovery::Verifying { .. } => 3,
    };
    (server.phase(), recovery, server.state().dying.is_some(), server.is_checking())
}

/// The earliest moment at which the machine wants to be woken for this server.
pub(super) fn moments(server: &Server) -> impl Iterator<Item = Mono> {
    use crate::machine::memory::Recovery;
    let state = server.state();
    let recovery = match state.recovery {
        Recovery::Waiting { due, .. } => Some(due),
        Recovery::Verifying { until, .. } => Some(until),
        Recovery::Idle | Recovery::Acting { .. } => None,
    };
    let dying = state.dying.as_ref().map(|dying| dying.until);
    let paused = state.paused.as_ref().and_then(|pause| pause.until);
    [recovery, dying, paused, state.next_check].into_iter().flatten()
}
