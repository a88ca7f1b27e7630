//! What becomes of a stop that may have been its engine's own end.

use super::*;

const SECOND: i64 = 1_000_000_000;

/// Asked at 1, and stopped at 3.
fn stopped() -> Ledger {
    let mut ledger = running();
    words(&mut ledger, &[Act::Kill(15), Act::Die(Some(0)), Act::Stop]);
    ledger
}

#[test]
fn the_engines_own_end_is_no_stop() {
    for (own_end, still_known, told) in
        [(Some(1), false, true), (Some(1), true, false), (Some(2), false, false), (None, false, false)]
    {
        let mut ledger = stopped();
        ledger.lost(4, own_end);
        let word = compare(&mut ledger, Some(&Look { stopped: still_known, ..look(false, 2) }));
        let retracted = Word::Died(Death { exit_code: Some(1), retracts_stop: true, ..Death::default() });
        assert_eq!(word, told.then_some(retracted), "{own_end:?} {still_known}");
        assert_eq!(compare(&mut ledger, Some(&look(false, 2))), None);
    }
}

/// A person has, and its engine asks again at its end.
#[test]
fn who_has_asked_it_first_has_stopped_it() {
    let second_request = |after: i64| {
        let mut ledger = running();
        for (at, act) in [(1, Act::Kill(15)), (after, Act::Kill(15)), (after + 1, Act::Die(Some(0))), (after + 2, Act::Stop)] {
            fold(&mut ledger, &happening(at, act));
        }
        ledger.lost(after + 3, Some(after));
        ledger.asks_why()
    };
    assert!(!second_request(5 * SECOND), "it was being stopped");
    assert!(second_request(3_600 * SECOND), "it has ignored what somebody sent it long ago");
}

#[test]
fn podman_does_not_say_whom_it_asks() {
    for (lost_at, is_doubtful) in [(4, true), (6 * SECOND, false)] {
        let mut ledger = running();
        ledger.speaks(EngineKind::Podman);
        for (at, act) in (1..).zip([Act::Die(Some(0)), Act::Cleanup, Act::Cleanup]) {
            ledger.fold(&happening(at, act));
        }
        ledger.lost(lost_at, None);
        assert_eq!(ledger.asks_why(), is_doubtful, "{lost_at}");
    }
}

#[test]
fn a_stop_long_before_the_engines_clock_was_set_back_is_long_ago_then_too() {
    for (ago, is_doubtful) in [(60, false), (1, true)] {
        let mut ledger = running();
        let at = 1_000 * SECOND;
        for (at, act) in (at..).zip([Act::Kill(15), Act::Die(Some(0)), Act::Stop]) {
            fold(&mut ledger, &happening(at, act));
        }
        ledger.set_back(100 * SECOND, (1_000 + ago - 100) * SECOND);
        ledger.lost(100 * SECOND, Some(95 * SECOND));
        assert_eq!(ledger.asks_why(), is_doubtful, "{ago}");
    }
}

#[test]
fn a_life_that_began_before_it_was_seen_goes_on() {
    let ledger = Ledger { known: Some(Known { state: State::Running, since: 5 }), ..running() };
    let began = |started| Look { started, ..look(true, started) };
    assert!(ledger.lives_on(&began(4)) && ledger.lives_on(&began(5)));
    assert!(!ledger.lives_on(&began(6)), "it is another one");
    assert!(!ledger.lives_on(&Look { started: 4, ..look(false, 6) }), "it is over");
    assert!(!ledger.lives_on(&Look { id: "id2".to_owned(), ..began(4) }), "it is another container's");
}
