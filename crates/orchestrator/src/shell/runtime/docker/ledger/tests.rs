use super::*;

fn look(running: bool, since: i64) -> Look {
    Look { id: "id1".to_owned(), name: "a".to_owned(), running, since, exit_code: Some(1), ..Look::default() }
}

fn running() -> Ledger {
    let mut ledger = Ledger::new("a", &look(true, 0));
    assert_eq!(ledger.compare(Some(&look(true, 0))), Some(Word::Running));
    ledger
}

fn happening(at: i64, act: Act) -> Happening {
    Happening { name: "a".to_owned(), id: "id1".to_owned(), at, act }
}

/// Folds one event a nanosecond, from 1 on.
fn words(ledger: &mut Ledger, acts: &[Act]) -> Vec<Option<Word>> {
    (1..).zip(acts).map(|(at, act)| ledger.fold(&happening(at, *act))).collect()
}

fn died(exit_code: i64) -> Word {
    Word::Died(Death { exit_code: Some(exit_code), ..Death::default() })
}

const RESTART: [Act; 5] = [Act::Kill(15), Act::Die(Some(143)), Act::Stop, Act::Start, Act::Restart];

#[test]
fn what_others_do_is_told() {
    let told = [Some(Word::Killed), Some(died(143)), Some(Word::Stopped), Some(Word::Started), None];
    assert_eq!(words(&mut running(), &RESTART), told);
}

#[test]
fn our_own_restart_is_a_death_and_a_server_that_runs_again() {
    let mut ledger = running();
    ledger.begin();
    assert_eq!(words(&mut ledger, &RESTART), [None, Some(died(143)), None, Some(Word::Running), None]);
    assert_eq!(ledger.action().unwrap().stage, Stage::Restarted);
    ledger.end(true);
    assert_eq!(ledger.fold(&happening(9, Act::Kill(9))), Some(Word::Killed));
}

#[test]
fn a_death_tells_whether_the_engine_itself_starts_it_again() {
    let rule = [
        (ComesBack::Never, 1, false),
        (ComesBack::AfterFailure, 1, true),
        (ComesBack::AfterFailure, 0, false),
        (ComesBack::Always, 0, true),
    ];
    for (comes_back, exit_code, expected) in rule {
        let mut ledger = Ledger::new("a", &Look { comes_back, ..look(true, 0) });
        ledger.compare(Some(&Look { comes_back, ..look(true, 0) }));
        let death = Death { exit_code: Some(exit_code), comes_back: expected, ..Death::default() };
        assert_eq!(words(&mut ledger, &[Act::Die(Some(exit_code))]), [Some(Word::Died(death))], "{comes_back:?}");
    }
}

#[test]
fn a_restart_that_an_earlier_run_has_begun_is_still_ours() {
    for is_running in [true, false] {
        let mut ledger = Ledger::new("a", &look(is_running, 0));
        ledger.resume(100);
        assert_eq!(ledger.compare(Some(&look(is_running, 0))), is_running.then_some(Word::Running));
        let events = if is_running { &RESTART[..] } else { &RESTART[2..] };
        assert!(words(&mut ledger, events).iter().all(Option::is_none));
        assert_eq!(ledger.action(), None);
        assert_eq!(ledger.fold(&happening(9, Act::Die(Some(1)))), Some(died(1)));
    }
}

#[test]
fn a_restart_that_never_came_is_forgotten() {
    let mut ledger = Ledger::new("a", &look(true, 0));
    ledger.resume(100);
    ledger.compare(Some(&look(true, 0)));
    assert_eq!(ledger.fold(&happening(101, Act::Kill(15))), Some(Word::Killed));
    assert_eq!(ledger.fold(&happening(102, Act::Die(Some(0)))), Some(died(0)));
    assert_eq!(ledger.fold(&happening(103, Act::Stop)), Some(Word::Stopped));
}

#[test]
fn a_stop_after_our_own_start_is_somebody_elses() {
    let mut ledger = running();
    ledger.begin();
    words(&mut ledger, &RESTART[..4]);
    assert_eq!(ledger.fold(&happening(5, Act::Kill(15))), Some(Word::Killed));
    assert_eq!(ledger.fold(&happening(6, Act::Die(Some(0)))), Some(died(0)));
    assert_eq!(ledger.fold(&happening(7, Act::Stop)), Some(Word::Stopped));
}

#[test]
fn a_second_stop_before_our_own_start_is_somebody_elses() {
    let mut ledger = running();
    ledger.begin();
    words(&mut ledger, &RESTART[..3]);
    assert_eq!(ledger.fold(&happening(4, Act::Stop)), Some(Word::Stopped));
}

#[test]
fn events_of_a_restart_that_come_after_its_end_are_no_news() {
    let mut ledger = running();
    ledger.begin();
    ledger.end(false);
    assert_eq!(words(&mut ledger, &RESTART), [None, None, None, None, None]);
    assert_eq!(ledger.action(), None);
    assert_eq!(ledger.fold(&happening(6, Act::Die(Some(2)))), Some(died(2)));
}

#[test]
fn memory_is_the_next_deaths_cause_only() {
    let mut ledger = running();
    let oom = Some(Word::Died(Death { exit_code: Some(137), oom_killed: true, ..Death::default() }));
    let acts = [Act::Oom, Act::Die(Some(137)), Act::Start, Act::Die(Some(1))];
    assert_eq!(words(&mut ledger, &acts), [None, oom, Some(Word::Started), Some(died(1))]);
}

#[test]
fn only_signals_that_may_end_it_are_told() {
    let mut ledger = running();
    ledger.stop_signal = Some(10);
    let told = words(&mut ledger, &[Act::Kill(1), Act::Kill(28), Act::Kill(10), Act::Kill(2)]);
    assert_eq!(told, [None, None, Some(Word::Killed), Some(Word::Killed)]);
}

#[test]
fn a_name_is_followed_and_an_id_is_not() {
    let recreated = |at, act| Happening { id: "id2".to_owned(), ..happening(at, act) };
    let mut by_name = running();
    assert_eq!(words(&mut by_name, &[Act::Die(Some(0)), Act::Destroy]), [Some(died(0)), Some(Word::Stopped)]);
    assert_eq!(by_name.fold(&recreated(3, Act::Create)), None);
    assert_eq!(by_name.fold(&recreated(4, Act::Start)), Some(Word::Started));
    let elsewhere = Happening { name: "a_old".to_owned(), ..happening(5, Act::Die(Some(0))) };
    assert_eq!(by_name.fold(&elsewhere), None);

    let mut by_id = Ledger::new("id1", &look(true, 0));
    by_id.compare(Some(&look(true, 0)));
    assert_eq!(by_id.fold(&recreated(1, Act::Die(Some(0)))), None);
    assert_eq!(by_id.fold(&Happening { name: "b".to_owned(), ..happening(2, Act::Die(Some(0))) }), Some(died(0)));
}

#[test]
fn what_a_look_has_told_is_not_told_again() {
    let mut ledger = running();
    assert_eq!(ledger.compare(Some(&look(false, 5))), Some(died(1)));
    assert_eq!(words(&mut ledger, &[Act::Kill(9)]), [None]);
    assert_eq!(ledger.fold(&happening(6, Act::Die(Some(1)))), None);
    assert_eq!(ledger.fold(&happening(7, Act::Stop)), Some(Word::Stopped));
    assert_eq!(ledger.compare(Some(&look(false, 5))), None);
    assert_eq!(ledger.compare(Some(&look(true, 8))), Some(Word::Started));
    assert_eq!(ledger.fold(&happening(9, Act::Start)), None);
    assert_eq!(ledger.compare(Some(&look(true, 8))), Some(Word::Running));
    assert_eq!(ledger.compare(Some(&look(true, 12))), Some(Word::Started));
    assert_eq!(ledger.compare(None), Some(Word::Stopped));
    assert_eq!(ledger.compare(None), None);
}

#[test]
fn before_the_first_look_nothing_is_news() {
    let mut ledger = Ledger::new("a", &look(true, 0));
    assert_eq!(words(&mut ledger, &RESTART), [None, None, None, None, None]);
    assert_eq!(ledger.seen(), 5);
    assert_eq!(ledger.compare(Some(&look(false, 9))), Some(Word::NotRunning));
}
