//! What is committed is there again; what is not is gone as a whole.

use super::*;

fn written(seq: u64) -> Written {
    Written { seq, server_name: Some("a".into()), event_type: "server_down", json: format!("{{\"seq\":{seq}}}").into() }
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().expect("a timestamp")
}

#[test]
fn a_directory_belongs_to_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = Store::open(directory.path(), Retention::default()).expect("opens");
    assert!(matches!(Store::open(directory.path(), Retention::default()), Err(StoreError::Locked { .. })));
    drop(first);
    Store::open(directory.path(), Retention::default()).expect("opens again");
}

#[test]
fn events_and_epoch_survive() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(directory.path(), Retention::default()).expect("opens");
    assert_eq!(store.left("first", now()).expect("reads").epoch, "first");
    let now_mono = Mono(Duration::from_secs(9));
    let batch = Batch { events: (1..=5).map(written).collect(), now: now_mono, incidents: 3, ..Batch::default() };
    store.commit(&batch, true).expect("commits");
    drop(store);
    let mut store = Store::open(directory.path(), Retention::default()).expect("opens");
    let left = store.left("second", now()).expect("reads");
    assert_eq!((left.epoch.as_str(), left.seq, left.last, left.incidents), ("first", 5, now_mono, 3));
    let reader = store.reader().expect("a reader");
    let seqs: Vec<_> = reader.events(2, 2).expect("reads").into_iter().map(|(seq, _)| seq).collect();
    assert_eq!((seqs, reader.oldest().expect("reads")), (vec![3, 4], Some(1)));
}

#[test]
fn a_batch_is_written_as_a_whole_or_not_at_all() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(directory.path(), Retention::default()).expect("opens");
    store.left("e", now()).expect("reads");
    store.commit(&Batch { events: vec![written(1)], ..Batch::default() }, false).expect("commits");
    let clash = Batch { events: vec![written(2), written(1)], ..Batch::default() };
    store.commit(&clash, false).expect_err("the second event clashes");
    assert_eq!(store.left("e", now()).expect("reads").seq, 1);
}

/// A store in which these events were written a week before the last of them.
fn aged(directory: &std::path::Path, retention: Retention, old: u64, young: u64) -> Store {
    let mut store = Store::open(directory, retention).expect("opens");
    store.left("e", now()).expect("reads");
    let week = Mono(retention.events_for + Duration::from_secs(1));
    for first in (1..=old + young).step_by(1000) {
        let now = if first <= old { Mono::default() } else { week };
        let events = (first..first + 1000).map(written).collect();
        store.commit(&Batch { now, events, ..Batch::default() }, false).expect("commits");
    }
    store
}

fn oldest(store: &Store) -> Option<u64> {
    store.reader().expect("a reader").oldest().expect("reads")
}

#[test]
fn an_event_is_removed_when_it_is_neither_young_nor_among_the_last_nor_within_the_most() {
    let retention = Retention { events: 10_000, most_events: 30_000, ..Retention::default() };
    for (name, old, young, expected) in [
        ("old, but among the last", 10_000, 0, 1),
        ("old and many", 14_000, 6_000, 10_001),
        ("young, so as many as there are", 0, 25_000, 1),
        ("more than the most", 0, 40_000, 10_001),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let store = aged(directory.path(), retention, old, young);
        assert_eq!(oldest(&store), Some(expected), "{name}");
    }
}

#[test]
fn what_is_removed_makes_room_and_much_of_it_is_given_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let few = Retention { events: 1_000, ..Retention::default() };
    let mut store = Store::open(directory.path(), few).expect("opens");
    store.left("e", now()).expect("reads");
    let large = |seq| Written { json: "x".repeat(1_000).into(), ..written(seq) };
    let write = |store: &mut Store, thousand: u64, day: u64| {
        let events = (thousand * 1_000 + 1..=thousand * 1_000 + 1_000).map(large).collect();
        let now = Mono(Duration::from_secs(day * 86_400));
        store.commit(&Batch { now, events, ..Batch::default() }, false).expect("commits");
        store.connection.pragma_query_value(None, "page_count", |row| row.get::<_, u64>(0)).expect("pages")
    };
    let full = (0..20).map(|thousand| write(&mut store, thousand, 0)).max();
    let pages: Vec<_> = (20..80).map(|thousand| write(&mut store, thousand, thousand)).collect();
    assert!(pages.iter().max().copied() <= full.map(|full| full * 11 / 10), "{full:?}, {pages:?}");
    assert!(pages.last().copied() < full.map(|full| full * 2 / 3), "{full:?}, {pages:?}");
}

/// The map that says where each page of the file belongs: one page in so many, from the second on.
const MAP_EVERY: u64 = 4_096 / 5 + 1;

#[test]
fn a_batch_that_is_written_is_not_refused_because_no_room_can_be_given_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let few = Retention { events: 1_000, ..Retention::default() };
    let open = || {
        let mut store = Store::open(directory.path(), few).expect("opens");
        store.left("e", now()).expect("reads");
        store
    };
    let large = |seq| Written { json: "x".repeat(1_000).into(), ..written(seq) };
    let batch = |thousand: u64| Batch {
        events: (thousand * 1_000 + 1..=thousand * 1_000 + 1_000).map(large).collect(),
        ..Batch::default()
    };
    let mut store = open();
    (0..10).for_each(|thousand| store.commit(&batch(thousand), false).expect("commits"));
    store.connection.execute("DELETE FROM event WHERE seq < 9500", []).expect("much room is free");
    drop(store);

    // Only giving back reads the map.
    let file = std::fs::File::options().write(true).open(directory.path().join("state.db")).expect("opens");
    let pages = file.metadata().expect("a size").len() / 4_096;
    for map in (1..pages).step_by(usize::try_from(MAP_EVERY).expect("small")) {
        std::os::unix::fs::FileExt::write_all_at(&file, &[0; 4_096], map * 4_096).expect("the map is damaged");
    }
    let mut store = open();
    store.commit(&batch(10), false).expect("it is written");
    retention::give_back(&store.connection).expect_err("the damage is found");
    store.commit(&batch(11), false).expect("and the next one");
    assert_eq!(store.left("e", now()).expect("reads").seq, 12_000);
}

#[test]
fn a_state_that_does_not_read_back_is_forgotten_and_the_others_are_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state.db");
    schema::tests::of_version(&path, schema::tests::VERSION);
    let disk = Connection::open(&path).expect("opens");
    disk.execute("INSERT INTO server VALUES ('b', '{\"memory\": 7}')", []).expect("a state of another kind");
    let mut store = Store::open(directory.path(), Retention::default()).expect("opens");
    let left = store.left("e", now()).expect("it starts");
    let names: Vec<_> = left.records.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a"]);
}

#[test]
fn events_after_a_hole_take_the_place_of_those_before_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(directory.path(), Retention::default()).expect("opens");
    store.left("e", now()).expect("reads");
    let batch = |events: std::ops::RangeInclusive<u64>| Batch { events: events.map(written).collect(), ..Batch::default() };
    store.commit(&batch(1..=5), true).expect("commits");
    store.commit(&batch(9..=12), true).expect("commits");
    let seqs: Vec<_> = store.reader().expect("a reader").events(0, 100).expect("reads").iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, [9, 10, 11, 12]);
}

#[test]
fn the_log_of_the_database_stays_small_although_somebody_always_reads() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(directory.path(), Retention::default()).expect("opens");
    store.left("e", now()).expect("reads");
    let (reader, done) = (store.reader().expect("a reader"), std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let stop = std::sync::Arc::clone(&done);
    let reading = std::thread::spawn(move || {
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            reader.events(0, 1_000).expect("reads");
        }
    });
    let mut largest = 0;
    for first in (1..=60_000).step_by(100) {
        // Nearly all events are these.
        let check = |seq| Written { event_type: "health_check_completed", ..written(seq) };
        store.commit(&Batch { events: (first..first + 100).map(check).collect(), ..Batch::default() }, false).expect("commits");
        largest = largest.max(std::fs::metadata(directory.path().join("state.db-wal")).expect("a log").len());
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    reading.join().expect("no panic");
    assert!(largest < 2 * u64::from(LOG_KEPT_BYTES), "{largest}");
}

#[test]
fn a_database_of_every_earlier_version_is_migrated_without_losing_a_record() {
    for version in 0..=schema::tests::VERSION {
        let directory = tempfile::tempdir().expect("a directory");
        schema::tests::of_version(&directory.path().join("state.db"), version);
        let mut store = Store::open(directory.path(), Retention::default()).expect("it is migrated");
        let left = store.left("new", now()).expect("it reads");
        assert_eq!((left.epoch.as_str(), left.seq, left.incidents), ("old", 2, 3), "version {version}");
        assert_eq!((left.first_start, left.last), (now(), Mono(Duration::from_secs(7))));
        let (name, record) = &left.records[0];
        assert_eq!((name.as_str(), record.memory.attempts, record.memory.failures), ("a", 2, 3), "version {version}");
        assert!(record.memory.paused.is_some() && record.memory.incident.is_some() && record.last_check.is_some());
        let lines: Vec<_> = store.reader().expect("a reader").events(0, 9).expect("reads");
        assert_eq!(lines, [(1, "{\"seq\":1}".to_owned()), (2, "{\"seq\":2}".to_owned())]);
        store.commit(&Batch { events: vec![written(3)], ..Batch::default() }, true).expect("and goes on");
        drop(store);
        Store::open(directory.path(), Retention::default()).expect("a second time there is nothing to do");
    }
}

#[test]
fn a_database_of_a_later_version_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state.db");
    schema::tests::of_version(&path, schema::tests::VERSION);
    Connection::open(&path).expect("opens").pragma_update(None, "user_version", 99).expect("a version");
    let error = Store::open(directory.path(), Retention::default()).expect_err("it is refused").to_string();
    assert!(error.contains("has version 99") && error.contains("use the newer program"), "{error}");
    let version: u32 =
        Connection::open(&path).expect("opens").pragma_query_value(None, "user_version", |row| row.get(0)).expect("one");
    assert_eq!(version, 99);
}

#[test]
fn uptime_rows_are_there_again() {
    use crate::machine::uptime::{Ledger, Standing};
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(directory.path(), Retention::default()).expect("opens");
    store.left("e", now()).expect("reads");
    let at = |seconds| Steady::of(origin(now()), Mono(Duration::from_secs(seconds)));
    let retention = Retention::default().uptime;
    let mut ledger = Ledger::new([], Standing::Up, at(0));
    let mut written = |ledger: &mut Ledger| {
        let uptime = ledger.changes().into_iter().map(|changes| ("a".to_owned(), changes)).collect();
        store.commit(&Batch { uptime, ..Batch::default() }, false).expect("commits");
        ledger.saved();
        store.left("e", now()).expect("reads").uptime
    };
    for minute in 1..=200 {
        ledger.turn(at(minute * 60 - 20), if minute % 50 == 0 { Standing::Down } else { Standing::Up }, &retention);
        ledger.count_up_to(at(minute * 60), &retention);
        let kept = written(&mut ledger).remove("a").expect("kept");
        let again = Ledger::new(kept, Standing::Up, at(minute * 60));
        assert_eq!(again.uptime(), ledger.uptime());
    }
    drop(store);
    let rows: u32 = Connection::open(directory.path().join("state.db"))
        .and_then(|connection| {
            connection.query_row("SELECT count(*) FROM uptime_share WHERE resolution = 'minute'", [], |row| row.get(0))
        })
        .expect("rows");
    assert!((4..20).contains(&rows), "{rows}");
}

#[test]
fn what_is_no_database_is_named_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("state.db");
    std::fs::write(&path, "this is a letter, and no database at all; but it is longer than a header".repeat(100))
        .expect("written");
    let before = std::fs::read(&path).expect("read");
    let error = Store::open(directory.path(), Retention::default()).expect_err("no database");
    assert!(matches!(&error, StoreError::Damaged { path: named, .. } if *named == path), "{error}");
    assert_eq!(std::fs::read(&path).expect("read"), before);

    // A database whose pages have been written over.
    std::fs::remove_file(&path).expect("removed");
    drop(Store::open(directory.path(), Retention::default()).expect("a new one"));
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[100..].fill(0xff);
    std::fs::write(&path, bytes).expect("written");
    let opened = Store::open(directory.path(), Retention::default()).and_then(|mut store| store.left("e", now()));
    assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{opened:?}");
}

fn down(number: u64, server: &str) -> (u64, health_spec::Event) {
    let event = serde_json::json!({
        "event_type": "server_down", "reason": "container_died", "detection_ms": 0, "trace_id": "t",
        "timestamp": "2026-01-02T03:04:05Z", "repo": "r", "source": "s", "epoch": "e", "seq": number, "server_name": server,
        "incident_id": format!("e-{number}"),
    });
    (number, serde_json::from_value(event).expect("an event"))
}

#[test]
fn incidents_are_listed_newest_first_and_those_open_are_there_at_the_next_start() {
    use crate::shell::incidents::{Book, Teller};
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(directory.path(), Retention::default()).expect("opens");
    store.left("e", now()).expect("reads");
    let book = Book::default();
    for (number, server) in [(1, "a"), (2, "b"), (3, "a")] {
        book.fold(&down(number, server).1, Teller::default);
    }
    store.commit(&Batch { changed_incidents: book.unwritten(), ..Batch::default() }, true).expect("commits");
    store.put_evidence(3, r#"{"left_out":["x"]}"#).expect("written");
    let reader = store.reader().expect("a reader");
    let numbers =
        |query: Query| -> Vec<u64> { reader.incidents(&query).expect("reads").into_iter().map(|(number, _)| number).collect() };
    let all = Query { limit: 9, ..Query::default() };
    assert_eq!(numbers(all.clone()), [3, 2, 1]);
    assert_eq!(numbers(Query { server: Some("a".into()), ..all.clone() }), [3, 1]);
    assert_eq!(numbers(Query { before: Some(3), limit: 1, ..all.clone() }), [2]);
    assert_eq!(numbers(Query { open: Some(false), ..all }), [0_u64; 0]);
    assert_eq!(reader.incident(2).expect("reads").map(|incident| incident.id).as_deref(), Some("e-2"));
    assert_eq!((reader.incident(9).expect("reads"), reader.evidence(9).expect("reads")), (None, None));
    let left = store.left("e", now()).expect("reads");
    let open: Vec<_> = left.open_incidents.iter().map(|(number, _, evidence)| (*number, evidence.left_out.len())).collect();
    assert_eq!(open, [(3, 1), (2, 0), (1, 0)]);
}
