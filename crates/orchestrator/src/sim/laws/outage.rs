//! The monitor loses its network: who was up then, and who is restarted nevertheless.

use std::collections::BTreeSet;

use super::{Checked, STORM, Watch, law};
use crate::machine::server::Server;
use crate::machine::{Mono, ServerId};
use crate::sim::World;

use crate::machine::storm::WITNESSES;

#[derive(Debug)]
pub(super) struct Outage {
    until: Mono,
    /// Recoveries that were planned while there were four others to ask.
    asked: BTreeSet<usize>,
    restarted: BTreeSet<usize>,
    /// A monitor that begins again does not know whom it has tried.
    canaries: usize,
}

impl Outage {
    /// What was planned is asked about anew.
    pub(super) fn crashed(&mut self) {
        self.asked.clear();
        self.canaries += 1;
    }

    /// Somebody stopped it, or nothing could be done to it: had it been the canary, another one is tried.
    pub(super) fn tells_nothing(&mut self, actor: usize) {
        self.canaries += usize::from(self.restarted.contains(&actor));
    }

    /// Something else has happened to this one.
    pub(super) fn spare(&mut self, actor: usize) {
        self.asked.remove(&actor);
    }
}

impl Watch {
    pub(super) fn begin_outage(&mut self, world: &World, until: Mono) {
        let outage = Outage { until, asked: BTreeSet::new(), restarted: BTreeSet::new(), canaries: 1 };
        self.outage = world.is_watching().then_some(outage);
    }

    /// A recovery is planned that only checks have decided: are there enough others to ask?
    pub(super) fn learn_plan(&mut self, world: &World, id: ServerId) {
        let Some(outage) = &mut self.outage else { return };
        let others = world.fleet().servers().iter().enumerate().filter(|(index, server)| *index != id.0 && !server.is_retired());
        // Who has never been well is asked nothing.
        let has_been_well = |server: &Server| server.is_up() && server.state().up_since.is_some();
        let up = others.filter(|(_, server)| has_been_well(server)).count();
        if up >= WITNESSES && world.now() < outage.until {
            outage.asked.insert(world.actor(id));
        }
    }

    pub(super) fn judge_outage(&mut self, world: &World, id: ServerId) -> Checked {
        let actor = world.actor(id);
        let Some(outage) = self.outage.as_mut().filter(|outage| world.now() < outage.until) else { return Ok(()) };
        if outage.asked.contains(&actor) && world.fleet().servers()[id.0].state().by_checks {
            outage.restarted.insert(actor);
        }
        let (restarted, most) = (outage.restarted.len(), outage.canaries);
        law(&STORM, world, restarted <= most, || {
            format!("{id:?} is number {restarted} that is restarted, the network being lost")
        })
    }
}
