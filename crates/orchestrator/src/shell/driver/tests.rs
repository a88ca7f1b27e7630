//! The loop with a real store and no servers that answer.

use std::time::Duration;

use health_spec::config::File;
use health_spec::{Event, Status};
use rusqlite::Connection;
use tokio::sync::mpsc::Sender;
use tokio_util::task::TaskTracker;

use super::*;
use crate::machine::fleet::Beginning;
use crate::machine::policy::{Purpose, compile};
use crate::shell::actions::{Eyes, Underway};
use crate::shell::hook::{HookRunner, Hooks};
use crate::shell::probe::address::Address;
use crate::shell::probe::http::HttpTarget;
use crate::shell::probe::{Resolver, Target};
use crate::shell::runtime::life::Lives;
use crate::shell::runtime::{Runtimes, Setup};
use crate::shell::store::{Reader, Retention, Store, origin};
use crate::shell::view::Known;

struct Running {
    published: Arc<Published>,
    operations: Sender<Operation>,
    reader: Reader,
    shutdown: CancellationToken,
    driver: tokio::task::JoinHandle<()>,
}

/// One that has not begun yet.
struct Built {
    driver: Driver,
    begun: Vec<Effect>,
    operations: Sender<Operation>,
    reader: Reader,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

async fn start(directory: &std::path::Path) -> Running {
    let Built { driver, begun, operations, reader, shutdown, tasks } = build(directory).await;
    let published = Arc::clone(&driver.published);
    let driver = tasks.spawn(driver.run(begun, shutdown.clone()));
    Running { published, operations, reader, shutdown, driver }
}

/// A driver over one server that is only watched, and where nothing listens.
async fn build(directory: &std::path::Path) -> Built {
    let file: File = serde_saphyr::from_str("servers: [{name: a, port: 1}]").expect("the file reads");
    let mut store = Store::open(directory, Retention::default()).expect("a store");
    let mut left = store.left("e", wall()).expect("it reads");
    let known = Known { source: "here".into(), epoch: left.epoch.clone() };
    let clock = Clock::resume(left.first_start, left.last);
    let policies = compile(&file, Purpose::Run).expect("it compiles");
    let (fleet, begun) = Fleet::new(policies, &Beginning::default(), clock.now());
    let retention = Retention::default().uptime;
    let uptimes = Uptimes::new(&fleet, &mut left.uptime, origin(left.first_start), retention, clock.now());
    let file = ServerFile::default();
    let views = (0..fleet.servers().len()).map(|place| view(&known, &fleet, place, &file, &clock)).collect();
    let published = Arc::new(Published::new(known.clone(), left.seq, wall(), views, &[]));
    let (inbox, reports) = mpsc::channel(64);
    let (operations, wishes) = mpsc::channel(8);
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let setup =
        Setup { servers: vec![], engines: vec![], state_directory: directory.into(), registry_directory: directory.into() };
    let runtimes = Arc::new(Runtimes::start(setup, inbox.clone(), &tasks, &shutdown).await.expect("nothing to run"));
    let address = Address::parse("http://127.0.0.1:1/health").expect("an address");
    let targets = vec![Arc::new(Target::http(HttpTarget::new(address)))];
    let lives: Arc<dyn Lives> = Arc::<Runtimes>::clone(&runtimes);
    let eyes = Arc::new(Eyes { resolver: Resolver::default(), lives, trace_id: None, says_traces: true });
    let reader = store.reader().expect("a reader");
    let log = Arc::new(tokio::sync::Mutex::new(store.reader().expect("a reader")));
    let (journal, _) = Journal::start(store, None).expect("a thread");
    let setup = crate::shell::evidence::Setup {
        book: Arc::new(crate::shell::incidents::Book::new(left.open_incidents)),
        published: Arc::clone(&published),
        log,
        notes: journal.notes(),
        state_directory: directory.into(),
        tasks: tasks.clone(),
        shutdown: shutdown.clone(),
    };
    let collector = Arc::new(crate::shell::evidence::Collector::new(setup, vec![]));
    let driver = Driver {
        fleet,
        clock,
        journal,
        writer: Writer::new(known, left.seq, "t".into(), vec![None]),
        published: Arc::clone(&published),
        files: vec![ServerFile::default()],
        actions: Actions {
            targets,
            eyes,
            hooks: vec![Hooks::default()].into(),
            hook_runner: HookRunner::new(directory, shutdown.clone()),
            runtimes,
            collector,
            inbox,
            underway: Underway::default(),
            tasks: tasks.clone(),
        },
        inbox: reports,
        operations: wishes,
        changes: mpsc::channel(1).1,
        uptimes,
        metrics: Arc::default(),
        recorder: Recorder::default(),
        routine: Routine::default(),
        writing: None,
        unwritten: Unwritten::default(),
        gone: vec![("b".into(), Some(7))],
    };
    Built { driver, begun, operations, reader, shutdown, tasks }
}

impl Running {
    async fn check(&self) {
        let (answer, answered) = oneshot::channel();
        let command = Command::Check { by: "test".into() };
        self.operations.send(Operation { server: ServerId(0), command, answer }).await.expect("the driver runs");
        assert_eq!(answered.await.expect("an answer"), Ok(()));
    }

    async fn stop(self) -> Vec<u64> {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(30), self.driver).await.expect("in time").expect("no panic");
        self.reader.events(0, 1_000).expect("it reads").into_iter().map(|(seq, _)| seq).collect()
    }
}

#[tokio::test]
async fn a_server_that_is_no_longer_registered_is_said_to_be_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let running = start(directory.path()).await;
    running.check().await;
    let events = running.reader.events(0, 1).expect("it reads");
    let first: Event = serde_json::from_str(&events[0].1).expect("an event");
    assert_eq!((first.kind, first.server_name.as_deref()), (EventKind::ServerDeregistered, Some("b")));
    assert_eq!(first.incident_id.as_deref(), Some("e-7"));
    running.stop().await;
}

/// Invariant: numbers have no gaps.
#[tokio::test]
async fn what_the_disk_refuses_is_published_and_written_later() {
    let directory = tempfile::tempdir().expect("a directory");
    let running = start(directory.path()).await;
    running.check().await;
    assert_eq!(running.published.trouble(), None);

    let disk = Connection::open(directory.path().join("state.db")).expect("opens");
    disk.execute("ALTER TABLE event RENAME TO away", []).expect("the disk is made to refuse");
    let before = running.published.last_seq();
    running.check().await;
    assert!(running.published.last_seq() > before, "an unwritable disk hides nothing");
    assert!(running.published.trouble().is_some_and(|why| why.contains("no such table")));

    disk.execute("ALTER TABLE away RENAME TO event", []).expect("the disk is well again");
    running.check().await;
    assert_eq!(running.published.trouble(), None);
    let seqs = running.stop().await;
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert!(seqs.len() as u64 > before);
}

#[tokio::test]
async fn a_subscriber_gets_the_present_and_everything_after_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let running = start(directory.path()).await;
    running.check().await;
    let (snapshot, mut said) = running.published.follow();
    running.check().await;
    let next = said.recv().await.expect("an event");
    assert_eq!(next.event.seq, snapshot.seq + 1);
    assert_eq!(next.view.expect("its server").name, "a");
    running.stop().await;
}

/// Invariant: what has happened is on disk before the end, in order, also while the disk is busy with what came before.
#[tokio::test]
async fn what_is_held_is_written_before_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let Built { mut driver, reader, shutdown, .. } = build(directory.path()).await;
    let checked = |response_time_ms| {
        let kind = EventKind::HealthCheckCompleted { status: Status::Ok, response_time_ms, checks: [].into(), failure: None };
        Happened { at: Mono::default(), server: Some(ServerId(0)), kind, moment: None, phase: None, incident: None }
    };
    driver.routine.hold(vec![checked(1)], Mono::default());
    driver.begin_writing().await;
    driver.routine.hold(vec![checked(2)], Mono::default());
    driver.begin_writing().await;
    assert!(driver.writing.is_some() && driver.routine.due().is_some(), "one batch at a time");
    shutdown.cancel();
    driver.run(vec![], shutdown).await;

    let events = reader.events(0, 100).expect("it reads").into_iter();
    let events: Vec<Event> = events.map(|(_, json)| serde_json::from_str(&json).expect("an event")).collect();
    let times = events.iter().filter_map(|event| match event.kind {
        EventKind::HealthCheckCompleted { response_time_ms, .. } => Some(response_time_ms),
        _ => None,
    });
    assert_eq!(times.collect::<Vec<_>>(), [1, 2]);
    assert_eq!(events.last().map(|event| event.kind.name()), Some("monitor_stopped"));
}
