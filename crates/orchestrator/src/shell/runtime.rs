//! What runs the servers: child processes of ours, and containers of an engine.
//!
//! The runtimes report what happens to the servers ([`Input::Reported`](crate::machine::Input)) and restart them when told to. They decide
//! nothing, and touch nothing that is not registered.

pub mod docker;
pub mod process;
pub mod reporter;

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use health_spec::{
    config::Engine,
    registry::{Runtime, RuntimeKind},
};
use thiserror::Error;
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::reporter::Reports;
use self::{
    docker::{
        Ready,
        restart::{Container, RestartError},
    },
    process::{Process, ProcessError, child::Program, places::Places},
    reporter::Mouth,
};
use crate::machine::{ServerId, input::EngineId};
use crate::shell::causes::causes;

/// What there is to run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The servers that have a runtime.
    pub servers: Vec<Supervised>,
    /// Container engines; the place in this list is the `EngineId`. Empty: Docker's own socket, called `local`.
    pub engines: Vec<Engine>,
    /// Where records and logs are kept.
    pub state_directory: PathBuf,
    /// What relative paths in the registry file start at.
    pub registry_directory: PathBuf,
}

/// A server and what runs it.
#[derive(Clone, Debug)]
pub struct Supervised {
    /// Its place in the fleet.
    pub server: ServerId,
    /// Its unique name.
    pub name: String,
    /// What runs it.
    pub runtime: Runtime,
    /// How long it may take to end before it is killed. Default: 5 s for a process, 10 s for a container.
    pub stop_timeout: Option<Duration>,
    /// An earlier run of ours has begun a restart and did not see its end.
    pub acting: bool,
}

/// What cannot be run as configured: everything at once.
#[derive(Debug, Error)]
#[error("{}", .faults.iter().map(|fault| fault.text.as_str()).collect::<Vec<_>>().join("; "))]
pub struct StartError {
    /// Never empty.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where in the configuration, as a JSON pointer; `/servers/N` is the server with `ServerId(N)`.
    pub pointer: String,
    /// A sentence for people.
    pub text: String,
}

/// An action erred.
#[derive(Debug, Error)]
pub enum ActionError {
    /// Nothing runs this server, as far as we know.
    #[error("the server has no runtime: it is only watched")]
    Unmanaged,
    /// The runtimes have been shut down.
    #[error("the orchestrator is shutting down")]
    ShuttingDown,
    /// A child process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A container.
    #[error(transparent)]
    Docker(#[from] RestartError),
}

/// Everything that runs servers.
#[derive(Debug)]
pub struct Runtimes {
    handles: HashMap<ServerId, Handle>,
    ours: TaskTracker,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

/// How to restart a server.
#[derive(Debug)]
enum Handle {
    Process(mpsc::Sender<process::Restart>),
    /// The lock is held while a restart runs.
    Container(Arc<Mutex<Container>>),
}

impl Runtimes {
    /// Checks everything, then begins to run and watch it. On an error nothing has been started.
    /// What happens from then on comes through `reports`; the caller has to read them.
    ///
    /// When `cancel` is cancelled the child processes are stopped gracefully, which `tasks` waits for.
    pub async fn start(
        setup: Setup,
        reports: Reports,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
    ) -> Result<Self, StartError> {
        let cancel = cancel.child_token();
        let mouth = Mouth::new(reports, cancel.clone());
        let mut faults = Vec::new();
        let processes = processes(&setup, &mouth, &mut faults);
        let engines = engines(&setup, &mouth, &mut faults).await;
        if !faults.is_empty() {
            return Err(StartError { faults });
        }
        let mut runtimes = Self { handles: HashMap::new(), ours: TaskTracker::new(), tasks: tasks.clone(), cancel };
        for (server, process) in processes {
            runtimes.supervise(server, process);
        }
        for engine in engines {
            runtimes.listen(engine);
        }
        Ok(runtimes)
    }

    fn supervise(&mut self, server: ServerId, process: Process) {
        let (restarts, requests) = mpsc::channel(1);
        self.handles.insert(server, Handle::Process(restarts));
        self.spawn(process.supervise(requests));
    }

    fn listen(&mut self, engine: Ready) {
        let containers = engine.containers.into_iter();
        self.handles.extend(containers.map(|(server, container)| (server, Handle::Container(Arc::new(Mutex::new(container))))));
        self.spawn(engine.listener.run(engine.client));
    }

    /// Stops a server, gracefully and then by force, and starts it again; one restart at a time for a server.
    /// Returns when that has ended. Dropping the future does not stop it.
    pub async fn restart(&self, server: ServerId) -> Result<(), ActionError> {
        match self.handles.get(&server).ok_or(ActionError::Unmanaged)? {
            Handle::Process(restarts) => {
                let (answer, ended) = oneshot::channel();
                restarts.send(answer).await.map_err(|_| ActionError::ShuttingDown)?;
                Ok(ended.await.map_err(|_| ActionError::ShuttingDown)??)
            }
            Handle::Container(container) => {
                let container = Arc::clone(container).lock_owned().await;
                let restarted = self.spawn(async move { container.clone().restart().await });
                Ok(restarted.await.map_err(|_| ActionError::ShuttingDown)??)
            }
        }
    }

    /// Stops the child processes gracefully and leaves containers alone. Returns when all have ended.
    pub async fn shut_down(self) {
        self.cancel.cancel();
        self.ours.close();
        self.ours.wait().await;
    }

    /// The caller's tracker waits for it, and so does [`Self::shut_down`]. Everything ends on its own after `cancel`.
    fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.tasks.spawn(self.ours.track_future(task))
    }
}

impl Supervised {
    /// Something is wrong at a key of its runtime.
    fn fault(&self, key: &str, text: String) -> Fault {
        Fault { pointer: format!("/servers/{}/runtime{key}", self.server.0), text }
    }
}

fn processes(setup: &Setup, mouth: &Mouth, faults: &mut Vec<Fault>) -> Vec<(ServerId, Process)> {
    let mut processes = Vec::new();
    for supervised in setup.servers.iter().filter(|supervised| supervised.runtime.kind == RuntimeKind::Process) {
        match process(setup, supervised, mouth) {
            Ok(process) => processes.push((supervised.server, process)),
            Err(fault) => faults.push(fault),
        }
    }
    processes
}

fn process(setup: &Setup, supervised: &Supervised, mouth: &Mouth) -> Result<Process, Fault> {
    let needs = || supervised.fault("", format!("server {}: `kind: process` needs a `command`", supervised.name));
    let program = Program::of(&supervised.runtime, &setup.registry_directory).ok_or_else(needs)?;
    let places = Places::of(&setup.state_directory, &supervised.name);
    let patience = supervised.stop_timeout.unwrap_or(process::STOP_TIMEOUT);
    Process::new(program, patience, places, mouth.about(supervised.server)).map_err(|error| supervised.fault("", causes(&error)))
}

/// Engines that run none of the servers are left alone.
async fn engines(setup: &Setup, mouth: &Mouth, faults: &mut Vec<Fault>) -> Vec<Ready> {
    let engines = if setup.engines.is_empty() { vec![health_spec::config::defaults::engine()] } else { setup.engines.clone() };
    let mut servers: Vec<Vec<&Supervised>> = vec![Vec::new(); engines.len()];
    for supervised in setup.servers.iter().filter(|supervised| supervised.runtime.kind == RuntimeKind::Docker) {
        let wanted = supervised.runtime.engine.as_deref().unwrap_or(&engines[0].name);
        match engines.iter().position(|engine| engine.name == wanted) {
            Some(at) => servers[at].push(supervised),
            None => faults.push(supervised.fault("/engine", format!("there is no engine \"{wanted}\" in `engines`"))),
        }
    }
    let mut ready = Vec::new();
    for (at, engine) in engines.iter().enumerate().filter(|(at, _)| !servers[*at].is_empty()) {
        match docker::ready(EngineId(at), engine, &servers[at], mouth).await {
            Ok(engine) => ready.push(engine),
            Err(found) => faults.extend(found),
        }
    }
    ready
}
