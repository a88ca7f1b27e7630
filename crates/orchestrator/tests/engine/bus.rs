//! A real message bus, and on it a stand-in for systemd: the part of its manager that the orchestrator speaks with.
//!
//! systemd itself has to be a machine's first process, which no test can ask for. The stand-in keeps to what
//! `org.freedesktop.systemd1(5)` says: names, types, and the order of signals.

#[path = "bus/objects.rs"]
mod objects;
#[path = "bus/others.rs"]
mod others;
#[path = "bus/refusal.rs"]
mod refusal;

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use zbus::{Connection, OwnedObjectPath, Variant, connection, fdo, interface};

use objects::{Service, Unit, path_of};
use refusal::Refusal;

const MANAGER: &str = "/org/freedesktop/systemd1";

/// A message bus at a path; ends with it.
pub(crate) struct Bus {
    daemon: Child,
    pub(crate) address: String,
}

impl Bus {
    pub(crate) fn start(directory: &Path) -> Self {
        Self::start_with(directory, "")
    }

    /// With a further rule of policy.
    pub(crate) fn start_with(directory: &Path, rule: &str) -> Self {
        let (socket, config) = (directory.join("bus"), directory.join("bus.conf"));
        let _ = std::fs::remove_file(&socket);
        let text = format!(
            "<busconfig><type>custom</type><listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context='default'>\
             <allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/>{rule}</policy></busconfig>",
            socket.display()
        );
        std::fs::write(&config, text).expect("written");
        let mut daemon = Command::new("dbus-daemon");
        daemon.arg("--nofork").arg("--print-address").arg(format!("--config-file={}", config.display()));
        let mut daemon = daemon.stdout(Stdio::piped()).spawn().expect("Debian's package dbus-daemon is installed");
        let mut line = String::new();
        BufReader::new(daemon.stdout.take().expect("piped")).read_line(&mut line).expect("an address");
        assert!(line.starts_with("unix:path="), "{line}");
        Self { daemon, address: format!("unix:path={}", socket.display()) }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// What a restart does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Restart {
    /// It helps.
    #[default]
    Works,
    /// systemd has enough of it.
    StartLimit,
    /// This user may not.
    Forbidden,
    /// Its job does not end.
    Never,
}

/// A unit's state, as it is told.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) load: &'static str,
    pub(crate) active: &'static str,
    pub(crate) sub: &'static str,
    pub(crate) result: &'static str,
    /// `CLD_EXITED` and so on, and the number that belongs to it.
    pub(crate) ended: (i32, i32),
    pub(crate) invocation: u8,
    pub(crate) restarts: u32,
    pub(crate) on_restart: Restart,
    /// Restarts that were asked for.
    pub(crate) asked: u32,
    /// Those that it has refused, since somebody else's job was in the way.
    pub(crate) refused: u32,
    /// The number of its job; 0: none.
    pub(crate) job: u32,
    /// What that does.
    pub(crate) job_kind: &'static str,
    /// In microseconds.
    pub(crate) patience: u64,
    /// It dies right before it is asked about so many more times; 0: it does not.
    pub(crate) dies_when_asked: u32,
    /// When its main process was started, in microseconds.
    pub(crate) started: u64,
    /// `MemoryMax=`, in bytes.
    pub(crate) memory_max: u64,
    /// `Environment=`.
    pub(crate) environment: &'static [&'static str],
    /// `EnvironmentFile=`, each with whether it may be missing.
    pub(crate) environment_files: Vec<(String, bool)>,
}

impl State {
    pub(crate) fn running() -> Self {
        Self {
            load: "loaded",
            active: "active",
            sub: "running",
            result: "success",
            ended: (0, 0),
            invocation: 1,
            restarts: 0,
            on_restart: Restart::Works,
            asked: 0,
            refused: 0,
            job: 0,
            job_kind: "",
            patience: 90_000_000,
            dies_when_asked: 0,
            // 2026-01-02T03:04:05.25Z
            started: 1_767_323_045_250_000,
            memory_max: u64::MAX,
            environment: &[],
            environment_files: Vec::new(),
        }
    }

    /// A unit that cannot be started.
    pub(crate) fn unusable(load: &'static str) -> Self {
        Self { load, active: "inactive", sub: "dead", ..Self::running() }
    }

    fn is(&mut self, active: &'static str, sub: &'static str) {
        (self.active, self.sub) = (active, sub);
    }

    fn dies_of(&mut self, signal: i32) {
        self.is("failed", "failed");
        (self.result, self.ended) = ("signal", (2, signal));
    }
}

type Units = Arc<Mutex<HashMap<String, State>>>;

/// systemd's stand-in on a bus.
pub(crate) struct Systemd {
    scheduler: tokio::runtime::Runtime,
    connection: Connection,
    units: Units,
}

impl Systemd {
    pub(crate) fn start(bus: &Bus, units: &[(&str, State)]) -> Self {
        let scheduler = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let state: Units = Arc::new(Mutex::new(units.iter().map(|(name, state)| ((*name).to_owned(), state.clone())).collect()));
        let connection = scheduler.block_on(async {
            let manager = Manager { units: Arc::clone(&state), subscribers: AtomicU32::new(0) };
            let mut builder = connection::Builder::address(bus.address.as_str()).serve_at(MANAGER, manager);
            for (name, _) in units {
                let (name, units) = ((*name).to_owned(), Arc::clone(&state));
                builder = builder.serve_at(path_of(&name), Service { name: name.clone(), units: Arc::clone(&units) });
                builder = builder.serve_at(path_of(&name), Unit { name, units });
            }
            builder.name("org.freedesktop.systemd1").build().await.expect("systemd's name")
        });
        Self { scheduler, connection, units: state }
    }

    pub(crate) fn state(&self, unit: &str) -> State {
        self.units.lock().expect("not poisoned")[unit].clone()
    }

    /// Without a word: for what nobody sees happen.
    pub(crate) fn set(&self, unit: &str, change: impl FnOnce(&mut State)) {
        change(self.units.lock().expect("not poisoned").get_mut(unit).expect("a unit"));
    }

    /// Something happens to a unit, and is told.
    pub(crate) fn happens(&self, unit: &str, change: impl FnOnce(&mut State)) {
        self.set(unit, change);
        self.scheduler.block_on(tell(&self.connection, unit, &self.state(unit)));
    }

    /// A main process is killed by a signal, and `Restart=no`.
    pub(crate) fn dies(&self, unit: &str, signal: i32) {
        self.happens(unit, |state| state.dies_of(signal));
    }

    /// How many others are on the bus.
    pub(crate) fn others(&self) -> usize {
        let bus = "org.freedesktop.DBus";
        let asked = self.connection.call_method(Some(bus), "/org/freedesktop/DBus", Some(bus), "ListNames", &());
        // Whoever asks may be waiting on a runtime, on which nobody may wait for another one.
        let wait = || self.scheduler.block_on(asked);
        let answer = std::thread::scope(|scope| scope.spawn(wait).join()).expect("no panic").expect("an answer");
        let names: Vec<String> = answer.body().deserialize().expect("names");
        names.iter().filter(|name| name.starts_with(':')).count() - 1
    }

    /// systemd leaves the bus for a moment, as in `systemctl daemon-reexec`.
    pub(crate) fn leaves(&self) {
        self.scheduler.block_on(self.connection.release_name("org.freedesktop.systemd1")).expect("released");
    }

    pub(crate) fn comes_back(&self) {
        self.scheduler.block_on(self.connection.request_name("org.freedesktop.systemd1")).expect("requested");
    }
}

/// Somebody else on the bus says that a unit has failed.
pub(crate) fn lie(bus: &Bus, unit: &str) {
    let scheduler = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    scheduler.block_on(async {
        let liar = connection::Builder::address(bus.address.as_str()).build().await.expect("a connection");
        let state = State { active: "failed", sub: "failed", result: "signal", ended: (2, 9), ..State::running() };
        tell(&liar, unit, &state).await;
        liar.graceful_shutdown().await;
    });
}

/// As systemd does: the service's properties first, then the unit's.
async fn tell(connection: &Connection, unit: &str, state: &State) {
    let service = HashMap::from([
        ("Result", Variant::from(state.result)),
        ("ExecMainCode", Variant::from(state.ended.0)),
        ("ExecMainStatus", Variant::from(state.ended.1)),
        ("NRestarts", Variant::from(state.restarts)),
    ]);
    let general = HashMap::from([
        ("ActiveState", Variant::from(state.active)),
        ("SubState", Variant::from(state.sub)),
        ("InvocationID", Variant::from(vec![state.invocation])),
    ]);
    for (interface, values) in [("org.freedesktop.systemd1.Service", service), ("org.freedesktop.systemd1.Unit", general)] {
        let body = (interface, values, Vec::<&str>::new());
        let properties = "org.freedesktop.DBus.Properties";
        connection.emit_signal(None::<&str>, path_of(unit), properties, "PropertiesChanged", &body).await.expect("told");
    }
}

fn job_path(number: u32) -> OwnedObjectPath {
    OwnedObjectPath::try_from(format!("{MANAGER}/job/{number}")).expect("a path")
}

/// Whoever asks for its properties may be overtaken by what happens.
async fn asked(connection: &Connection, units: &Units, unit: &str) {
    let dead = {
        let mut units = units.lock().expect("not poisoned");
        let state = units.get_mut(unit).expect("a unit");
        let dies = state.dies_when_asked == 1;
        state.dies_when_asked = state.dies_when_asked.saturating_sub(1);
        dies.then(|| {
            state.dies_of(9);
            state.clone()
        })
    };
    if let Some(dead) = dead {
        tell(connection, unit, &dead).await;
    }
}

async fn signal<B: serde::Serialize + zbus::DynamicType>(connection: &Connection, name: &str, body: &B) {
    let manager = "org.freedesktop.systemd1.Manager";
    connection.emit_signal(None::<&str>, MANAGER, manager, name, body).await.expect("told");
}

struct Manager {
    units: Units,
    subscribers: AtomicU32,
}

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    fn subscribe(&self) {
        self.subscribers.fetch_add(1, Ordering::Relaxed);
    }

    fn load_unit(&self, name: &str) -> fdo::Result<OwnedObjectPath> {
        let known = self.units.lock().expect("not poisoned").contains_key(name);
        if known { Ok(path_of(name)) } else { Err(fdo::Error::InvalidArgs(format!("no unit {name} in this test"))) }
    }

    #[expect(clippy::unused_async, reason = "the bus calls it so")]
    async fn restart_unit(
        &self,
        name: &str,
        mode: &str,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<OwnedObjectPath, Refusal> {
        let (number, kind) = {
            let mut units = self.units.lock().expect("not poisoned");
            let state = units.get_mut(name).ok_or_else(|| fdo::Error::InvalidArgs("no such unit".to_owned()))?;
            if mode == "fail" && state.job_kind == "stop" {
                state.refused += 1;
                return Err(Refusal::InTheWay);
            }
            state.asked += 1;
            (state.asked, state.on_restart)
        };
        if matches!(kind, Restart::Forbidden) {
            let text = "Interactive authentication required.".to_owned();
            return Err(fdo::Error::InteractiveAuthorizationRequired(text).into());
        }
        let job = job_path(number);
        let (units, name, connection) = (Arc::clone(&self.units), name.to_owned(), connection.clone());
        let path = job.clone();
        tokio::spawn(async move { carry_out(&connection, &units, &name, (number, &path), kind).await });
        Ok(job)
    }
}

async fn carry_out(connection: &Connection, units: &Units, name: &str, job: (u32, &OwnedObjectPath), kind: Restart) {
    signal(connection, "JobNew", &(job.0, job.1, name)).await;
    let become_ = |change: &dyn Fn(&mut State)| {
        let mut units = units.lock().expect("not poisoned");
        let state = units.get_mut(name).expect("a unit");
        change(state);
        state.clone()
    };
    let result = match kind {
        Restart::Never => return,
        Restart::Works | Restart::Forbidden => {
            let down = become_(&|state| state.is("inactive", "dead"));
            tell(connection, name, &down).await;
            let up = become_(&|state| {
                state.is("active", "running");
                state.invocation = state.invocation.wrapping_add(1);
                state.result = "success";
            });
            tell(connection, name, &up).await;
            "done"
        }
        Restart::StartLimit => {
            let limited = become_(&|state| {
                state.is("failed", "failed");
                state.result = "start-limit-hit";
            });
            tell(connection, name, &limited).await;
            "failed"
        }
    };
    signal(connection, "JobRemoved", &(job.0, job.1, name, result)).await;
}
