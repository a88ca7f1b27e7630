//! What a listener makes of what it hears, and of silence.

use bollard::{API_DEFAULT_VERSION, Docker};
use health_spec::config::Engine;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::machine::Death;
use crate::shell::runtime::container::ledger::{ComesBack, Look, State};

mod own_end;
mod set_back;

const SERVER: ServerId = ServerId(0);

/// By the engine's clock.
const STOP: i64 = 1_000_000_000;

fn look(id: &str, state: State) -> Look {
    Look { id: id.to_owned(), name: "a".to_owned(), state, exit_code: Some(0), ..Look::default() }
}

/// One container, which runs, and what is reported about it.
fn listener() -> (Listener, Connection, mpsc::Receiver<Input>) {
    let engine =
        Engine { name: "local".to_owned(), kind: EngineKind::Docker, address: "tcp://127.0.0.1:1".to_owned(), tls: None };
    let (reports, told) = mpsc::channel(64);
    let running = look("id1", State::Running);
    let mut ledger = Ledger::new("a", Some(&running));
    ledger.compare(Some(&running));
    let registered = Registered { server: SERVER, ledger, progress: watch::channel(None).0, seen: watch::channel(None).0 };
    let listener = Listener {
        engine: EngineId(0),
        address: Address::of(&engine).unwrap(),
        containers: vec![registered],
        mouth: Mouth::new(reports, CancellationToken::new()),
        oom: None,
        requests: mpsc::channel(1).1,
        link: watch::channel(Link::Up).0,
        since: Some(1),
        began: None,
        clock: EngineClock::of(Some(1)),
        recent: Recent::default(),
        volley: Volley::default(),
        unseen: VecDeque::new(),
        unread: InARow::default(),
        unreadable: BTreeMap::new(),
    };
    let client = Docker::connect_with_http(&engine.address, 60, API_DEFAULT_VERSION).unwrap();
    (listener, Connection { client, kind: EngineKind::Docker, address: engine.address }, told)
}

/// `kill` is SIGTERM, unless it names another one.
async fn hear(listener: &mut Listener, connection: &Connection, id: &str, action: &str, at: i64) {
    let (action, signal) = action.split_once(' ').unwrap_or((action, "15"));
    let actor = json!({ "ID": id, "Attributes": { "name": "a", "exitCode": "0", "signal": signal } });
    let event = json!({ "Type": "container", "Action": action, "Actor": actor, "timeNano": at });
    let event = serde_json::from_value(event).unwrap();
    listener.hear(Some(Ok(event)), connection).await.unwrap();
}

fn told(reports: &mut mpsc::Receiver<Input>) -> Vec<Word> {
    let all = std::iter::from_fn(|| reports.try_recv().ok());
    all.filter_map(|input| if let Input::Reported(SERVER, word) = input { Some(word) } else { None }).collect()
}

/// Somebody stops the container. After so long the engine ends, and does not know of the stop when it is back.
async fn words_after_a_stop(last_life: Duration) -> Vec<Word> {
    let (mut listener, connection, mut reports) = listener();
    for (action, at) in [("kill", STOP - 2), ("die", STOP - 1), ("stop", STOP)] {
        hear(&mut listener, &connection, "id1", action, at).await;
    }
    listener.clock.lives(Instant::now() + last_life);
    listener.lose("it has ended").await;
    told(&mut reports);
    listener.containers[0].ledger.compare(Some(&look("id1", State::Ended)))
}

#[tokio::test]
async fn a_stop_long_before_the_engines_end_is_somebodys_also_when_nothing_was_heard_since() {
    let retracted = Word::Died(Death { exit_code: Some(0), retracts_stop: true, ..Death::default() });
    assert_eq!(words_after_a_stop(Duration::from_secs(1)).await, [retracted]);
    assert_eq!(words_after_a_stop(Duration::from_secs(3 * 3_600)).await, []);
}

#[test]
fn the_engines_clock_goes_on_between_its_words_and_late_events_do_not_set_it_back() {
    let begin = Instant::now();
    let mut clock = EngineClock::default();
    assert_eq!(clock.last_life(), None);
    clock.tells(STOP, begin);
    clock.tells(STOP - 1, begin + Duration::from_secs(60));
    assert_eq!(clock.last_life(), Some(61 * STOP));
    clock.lives(begin + Duration::from_secs(90));
    assert_eq!(clock.last_life(), Some(91 * STOP));
}

#[tokio::test]
async fn a_restart_whose_end_was_not_seen_does_not_claim_a_stop_of_later() {
    let (mut listener, connection, mut reports) = listener();
    listener.serve(Request::Begin(SERVER, Does::Restart, oneshot::channel().0), Ok(&connection));
    let within = Until::Within(Duration::from_secs(13));
    listener.serve(Request::End(SERVER, Some(within), oneshot::channel().0), Ok(&connection));
    let later = 3_600 * STOP;
    for (action, at) in [("kill", later), ("die", later + 1), ("stop", later + 2)] {
        hear(&mut listener, &connection, "id1", action, at).await;
    }
    assert_eq!(told(&mut reports).last(), Some(&Word::Stopped));
}

#[tokio::test]
async fn whoever_is_given_the_name_is_looked_at() {
    let (mut listener, connection, mut reports) = listener();
    hear(&mut listener, &connection, "id1", "rename", 2).await;
    assert!(listener.unseen.is_empty(), "it is the same");
    hear(&mut listener, &connection, "id2", "rename", 3).await;
    assert_eq!((told(&mut reports), &listener.unseen), (vec![], &VecDeque::from([SERVER])), "nothing has stopped yet");
    let (server, running) = (SERVER, Look { since: 1, ..look("id2", State::Running) });
    listener.compare(server, Some(&running)).await;
    hear(&mut listener, &connection, "id2", "die", 4).await;
    let died = Word::Died(Death { exit_code: Some(0), ..Death::default() });
    assert_eq!(told(&mut reports), [Word::Started, died]);
}

#[tokio::test]
async fn whoever_is_given_the_name_and_does_not_run_was_stopped() {
    let (mut listener, connection, mut reports) = listener();
    hear(&mut listener, &connection, "id2", "rename", 3).await;
    let created = look("id2", State::Ended);
    listener.compare(SERVER, Some(&created)).await;
    assert_eq!(told(&mut reports), [Word::Stopped]);
    listener.compare(SERVER, Some(&created)).await;
    hear(&mut listener, &connection, "id2", "start", 4).await;
    assert_eq!(told(&mut reports), [Word::Started], "it is told once");
}

#[tokio::test]
async fn whom_we_give_the_name_ourselves_is_not() {
    let (mut listener, connection, _reports) = listener();
    listener.serve(Request::Begin(SERVER, Does::Replace, oneshot::channel().0), Ok(&connection));
    hear(&mut listener, &connection, "id2", "rename", 3).await;
    assert!(listener.unseen.is_empty());
}

#[tokio::test]
async fn one_that_is_created_under_the_name_is_looked_at_for_its_restart_policy() {
    let (mut listener, connection, mut reports) = listener();
    for (action, at) in [("die", 2), ("destroy", 3)] {
        hear(&mut listener, &connection, "id1", action, at).await;
    }
    assert!(listener.unseen.is_empty(), "who it was is known");
    hear(&mut listener, &connection, "id2", "create", 4).await;
    hear(&mut listener, &connection, "id2", "start", 5).await;
    told(&mut reports);
    assert_eq!(listener.unseen, VecDeque::from([SERVER]), "once");
    let (server, running) = (SERVER, Look { since: 5, comes_back: ComesBack::Always, ..look("id2", State::Running) });
    listener.compare(server, Some(&running)).await;
    assert_eq!(told(&mut reports), [], "its start has been told");
    listener.unseen.clear();
    hear(&mut listener, &connection, "id2", "die", 6).await;
    let died = Word::Died(Death { exit_code: Some(0), comes_back: true, ..Death::default() });
    assert_eq!((told(&mut reports), listener.unseen.len()), (vec![died], 0));
}
