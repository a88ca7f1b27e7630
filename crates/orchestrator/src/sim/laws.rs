//! What must hold in every world, checked after every step (see the tests of that name).

use std::collections::HashMap;

use health_spec::{EventKind, Phase};

use super::World;
use crate::machine::ServerId;
use crate::machine::memory::Recovery;

/// Watches a world for broken laws.
#[derive(Debug, Default)]
pub struct Laws {
    seen: usize,
    open: HashMap<ServerId, Incident>,
    acting: HashMap<ServerId, u64>,
}

#[derive(Debug, Default)]
struct Incident {
    exhausted: bool,
}

impl Laws {
    /// Checks what has happened since the last call. The error says which law was broken.
    pub fn check(&mut self, world: &World) -> Result<(), String> {
        for (at, server, kind) in &world.happened()[self.seen..] {
            let Some(server) = server else { continue };
            self.event(*server, kind).map_err(|law| format!("{law}, at {:?}, server {server:?}: {kind:?}", at.0))?;
        }
        self.seen = world.happened().len();
        for (index, server) in world.fleet().servers().iter().enumerate() {
            let state = server.state();
            let (most, _) = server.policy().recovery.budget;
            law(state.attempts <= server.policy().recovery.backoff.attempts(), "attempts never exceed the backoff")?;
            law(state.spent.len() <= most as usize, "attempts never exceed the budget")?;
            law(!(server.is_checking() && matches!(state.recovery, Recovery::Acting { .. })), "no check runs during an action")?;
            let waits = state.next_check.is_some() || server.is_checking() || state.dying.is_some();
            let acts = matches!(state.recovery, Recovery::Acting { .. });
            law(waits || acts, "a server is never forgotten: it is checked, acted on or judged")?;
            law(state.held.is_none() || state.phase == Phase::Down, "what is held is down")?;
            law(
                state.phase != Phase::Healthy || !self.open.contains_key(&ServerId(index)),
                "what is healthy has no open incident",
            )?;
        }
        Ok(())
    }

    fn event(&mut self, server: ServerId, kind: &EventKind) -> Result<(), &'static str> {
        match kind {
            EventKind::ServerDown { .. } => {
                law(self.open.insert(server, Incident::default()).is_none(), "an incident is closed before the next opens")
            }
            EventKind::StatusChanged { previous_status, status, .. } => {
                law(previous_status != status, "a status never changes to itself")
            }
            EventKind::RecoveryExhausted { .. } => match self.open.get_mut(&server) {
                Some(incident) => law(!std::mem::replace(&mut incident.exhausted, true), "exhausted at most once an incident"),
                None => Err("exhausted within an incident only"),
            },
            EventKind::RecoveryStarted { .. } => {
                let running = self.acting.entry(server).or_default();
                *running += 1;
                law(*running == 1, "at most one action a server")
            }
            EventKind::RecoveryFailed { .. } => self.action_closed(server),
            EventKind::RecoverySuccessful { .. } => {
                self.open.remove(&server);
                self.action_closed(server)
            }
            EventKind::ServerRecovered { .. } => law(self.open.remove(&server).is_some(), "recovered within an incident only"),
            EventKind::ServerStopped { .. } => {
                self.open.remove(&server);
                self.acting.remove(&server);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn action_closed(&mut self, server: ServerId) -> Result<(), &'static str> {
        law(self.acting.remove(&server) == Some(1), "what ends has started")
    }
}

fn law(holds: bool, name: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(name) }
}
