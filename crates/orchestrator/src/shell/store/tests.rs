//! What is committed is there again; what is not is gone as a whole.

use super::*;

fn written(seq: u64) -> Written {
    Written { seq, server_name: Some("a".into()), event_type: "server_down", json: format!("{{\"seq\":{seq}}}") }
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().expect("a timestamp")
}

#[test]
fn a_directory_belongs_to_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = Store::open(directory.path()).expect("opens");
    assert!(matches!(Store::open(directory.path()), Err(StoreError::Locked { .. })));
    drop(first);
    Store::open(directory.path()).expect("opens again");
}

#[test]
fn events_and_epoch_survive() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(directory.path()).expect("opens");
    assert_eq!(store.left("first", now()).expect("reads").epoch, "first");
    let now_mono = Mono(Duration::from_secs(9));
    let batch = Batch { events: (1..=5).map(written).collect(), now: now_mono, incidents: 3, ..Batch::default() };
    store.commit(&batch, true).expect("commits");
    drop(store);
    let mut store = Store::open(directory.path()).expect("opens");
    let left = store.left("second", now()).expect("reads");
    assert_eq!((left.epoch.as_str(), left.seq, left.last, left.incidents), ("first", 5, now_mono, 3));
    let reader = store.reader().expect("a reader");
    let seqs: Vec<_> = reader.events(2, 2).expect("reads").into_iter().map(|(seq, _)| seq).collect();
    assert_eq!((seqs, reader.oldest().expect("reads")), (vec![3, 4], Some(1)));
}

#[test]
fn a_batch_is_written_as_a_whole_or_not_at_all() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(directory.path()).expect("opens");
    store.left("e", now()).expect("reads");
    store.commit(&Batch { events: vec![written(1)], ..Batch::default() }, false).expect("commits");
    let clash = Batch { events: vec![written(2), written(1)], ..Batch::default() };
    store.commit(&clash, false).expect_err("the second event clashes");
    assert_eq!(store.left("e", now()).expect("reads").seq, 1);
}

#[test]
fn old_events_are_removed_and_numbers_go_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = Store::open(directory.path()).expect("opens");
    store.left("e", now()).expect("reads");
    for first in (1..=101_000).step_by(1000) {
        store
            .commit(&Batch { events: (first..first + 1000).map(written).collect(), ..Batch::default() }, false)
            .expect("commits");
    }
    assert_eq!(store.reader().expect("a reader").oldest().expect("reads"), Some(1_000));
    assert_eq!(store.left("e", now()).expect("reads").seq, 101_000);
}
