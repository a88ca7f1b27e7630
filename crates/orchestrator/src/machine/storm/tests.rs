//! One round after the other.

use super::*;

fn at(seconds: u64) -> Mono {
    Mono(Duration::from_secs(seconds))
}

fn asked(storm: &mut Storm, first: u64, until: Mono) {
    storm.ask((0..4).map(|place| (ServerId(place), first + place as u64)), until);
}

#[test]
fn one_failing_witness_of_four_is_an_accident_and_two_are_a_storm() {
    let mut storm = Storm::default();
    asked(&mut storm, 10, at(5));
    for (serial, well) in [(10, true), (11, true), (12, true)] {
        assert!(storm.answered(serial, well));
        assert_eq!(storm.conclude(at(1)), None);
    }
    assert!(!storm.answered(99, true), "none of ours");
    storm.answered(13, false);
    assert_eq!(storm.conclude(at(1)), Some(Shown::Clear));
    assert!(storm.is_calm());
    asked(&mut storm, 20, at(8));
    storm.answered(20, true);
    storm.answered(21, true);
    assert_eq!(storm.conclude(at(7)), None);
    assert_eq!(storm.conclude(at(8)), Some(Shown::Begins(vec![ServerId(2), ServerId(3)])), "who is silent fails");
}

#[test]
fn rounds_go_on_until_most_answer_and_one_canary_is_tried() {
    let mut storm = Storm::default();
    asked(&mut storm, 0, at(5));
    assert!(matches!(storm.conclude(at(5)), Some(Shown::Begins(failing)) if failing.len() == 4));
    assert_eq!((storm.deadline(), storm.round_due(at(19))), (Some(at(20)), None));
    assert_eq!(storm.round_due(at(20)).map(<[_]>::len), Some(4));
    asked(&mut storm, 10, at(25));
    assert_eq!(storm.conclude(at(25)), Some(Shown::GoesOn));
    assert!(!storm.canary_due(at(64)) && storm.canary_due(at(65)));
    storm.try_canary(Some(ServerId(7)), at(65));
    assert!(storm.holds(ServerId(7)).is_empty() && !storm.holds(ServerId(8)).is_empty());
    assert!(!storm.canary_due(at(600)), "one a storm");
    assert!(!storm.helped(ServerId(8), false) && storm.helped(ServerId(7), false) && storm.is_calm());
}

#[test]
fn after_a_storm_a_few_go_on_at_a_time() {
    let mut storm = Storm::default();
    storm.begin((0..4).map(ServerId).collect(), vec![ServerId(2)], at(0));
    storm.try_canary(Some(ServerId(5)), at(60));
    assert!(storm.helped(ServerId(5), false));
    storm.ebbs((6..10).map(ServerId));
    assert!(storm.holds(ServerId(6)) == [ServerId(2)] && storm.holds(ServerId(1)).is_empty());
    assert_eq!((storm.release_next(2), storm.release_next(2)), (Some(ServerId(6)), None), "the canary is one of two");
    storm.settled(ServerId(5));
    assert_eq!((storm.release_next(2), storm.release_next(2)), (Some(ServerId(7)), None));
    storm.begin(vec![], vec![ServerId(1)], at(100));
    assert_eq!((storm.release_next(2), storm.holds(ServerId(9))), (None, &[ServerId(1)][..]), "another storm holds them again");
}

/// A canary that cannot be brought back would hold everybody for ever.
#[test]
fn an_operators_restart_that_helps_ends_a_storm() {
    let mut storm = Storm::default();
    assert!(!storm.helped(ServerId(8), true), "there is none");
    storm.begin((0..4).map(ServerId).collect(), vec![ServerId(2)], at(0));
    storm.try_canary(Some(ServerId(5)), at(60));
    assert!(storm.helped(ServerId(8), true) && storm.is_calm());
}

#[test]
fn without_witnesses_there_is_no_storm() {
    let mut storm = Storm::default();
    storm.begin(vec![], vec![], at(0));
    storm.ask(std::iter::empty(), at(15));
    assert_eq!(storm.conclude(at(15)), Some(Shown::Ends));
}

/// Answers from before an outage would otherwise speak for what came after it.
#[test]
fn what_is_planned_while_a_round_runs_waits_for_the_next_one() {
    let mut storm = Storm::default();
    asked(&mut storm, 0, at(5));
    assert!(storm.is_asking() && !storm.asks_again());
    storm.ask_later(ServerId(7), vec![ServerId(1), ServerId(2)]);
    storm.ask_later(ServerId(8), vec![]);
    let next = storm.take_next().expect("another round");
    assert_eq!((next.witnesses, next.about.len()), (vec![ServerId(1), ServerId(2)], 2));
    assert!(!storm.asks_again());
}
