//! Who may be recovered.

use health_spec::Phase;
use health_spec::config::Mode;
use health_spec::status::Observed;

use super::{Checked, RIGHT, Watch, law};
use crate::machine::{EngineId, ServerId};
use crate::sim::World;

impl Watch {
    pub(super) fn judge_right(&self, world: &World, id: ServerId) -> Checked {
        let life = &self.lives[world.actor(id)];
        let policy = world.fleet().servers()[id.0].policy();
        let dependency = policy.depends_on.iter().find(|id| !self.is_healthy(world, **id));
        let wrongs = [
            (life.status != Observed::Down, "it is not down"),
            (life.stopped, "it was stopped"),
            (life.may_end && world.now() < life.ends_by, "somebody may be stopping it"),
            (life.paused, "it is paused"),
            (life.maintained, "a maintenance window is open"),
            (!policy.recovery.enabled, "recovery is disabled"),
            (policy.recovery.strategy.is_manual(), "a person does it"),
            (policy.recovery.mode == Mode::Observe, "it is only observed"),
            (
                self.engine_lost && policy.engine.as_ref().is_some_and(|engine| engine.id != EngineId::PROCESSES),
                "its engine is lost",
            ),
            (dependency.is_some(), "its dependency is not healthy"),
        ];
        let wrong = wrongs.into_iter().find(|(wrong, _)| *wrong);
        law(&RIGHT, world, wrong.is_none(), || format!("{id:?} is recovered, although {}", wrong.map_or("", |(_, why)| why)))
    }

    /// Before the step or after it: it may have changed within.
    fn is_healthy(&self, world: &World, id: ServerId) -> bool {
        self.lives[world.actor(id)].phase == Some(Phase::Healthy) || world.fleet().servers()[id.0].is_healthy()
    }
}
