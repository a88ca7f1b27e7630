//! What readers of the log and of the stream are told, while disk and publication are not at the same event.

use std::path::Path;

use futures_util::FutureExt;
use health_spec::EventKind;
use health_spec::registry::RuntimeKind;
use health_spec::status::Observed;
use http_body_util::BodyExt;
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::super::OperatorToken;
use super::*;
use crate::machine::Mono;
use crate::shell::clock::{Clock, wall};
use crate::shell::evidence::tests::{collector, runtime};
use crate::shell::incidents::tests::event;
use crate::shell::journal::Journal;
use crate::shell::published::Published;
use crate::shell::runtime::{Runtimes, Setup};
use crate::shell::store::{Batch, Retention, Store, Written};
use crate::shell::view::Known;
use crate::shell::view::tests::sample;

/// An API over the servers `a` and `b`, and what the driver does to its log.
struct Stage {
    api: Arc<Api>,
    store: Store,
    _journal: Journal,
    _directories: [TempDir; 2],
}

fn said(seq: u64, server: &str) -> (Event, String) {
    let mut event = event(10, None, EventKind::ServerResumed);
    (event.seq, event.server_name) = (seq, Some(server.to_owned()));
    let json = serde_json::to_string(&event).expect("JSON");
    (event, json)
}

/// They run nothing.
async fn runtimes(directory: &Path) -> Arc<Runtimes> {
    let setup =
        Setup { servers: vec![], engines: vec![], state_directory: directory.into(), registry_directory: directory.into() };
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    Arc::new(Runtimes::start(setup, mpsc::channel(1).0, &tasks, &shutdown).await.expect("nothing to run"))
}

impl Stage {
    async fn new() -> Self {
        let directories = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        let mut store = Store::open(directories[0].path(), Retention::default()).expect("a store");
        store.left("e", wall()).expect("it reads");
        let (collector, journal) = collector(directories[1].path(), &runtime(RuntimeKind::Process), "unix:///nowhere");
        let known = Known { source: "here".into(), epoch: "e".into() };
        let api = Api {
            published: Arc::new(Published::new(known, 0, wall(), vec![sample("a"), sample("b")], &[])),
            log: Arc::new(Mutex::new(store.reader().expect("a reader"))),
            collector,
            runtimes: runtimes(directories[1].path()).await,
            operations: mpsc::channel(1).0,
            clock: Clock::resume(wall(), Mono::default()),
            metrics: Arc::default(),
            operator_token: OperatorToken::of_directory(directories[1].path()).expect("a token"),
            shutdown: CancellationToken::new(),
        };
        Self { api: Arc::new(api), store, _journal: journal, _directories: directories }
    }

    fn write(&mut self, seq: u64, server: &str) {
        let json = said(seq, server).1.into();
        let events = vec![Written { seq, server_name: Some(server.into()), event_type: "server_resumed", json }];
        self.store.commit(&Batch { events, ..Batch::default() }, false).expect("written");
    }

    fn publish(&self, seq: u64, server: &str, status: Observed) {
        let view = health_spec::ServerView { status, ..sample(server) };
        let (place, _) = self.api.published.server(server).expect("a server");
        self.api.published.publish(vec![said(seq, server)], vec![(place, Some(view))], wall());
    }

    fn follower(&self) -> (Follower, mpsc::Receiver<Result<sse::Event, Infallible>>) {
        let (frames, outgoing) = mpsc::channel(QUEUE);
        (Follower { api: Arc::clone(&self.api), since: 0, views: true, frames }, outgoing)
    }

    async fn page(&self, since: u64) -> (Vec<u64>, u64) {
        let page = self.whole_page(since, None).await;
        (page.events.iter().map(|event| event.seq).collect(), page.next)
    }

    async fn whole_page(&self, since: u64, limit: Option<usize>) -> health_spec::view::EventPage {
        let answer = page(&self.api, &Range { since: Some(since), limit, views: false }).await;
        let answer = answer.unwrap_or_else(|_| panic!("{since} is refused"));
        let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
        serde_json::from_slice(&bytes).expect("a page")
    }
}

/// Everything that a follower has sent, in short.
async fn told(outgoing: mpsc::Receiver<Result<sse::Event, Infallible>>) -> Vec<String> {
    let body = Sse::new(ReceiverStream::new(outgoing)).into_response().into_body();
    let text = body.collect().await.expect("a body").to_bytes();
    let text = String::from_utf8_lossy(&text);
    let short = |line: &str| {
        let data: serde_json::Value = serde_json::from_str(line.strip_prefix("data: ")?).expect("JSON");
        Some(match (&data["seq"], &data["from"]) {
            (serde_json::Value::Null, serde_json::Value::Null) => {
                format!("{} is {}", data["name"], data["status"]).replace('"', "")
            }
            (serde_json::Value::Null, from) => format!("gap {from}-{}", data["to"]),
            (seq, _) => seq.to_string(),
        })
    };
    text.lines().filter_map(short).collect()
}

#[tokio::test]
async fn what_is_not_published_yet_comes_with_its_own_view() {
    let mut stage = Stage::new().await;
    let (_, mut said) = stage.api.published.listen();
    stage.write(1, "a");
    stage.publish(1, "a", Observed::Ok);
    stage.write(2, "a");
    let (mut follower, outgoing) = stage.follower();
    assert!(follower.catch_up().await.is_ok());
    stage.publish(2, "a", Observed::Down);
    assert!(follower.follow(&mut said).now_or_never().is_none());
    drop(follower);
    assert_eq!(told(outgoing).await, ["1", "a is ok", "2", "a is down"]);
}

#[tokio::test]
async fn a_view_comes_directly_after_the_last_event_of_its_server() {
    let mut stage = Stage::new().await;
    for (seq, server) in [(1, "a"), (2, "b"), (3, "a")] {
        stage.write(seq, server);
        stage.publish(seq, server, Observed::Down);
    }
    let (mut follower, outgoing) = stage.follower();
    assert!(follower.catch_up().await.is_ok());
    drop(follower);
    assert_eq!(told(outgoing).await, ["1", "2", "b is down", "3", "a is down"]);
}

#[tokio::test]
async fn what_the_disk_has_refused_is_said_to_be_missing() {
    let mut stage = Stage::new().await;
    stage.write(1, "a");
    (1..=4).for_each(|seq| stage.publish(seq, "a", Observed::Ok));
    let (_, mut said) = stage.api.published.listen();
    let (mut follower, outgoing) = stage.follower();
    assert!(follower.catch_up().await.is_ok());
    stage.publish(5, "a", Observed::Down);
    assert!(follower.follow(&mut said).now_or_never().is_none());
    drop(follower);
    assert_eq!(told(outgoing).await, ["1", "a is ok", "gap 2-4", "5", "a is down"]);
}

#[tokio::test]
async fn the_end_of_a_page_can_be_asked_on_from() {
    let mut stage = Stage::new().await;
    stage.write(1, "a");
    stage.publish(1, "a", Observed::Ok);
    stage.write(2, "a");
    assert_eq!(stage.page(0).await, (vec![1], 1));
    assert_eq!(stage.page(1).await, (vec![], 1));
    stage.publish(2, "a", Observed::Ok);
    assert_eq!(stage.page(1).await, (vec![2], 2));
}

#[tokio::test]
async fn the_last_page_counts_what_waits_for_the_disk() {
    let mut stage = Stage::new().await;
    (1..=2).for_each(|seq| stage.write(seq, "a"));
    (1..=2).for_each(|seq| stage.publish(seq, "a", Observed::Ok));
    assert_eq!(stage.whole_page(0, None).await.waiting, None);
    (3..=5).for_each(|seq| stage.publish(seq, "a", Observed::Down));
    let waiting = async |since, limit| stage.whole_page(since, limit).await.waiting;
    assert_eq!((waiting(0, None).await, waiting(5, None).await, waiting(0, Some(2)).await), (Some(3), None, None));
}
