//! Looks at what does not answer: an action waits, but not for ever.

use std::time::Duration;

use health_spec::EventKind;
use health_spec::registry::{Runtime, RuntimeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::subject::Directories;
use super::*;
use crate::shell::incidents::Teller;
use crate::shell::incidents::tests::event;
use crate::shell::journal::{Journal, answered};
use crate::shell::store::{Batch, Retention, Store};
use crate::shell::view::Known;

const SERVER: ServerId = ServerId(0);

/// A collector over one server with an open incident, and its journal.
pub(crate) fn collector(directory: &std::path::Path, runtime: &Runtime, engine: &str) -> (Arc<Collector>, Journal) {
    let mut store = Store::open(directory, Retention::default()).expect("a store");
    store.left("e", wall()).expect("it reads");
    let log = Arc::new(Mutex::new(store.reader().expect("a reader")));
    let (journal, _) = Journal::start(store, None).expect("a thread");
    let known = Known { source: "here".into(), epoch: "e".into() };
    let setup = Setup {
        book: Arc::new(Book::default()),
        published: Arc::new(Published::new(known, 0, wall(), vec![], &[serde_json::json!({ "name": "a" })])),
        log,
        notes: journal.notes(),
        state_directory: directory.into(),
        tasks: TaskTracker::new(),
        shutdown: CancellationToken::new(),
    };
    let engine =
        health_spec::config::Engine { address: engine.to_owned(), ..health_spec::config::defaults::engines().swap_remove(0) };
    let directories = Directories { state: directory, registry: directory };
    let subject =
        Subject::new("a", Some(runtime), &[engine], [(&serde_json::json!({ "name": "a" }), directories.registry)], directories);
    (Arc::new(Collector::new(setup, vec![subject])), journal)
}

/// Of a server that is a shell, or the container `a`.
pub(crate) fn runtime(kind: RuntimeKind) -> Runtime {
    let mut runtime: Runtime = serde_json::from_value(serde_json::json!({ "kind": "process" })).expect("a runtime");
    (runtime.kind, runtime.command, runtime.container) = (kind, Some("/bin/sh".into()), Some("a".into()));
    runtime
}

fn open_incident(collector: &Collector) {
    let kind = EventKind::ServerDown { reason: "container_died".into(), first_failure_at: None, detection_ms: 0 };
    let event = event(wall().as_second(), Some(1), kind);
    collector.book.fold(&event, Teller::default);
}

async fn kept(collector: &Collector) -> health_spec::incident::Evidence {
    collector.setup.log.lock().await.evidence(1).expect("it reads").expect("it is on disk")
}

#[tokio::test]
async fn an_engine_that_never_answers_delays_an_action_and_does_not_prevent_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("engine.sock");
    let _silent = UnixListener::bind(&socket).expect("a socket");
    let address = format!("unix://{}", socket.display());
    let (collector, _journal) = collector(directory.path(), &runtime(RuntimeKind::Docker), &address);
    open_incident(&collector);
    let looked = tokio::time::timeout(Duration::from_secs(60), collector.before(SERVER, collector.turn(SERVER))).await;
    looked.expect("the action can start");
    let evidence = kept(&collector).await;
    assert!(evidence.captures[0].missing[0].starts_with("engine: "), "{evidence:#?}");
    assert!(evidence.captures[0].host.is_some(), "what can be had is there");
}

/// Invariant: when the action may start, the disk has what it would destroy.
#[tokio::test]
async fn when_an_action_may_start_the_disk_has_everything() {
    let directory = tempfile::tempdir().expect("a directory");
    let (collector, _journal) = collector(directory.path(), &runtime(RuntimeKind::Process), "unix:///nowhere");
    std::fs::create_dir_all(directory.path().join("logs")).expect("a directory");
    std::fs::write(directory.path().join("logs/a.log"), "one\ntoken=hunter2\n").expect("written");
    open_incident(&collector);
    collector.before(SERVER, collector.turn(SERVER)).await;
    let lines = |evidence: &health_spec::incident::Evidence, at: usize| -> Vec<String> {
        evidence.captures[at].logs.iter().flat_map(|logs| logs.lines.iter().map(|line| line.text.clone())).collect()
    };
    let evidence = kept(&collector).await;
    assert_eq!(lines(&evidence, 0), ["one", "token=***"]);
    // A look that has just been taken counts for the action that follows.
    collector.before(SERVER, collector.turn(SERVER)).await;
    assert_eq!(kept(&collector).await.captures.len(), 1);

    std::fs::write(directory.path().join("logs/a.log"), "one\ntoken=hunter2\nup again\n").expect("written");
    collector.attempted(SERVER, 1, 1);
    collector.setup.tasks.close();
    collector.setup.tasks.wait().await;
    assert_eq!(lines(&kept(&collector).await, 1), ["up again"]);
}

#[tokio::test]
async fn what_was_found_before_an_operators_restart_belongs_to_the_incident_that_follows() {
    let directory = tempfile::tempdir().expect("a directory");
    let (collector, _journal) = collector(directory.path(), &runtime(RuntimeKind::Process), "unix:///nowhere");
    collector.before(SERVER, collector.turn(SERVER)).await;
    open_incident(&collector);
    collector.opened(SERVER, 1);
    collector.setup.tasks.close();
    collector.setup.tasks.wait().await;
    let moments: Vec<_> = kept(&collector).await.captures.iter().map(|capture| capture.moment).collect();
    assert_eq!(moments, [Moment::BeforeAttempt, Moment::Opened]);
}

/// One that has a container and does not say how it is itself.
async fn engine_without_load(listener: UnixListener) {
    let answer = async |uri: axum::http::Uri| -> (axum::http::StatusCode, Vec<u8>) {
        let known = match uri.path() {
            path if path.ends_with("/info") => std::future::pending().await,
            path if path.ends_with("/version") => r#"{"ApiVersion":"1.43"}"#,
            path if path.ends_with("/logs") => "\u{1}\0\0\0\0\0\0\u{6}hello\n",
            path if path.ends_with("/containers/a/json") => {
                r#"{"Id":"1f","Name":"/a","State":{"Status":"running","Running":true}}"#
            }
            _ => return (axum::http::StatusCode::NOT_FOUND, b"{}".to_vec()),
        };
        (axum::http::StatusCode::OK, known.into())
    };
    axum::serve(listener, axum::Router::new().fallback(answer)).await.expect("it serves");
}

#[tokio::test]
async fn an_engine_that_does_not_tell_its_load_tells_what_a_restart_would_destroy() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("engine.sock");
    let serving = engine_without_load(UnixListener::bind(&socket).expect("a socket"));
    let address = format!("unix://{}", socket.display());
    let (collector, _journal) = collector(directory.path(), &runtime(RuntimeKind::Docker), &address);
    open_incident(&collector);
    let began = Instant::now();
    tokio::select! {
        () = collector.before(SERVER, collector.turn(SERVER)) => {}
        () = serving => panic!("it serves on"),
    }
    assert!(began.elapsed() < PATIENCE, "it has a limit of its own");
    let evidence = kept(&collector).await;
    let capture = &evidence.captures[0];
    assert_eq!(capture.missing, ["engine load: not within 2 s"]);
    assert_eq!(capture.state.as_ref().and_then(|state| state.running), Some(true));
    let lines: Vec<_> = capture.logs.iter().flat_map(|logs| &logs.lines).map(|line| line.text.as_str()).collect();
    assert_eq!(lines, ["hello"]);
}

/// An engine with one container, which has a secret in its environment.
async fn sham_engine(listener: UnixListener) {
    const CONTAINER: &str = r#"{"Id":"1f","Name":"/a","State":{"Status":"running"},"Config":{"Env":["API_KEY=swordfish-9"]}}"#;
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut asked = vec![0; 4_096];
        let read = stream.read(&mut asked).await.unwrap_or_default();
        let asked = String::from_utf8_lossy(&asked[..read]);
        let known = [("/containers/a/json", CONTAINER), ("/version", r#"{"ApiVersion":"1.43"}"#)];
        let answer = known.into_iter().find(|(path, _)| asked.contains(path));
        let (status, body) = answer.map_or(("404 Not Found", "{}"), |(_, body)| ("200 OK", body));
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
        // Whoever asked may be gone.
        let _ = stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes()).await;
    }
}

/// It may say them at any time, in an answer or an error.
#[tokio::test]
async fn the_secrets_of_a_container_are_hidden_in_what_it_says_later() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("engine.sock");
    let engine = TaskTracker::new().spawn(sham_engine(UnixListener::bind(&socket).expect("a socket")));
    let address = format!("unix://{}", socket.display());
    let (collector, _journal) = collector(directory.path(), &runtime(RuntimeKind::Docker), &address);
    assert_eq!(collector.mask(SERVER).await.text("not swordfish-9"), "not swordfish-9", "nobody has looked");
    collector.well(SERVER);
    collector.setup.tasks.close();
    collector.setup.tasks.wait().await;
    assert_eq!(collector.mask(SERVER).await.text("not swordfish-9"), "not ***");
    let subject = collector.subject(SERVER).expect("it is there");
    assert_eq!(subject.known_mask().text("not swordfish-9"), "not ***");
    engine.abort();
}

#[tokio::test]
async fn what_differs_from_when_it_was_well_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let (collector, journal) = collector(directory.path(), &runtime(RuntimeKind::Process), "unix:///nowhere");
    let mut answer = journal.begin(Batch::default(), true).await.expect("the journal runs");
    answered(&mut answer).await.expect("it is written");
    collector.well(SERVER);
    collector.setup.tasks.close();
    collector.setup.tasks.wait().await;
    let mut other = runtime(RuntimeKind::Process);
    other.args.push("--token=swordfish".into());
    let directories = Directories { state: directory.path(), registry: directory.path() };
    collector.know(vec![Some(Subject::new(
        "a",
        Some(&other),
        &[],
        [(&serde_json::json!({ "name": "a" }), directories.registry)],
        directories,
    ))]);
    open_incident(&collector);
    collector.before(SERVER, collector.turn(SERVER)).await;
    let evidence = kept(&collector).await;
    let changed: Vec<_> = evidence.changed.iter().map(|change| change.what.as_str()).collect();
    assert_eq!((changed, evidence.well_at.is_some()), (vec!["process.arguments"], true));
    assert!(!format!("{evidence:?}").contains("swordfish"));
}

#[tokio::test]
async fn it_is_noted_each_time_that_it_becomes_well() {
    let directory = tempfile::tempdir().expect("a directory");
    let (collector, journal) = collector(directory.path(), &runtime(RuntimeKind::Process), "unix:///nowhere");
    let mut answer = journal.begin(Batch::default(), true).await.expect("the journal runs");
    answered(&mut answer).await.expect("it is written");
    let mut desk = Desk::default();
    collector.note_well(&mut desk, SERVER).await;
    let first = collector.last_well("a").await.expect("it is noted");
    collector.note_well(&mut desk, SERVER).await;
    let second = collector.last_well("a").await.expect("it is noted");
    assert_eq!(first.facts, second.facts);
    assert!(second.at > first.at, "{} is not after {}", second.at, first.at);
}
