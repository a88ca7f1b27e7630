//! `orchestrator run`: puts the parts together, in the order in which failing is cheapest, and takes them apart again.
//!
//! Nothing is started before everything that can be checked has been: the file, the ports, the state directory, the engines.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use health_endpoint::Health;
use health_spec::EventKind;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::actions::Actions;
use super::api::{self, Api, OperatorToken};
use super::clock::{Clock, wall};
use super::config::Problem;
use super::driver::{Driver, ServerFile, Unwritten};
#[cfg(feature = "gateway")]
use super::embed::BoundGateway;
use super::journal::{Journal, Jsonl};
use super::plan::Plan;
use super::published::Published;
use super::runtime::{Runtimes, Setup, StartError};
use super::store::{Left, Store, StoreError};
use super::view::{Known, view};
use super::writer::Writer;
use crate::machine::fleet::Beginning;
use crate::machine::memory::Recovery;
use crate::machine::{Effect, Fleet, Happened, Input};

mod error;

pub use error::ServeError;

/// Inputs that may wait for the driver.
const INBOX: usize = 1_024;

/// How long everything may take to end.
const DRAIN: Duration = Duration::from_secs(12);

/// What `run` was asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where the embedded gateway listens, if there is to be one.
    pub gateway: Option<SocketAddr>,
    /// Where everything is kept.
    pub state_directory: PathBuf,
    /// The instance's name.
    pub name: String,
    /// The operator token's file, instead of the one in the state directory.
    pub operator_token_file: Option<PathBuf>,
    /// Listen beyond loopback although anybody may read then.
    pub insecure: bool,
    /// `CHORA_TRACE_ID`.
    pub trace_id: Option<String>,
}

impl Settings {
    fn unusable(&self, source: StoreError) -> ServeError {
        ServeError::State { directory: self.state_directory.clone(), source }
    }
}

/// Everything that is bound and checked, before anything is started.
struct Ready {
    listener: TcpListener,
    bound: SocketAddr,
    #[cfg(feature = "gateway")]
    gateway: Option<BoundGateway>,
    store: Store,
    left: Left,
    token: OperatorToken,
}

/// Runs until `shutdown`. `announce` is called once, with the bound addresses, when everything serves.
pub async fn serve(
    mut plan: Plan,
    settings: Settings,
    shutdown: CancellationToken,
    announce: impl FnOnce(SocketAddr, Option<SocketAddr>),
) -> Result<(), ServeError> {
    let ready = prepare(&settings).await?;
    let tasks = TaskTracker::new();
    let running = CancellationToken::new();
    let children = CancellationToken::new();
    let (inbox, reports) = mpsc::channel(INBOX);
    let (operations, wishes) = mpsc::channel(64);

    let known = Known { source: settings.name.clone(), epoch: ready.left.epoch.clone() };
    let clock = Clock::resume(ready.left.first_start, ready.left.last);
    let beginning = Beginning { memory: ready.left.memory(), spread: true };
    let (fleet, begun) = Fleet::new(plan.policies.clone(), &beginning, clock.now());
    for supervised in &mut plan.supervised {
        let left = beginning.memory.servers.get(&supervised.name);
        supervised.acting = left.is_some_and(|left| matches!(left.recovery, Recovery::Acting { .. }));
    }
    let files = files(&plan, &ready.left);
    let views = fleet.servers().iter().zip(&files);
    let views = views.map(|(server, file)| view(&known, file.group.clone(), server, file.last_check.clone(), &clock)).collect();
    let published = Arc::new(Published::new(known.clone(), ready.left.seq, wall(), views));
    let log = Arc::new(Mutex::new(ready.store.reader().map_err(|source| settings.unusable(source))?));
    let jsonl = jsonl(&plan, &settings, &ready)?;

    let runtimes = runtimes(&plan, &settings, inbox.clone(), &tasks, &children).await?;
    let (journal, journal_thread) = Journal::start(ready.store, jsonl).map_err(ServeError::Thread)?;
    let trace_ids = plan.entries.iter().map(|entry| entry.trace_id.clone()).collect();
    let trace_id = settings.trace_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let driver = Driver {
        clock,
        journal,
        writer: Writer::new(known, ready.left.seq, trace_id, trace_ids),
        published: Arc::clone(&published),
        files,
        actions: Actions { targets: plan.targets.into(), runtimes: Arc::new(runtimes), inbox, tasks: tasks.clone() },
        inbox: reports,
        operations: wishes,
        unwritten: Unwritten::default(),
        fleet,
    };
    let effects = [vec![monitor_started(&clock)], begun].concat();
    let driver = tasks.spawn(driver.run(effects, running.clone()));

    let health = Health::builder("orchestrator").version(env!("CARGO_PKG_VERSION")).build();
    let api = Api {
        published: Arc::clone(&published),
        log,
        registry: plan.registry,
        operations,
        operator_token: ready.token,
        shutdown: running.clone(),
    };
    let router = api::router(api, &health, ready.bound);
    let server = axum::serve(nodelay(ready.listener), router).with_graceful_shutdown(running.clone().cancelled_owned());
    tasks.spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the API has stopped");
        }
    });
    #[cfg(feature = "gateway")]
    let gateway = ready.gateway.map(|gateway| gateway.start(&published, &tasks, &running));
    #[cfg(not(feature = "gateway"))]
    let gateway = None;
    announce(ready.bound, gateway);

    shutdown.cancelled().await;
    health.set_draining(true);
    running.cancel();
    if let Err(error) = driver.await {
        tracing::error!(%error, "the driver has failed");
    }
    children.cancel();
    tasks.close();
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::warn!("not everything ended within {} s", DRAIN.as_secs());
    }
    journal_thread.join().map_err(|_| ServeError::JournalPanicked)
}

async fn prepare(settings: &Settings) -> Result<Ready, ServeError> {
    let listener = bind(settings.listen, "--listen", settings.insecure).await?;
    let bound =
        listener.local_addr().map_err(|source| ServeError::Bind { address: settings.listen, flag: "--listen", source })?;
    #[cfg(feature = "gateway")]
    let gateway = match settings.gateway {
        Some(address) => Some(BoundGateway::bind(address, settings.insecure).await?),
        None => None,
    };
    let mut store = Store::open(&settings.state_directory).map_err(|source| settings.unusable(source))?;
    let epoch = uuid::Uuid::new_v4().simple().to_string();
    let left = store.left(&epoch[..12], wall()).map_err(|source| settings.unusable(source))?;
    let token = match &settings.operator_token_file {
        Some(path) => OperatorToken::read(path)?,
        None => OperatorToken::of_directory(&settings.state_directory)?,
    };
    Ok(Ready {
        listener,
        bound,
        #[cfg(feature = "gateway")]
        gateway,
        store,
        left,
        token,
    })
}

async fn bind(address: SocketAddr, flag: &'static str, insecure: bool) -> Result<TcpListener, ServeError> {
    if !address.ip().is_loopback() && !insecure {
        return Err(ServeError::Exposed { address });
    }
    TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, flag, source })
}

/// Streamed answers are many small writes: without this each waits for the last one's acknowledgement.
fn nodelay(listener: TcpListener) -> impl axum::serve::Listener<Io = tokio::net::TcpStream, Addr = SocketAddr> {
    use axum::serve::ListenerExt;
    listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection without TCP_NODELAY");
        }
    })
}

fn files(plan: &Plan, left: &Left) -> Vec<ServerFile> {
    let one = |entry: &health_spec::registry::ServerEntry| {
        let record = left.records.iter().find(|(name, _)| *name == entry.name).map(|(_, record)| record.clone());
        let (history, last_check) = record.map_or_else(Default::default, |record| (record.history, record.last_check));
        ServerFile { group: entry.group.clone(), history, last_check }
    };
    plan.entries.iter().map(one).collect()
}

fn jsonl(plan: &Plan, settings: &Settings, ready: &Ready) -> Result<Option<Jsonl>, ServeError> {
    let emission = &plan.loaded.file.event_emission;
    if emission.enabled == Some(false) {
        return Ok(None);
    }
    let name = emission.jsonl_log.as_deref().unwrap_or("health-events.jsonl");
    let path = settings.state_directory.join(Path::new(name));
    let reader = ready.store.reader().map_err(|source| settings.unusable(source))?;
    Ok(Some(Jsonl::open(&path, &ready.left.epoch, &reader)?))
}

async fn runtimes(
    plan: &Plan,
    settings: &Settings,
    inbox: mpsc::Sender<Input>,
    tasks: &TaskTracker,
    children: &CancellationToken,
) -> Result<Runtimes, ServeError> {
    let setup = Setup {
        servers: plan.supervised.clone(),
        engines: plan.engines.clone(),
        state_directory: settings.state_directory.clone(),
        registry_directory: plan.directory(),
    };
    Runtimes::start(setup, inbox, tasks, children).await.map_err(|error| unfit(plan, error))
}

fn unfit(plan: &Plan, error: StartError) -> ServeError {
    let places = &plan.loaded.places;
    let locate = |fault: super::runtime::Fault| -> Problem { places.problem(&fault.pointer, fault.text, None) };
    ServeError::Unfit(error.faults.into_iter().map(locate).collect())
}

fn monitor_started(clock: &Clock) -> Effect {
    let kind = EventKind::MonitorStarted { version: env!("CARGO_PKG_VERSION").to_owned() };
    Effect::Publish(Happened { at: clock.now(), server: None, kind, moment: None, phase: None, incident: None })
}
