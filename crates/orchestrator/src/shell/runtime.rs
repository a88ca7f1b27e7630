//! What runs the servers: child processes of ours, and containers of an engine.
//!
//! The runtimes report what happens to the servers ([`Input::Reported`](crate::machine::Input)) and restart them when told to. They decide
//! nothing, and touch nothing that is not registered.

pub mod process;
pub mod reporter;

use std::{collections::HashMap, error::Error, path::PathBuf, time::Duration};

use health_spec::{
    config::Engine,
    registry::{Runtime, RuntimeKind},
};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::reporter::Reports;
use self::{
    process::{Places, Process, ProcessError, child::Program},
    reporter::Mouth,
};
use crate::machine::ServerId;

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
    /// How long it may take to end before it is killed.
    pub stop_timeout: Duration,
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
}

/// Everything that runs servers.
#[derive(Debug)]
pub struct Runtimes {
    handles: HashMap<ServerId, mpsc::Sender<process::Restart>>,
    tasks: TaskTracker,
    cancel: CancellationToken,
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
        if !faults.is_empty() {
            return Err(StartError { faults });
        }
        let mut runtimes = Self { handles: HashMap::new(), tasks: TaskTracker::new(), cancel };
        for (server, process) in processes {
            let (restarts, requests) = mpsc::channel(1);
            runtimes.handles.insert(server, restarts);
            tasks.spawn(runtimes.tasks.track_future(process.supervise(requests)));
        }
        runtimes.tasks.close();
        Ok(runtimes)
    }

    /// Stops a server, gracefully and then by force, and starts it again; one restart at a time for a server.
    /// Returns when that has ended. Dropping the future does not stop it.
    pub async fn restart(&self, server: ServerId) -> Result<(), ActionError> {
        let restarts = self.handles.get(&server).ok_or(ActionError::Unmanaged)?;
        let (answer, ended) = oneshot::channel();
        restarts.send(answer).await.map_err(|_| ActionError::ShuttingDown)?;
        ended.await.map_err(|_| ActionError::ShuttingDown)?.map_err(ActionError::from)
    }

    /// Stops the child processes gracefully and leaves containers alone. Returns when all have ended.
    pub async fn shut_down(self) {
        self.cancel.cancel();
        self.tasks.wait().await;
    }
}

impl ActionError {
    /// The error and its causes in one line.
    pub fn cause(&self) -> String {
        explain(self)
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
    let at = |key: &str, text: String| Fault { pointer: format!("/servers/{}/runtime{key}", supervised.server.0), text };
    let program = Program::of(&supervised.runtime, &setup.registry_directory)
        .ok_or_else(|| at("", format!("server {}: `kind: process` needs a `command`", supervised.name)))?;
    let places = Places::of(&setup.state_directory, &supervised.name);
    Process::new(program, supervised.stop_timeout, places, mouth.about(supervised.server))
        .map_err(|error| at("", explain(&error)))
}

/// An error and its causes in one line.
fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
