//! Checks what there is to run, all of it at once, and changes nothing.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::join_all;
use health_spec::{config, registry::RuntimeKind};
use tokio::{sync::watch, time::sleep};

use super::{
    Fault, Runtimes, StartError, Supervised,
    container::{self, Ready},
    process::{
        Process,
        beside::{CHECKS, PATIENCE},
        limits::Limits,
        oom::Oom,
        places::Places,
        program::Program,
    },
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

    async fn processes(&self, servers: &[Supervised], faults: &mut Vec<Fault>) -> Vec<(ServerId, Process)> {
        let mut wanted = servers.to_vec();
        wanted.retain(Supervised::is_process);
        let (processes, found) = processes(&self.places, wanted, &self.mouth, PATIENCE).await;
        faults.extend(found);
        processes
    }
}

impl SetupPlaces {
    pub(super) fn program(&self, supervised: &Supervised) -> Option<Program> {
        Program::of(&supervised.runtime, &self.registry_directory, supervised.stop_timeout)
    }
}

type Checked = (Vec<(ServerId, Process)>, Vec<Fault>);

/// Users of a directory in the network are looked up, and files are read that may be on a disk there: checks go on meanwhile, and the one
/// that has not been looked at within `patience` is a fault.
async fn processes(places: &Arc<SetupPlaces>, servers: Vec<Supervised>, mouth: &Mouth, patience: Duration) -> Checked {
    if servers.is_empty() {
        return Checked::default();
    }
    let failed = |text: String| (Vec::new(), vec![Fault { pointer: "/servers".to_owned(), text }]);
    let turn = match CHECKS.turn().await {
        Ok(turn) => turn,
        Err(error) => return failed(format!("what processes are started with cannot be looked at: {error}")),
    };
    let (of, (at, mut looked_at)) = ((Arc::clone(places), servers.clone(), mouth.clone()), watch::channel(0));
    let mut checked = tokio::task::spawn_blocking(move || {
        let mut checked = Checked::default();
        for (now, supervised) in of.1.iter().enumerate() {
            at.send_replace(now);
            match process(&of.0, supervised, &of.2) {
                Ok(process) => checked.0.push((supervised.server, process)),
                Err(fault) => checked.1.push(fault),
            }
        }
        drop(turn);
        checked
    });
    loop {
        tokio::select! {
            biased;
            checked = &mut checked => return checked.unwrap_or_else(|error| failed(causes(&error))),
            // Whoever looks is at its end where this fails.
            Ok(()) = looked_at.changed() => {}
            () = sleep(patience) => {
                let hangs = *looked_at.borrow();
                return (Vec::new(), vec![unanswered(&servers[hangs], places, patience)]);
            }
        }
    }
}

fn unanswered(supervised: &Supervised, places: &SetupPlaces, patience: Duration) -> Fault {
    let reads = places.program(supervised).map(|program| program.reads()).unwrap_or_default();
    let seconds = patience.as_secs_f64();
    let text = format!(
        "server {}: what it is started with cannot be looked at within {seconds} s: {reads}; is it on a disk that does not answer?",
        supervised.name
    );
    supervised.fault("", text)
}

fn process(places: &SetupPlaces, supervised: &Supervised, mouth: &Mouth) -> Result<Process, Fault> {
    let needs = || supervised.fault("", format!("server {}: `kind: process` needs a `command`", supervised.name));
    let program = places.program(supervised).ok_or_else(needs)?;
    program.check().map_err(|error| supervised.fault(error.key(), causes(&error)))?;
    let own = Places::of(&places.state_directory, &supervised.name);
    let kept = supervised.runtime.log.unwrap_or_default();
    let process = Process::new(program, own, (kept, &places.limits), mouth.about(supervised.server));
    let acted = supervised.acting.filter(|acting| !acting.repairs).and_then(|acting| acting.since);
    process.map(|process| process.with(&places.oom).after(acted)).map_err(|error| supervised.fault("", causes(&error)))
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

#[cfg(test)]
mod tests {
    use health_spec::registry::Runtime;
    use tokio::{sync::mpsc, time::timeout};
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn server(name: &str, env_file: Option<&str>) -> Supervised {
        let (command, env_file) = (Some("/bin/true".to_owned()), env_file.map(str::to_owned));
        let runtime = Runtime { kind: RuntimeKind::Process, command, env_file, ..Runtime::default() };
        Supervised { entry: 1, ..Supervised::plain(name, runtime) }
    }

    /// A pipe that nobody writes into.
    #[tokio::test]
    async fn a_file_on_a_disk_that_does_not_answer_is_a_fault_and_no_end_of_all_reloads() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("variables");
        rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RWXU).unwrap();
        let places = Arc::new(SetupPlaces {
            engines: vec![],
            state_directory: directory.path().to_owned(),
            registry_directory: directory.path().to_owned(),
            oom: Oom::default(),
            limits: Limits::default(),
        });
        let mouth = Mouth::new(mpsc::channel(1).0, CancellationToken::new());
        let servers = vec![server("a", None), server("b", Some("variables"))];
        let checked = processes(&places, servers, &mouth, Duration::from_millis(100));
        let (prepared, faults) = timeout(Duration::from_secs(30), checked).await.expect("it hangs");
        assert!(prepared.is_empty() && faults.len() == 1, "{faults:?}");
        assert_eq!(faults[0].pointer, "/servers/1/runtime");
        assert!(faults[0].text.starts_with("server b: what it is started with cannot be looked at within 0.1 s"), "{faults:?}");
        assert!(faults[0].text.contains("variables"), "{faults:?}");
        // Whoever looks goes on.
        std::fs::write(file, "A=1\n").unwrap();
    }
}
