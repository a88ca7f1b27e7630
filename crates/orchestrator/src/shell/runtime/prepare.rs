//! Checks what there is to run, all of it at once, and changes nothing.

use std::{path::PathBuf, sync::Arc};

use futures_util::future::join_all;
use health_spec::{config, registry::RuntimeKind};

use super::{
    Fault, Runtimes, StartError, Supervised,
    container::{self, Ready},
    process::{Process, limits::Limits, oom::Oom, places::Places, program::Program},
    reporter::Mouth,
    systemd,
};
use crate::machine::{ServerId, input::EngineId, policy::engine_of};
use crate::shell::causes::causes;

/// What stays the same while servers come and go.
#[derive(Debug)]
pub(super) struct SetupPlaces {
    pub(super) engines: Vec<config::Engine>,
    pub(super) state_directory: PathBuf,
    pub(super) registry_directory: PathBuf,
    pub(super) oom: Oom,
    /// Of the logs of processes.
    pub(super) limits: Limits,
}

/// Servers that can be run as configured. Nothing has been started yet.
#[derive(Debug, Default)]
pub struct Prepared {
    pub(super) processes: Vec<(ServerId, Process)>,
    pub(super) engines: Vec<Ready>,
    pub(super) buses: Vec<systemd::Ready>,
}

impl Prepared {
    /// Takes out what is of these servers. Units of one bus stay together: they are taken out when all of them are wanted.
    #[must_use]
    pub fn take_out(&mut self, is_wanted: &dyn Fn(ServerId) -> bool) -> Self {
        let processes = self.processes.extract_if(.., |(server, _)| is_wanted(*server)).collect();
        let engines = self.engines.iter_mut().filter_map(|ready| ready.take_out(is_wanted)).collect();
        let buses = self.buses.extract_if(.., |bus| bus.servers().into_iter().all(is_wanted)).collect();
        Self { processes, engines, buses }
    }
}

impl Runtimes {
    /// Checks these servers, all of them at once, beside those that run and are not about to go. Nothing is changed.
    pub async fn prepare(&self, servers: &[Supervised], gone: &[ServerId]) -> Result<Prepared, StartError> {
        let mut faults = Vec::new();
        let processes = self.processes(servers, &mut faults).await;
        let engines = engines(&self.places, servers, &|engine| self.followed(engine, gone), &mut faults).await;
        let buses = buses(servers, &mut faults).await;
        if faults.is_empty() { Ok(Prepared { processes, engines, buses }) } else { Err(StartError { faults }) }
    }

    /// Users of a directory in the network are looked up: checks go on meanwhile.
    async fn processes(&self, servers: &[Supervised], faults: &mut Vec<Fault>) -> Vec<(ServerId, Process)> {
        let (places, servers, mouth) = (Arc::clone(&self.places), servers.to_vec(), self.mouth.clone());
        let prepared = tokio::task::spawn_blocking(move || {
            let mut faults = Vec::new();
            (processes(&places, &servers, &mouth, &mut faults), faults)
        });
        let failed =
            |error: tokio::task::JoinError| (Vec::new(), vec![Fault { pointer: "/servers".to_owned(), text: causes(&error) }]);
        let (processes, found) = prepared.await.unwrap_or_else(failed);
        faults.extend(found);
        processes
    }
}

impl SetupPlaces {
    pub(super) fn program(&self, supervised: &Supervised) -> Option<Program> {
        Program::of(&supervised.runtime, &self.registry_directory, supervised.stop_timeout)
    }
}

fn processes(places: &SetupPlaces, servers: &[Supervised], mouth: &Mouth, faults: &mut Vec<Fault>) -> Vec<(ServerId, Process)> {
    let mut processes = Vec::new();
    for supervised in servers.iter().filter(|supervised| supervised.runtime.kind == RuntimeKind::Process) {
        match process(places, supervised, mouth) {
            Ok(process) => processes.push((supervised.server, process)),
            Err(fault) => faults.push(fault),
        }
    }
    processes
}

fn process(places: &SetupPlaces, supervised: &Supervised, mouth: &Mouth) -> Result<Process, Fault> {
    let needs = || supervised.fault("", format!("server {}: `kind: process` needs a `command`", supervised.name));
    let program = places.program(supervised).ok_or_else(needs)?;
    program.check().map_err(|error| supervised.fault(error.key(), causes(&error)))?;
    let own = Places::of(&places.state_directory, &supervised.name);
    let kept = supervised.runtime.log.unwrap_or_default();
    let process = Process::new(program, own, (kept, &places.limits), mouth.about(supervised.server));
    process.map(|process| process.with(&places.oom)).map_err(|error| supervised.fault("", causes(&error)))
}

/// Each bus with the units that are on it.
async fn buses(all: &[Supervised], faults: &mut Vec<Fault>) -> Vec<systemd::Ready> {
    let mut servers = std::collections::BTreeMap::<&str, Vec<&Supervised>>::new();
    for supervised in all.iter().filter(|supervised| supervised.runtime.kind == RuntimeKind::Systemd) {
        servers.entry(supervised.runtime.bus.as_deref().unwrap_or("system")).or_default().push(supervised);
    }
    let mut ready = Vec::new();
    for (bus, servers) in servers {
        match systemd::ready(bus, &servers).await {
            Ok(bus) => ready.push(bus),
            Err(found) => faults.extend(found),
        }
    }
    ready
}

/// Engines that run none of the servers are left alone.
async fn engines(
    places: &SetupPlaces,
    all: &[Supervised],
    followed: &(dyn Fn(EngineId) -> Vec<String> + Sync),
    faults: &mut Vec<Fault>,
) -> Vec<Ready> {
    let mut servers: Vec<Vec<&Supervised>> = vec![Vec::new(); places.engines.len()];
    for supervised in all.iter().filter(|supervised| supervised.runtime.kind.engine().is_some()) {
        match engine_of(&places.engines, &supervised.runtime) {
            Some(EngineId(at)) => servers[at].push(supervised),
            None => faults.push(supervised.fault("/engine", format!("server {}: there is no such engine", supervised.name))),
        }
    }
    let used = places.engines.iter().enumerate().filter(|(at, _)| !servers[*at].is_empty());
    // At once: one that does not answer keeps the others from beginning no longer than any other.
    let all = join_all(used.map(|(at, engine)| container::ready(EngineId(at), engine, &servers[at], followed(EngineId(at)))));
    let mut ready = Vec::new();
    for engine in all.await {
        match engine {
            Ok(engine) => ready.push(engine),
            Err(found) => faults.extend(found),
        }
    }
    ready
}
