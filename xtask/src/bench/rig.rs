//! A release orchestrator over a given registry, and a reader of its events.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::api::Client;
use crate::event::{Event, Log};
use crate::interrupt::Interrupt;
use crate::orchestrator::{Orchestrator, Setup};
use crate::outcome::{Context, Failure, Outcome};
use crate::registry::{self, Entry};
use crate::workspace;

/// How often events and statuses are read; figures come from the events' own timestamps.
const PACE: Duration = Duration::from_millis(50);
/// No measurement waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(120);

/// One that runs.
pub(super) struct Rig<'a> {
    orchestrator: Orchestrator,
    interrupt: &'a Interrupt,
    client: Client,
    api: String,
    log: Log,
    servers: usize,
}

impl<'a> Rig<'a> {
    /// Starts it and waits until every server is up.
    pub(super) fn start(settings: &str, servers: &[Entry], interrupt: &'a Interrupt) -> Outcome<Self> {
        let folder = workspace::fresh_folder("bench")?;
        let registry = folder.join("registry.yaml");
        registry::write(&registry, settings, servers)?;
        // Elsewhere than the registry: its directory is watched.
        let state = folder.join("state");
        std::fs::create_dir(&state).context(format_args!("create {}", state.display()))?;
        let address = registry::free_addresses(1)?[0];
        let program = workspace::binary("release", "orchestrator");
        let setup = Setup { program: &program, registry: &registry, state: &state, api: address, dashboard: None };
        let orchestrator = Orchestrator::start(&setup)?;
        let api = format!("http://{address}");
        let client = Client::new(Duration::from_secs(10));
        let mut rig = Self { orchestrator, interrupt, client, log: Log::new(&api), api, servers: servers.len() };
        rig.orchestrator.wait_until_ready(&[format!("{}/health", rig.api)], interrupt)?;
        rig.wait_until_up()?;
        Ok(rig)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.orchestrator.pid()
    }

    /// Waits until every server is `ok`.
    pub(super) fn wait_until_up(&mut self) -> Outcome {
        let url = format!("{}/servers", self.api);
        self.wait("every server to be ok", |rig| {
            let snapshot = rig.client.json(&url).map_err(Failure::new)?;
            let views = snapshot["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
            let ok = views.iter().filter(|view| view["status"] == "ok").count();
            Ok((ok == rig.servers).then_some(()))
        })
    }

    /// Reads past what has happened so far.
    pub(super) fn forget(&mut self) -> Outcome {
        self.log.read().map(drop).map_err(Failure::new)
    }

    /// Waits until a server has gone down and come back; both events.
    pub(super) fn wait_for_fall_and_rise(&mut self) -> Outcome<(Event, Event)> {
        let mut fall = None;
        self.wait("server_down and recovery_successful", |rig| {
            for event in rig.log.read().map_err(Failure::new)? {
                match event.kind.as_str() {
                    "server_down" => fall = Some(event),
                    "recovery_successful" | "server_recovered" => return Ok(fall.take().map(|fall| (fall, event))),
                    "recovery_exhausted" => return Err(Failure::new("the server was given up")),
                    _ => {}
                }
            }
            Ok(None)
        })
    }

    /// Lets time pass while the orchestrator is alone.
    pub(super) fn leave_alone(&mut self, how_long: Duration) -> Outcome {
        self.go_on(how_long)
    }

    /// Stops it.
    pub(super) fn stop(self) -> Outcome {
        self.orchestrator.stop()
    }

    fn wait<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Outcome<Option<T>>) -> Outcome<T> {
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            self.go_on(PACE)?;
        }
        Err(Failure::new(format!("waited {} s in vain for {what}", DEADLINE.as_secs())))
    }

    fn go_on(&mut self, how_long: Duration) -> Outcome {
        self.orchestrator.check_alive()?;
        if self.interrupt.pause(how_long) { Ok(()) } else { Err(Failure::new("interrupted")) }
    }
}

/// The sample server, in release.
pub(super) fn sample_server() -> PathBuf {
    workspace::binary("release", "sample-server")
}
