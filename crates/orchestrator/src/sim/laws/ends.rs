//! The machine's state after a step, and at the end.

use health_spec::Phase;
use health_spec::status::Observed;

use super::checks::{course, judge_room, moments};
use super::{Checked, HELD, PHASES, QUIET_ACTION, REMEMBERED, SETTLES, Watch, law};
use crate::machine::memory::Recovery;
use crate::machine::server::Server;
use crate::machine::{ServerId, transition};
use crate::sim::World;
use crate::sim::twist::Twist;

/// So many are looked at in full after every step.
const FEW: usize = 20;

impl Watch {
    pub(super) fn states(&mut self, world: &World) -> Checked {
        self.steps += 1;
        judge_room(world)?;
        for (index, server) in world.fleet().servers().iter().enumerate().filter(|(_, server)| !server.is_retired()) {
            let id = ServerId(index);
            let now = world.now();
            let plans = |course: Option<(Phase, u8, bool, bool)>| course.is_some_and(|(_, recovery, ..)| recovery == 1);
            if server.state().by_checks && plans(Some(course(server))) && !plans(self.lives[world.actor(id)].course) {
                self.learn_plan(world, id);
            }
            let life = &mut self.lives[world.actor(id)];
            if life.course.replace(course(server)) != Some(course(server)) || life.in_flight {
                life.paced = now;
            }
            if life.phase != Some(Phase::Starting) && server.phase() == Phase::Starting {
                life.started = now;
            }
            self.judge_state(world, id, server)?;
            self.lives[world.actor(id)].phase = Some(server.phase());
        }
        Ok(())
    }

    fn judge_state(&self, world: &World, id: ServerId, server: &Server) -> Checked {
        let (life, state) = (&self.lives[world.actor(id)], server.state());
        let acting = matches!(state.recovery, Recovery::Acting { .. });
        law(&QUIET_ACTION, world, !(acting && server.is_checking()), || format!("{id:?} is checked while it is acted on"))?;
        let watched = state.next_check.is_some() || server.is_checking() || server.is_queued() || state.dying.is_some();
        law(&REMEMBERED, world, watched || acting, || format!("{id:?} is forgotten: {state:?}"))?;
        law(&HELD, world, state.held.is_none() || state.phase == Phase::Down, || format!("{id:?} is held in {}", state.phase))?;
        let closed = state.phase != Phase::Healthy || life.incident.is_none();
        law(&HELD, world, closed, || format!("{id:?} is healthy with an open incident"))?;
        // When the world becomes quiet, all that was late is told in one step.
        let many = matches!(world.step().twist, Some(Twist::Quiet));
        let step = many || life.phase.is_none_or(|from| transition::is_allowed(from, state.phase));
        law(&PHASES, world, step, || format!("{id:?}: {:?} to {}", life.phase, state.phase))?;
        if life.phase == Some(Phase::Starting) && state.phase == Phase::Suspect {
            self.judge_grace(world, id)?;
        }
        self.judge_streak(world, id, server)?;
        // What only time can break is looked at in turns where there are many: a debug build has not all day.
        if world.fleet().servers().len() <= FEW || self.steps % FEW == id.0 % FEW {
            judge_wake(world, id, server)?;
            self.judge_pace(world, id, server)?;
        }
        Ok(())
    }

    /// The world has been quiet for as long as it may take.
    pub fn end(&self, world: &World) -> Checked {
        for server in world.fleet().servers().iter().filter(|server| !server.is_retired()) {
            let state = server.state();
            let well = state.phase == Phase::Healthy && state.status == Observed::Ok;
            law(&SETTLES, world, well, || {
                format!("{} is {} and {}: {state:?}", server.policy().name, state.status, state.phase)
            })?;
        }
        Ok(())
    }
}

fn judge_wake(world: &World, id: ServerId, server: &Server) -> Checked {
    let wake = world.fleet().deadline();
    let woken = moments(server).all(|at| wake.is_some_and(|wake| wake <= at));
    law(&REMEMBERED, world, woken, || format!("{id:?} would not be woken in time: {wake:?}, {:?}", server.state()))
}
