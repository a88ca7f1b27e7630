//! Whose what happens is while an action of ours runs, or may.

use super::*;

/// Begun at 10 by an earlier run; its events have come by 100.
const OPEN: (i64, i64) = (10, 100);

fn ended(started: i64, since: i64, stopped: bool) -> Look {
    Look { started, stopped, ..look(false, since) }
}

/// Found like this, after an earlier run has begun to restart it.
fn resumed(found: Option<&Look>) -> Ledger {
    let mut ledger = Ledger::new("a", found);
    ledger.resume(OPEN, false);
    ledger
}

#[test]
fn what_is_removed_during_our_restart_was_stopped_and_a_recreate_removes_by_itself() {
    for removes in [false, true] {
        let mut ledger = running();
        ledger.begin(removes);
        let told = words(&mut ledger, &[Act::Kill(15), Act::Kill(9), Act::Die(Some(137)), Act::Stop, Act::Destroy]);
        assert_eq!(told, [None, None, Some(died(137)), None, (!removes).then_some(Word::Stopped)]);
    }
}

#[test]
fn what_was_stopped_after_an_earlier_run_had_started_it_is_stopped() {
    let stopped = ended(50, 60, true);
    assert_eq!(compare(&mut resumed(Some(&stopped)), Some(&stopped)), Some(Word::FoundStopped));
    let dead = ended(50, 60, false);
    assert_eq!(compare(&mut resumed(Some(&dead)), Some(&dead)), Some(died(1)));
    assert_eq!(compare(&mut resumed(None), None), Some(Word::Stopped), "a restart removes nothing");
    let mut recreated = Ledger::new("a", None);
    recreated.resume(OPEN, true);
    assert_eq!(compare(&mut recreated, None), None, "it is between the two");
}

#[test]
fn what_stands_between_the_stop_and_the_start_of_an_earlier_run_is_no_news_until_that_is_over() {
    let between = ended(0, 60, true);
    assert_eq!(compare(&mut resumed(Some(&between)), Some(&between)), None);
    let later = ended(0, 101, true);
    assert_eq!(compare(&mut resumed(Some(&later)), Some(&later)), Some(Word::FoundStopped));
}

#[test]
fn what_an_earlier_run_has_started_is_anybodys_from_then_on() {
    let acts = [Act::Kill(9), Act::Die(Some(137)), Act::Stop];
    let told = [Some(Word::Killed), Some(died(137)), Some(Word::Stopped)];
    let new = Look { started: 50, ..look(true, 50) };
    let mut found_new = resumed(Some(&new));
    assert_eq!(compare(&mut found_new, Some(&new)), Some(Word::Running));
    let mut found_old = resumed(Some(&look(true, 0)));
    assert_eq!(compare(&mut found_old, Some(&new)), Some(Word::Running));
    for mut ledger in [found_new, found_old] {
        let heard: Vec<_> = (51..).zip(acts).map(|(at, act)| fold(&mut ledger, &happening(at, act))).collect();
        assert_eq!(heard, told);
    }
}

#[test]
fn what_was_taken_for_a_restart_that_never_came_is_told_by_a_look() {
    for stopped in [true, false] {
        let mut ledger = resumed(Some(&look(true, 0)));
        compare(&mut ledger, Some(&look(true, 0)));
        assert_eq!(words(&mut ledger, &[Act::Kill(15), Act::Die(Some(1)), Act::Stop]), [None, None, None]);
        assert!(!ledger.is_untold(100));
        assert!(ledger.is_untold(101) && ledger.asks_why());
        let seen = ended(0, 2, stopped);
        let told = if stopped { vec![unclear(1), Word::Stopped] } else { vec![died(1)] };
        assert_eq!(ledger.compare(Some(&seen)), told);
        assert!(!ledger.is_untold(102));
        assert_eq!(ledger.compare(Some(&seen)), []);
    }
}

#[test]
fn a_restart_of_our_own_that_is_late_has_been_told_as_what_it_was() {
    let mut ledger = running();
    ledger.begin(false);
    words(&mut ledger, &[Act::Kill(15), Act::Die(Some(1)), Act::Stop]);
    ledger.end(Some(100));
    assert!(!ledger.is_untold(101));
}

#[test]
fn whoever_is_kept_is_the_server_again_when_its_successor_is_gone_and_somebody_starts_it() {
    let kept =
        |at, act| Happening { id: "0123456789abcdef".to_owned(), name: "a-mcp-health-old-0123456789ab".to_owned(), at, act };
    let mut ledger = running();
    assert_eq!(fold(&mut ledger, &kept(1, Act::Start)), None, "the successor is there");
    let gone = [Act::Kill(15), Act::Die(Some(0)), Act::Stop, Act::Destroy];
    let told: Vec<_> = (2..).zip(gone).filter_map(|(at, act)| fold(&mut ledger, &happening(at, act))).collect();
    assert_eq!(told, [Word::AskedToEnd(None), died(0), Word::Stopped]);
    let stranger = Happening { name: "b-mcp-health-old-0123456789ab".to_owned(), ..kept(6, Act::Start) };
    assert_eq!(fold(&mut ledger, &stranger), None);
    assert_eq!(fold(&mut ledger, &kept(7, Act::Start)), Some(Word::Started));
    assert_eq!(fold(&mut ledger, &kept(8, Act::Die(Some(1)))), Some(died(1)));
    assert_eq!(fold(&mut ledger, &kept(9, Act::Destroy)), Some(Word::Stopped), "now both are gone");
}

#[test]
fn one_that_has_the_place_of_another_one_and_runs_was_started() {
    let mut ledger = Ledger::new("a", Some(&look(true, 0)));
    ledger.replace();
    assert_eq!(compare(&mut ledger, Some(&look(true, 0))), Some(Word::Started));
    assert_eq!(compare(&mut ledger, Some(&look(true, 0))), Some(Word::Running));
}

#[test]
fn that_somebody_else_stops_it_as_well_is_known_to_whoever_recreates_it() {
    let mut ledger = running();
    ledger.begin(true);
    for (at, act) in (1..).zip([Act::Kill(15), Act::Kill(15), Act::Die(Some(0)), Act::Stop]) {
        let _told = fold(&mut ledger, &happening(at, act));
        assert!(!ledger.action().expect("it acts").stopped, "the first stop is ours");
    }
    assert_eq!(fold(&mut ledger, &happening(5, Act::Stop)), Some(Word::Stopped));
    assert!(ledger.action().expect("it acts").stopped);
}

/// A recreate that an earlier run was undoing, and that this one undoes: the engine stops the new one for both.
fn undone_again() -> Ledger {
    let mut ledger = Ledger::new("a", Some(&look(true, 0)));
    ledger.resume(OPEN, true);
    assert_eq!(compare(&mut ledger, Some(&look(true, 0))), Some(Word::Running));
    ledger.begin(true);
    ledger
}

#[test]
fn the_stop_that_an_earlier_run_has_begun_is_ours_as_well() {
    let mut ledger = undone_again();
    let acts = [Act::Kill(15), Act::Kill(9), Act::Kill(9), Act::Die(Some(137)), Act::Stop, Act::Stop, Act::Destroy];
    assert_eq!(words(&mut ledger, &acts), [None, None, None, Some(died(137)), None, None, None]);
    assert!(!ledger.action().expect("it acts").stopped);
}

#[test]
fn whoever_stops_it_beside_both_of_us_has_sent_a_signal_of_his_own() {
    let mut ledger = undone_again();
    let acts = [Act::Kill(15), Act::Kill(15), Act::Kill(9), Act::Die(Some(137)), Act::Stop, Act::Stop];
    assert_eq!(words(&mut ledger, &acts), [None, None, None, Some(died(137)), None, Some(Word::Stopped)]);
    assert!(ledger.action().expect("it acts").stopped);
}

#[test]
fn a_stop_that_comes_later_than_what_an_earlier_run_has_begun_can_come_is_somebodys() {
    let mut ledger = undone_again();
    assert_eq!(words(&mut ledger, &[Act::Kill(15), Act::Die(Some(137)), Act::Stop]), [None, Some(died(137)), None]);
    assert_eq!(fold(&mut ledger, &happening(101, Act::Stop)), Some(Word::Stopped));
}

#[test]
fn what_an_earlier_run_has_begun_goes_on_after_an_action_that_had_nothing_to_do() {
    let mut ledger = undone_again();
    ledger.end(None);
    assert_eq!(words(&mut ledger, &[Act::Kill(9), Act::Die(Some(137)), Act::Stop]), [None, None, None]);
    let mut over = undone_again();
    over.end(None);
    let acts = [Act::Kill(9), Act::Die(Some(137)), Act::Stop];
    let told: Vec<_> = (101..).zip(acts).map(|(at, act)| fold(&mut over, &happening(at, act))).collect();
    assert_eq!(told, [Some(Word::Killed), Some(died(137)), Some(Word::Stopped)]);
}
