use super::*;

fn instance() -> Instance {
    Instance { token: "t".to_owned(), leader: Identity { pid: 7, start: 70 }, bound: false }
}

fn ended(death: &Death) -> Record {
    Record::ended(instance(), death, Some(Timestamp::UNIX_EPOCH))
}

fn planned(record: Option<&Record>, on_crash: OnCrash, lives: bool, carrier: impl Fn(&str) -> Option<Identity>) -> Plan {
    Plan::of(record.cloned(), on_crash, |_| Ok(lives), |token| Ok(carrier(token))).unwrap()
}

#[test]
fn what_cannot_be_seen_is_not_guessed() {
    let blind = || io::Error::other("no descriptor is left");
    let starting = Record::Starting { token: "t".to_owned(), bound: false };
    for record in [starting, Record::Running(instance()), Record::Stopping(instance())] {
        let planned = Plan::of(Some(record.clone()), OnCrash::Adopt, |_| Err(blind()), |_| Err(blind()));
        assert!(planned.is_err(), "{record:?}");
    }
}

#[test]
fn each_crash_point_has_its_plan() {
    let starting = || Some(Record::Starting { token: "t".to_owned(), bound: false });
    let ended = Some(ended(&Death { exit_code: Some(0), ..Death::default() }));
    let seen = Death { exit_code: Some(0), ..Death::default() };
    let spawn = |leftover: Option<&str>| Plan::Spawn { leftover: leftover.map(str::to_owned) };
    for (record, lives, plan) in [
        (None, false, spawn(None)),
        (starting(), false, spawn(Some("t"))),
        (starting(), true, Plan::Adopt(instance())),
        (Some(Record::Running(instance())), true, Plan::Adopt(instance())),
        (Some(Record::Running(instance())), false, Plan::Mourn(instance(), Death::default())),
        (Some(Record::Stopping(instance())), true, Plan::FinishStop(instance(), Because::CutShort)),
        (Some(Record::Stopping(instance())), false, Plan::FinishStop(instance(), Because::CutShort)),
        (Some(Record::Stopped), false, spawn(None)),
        (ended, false, Plan::Mourn(instance(), Death { known: true, ..seen })),
    ] {
        let found = planned(record.as_ref(), OnCrash::Adopt, lives, |token| (lives && token == "t").then_some(instance().leader));
        assert_eq!(found, plan, "{record:?}, alive: {lives}");
    }
}

#[test]
fn a_start_that_could_not_be_written_down_is_found_by_what_follows_from_the_record() {
    let next = Identity { pid: 9, start: 90 };
    let carrier = |token: &str| (token == "t+").then_some(next);
    let ended = ended(&Death { exit_code: Some(0), ..Death::default() });
    let unwritten = Instance { token: "t+".to_owned(), leader: next, bound: false };
    let starting = Record::Starting { token: "t".to_owned(), bound: false };
    for record in [Record::Running(instance()), Record::Stopping(instance()), ended, starting] {
        let found = planned(Some(&record), OnCrash::Adopt, false, carrier);
        assert_eq!(found, Plan::Adopt(unwritten.clone()), "{record:?}");
    }
    let before = planned(Some(&Record::Running(instance())), OnCrash::Adopt, true, carrier);
    assert_eq!(before, Plan::Adopt(instance()), "that one was not stopped");
    let bound = Record::Running(Instance { bound: true, ..instance() });
    let found = planned(Some(&bound), OnCrash::Adopt, false, carrier);
    assert_eq!(found, Plan::FinishStop(Instance { bound: true, ..unwritten }, Because::Bound));
}

#[test]
fn what_is_bound_to_us_or_is_to_end_with_us_is_ended_and_started() {
    let bound = Instance { bound: true, ..instance() };
    let starting = |bound| Some(Record::Starting { token: "t".to_owned(), bound });
    let (adopt, end) = (OnCrash::Adopt, OnCrash::End);
    for (record, on_crash, lives, plan) in [
        (Some(Record::Running(bound.clone())), adopt, true, Plan::FinishStop(bound.clone(), Because::Bound)),
        (Some(Record::Running(bound.clone())), adopt, false, Plan::FinishStop(bound.clone(), Because::Bound)),
        (starting(true), adopt, true, Plan::FinishStop(bound, Because::Bound)),
        (Some(Record::Running(instance())), end, true, Plan::FinishStop(instance(), Because::Configured)),
        (Some(Record::Running(instance())), end, false, Plan::Mourn(instance(), Death::default())),
        (starting(false), end, true, Plan::FinishStop(instance(), Because::Configured)),
    ] {
        let found = planned(record.as_ref(), on_crash, lives, |token| (lives && token == "t").then_some(instance().leader));
        assert_eq!(found, plan, "{record:?}, {on_crash:?}, alive: {lives}");
    }
}

#[test]
fn what_was_seen_of_an_end_is_told_after_a_restart() {
    let seen = Death { signal: Some(9), oom_killed: true, core_dumped: true, ..Death::default() };
    let found = planned(Some(&ended(&seen)), OnCrash::Adopt, false, |_| None);
    assert_eq!(found, Plan::Mourn(instance(), Death { known: true, ..seen }));
    assert_eq!((ended(&Death::default()).ended_at(), Record::Stopped.ended_at()), (Some(Timestamp::UNIX_EPOCH), None));
}

#[tokio::test]
async fn a_record_survives_and_a_reboot_voids_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("processes/a.json");
    let file = RecordFile::new(path.clone(), "boot-1".to_owned());
    assert!(file.read().unwrap().is_none());
    file.write(Record::Running(instance())).await.unwrap();
    assert_eq!(file.read().unwrap(), Some(Record::Running(instance())));
    let rebooted = RecordFile::new(path.clone(), "boot-2".to_owned());
    assert_eq!(rebooted.read().unwrap(), None);
    let ended = ended(&Death { signal: Some(9), core_dumped: true, ..Death::default() });
    file.write(ended.clone()).await.unwrap();
    assert_eq!(rebooted.read().unwrap(), Some(ended));
    let older = r#"{"boot":"boot-1","record":{"state":"ended","instance":{"token":"t","leader":{"pid":7,"start":70}},"exit_code":3,"signal":null}}"#;
    fs::write(&path, older).unwrap();
    let known = Record::ended(instance(), &Death { exit_code: Some(3), ..Death::default() }, None);
    assert_eq!(file.read().unwrap(), Some(known), "written by an earlier version");
    fs::write(&path, "{").unwrap();
    assert!(matches!(file.read(), Err(RecordError::Malformed { .. })));
}

#[tokio::test]
async fn a_record_can_be_written_over_where_there_is_no_room_for_another() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.json");
    let file = RecordFile::new(path.clone(), "boot".to_owned());
    file.write(Record::Starting { token: "t".to_owned(), bound: true }).await.unwrap();
    let longer =
        serde_json::to_vec(&Page { boot: "boot".to_owned(), settings: None, record: Record::Running(instance()) }).unwrap();
    let mut padded = longer.clone();
    padded.resize(ROOM, b' ');
    write_over(&path, &padded).unwrap();
    assert_eq!(file.read().unwrap(), Some(Record::Running(instance())));
    assert!(write_over(&path, &longer).is_err(), "not of the size that was there");
}
