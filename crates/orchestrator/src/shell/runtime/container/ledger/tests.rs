use super::*;
use crate::shell::runtime::container::event::{Act, Happening};

mod acting;
mod engine_end;

fn look(running: bool, since: i64) -> Look {
    let state = if running { State::Running } else { State::Ended };
    Look { id: "id1".to_owned(), name: "a".to_owned(), state, since, exit_code: Some(1), ..Look::default() }
}

fn at_most_one(mut words: Vec<Word>) -> Option<Word> {
    assert!(words.len() < 2, "{words:?}");
    words.pop()
}

fn fold(ledger: &mut Ledger, happening: &Happening) -> Option<Word> {
    at_most_one(ledger.fold(happening))
}

fn compare(ledger: &mut Ledger, look: Option<&Look>) -> Option<Word> {
    at_most_one(ledger.compare(look))
}

fn running() -> Ledger {
    let mut ledger = Ledger::new("a", Some(&look(true, 0)));
    assert_eq!(compare(&mut ledger, Some(&look(true, 0))), Some(Word::Running));
    ledger
}

fn happening(at: i64, act: Act) -> Happening {
    Happening { name: "a".to_owned(), id: "id1".to_owned(), at, act }
}

/// Folds one event a nanosecond, from 1 on.
fn words(ledger: &mut Ledger, acts: &[Act]) -> Vec<Option<Word>> {
    (1..).zip(acts).map(|(at, act)| fold(ledger, &happening(at, *act))).collect()
}

fn died(exit_code: i64) -> Word {
    Word::Died(death(exit_code))
}

fn death(exit_code: i64) -> Death {
    Death { exit_code: Some(exit_code), ..Death::default() }
}

const RESTART: [Act; 5] = [Act::Kill(15), Act::Die(Some(143)), Act::Stop, Act::Start, Act::Restart];

#[test]
fn what_others_do_is_told() {
    let told = [Some(Word::AskedToEnd(None)), Some(died(143)), Some(Word::Stopped), Some(Word::Started), None];
    assert_eq!(words(&mut running(), &RESTART), told);
}

/// Podman tells of it when it is asked, and not before.
#[test]
fn one_that_is_being_stopped_is_asked_to_end_and_has_not_ended() {
    let mut ledger = running();
    ledger.speaks(EngineKind::Podman);
    let stopping = Look { is_stopping: true, stop_timeout: Some(Duration::from_secs(30)), ..look(true, 0) };
    let asked = Word::AskedToEnd(Some(Duration::from_secs(30)));
    assert_eq!(ledger.compare(Some(&stopping)), [Word::Running, asked]);
    let told = words(&mut ledger, &[Act::Die(Some(137)), Act::Cleanup, Act::Cleanup]);
    assert_eq!((matches!(told[0], Some(Word::Died(_))), &told[1..]), (true, &[None, Some(Word::Stopped)][..]));
    assert_eq!(ledger.compare(Some(&stopping)), [], "the end is known by now");
    assert_eq!(ledger.present().unwrap().state, State::Ended);

    let mut ledger = running();
    ledger.begin(false);
    assert_eq!(ledger.compare(Some(&stopping)), [Word::Running], "it is our restart");
}

#[test]
fn our_own_restart_is_a_death_and_a_server_that_runs_again() {
    let mut ledger = running();
    ledger.begin(false);
    assert_eq!(words(&mut ledger, &RESTART), [None, Some(died(143)), None, Some(Word::Running), None]);
    assert_eq!(ledger.action().unwrap().stage, Stage::Restarted);
    ledger.end(None);
    assert_eq!(fold(&mut ledger, &happening(9, Act::Kill(9))), Some(Word::Killed));
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
        let mut ledger = Ledger::new("a", Some(&Look { comes_back, ..look(true, 0) }));
        compare(&mut ledger, Some(&Look { comes_back, ..look(true, 0) }));
        let death = Death { exit_code: Some(exit_code), comes_back: expected, ..Death::default() };
        assert_eq!(words(&mut ledger, &[Act::Die(Some(exit_code))]), [Some(Word::Died(death))], "{comes_back:?}");
    }
}

#[test]
fn a_restart_that_an_earlier_run_has_begun_is_still_ours() {
    for is_running in [true, false] {
        let mut ledger = Ledger::new("a", Some(&look(is_running, 0)));
        ledger.resume((3, 100), false);
        assert_eq!(compare(&mut ledger, Some(&look(is_running, 0))), is_running.then_some(Word::Running));
        let events = if is_running { &RESTART[..] } else { &RESTART[2..] };
        assert!(words(&mut ledger, events).iter().all(Option::is_none));
        assert_eq!(ledger.action(), None);
        assert_eq!(fold(&mut ledger, &happening(9, Act::Die(Some(1)))), Some(died(1)));
    }
}

#[test]
fn a_restart_that_never_came_is_forgotten() {
    let mut ledger = Ledger::new("a", Some(&look(true, 0)));
    ledger.resume((3, 100), false);
    compare(&mut ledger, Some(&look(true, 0)));
    assert_eq!(fold(&mut ledger, &happening(101, Act::Kill(15))), Some(Word::AskedToEnd(None)));
    assert_eq!(fold(&mut ledger, &happening(102, Act::Die(Some(0)))), Some(died(0)));
    assert_eq!(fold(&mut ledger, &happening(103, Act::Stop)), Some(Word::Stopped));
}

#[test]
fn a_stop_after_our_own_start_is_somebody_elses() {
    let mut ledger = running();
    ledger.begin(false);
    words(&mut ledger, &RESTART[..4]);
    assert_eq!(fold(&mut ledger, &happening(5, Act::Kill(15))), Some(Word::AskedToEnd(None)));
    assert_eq!(fold(&mut ledger, &happening(6, Act::Die(Some(0)))), Some(died(0)));
    assert_eq!(fold(&mut ledger, &happening(7, Act::Stop)), Some(Word::Stopped));
}

#[test]
fn a_second_stop_before_our_own_start_is_somebody_elses() {
    let mut ledger = running();
    ledger.begin(false);
    words(&mut ledger, &RESTART[..3]);
    assert_eq!(fold(&mut ledger, &happening(4, Act::Stop)), Some(Word::Stopped));
}

#[test]
fn events_of_a_restart_that_come_after_its_end_are_no_news() {
    let mut ledger = running();
    ledger.begin(false);
    ledger.end(Some(100));
    assert_eq!(words(&mut ledger, &RESTART), [None, None, None, None, None]);
    assert_eq!(ledger.action(), None);
    assert_eq!(fold(&mut ledger, &happening(6, Act::Die(Some(2)))), Some(died(2)));
}

#[test]
fn what_comes_long_after_a_restart_whose_end_was_not_seen_is_somebody_elses() {
    for seen in [0, 3] {
        let mut ledger = running();
        ledger.begin(false);
        words(&mut ledger, &RESTART[..seen]);
        ledger.end(Some(100));
        if seen > 0 {
            assert_eq!(fold(&mut ledger, &happening(101, Act::Start)), Some(Word::Started));
        }
        assert_eq!(fold(&mut ledger, &happening(102, Act::Die(Some(0)))), Some(died(0)), "{seen}");
        assert_eq!(fold(&mut ledger, &happening(103, Act::Stop)), Some(Word::Stopped), "{seen}");
    }
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
    assert_eq!(told, [None, None, Some(Word::AskedToEnd(None)), Some(Word::AskedToEnd(None))]);
}

#[test]
fn a_name_is_followed_and_an_id_is_not() {
    let recreated = |at, act| Happening { id: "id2".to_owned(), ..happening(at, act) };
    let mut by_name = running();
    assert_eq!(words(&mut by_name, &[Act::Die(Some(0)), Act::Destroy]), [Some(died(0)), Some(Word::Stopped)]);
    assert_eq!(fold(&mut by_name, &recreated(3, Act::Create)), None);
    assert_eq!(fold(&mut by_name, &recreated(4, Act::Start)), Some(Word::Started));
    let elsewhere = Happening { name: "a_old".to_owned(), ..happening(5, Act::Die(Some(0))) };
    assert_eq!(fold(&mut by_name, &elsewhere), None);
    // Renamed away, it is still the server; until somebody else takes the name.
    let renamed = |at, act| Happening { name: "b".to_owned(), ..recreated(at, act) };
    assert_eq!(fold(&mut by_name, &renamed(6, Act::Rename)), None);
    assert_eq!(fold(&mut by_name, &renamed(7, Act::Kill(9))), Some(Word::Killed));
    let third = |at, act| Happening { id: "id3".to_owned(), ..happening(at, act) };
    assert_eq!(fold(&mut by_name, &third(8, Act::Create)), Some(Word::Stopped));
    assert_eq!(fold(&mut by_name, &renamed(9, Act::Die(Some(0)))), None);
    assert_eq!(fold(&mut by_name, &third(10, Act::Start)), Some(Word::Started));

    let mut by_id = Ledger::new("id1", Some(&look(true, 0)));
    compare(&mut by_id, Some(&look(true, 0)));
    assert_eq!(fold(&mut by_id, &recreated(1, Act::Die(Some(0)))), None);
    assert_eq!(fold(&mut by_id, &Happening { name: "b".to_owned(), ..happening(2, Act::Die(Some(0))) }), Some(died(0)));
}

#[test]
fn what_a_look_has_told_is_not_told_again() {
    let mut ledger = running();
    assert_eq!(compare(&mut ledger, Some(&look(false, 5))), Some(died(1)));
    assert_eq!(words(&mut ledger, &[Act::Kill(9)]), [None]);
    assert_eq!(fold(&mut ledger, &happening(6, Act::Die(Some(1)))), None);
    assert_eq!(fold(&mut ledger, &happening(7, Act::Stop)), Some(Word::Stopped));
    assert_eq!(compare(&mut ledger, Some(&look(false, 5))), None);
    assert_eq!(compare(&mut ledger, Some(&look(true, 8))), Some(Word::Started));
    assert_eq!(fold(&mut ledger, &happening(9, Act::Start)), None);
    assert_eq!(compare(&mut ledger, Some(&look(true, 8))), Some(Word::Running));
    assert_eq!(compare(&mut ledger, Some(&look(true, 12))), Some(Word::Started));
    assert_eq!(compare(&mut ledger, None), Some(Word::Stopped));
    assert_eq!(compare(&mut ledger, None), None);
}

#[test]
fn before_the_first_look_nothing_is_news() {
    let mut ledger = Ledger::new("a", Some(&look(false, 0)));
    assert_eq!(words(&mut ledger, &RESTART), [None, None, None, None, None]);
    assert_eq!(ledger.seen(), 5);
    assert_eq!(compare(&mut ledger, Some(&look(false, 9))), Some(Word::NotRunning(death(1))), "how it ended is known");
}

#[test]
fn what_becomes_of_it_between_its_first_sight_and_the_first_look_is_told() {
    let found = Look { comes_back: ComesBack::Always, ..look(true, 3) };
    let first_look = |looked: Look| Ledger::new("a", Some(&found)).compare(Some(&looked));
    assert_eq!(first_look(found.clone()), [Word::Running]);
    assert_eq!(first_look(Look { since: 5, restarts: 1, ..found.clone() }), [Word::Restarted]);
    assert_eq!(first_look(Look { since: 5, ..found.clone() }), [Word::Started]);
    assert_eq!(first_look(look(false, 5)), [died(1)]);
    assert_eq!(first_look(Look { stopped: true, ..look(false, 5) }), [unclear(1), Word::Stopped]);
    let mut heard = Ledger::new("a", Some(&found));
    let of_before = fold(&mut heard, &happening(2, Act::Die(Some(3))));
    let told = [(5, Act::Die(Some(3))), (6, Act::Start)].map(|(at, act)| fold(&mut heard, &happening(at, act)));
    let death = Death { exit_code: Some(3), comes_back: true, ..Death::default() };
    assert_eq!((of_before, told), (None, [Some(Word::Died(death)), Some(Word::Restarted)]));
    assert_eq!(heard.compare(Some(&Look { since: 5, restarts: 1, ..found.clone() })), [Word::Running]);
    let mut restarted_by_us = Ledger::new("a", Some(&found));
    restarted_by_us.resume((3, 100), false);
    assert_eq!(compare(&mut restarted_by_us, Some(&Look { since: 5, ..found })), Some(Word::Running));
}

#[test]
fn the_engines_own_restart_is_told_from_somebodys() {
    let looked = Look { comes_back: ComesBack::Always, ..look(true, 0) };
    let mut ledger = Ledger::new("a", Some(&looked));
    compare(&mut ledger, Some(&looked));
    let died = Some(Word::Died(Death { comes_back: true, ..Death { exit_code: Some(1), ..Death::default() } }));
    let acts = [Act::Die(Some(1)), Act::Start, Act::Die(Some(1)), Act::Stop, Act::Start];
    let told = [died.clone(), Some(Word::Restarted), died.clone(), Some(Word::Stopped), Some(Word::Started)];
    assert_eq!(words(&mut ledger, &acts), told);
    assert_eq!(compare(&mut ledger, Some(&Look { restarts: 1, since: 9, ..looked.clone() })), Some(Word::Restarted));
    assert_eq!(compare(&mut ledger, Some(&Look { since: 12, ..looked })), Some(Word::Started));
}

#[test]
fn a_pause_is_told_and_so_is_its_end() {
    let mut ledger = running();
    assert_eq!(words(&mut ledger, &[Act::Pause, Act::Pause, Act::Unpause]), [Some(Word::Paused), None, Some(Word::Started)]);
    let paused = Look { state: State::Paused, ..look(true, 0) };
    assert_eq!(compare(&mut ledger, Some(&paused)), Some(Word::Paused));
    assert_eq!(compare(&mut ledger, Some(&paused)), None);
    assert_eq!(compare(&mut ledger, Some(&look(true, 0))), Some(Word::Started));
    assert_eq!(compare(&mut Ledger::new("a", None), Some(&paused)), Some(Word::Paused));
}

#[test]
fn one_that_is_found_stopped_or_not_at_all_was_stopped() {
    let stopped = Look { stopped: true, ..look(false, 1) };
    assert_eq!(compare(&mut Ledger::new("a", None), Some(&stopped)), Some(Word::FoundStopped));
    assert_eq!(compare(&mut Ledger::new("a", None), None), Some(Word::Stopped));
    let mut ledger = running();
    assert_eq!(ledger.compare(Some(&Look { since: 5, ..stopped })), [unclear(1), Word::Stopped]);
}

fn podman() -> Ledger {
    let mut ledger = running();
    ledger.speaks(EngineKind::Podman);
    ledger
}

fn podmans(acts: &[Act]) -> Vec<Word> {
    let mut ledger = podman();
    (1..).zip(acts).flat_map(|(at, act)| ledger.fold(&happening(at, *act))).collect()
}

fn unclear(exit_code: i64) -> Word {
    Word::Died(Death { exit_code: Some(exit_code), unclear: true, ..Death::default() })
}

#[test]
fn podman_says_little_of_a_stop() {
    let killed = [Act::Die(Some(137)), Act::Cleanup];
    assert_eq!(podmans(&killed), [unclear(137)]);
    let stopped = [Act::Die(Some(0)), Act::Cleanup, Act::Cleanup, Act::Start];
    assert_eq!(podmans(&stopped), [unclear(0), Word::Stopped, Word::Started]);
    let said = [Act::Stop, Act::Die(Some(0)), Act::Cleanup, Act::Cleanup];
    assert_eq!(podmans(&said), [unclear(0), Word::Stopped]);
    let restarted = [Act::Restart, Act::Die(Some(0)), Act::Cleanup, Act::Start];
    assert_eq!(podmans(&restarted), [unclear(0), Word::Stopped, Word::Started]);
    let removed = [Act::Die(Some(137)), Act::Cleanup, Act::Destroy];
    assert_eq!(podmans(&removed), [unclear(137), Word::Stopped]);
    let stopped_and_removed = [Act::Stop, Act::Die(Some(137)), Act::Cleanup, Act::Destroy];
    assert_eq!(podmans(&stopped_and_removed), [unclear(137), Word::Stopped]);
}

#[test]
fn podmans_own_restart_is_said_after_the_death() {
    let looked = Look { comes_back: ComesBack::AfterFailure, ..look(true, 0) };
    let mut ledger = Ledger::new("a", Some(&looked));
    compare(&mut ledger, Some(&looked));
    ledger.speaks(EngineKind::Podman);
    let told = words(&mut ledger, &[Act::Die(Some(3)), Act::Restart, Act::Start]);
    assert_eq!(told[2], Some(Word::Restarted));
}

#[test]
fn our_own_restart_by_podman_is_complete_with_the_start() {
    for acts in [&[Act::Restart, Act::Die(Some(143)), Act::Cleanup][..], &[Act::Die(Some(143)), Act::Cleanup, Act::Cleanup]] {
        let mut ledger = podman();
        ledger.begin(false);
        let told: Vec<_> = (1..).zip(acts).flat_map(|(at, act)| ledger.fold(&happening(at, *act))).collect();
        assert!(matches!(told[..], [Word::Died(_)]), "{told:?}");
        assert_eq!(fold(&mut ledger, &happening(8, Act::Start)), Some(Word::Running));
        assert_eq!(ledger.action().unwrap().stage, Stage::Restarted);
        ledger.end(None);
        assert_eq!(fold(&mut ledger, &happening(9, Act::Die(Some(1)))), Some(unclear(1)));
    }
}

#[test]
fn the_verdict_of_its_healthcheck_is_kept() {
    let mut ledger = running();
    let health = |ledger: &Ledger| ledger.present().unwrap().health;
    assert_eq!(health(&ledger), None);
    words(&mut ledger, &[Act::Health(Some(Health::Healthy))]);
    assert_eq!(health(&ledger), Some(Health::Healthy));
    words(&mut ledger, &[Act::Oom, Act::Die(Some(1))]);
    assert_eq!(health(&ledger), None);
    fold(&mut ledger, &happening(9, Act::Start));
    assert_eq!(health(&ledger), Some(Health::Starting));
}

#[test]
fn a_start_whose_death_nobody_told_is_left_to_a_look() {
    let mut ledger = running();
    assert!(ledger.leaves_to_a_look(&happening(7, Act::Start)));
    assert_eq!(compare(&mut ledger, Some(&look(true, 6))), Some(Word::Started));
    // Folded before, it would have hidden that it is another life.
    let mut ledger = running();
    assert_eq!(fold(&mut ledger, &happening(7, Act::Start)), None);
    assert_eq!(compare(&mut ledger, Some(&look(true, 6))), Some(Word::Running));
    fold(&mut ledger, &happening(8, Act::Die(Some(1))));
    assert!(!ledger.leaves_to_a_look(&happening(9, Act::Start)));
}

/// Docker thaws it, so that it can end.
#[test]
fn the_stop_of_one_that_is_paused_is_told_from_its_thawing() {
    let mut ledger = running();
    let acts = [Act::Pause, Act::Kill(15), Act::Unpause, Act::Die(Some(0)), Act::Stop];
    let told: Vec<_> = (1..).zip(acts).flat_map(|(at, act)| ledger.fold(&happening(at, act))).collect();
    assert_eq!(told, [Word::Paused, Word::AskedToEnd(None), Word::Started, Word::AskedToEnd(None), died(0), Word::Stopped]);
}

#[test]
fn a_signal_that_asks_is_told_from_one_that_does_not() {
    let told = words(&mut running(), &[Act::Kill(9), Act::Kill(15), Act::Kill(9)]);
    assert_eq!(told, [Some(Word::Killed), Some(Word::AskedToEnd(None)), Some(Word::AskedToEnd(None))]);
}

#[test]
fn what_began_before_the_engines_clock_was_set_back_has_not_begun_anew_when_that_comes_again() {
    let since = |at| Look { since: at, ..look(true, 0) };
    let mut ledger = Ledger::new("a", Some(&since(90)));
    assert_eq!(compare(&mut ledger, Some(&since(90))), Some(Word::Running));
    ledger.set_back(50, 50);
    for _ in 0..2 {
        assert_eq!(compare(&mut ledger, Some(&since(90))), Some(Word::Running), "it has not been started since");
    }
    assert_eq!(compare(&mut ledger, Some(&since(60))), Some(Word::Started));
    assert_eq!(fold(&mut ledger, &happening(61, Act::Die(Some(1)))), Some(died(1)));
}
