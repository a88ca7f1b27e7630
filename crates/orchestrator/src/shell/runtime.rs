//! What runs the servers: child processes of ours, containers of an engine, and units of systemd.
//!
//! The runtimes report what happens to the servers ([`Input::Reported`](crate::machine::Input)) and restart them when told to. They decide
//! nothing, and touch nothing that is not registered.

pub mod container;
mod error;
pub mod life;
mod listening;
mod lives;
mod pause;
mod prepare;
pub mod process;
mod recreating;
pub mod reporter;
mod succession;
mod supervised;
pub mod systemd;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use health_spec::config;
use thiserror::Error;
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::error::ActionError;
pub use self::prepare::Prepared;
pub use self::recreating::Missing;
pub use self::reporter::Reports;
pub use self::supervised::{Acting, Fault, StartError, Supervised};
use self::{
    container::{
        engine::{Engine, Link},
        ledger::{Seen, State},
        listener::Request,
        restart::Container,
    },
    prepare::SetupPlaces,
    process::{in_force::InForce, limits::Limits, oom::Oom, reaper, wire::Wire},
    reporter::Mouth,
    succession::Successions,
};
use crate::machine::{ServerId, Word, input::EngineId};

/// What there is to run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The servers that have a runtime.
    pub servers: Vec<Supervised>,
    /// Container engines; the place in this list is the `EngineId`. Empty: Docker and Podman at their usual sockets.
    pub engines: Vec<config::Engine>,
    /// Where records and logs are kept.
    pub state_directory: PathBuf,
    /// What relative paths in the registry file start at.
    pub registry_directory: PathBuf,
}

/// A container's engine cannot be reached, or has not been asked yet: nothing is known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("its engine does not say how it is")]
pub struct Unseen;

/// Everything that runs servers.
#[derive(Debug)]
pub struct Runtimes {
    handles: std::sync::Mutex<HashMap<ServerId, Handle>>,
    /// How often what runs a server was taken away.
    departures: std::sync::Mutex<HashMap<ServerId, u64>>,
    /// What successors of containers may have to take over.
    successions: Successions,
    /// Those that are listened to.
    engines: std::sync::Mutex<BTreeMap<EngineId, Engine>>,
    /// Likewise, as long as a server holds what it is asked with.
    buses: std::sync::Mutex<BTreeMap<String, mpsc::WeakSender<systemd::listener::Request>>>,
    places: Arc<SetupPlaces>,
    mouth: Mouth,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

/// What runs a server at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incumbent(u64);

/// How to restart a server.
#[derive(Clone, Debug)]
enum Handle {
    /// With what it is started with.
    Process(mpsc::Sender<process::Order>, Wire, InForce),
    /// The lock is held while a restart runs; what it is, and what is known about it, can be asked for all the same.
    Container(Arc<Mutex<Container>>, Arc<Container>),
    Unit(mpsc::Sender<systemd::listener::Request>),
}

impl Runtimes {
    /// Checks everything, then begins to run and watch it. On an error nothing has been started.
    /// What happens from then on comes through `reports`; the caller has to read them.
    ///
    /// When `cancel` is cancelled the child processes are stopped gracefully, which `tasks` waits for; containers are left alone.
    pub async fn start(
        setup: Setup,
        reports: Reports,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
    ) -> Result<Self, StartError> {
        let cancel = cancel.child_token();
        let engines = if setup.engines.is_empty() { config::defaults::engines() } else { setup.engines.clone() };
        let (state_directory, registry_directory) = (setup.state_directory.clone(), setup.registry_directory.clone());
        let runtimes = Self {
            handles: std::sync::Mutex::default(),
            departures: std::sync::Mutex::default(),
            successions: Successions::default(),
            engines: std::sync::Mutex::default(),
            buses: std::sync::Mutex::default(),
            places: Arc::new(SetupPlaces {
                engines,
                state_directory,
                registry_directory,
                oom: Oom::default(),
                limits: Limits::default(),
            }),
            mouth: Mouth::new(reports, cancel.clone()),
            tasks: tasks.clone(),
            cancel,
        };
        let prepared = runtimes.prepare(&setup.servers, &[]).await?;
        runtimes.spawn(runtimes.places.oom.clone().watch(runtimes.cancel.clone()));
        if reaper::is_needed() {
            runtimes.spawn(reaper::reap(runtimes.cancel.clone()));
        }
        runtimes.take(prepared).await;
        Ok(runtimes)
    }

    /// Where records and logs are kept.
    pub fn state_directory(&self) -> &Path {
        &self.places.state_directory
    }

    /// Begins to run and watch them.
    pub async fn take(&self, prepared: Prepared) {
        for (server, process) in prepared.processes {
            let (orders, requests) = mpsc::channel(1);
            self.remember(server, Handle::Process(orders, process.wire(), process.in_force()));
            self.spawn(process.supervise(requests));
        }
        for ready in prepared.engines {
            let (containers, news) = self.listened_to(ready);
            for mut container in containers {
                self.succeed(&mut container).await;
                let (server, same) = (container.server, Arc::new(container.clone()));
                self.remember(server, Handle::Container(Arc::new(Mutex::new(container)), same));
                self.successions.end(server);
            }
            if let Some((engine, registered)) = news {
                engine.watch(registered).await;
            }
        }
        for ready in prepared.buses {
            let servers = ready.servers();
            let requests = self.heard_on(ready).await;
            for server in servers {
                self.remember(server, Handle::Unit(requests.clone()));
            }
        }
    }

    /// The engines that run servers, by name, and whether they are listened to.
    pub fn engines(&self) -> Vec<(String, Link)> {
        let engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        engines.values().map(|engine| (engine.name.clone(), engine.link.borrow().clone())).collect()
    }

    /// What is known about a server's container: its state and the verdict of its own HEALTHCHECK, as the engine's events tell.
    /// `None`: it has none. An error: its engine cannot be reached, or has not been asked yet.
    pub fn container(&self, server: ServerId) -> Option<Result<Seen, Unseen>> {
        let Some(Handle::Container(_, container)) = self.handle(server) else { return None };
        let seen = *container.seen.borrow();
        Some(seen.ok_or(Unseen))
    }

    /// A server is no longer registered: it is left alone, running or not. Returns when nothing is done to a child of it any more: should
    /// it be registered again, whoever runs it then must not meet a restart that has only half been done.
    pub async fn let_go(&self, server: ServerId) {
        *self.departures.lock().unwrap_or_else(PoisonError::into_inner).entry(server).or_default() += 1;
        match self.depart(server) {
            None => {}
            Some(Handle::Process(orders, ..)) => {
                let (answer, left_alone) = oneshot::channel();
                // They have ended when this fails.
                let _ = orders.send(process::Order::LetGo(answer)).await;
                let _ = left_alone.await;
            }
            Some(Handle::Container(container, _)) => {
                let container = container.lock().await;
                let _ = container.requests.send(Request::Forget(container.server)).await;
                if !container.unsettled {
                    self.successions.end(server);
                }
            }
            Some(Handle::Unit(requests)) => drop(requests.send(systemd::listener::Request::Forget(server)).await),
        }
    }

    /// A child process is configured otherwise from its next start on, a container from the next action on; `false` when there is
    /// nothing of the kind.
    pub async fn become_otherwise(&self, supervised: &Supervised) -> bool {
        match self.handle(supervised.server) {
            Some(Handle::Process(orders, _, in_force)) => {
                let Some(program) = self.places.program(supervised) else { return false };
                // A restart that runs now is to start it.
                in_force.become_otherwise(program);
                let kept = supervised.runtime.log.unwrap_or_default();
                orders.send(process::Order::Become(kept)).await.is_ok()
            }
            Some(Handle::Container(container, _)) => {
                container.lock().await.consent.clone_from(&supervised.consent);
                true
            }
            Some(Handle::Unit(_)) | None => false,
        }
    }

    /// What a child process with `stdio: mcp` is spoken with through; `None` when there is no such child.
    pub fn wire(&self, server: ServerId) -> Option<Wire> {
        match self.handle(server)? {
            Handle::Process(_, wire, _) => Some(wire),
            Handle::Container(..) | Handle::Unit(_) => None,
        }
    }

    /// How long it may take until the last child process has ended: as long as the most patient `stop` says.
    pub fn longest_end(&self) -> Duration {
        let handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = handles.values().filter_map(|handle| match handle {
            Handle::Process(_, _, in_force) => Some(in_force.end()),
            Handle::Container(..) | Handle::Unit(_) => None,
        });
        ends.max().unwrap_or_default()
    }

    /// What runs a server now. It is another one once that has been let go.
    pub fn incumbent(&self, server: ServerId) -> Incumbent {
        Incumbent(self.departures.lock().unwrap_or_else(PoisonError::into_inner).get(&server).copied().unwrap_or_default())
    }

    /// An error once what runs a server is another one than it was: what was decided about that one is not done to this one.
    pub fn is_still(&self, server: ServerId, incumbent: Incumbent) -> Result<(), ActionError> {
        if self.incumbent(server) == incumbent { Ok(()) } else { Err(ActionError::Replaced) }
    }

    /// What an attempt was about has been replaced meanwhile: should the new one run, that is a start, and not for the attempt to judge.
    pub async fn tell_of_successor(&self, server: ServerId, incumbent: Incumbent) {
        let runs = || match self.container(server) {
            Some(Ok(seen)) => seen.state == State::Running,
            Some(Err(Unseen)) => false,
            None => true,
        };
        if self.incumbent(server) != incumbent && runs() {
            self.mouth.about(server).say(Word::Started).await;
        }
    }

    /// The same in a task, however long that takes.
    pub fn let_go_beside(self: &Arc<Self>, server: ServerId) -> JoinHandle<()> {
        let runtimes = Arc::clone(self);
        self.spawn(async move {
            runtimes.let_go(server).await;
            runtimes.successions.end(server);
        })
    }

    fn remember(&self, server: ServerId, handle: Handle) {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).insert(server, handle);
    }

    fn handle(&self, server: ServerId) -> Option<Handle> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).get(&server).cloned()
    }

    /// Stops a server, gracefully and then by force, and starts it again; one restart at a time for a server.
    /// Returns when that has ended. Dropping the future does not stop it.
    pub async fn restart(&self, server: ServerId) -> Result<(), ActionError> {
        match self.handle(server).ok_or(ActionError::Unmanaged)? {
            Handle::Process(orders, ..) => {
                let (answer, ended) = oneshot::channel();
                orders.send(process::Order::Restart(answer)).await.map_err(|_| ActionError::ShuttingDown)?;
                Ok(ended.await.map_err(|_| ActionError::ShuttingDown)??)
            }
            Handle::Container(container, _) => {
                let mut container = container.lock_owned().await;
                let restarted = self.spawn(async move { container.bring_back().await.map_err(|error| container.failure(error)) });
                Ok(restarted.await.map_err(|_| ActionError::ShuttingDown)??)
            }
            Handle::Unit(requests) => {
                let (answer, ended) = oneshot::channel();
                let request = systemd::listener::Request::Restart(server, answer);
                requests.send(request).await.map_err(|_| ActionError::ShuttingDown)?;
                Ok(ended.await.map_err(|_| ActionError::ShuttingDown)??)
            }
        }
    }

    /// The caller's tracker waits for it. Everything ends on its own after `cancel`.
    fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.tasks.spawn(task)
    }
}
