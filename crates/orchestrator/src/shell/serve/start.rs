//! Starts everything: what may still fail first, and the runtimes last of that. From the first child on nothing fails any more.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use health_endpoint::{CheckError, Component, Health};
use health_spec::config::defaults;
use health_spec::registry::ServerEntry;
use health_spec::{EventKind, ServerView};
use hyper::header::HeaderValue;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::begun::begun;
use super::prepare::Ready;
use super::{Running, ServeError, Settings};
use crate::machine::fleet::Beginning;
use crate::machine::memory::Recovery;
use crate::machine::{Effect, Fleet, Happened, Input, Mono, ServerId};
use crate::shell::actions::{Actions, Eyes, Underway};
use crate::shell::alarm::Alarm;
use crate::shell::api::{self, Api};
use crate::shell::clock::{Clock, wall};
use crate::shell::descriptors;
use crate::shell::discovery::Discovery;
use crate::shell::driver::{Driver, Routine, Unwritten, Uptimes};
use crate::shell::evidence::{self, Collector};
use crate::shell::hook::HookRunner;
use crate::shell::incidents::Book;
use crate::shell::journal::{Journal, Jsonl};
use crate::shell::maintenance::keeper::{Kept, keep, open};
use crate::shell::metrics::Metrics;
use crate::shell::plan::{Plan, faults};
use crate::shell::probe::{Resolver, Target};
use crate::shell::published::Published;
use crate::shell::record::{Blank, Recorder};
use crate::shell::reload::{self, Reloader};
use crate::shell::runtime::container::engine::Link;
use crate::shell::runtime::life::Lives;
use crate::shell::runtime::{Runtimes, Setup};
use crate::shell::server_file::ServerFile;
use crate::shell::store::{Left, Record, origin};
use crate::shell::view::{Known, view};
use crate::shell::writer::Writer;

mod begun;

/// Inputs that may wait for the driver.
const INBOX: usize = 1_024;

/// How soon a full disk shows in our own health.
const OWN_PACE: Duration = Duration::from_secs(1);

/// Commands that may wait for the driver.
const OPERATIONS: usize = 64;

/// The tokens and the tracker that everything is started with.
struct Lifetimes {
    tasks: TaskTracker,
    serving: CancellationToken,
    children: CancellationToken,
}

impl Lifetimes {
    /// Runs `task` until everything that serves ends.
    fn run(&self, name: &'static str, alarm: &Alarm, task: impl Future<Output = ()> + Send + 'static) {
        let task = alarm.watch(name, &self.serving, task);
        self.tasks.spawn(self.serving.clone().run_until_cancelled_owned(task));
    }
}

/// The machine with its memory, and the views to begin with.
struct Begun {
    fleet: Fleet,
    effects: Vec<Effect>,
    clock: Clock,
    files: Vec<ServerFile>,
    uptimes: Uptimes,
    published: Arc<Published>,
    recorder: Recorder,
}

pub(super) async fn start(written: Plan, settings: &Settings, mut ready: Ready, alarm: &Alarm) -> Result<Running, ServeError> {
    let lifetimes =
        Lifetimes { tasks: TaskTracker::new(), serving: CancellationToken::new(), children: CancellationToken::new() };
    let (mut plan, discovery) = discover(&written, settings, &lifetimes).await;
    let clock = Clock::resume(ready.left.first_start, ready.left.last);
    know(&mut plan, written.entries.len(), &ready.left, &clock);
    let shortage = descriptors::provide(descriptors::needed(plan.targets.iter(), plan.supervised.len()));
    let unwritable = |source| ServeError::Record { path: settings.record.clone().unwrap_or_default(), source };
    let record = settings.record.as_deref().map(Blank::at).transpose().map_err(unwritable)?;
    let log = Arc::new(Mutex::new(ready.store.reader().map_err(|source| settings.unusable(source))?));
    let jsonl = jsonl(&plan, settings, &ready)?;
    let (inbox, reports) = mpsc::channel(INBOX);
    // Before anything is started: what an earlier run has left in the middle must not meet what this one does.
    let hook_runner = HookRunner::new(&settings.state_directory, lifetimes.children.clone());
    hook_runner.end_leftovers().await;
    // What can fail goes before the children: nobody would stop them.
    let watch = reload::watch(&plan).map_err(ServeError::Watch)?;
    let (journal, journal_thread) = Journal::start(ready.store, jsonl).map_err(ServeError::Thread)?;
    let runtimes = Arc::new(runtimes(&plan, settings, inbox.clone(), &lifetimes).await?);
    // Now, and no sooner: from here on time counts for the servers, and for whoever is asked about them.
    let begun = begin(&plan, written.entries.len(), settings, &mut ready.left, (clock, record));
    let published = Arc::clone(&begun.published);
    published.set_shortage(shortage);

    let metrics = Arc::new(Metrics::default());
    let reporting = inbox.clone();
    let setup = evidence::Setup {
        book: Arc::new(Book::new(std::mem::take(&mut ready.left.open_incidents))),
        published: Arc::clone(&published),
        log: Arc::clone(&log),
        notes: journal.notes(),
        state_directory: settings.state_directory.clone(),
        tasks: lifetimes.tasks.clone(),
        shutdown: lifetimes.serving.clone(),
    };
    let collector = Arc::new(Collector::new(setup, plan.subjects(&settings.state_directory)));
    collector.read_secrets();
    let trace_id = settings.trace_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let actions = Actions {
        targets: plan.targets.iter().cloned().map(Arc::new).collect(),
        eyes: Arc::new(eyes(&plan, &trace_id, &runtimes)),
        hooks: plan.hooks.clone().into(),
        hook_runner,
        runtimes: Arc::clone(&runtimes),
        collector: Arc::clone(&collector),
        inbox,
        underway: Underway::default(),
        tasks: lifetimes.tasks.clone(),
    };
    let (operations, wishes) = mpsc::channel(OPERATIONS);
    let (to_driver, changes) = mpsc::channel(1);
    let driver = Driver {
        clock: begun.clock,
        journal,
        writer: writer(&plan, trace_id, &published, ready.left.seq),
        published: Arc::clone(&published),
        files: begun.files,
        actions,
        inbox: reports,
        operations: wishes,
        changes,
        uptimes: begun.uptimes,
        metrics: Arc::clone(&metrics),
        recorder: begun.recorder,
        routine: Routine::default(),
        writing: None,
        unwritten: Unwritten::default(),
        gone: gone(&plan, &ready.left),
        fleet: begun.fleet,
    };
    let driver = alarm.watch("driver", &lifetimes.serving, driver.run(begun.effects, lifetimes.serving.clone()));
    let driver = lifetimes.tasks.spawn(driver);
    #[cfg(feature = "gateway")]
    let gateway = ready.gateway.take().map(|gateway| gateway.start(&published, &lifetimes.tasks, &lifetimes.serving, alarm));
    #[cfg(not(feature = "gateway"))]
    let gateway = None;
    let health = own_health(&published, &runtimes);
    let places = plan.policies.iter().enumerate().map(|(place, policy)| (policy.name.clone(), ServerId(place))).collect();
    let (maintenance, kept) = watch::channel(Kept::new(plan.maintenance.clone(), &places));
    lifetimes.run("keeper of maintenance windows", alarm, keep(kept, reporting, begun.clock, wall));
    let runs = reload::Begun { written, in_force: plan, discovery, watch };
    let reloader = Reloader::new(runs, settings.reading.clone(), Arc::clone(&runtimes), to_driver, maintenance);
    lifetimes.run("reloader", alarm, reloader.run());
    let api = Api {
        published,
        log,
        collector,
        runtimes: Arc::clone(&runtimes),
        operations,
        clock: begun.clock,
        metrics,
        operator_token: ready.token,
        shutdown: lifetimes.serving.clone(),
    };
    serve_api(api, &health, (ready.listener, ready.bound), &lifetimes, alarm);
    let Lifetimes { tasks, serving, children } = lifetimes;
    Ok(Running { bound: ready.bound, gateway, health, tasks, serving, children, runtimes, driver, journal: journal_thread })
}

/// What the files ask for, with the containers that ask for it themselves.
async fn discover(written: &Plan, settings: &Settings, lifetimes: &Lifetimes) -> (Plan, Discovery) {
    let mut discovery = Discovery::new(&settings.state_directory, &lifetimes.tasks, &lifetimes.serving);
    discovery.follow(written);
    discovery.first_look().await;
    (discovery.composed(written, settings.reading.observe), discovery)
}

/// What an earlier run has left tells the runtimes what to look for. The first servers are `written` in the files, the others discovered.
fn know(plan: &mut Plan, written: usize, left: &Left, clock: &Clock) {
    let memories: HashMap<_, _> = left.records.iter().map(|(name, record)| (name.as_str(), &record.memory)).collect();
    for supervised in &mut plan.supervised {
        let left = memories.get(supervised.name.as_str()).copied();
        // What was discovered was there a moment ago: should it be gone, or its engine, that is followed and keeps nobody from beginning.
        supervised.known = left.is_some() || supervised.entry >= written;
        supervised.acting = left.and_then(|left| begun(left, clock));
        supervised.stopped = left.is_some_and(|left| matches!(left.recovery, Recovery::Acting { stopped: true, .. }));
        supervised.unsettled = left.is_some_and(|left| left.unsettled && !left.proven);
    }
}

/// Takes up what an earlier run has left.
fn begin(plan: &Plan, written: usize, settings: &Settings, left: &mut Left, (clock, record): (Clock, Option<Blank>)) -> Begun {
    let known = Known { source: settings.name.clone(), epoch: left.epoch.clone() };
    let now = clock.now();
    let names = plan.entries.iter().map(|entry| entry.name.as_str());
    let maintenance = open(&plan.maintenance, names, wall(), &clock);
    let limits = reload::limits(plan);
    let beginning = Beginning { memory: left.memory(), spread: true, limits, maintenance, hears_first: true };
    let recorder = record.map(|blank| Recorder::begin(blank, &plan.loaded.file, &beginning, now)).transpose();
    let recorder = recorder.unwrap_or_else(|error| {
        tracing::warn!(%error, "nothing is recorded: the recording cannot be begun");
        None
    });
    let (fleet, effects) = Fleet::new(plan.policies.clone(), &beginning, now);
    let files = files(plan, written, left);
    let uptimes = Uptimes::new(&fleet, &mut left.uptime, origin(left.first_start), settings.retention.uptime, clock.now());
    let views = files.iter().enumerate().map(|(place, file)| {
        let view = view(&known, &fleet, place, file, &clock);
        ServerView { uptime: uptimes.of(place), ..view }
    });
    let views = views.collect();
    let published = Arc::new(Published::new(known, left.seq, wall(), views, &plan.registry));
    let effects = [vec![monitor_started(now)], effects].concat();
    Begun { fleet, effects, clock, files, uptimes, published, recorder: recorder.unwrap_or_default() }
}

/// A child of a server that is no longer registered is nobody's: it is named, and left alone.
fn gone(plan: &Plan, left: &Left) -> Vec<(String, Option<u64>)> {
    let known: HashSet<&str> = plan.entries.iter().map(|entry| entry.name.as_str()).collect();
    let gone = left.records.iter().filter(|(name, _)| !known.contains(name.as_str()));
    gone.map(|(name, record)| {
        tracing::warn!("{name} is no longer in the registry; if its process or container still runs, it is left alone");
        (name.clone(), record.memory.incident.map(|incident| incident.number))
    })
    .collect()
}

fn eyes(plan: &Plan, trace_id: &str, runtimes: &Arc<Runtimes>) -> Eyes {
    let says_traces = plan.loaded.file.event_emission.trace_context.unwrap_or(defaults::TRACE_CONTEXT);
    let lives: Arc<dyn Lives> = Arc::<Runtimes>::clone(runtimes);
    // What no header can carry is in the events all the same.
    Eyes { resolver: Resolver::default(), lives, trace_id: HeaderValue::try_from(trace_id).ok(), says_traces }
}

fn writer(plan: &Plan, trace_id: String, published: &Published, seq: u64) -> Writer {
    let trace_ids = plan.entries.iter().map(|entry| entry.trace_id.clone()).collect();
    Writer::new(published.known().clone(), seq, trace_id, trace_ids)
}

/// Without a disk it still watches and acts once: degraded, not down.
/// With a configuration that was rejected it goes on with the one before.
/// With an engine that cannot be reached it watches what that runs by checks alone, and does nothing to it.
/// What it cannot look at it leaves alone, and in a storm nearly everything.
fn own_health(published: &Arc<Published>, runtimes: &Arc<Runtimes>) -> Health {
    let runtimes = Arc::clone(runtimes);
    let of = |trouble: fn(&Published) -> Option<String>| {
        let published = Arc::clone(published);
        move || trouble(&published)
    };
    let rejected =
        |published: &Published| published.config_error().map(|error| format!("rejected, the one before is in force: {error}"));
    Health::builder("orchestrator")
        .version(env!("CARGO_PKG_VERSION"))
        .component(part("state", of(Published::trouble)))
        .component(part("configuration", of(rejected)))
        .component(part("engines", move || engine_trouble(&runtimes.engines())))
        .component(part("descriptors", of(Published::shortage)))
        .component(part("sight", of(Published::blindness)))
        .build()
}

/// Well, or degraded for this reason.
fn part(name: &str, trouble: impl Fn() -> Option<String> + Send + Sync + 'static) -> Component {
    let look = move || std::future::ready(trouble().map_or(Ok(()), |why| Err(CheckError::degraded(why))));
    Component::new(name, look).interval(OWN_PACE)
}

/// Which engines are not listened to, and why.
fn engine_trouble(engines: &[(String, Link)]) -> Option<String> {
    let trouble = engines.iter().filter_map(|(name, link)| match link {
        Link::Up => None,
        Link::Begins => Some(format!("{name} has not been looked at yet")),
        Link::Lost(error) => Some(format!("{name}: {error}")),
    });
    let trouble: Vec<_> = trouble.collect();
    (!trouble.is_empty()).then(|| trouble.join("; "))
}

fn serve_api(api: Api, health: &Health, (listener, bound): (TcpListener, SocketAddr), lifetimes: &Lifetimes, alarm: &Alarm) {
    let router = api::router(api, health, bound);
    let server = axum::serve(nodelay(listener), router).with_graceful_shutdown(lifetimes.serving.clone().cancelled_owned());
    lifetimes.tasks.spawn(alarm.watch("API", &lifetimes.serving, async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the API has stopped");
        }
    }));
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

/// The first ones are `written`, the others discovered: those may have come back with another address.
fn files(plan: &Plan, written: usize, left: &Left) -> Vec<ServerFile> {
    let records: HashMap<&str, &Record> = left.records.iter().map(|(name, record)| (name.as_str(), record)).collect();
    let one = |(index, (entry, target)): (usize, (&ServerEntry, &Target))| {
        let record = records.get(entry.name.as_str()).map(|record| Record::clone(record));
        let known = record.map(|Record { history, last_check, aim, end, .. }| ServerFile {
            history,
            last_check,
            aim,
            end,
            ..ServerFile::default()
        });
        let mut file = ServerFile { group: entry.group.clone(), ..known.unwrap_or_default() };
        file.aim(target.aim(), index < written, Mono::default());
        file
    };
    plan.entries.iter().zip(&plan.targets).enumerate().map(one).collect()
}

fn jsonl(plan: &Plan, settings: &Settings, ready: &Ready) -> Result<Option<Jsonl>, ServeError> {
    let emission = &plan.loaded.file.event_emission;
    if emission.enabled == Some(false) {
        return Ok(None);
    }
    let name = emission.jsonl_log.as_deref().unwrap_or(health_spec::config::defaults::JSONL_LOG);
    let path = settings.state_directory.join(Path::new(name));
    let reader = ready.store.reader().map_err(|source| settings.unusable(source))?;
    Ok(Some(Jsonl::open(&path, &ready.left.epoch, reader)?))
}

async fn runtimes(
    plan: &Plan,
    settings: &Settings,
    inbox: mpsc::Sender<Input>,
    lifetimes: &Lifetimes,
) -> Result<Runtimes, ServeError> {
    let setup = Setup {
        servers: plan.supervised.clone(),
        engines: plan.engines.clone(),
        state_directory: settings.state_directory.clone(),
        registry_directory: plan.directory(),
    };
    Runtimes::start(setup, inbox, &lifetimes.tasks, &lifetimes.children)
        .await
        .map_err(|error| ServeError::Unfit(faults(plan, error)))
}

fn monitor_started(at: Mono) -> Effect {
    let kind = EventKind::MonitorStarted { version: env!("CARGO_PKG_VERSION").to_owned() };
    Effect::Publish(Happened { at, server: None, kind, moment: None, phase: None, incident: None })
}
