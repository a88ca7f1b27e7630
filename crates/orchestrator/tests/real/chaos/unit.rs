//! A unit of the stand-in for systemd on a real message bus, and a server that answers while the unit is active.

use std::path::Path;
use std::sync::Arc;

use crate::bus::{Bus, State, Systemd};
use crate::systemd::serve;

const UNIT: &str = "chaos.service";

/// The unit.
pub(crate) struct Unit {
    systemd: Arc<Systemd>,
    bus: Bus,
    pub(crate) port: u16,
}

impl Unit {
    pub(crate) fn start(directory: &Path) -> Self {
        let bus = Bus::start(directory);
        let systemd = Arc::new(Systemd::start(&bus, &[(UNIT, State::running())]));
        let seen = Arc::downgrade(&systemd);
        let port = serve(move || seen.upgrade().is_some_and(|systemd| systemd.state(UNIT).active == "active"));
        Self { systemd, bus, port }
    }

    /// As a registry has it.
    pub(crate) fn runtime(&self) -> String {
        format!("{{kind: systemd, unit: {UNIT}, bus: \"{}\"}}", self.bus.address)
    }

    /// Its main process is killed.
    pub(crate) fn dies(&self) {
        self.systemd.dies(UNIT, 9);
    }

    /// As an operator stops it.
    pub(crate) fn stops(&self) {
        self.systemd.stops(UNIT);
    }

    /// As an operator starts it.
    pub(crate) fn starts(&self) {
        let next = self.systemd.state(UNIT).invocation.wrapping_add(1);
        self.systemd.happens(UNIT, |state| (state.active, state.sub, state.invocation) = ("active", "running", next));
    }

    /// How often systemd was asked for a restart.
    pub(crate) fn asked(&self) -> usize {
        self.systemd.state(UNIT).asked.try_into().expect("few")
    }
}
