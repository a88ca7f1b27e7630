//! What the timeline vectors do not cover.

use std::time::Duration;

use health_spec::config::File;
use health_spec::status::Observed;
use health_spec::verdict::Session;
use health_spec::{EventKind, Outcome, Phase, Reason, Verdict};

use crate::machine::fleet::Beginning;
use crate::machine::memory::{FleetMemory, Recovery};
use crate::machine::policy::{Purpose, compile};
use crate::machine::{Command, Death, Effect, EngineId, Fleet, Happened, Input, Mono, Refusal, ServerId, Ticket, Word};

mod alone;
mod breaks;
mod deaths;
mod ending;
mod restarts;
mod strategies;
mod unheard;

const A: ServerId = ServerId(0);

fn at(seconds: f64) -> Mono {
    Mono(Duration::from_secs_f64(seconds))
}

fn fleet(yaml: &str, beginning: &Beginning) -> Fleet {
    let file: File = serde_saphyr::from_str(yaml).expect("the file reads");
    Fleet::new(compile(&file, Purpose::Simulate).expect("it compiles"), beginning, at(0.0)).0
}

fn alone() -> Fleet {
    fleet("servers: [{name: a}]", &Beginning::default())
}

/// Steps the fleet up to `until`, with every check answered by `answer` at once.
fn run(fleet: &mut Fleet, until: f64, answer: &Verdict) -> Vec<&'static str> {
    let mut seen = Vec::new();
    while let Some(now) = fleet.deadline().filter(|deadline| *deadline <= at(until)) {
        let effects = fleet.step(now, Input::Woken);
        answered(fleet, now, effects, answer, &mut seen);
    }
    seen
}

fn answered(fleet: &mut Fleet, now: Mono, effects: Vec<Effect>, answer: &Verdict, seen: &mut Vec<&'static str>) {
    for effect in effects {
        match effect {
            Effect::Publish(happened) => seen.extend(named(&happened.kind)),
            Effect::Probe { ticket, .. } => {
                let effects = fleet.step(now, Input::Observed { ticket, verdict: answer.clone(), took: Duration::ZERO });
                answered(fleet, now, effects, answer, seen);
            }
            Effect::Act { ticket, .. } => {
                seen.push("ACT");
                // It has no evidence to gather, and no hook.
                let effects = fleet.step(now, Input::Touches { ticket });
                answered(fleet, now, effects, answer, seen);
            }
            Effect::Settle { .. } => seen.push("SETTLE"),
            Effect::Remember(_) | Effect::Proceed(_) | Effect::Abandon(_) => {}
        }
    }
}

fn named(kind: &EventKind) -> Option<&'static str> {
    (!matches!(kind, EventKind::HealthCheckCompleted { .. })).then(|| kind.name())
}

fn names(effects: &[Effect]) -> Vec<&'static str> {
    let name = |effect: &Effect| match effect {
        Effect::Publish(happened) => named(&happened.kind),
        Effect::Probe { .. } | Effect::Remember(_) => None,
        Effect::Act { .. } => Some("ACT"),
        Effect::Settle { .. } => Some("SETTLE"),
        Effect::Proceed(_) => Some("PROCEED"),
        Effect::Abandon(_) => Some("ABANDON"),
    };
    effects.iter().filter_map(name).collect()
}

fn ok() -> Verdict {
    Verdict::new(Outcome::Ok, None, None)
}

fn refused() -> Verdict {
    Verdict::failed(Reason::ConnectRefused, "nothing listens")
}

fn memory_of(fleet: &Fleet) -> Beginning {
    let servers = fleet.servers().iter().map(|server| (server.policy().name.clone(), server.memory())).collect();
    Beginning { memory: FleetMemory { incidents: fleet.incidents(), servers }, spread: false, ..Beginning::default() }
}

#[test]
fn a_child_started_with_the_monitor_has_its_grace_again() {
    let mut first = alone();
    run(&mut first, 0.0, &ok());
    let mut fleet = fleet("servers: [{name: a}]", &memory_of(&first));
    fleet.step(at(0.0), Input::Reported(A, Word::Started));
    assert_eq!(run(&mut fleet, 29.0, &refused()), Vec::<&str>::new());
    assert_eq!((fleet.servers()[0].state().status, fleet.servers()[0].phase()), (Observed::Ok, Phase::Starting));
    assert_eq!(run(&mut fleet, 33.0, &refused()), ["status_changed", "server_down", "recovery_started", "ACT"]);
}

/// Invariant: an attempt that is open at start-up is verified, not repeated.
#[test]
fn an_open_attempt_is_verified_not_repeated() {
    let mut first = alone();
    run(&mut first, 0.0, &ok());
    first.step(at(10.0), Input::Reported(A, Word::Died(Death::default())));
    assert_eq!(run(&mut first, 11.0, &refused()), ["recovery_started", "ACT"]);
    let mut second = fleet("servers: [{name: a}]", &memory_of(&first));
    assert_eq!(run(&mut second, 5.0, &ok()), ["recovery_successful", "status_changed"]);
    assert_eq!(second.servers()[0].state().attempts, 1);
}

#[test]
fn one_that_dies_again_fails_the_attempt_also_when_the_end_of_the_action_is_heard_later() {
    let died = || Word::Died(Death::default());
    for (words, expected) in [(vec![died(), Word::Running], vec![]), (vec![Word::Running, died()], vec!["recovery_failed"])] {
        let mut fleet = alone();
        run(&mut fleet, 0.0, &ok());
        fleet.step(at(10.0), Input::Reported(A, died()));
        let effects: Vec<_> = std::iter::repeat_with(|| fleet.step(at(11.0), Input::Woken)).take(2).flatten().collect();
        let ticket = effects.iter().find_map(|effect| match effect {
            Effect::Act { ticket, .. } => Some(*ticket),
            _ => None,
        });
        fleet.step(at(11.0), Input::Touches { ticket: ticket.expect("an action") });
        for word in words {
            assert!(names(&fleet.step(at(11.1), Input::Reported(A, word))).iter().all(|name| *name == "container_died"));
        }
        let finished = fleet.step(at(11.2), Input::Finished { ticket: ticket.expect("an action"), result: Ok(()) });
        assert_eq!(names(&finished), expected);
    }
}

#[test]
fn a_late_result_moves_nothing() {
    let mut fleet = alone();
    let effects = fleet.step(at(0.0), Input::Woken);
    let Some(Effect::Probe { ticket, .. }) = effects.first().cloned() else { panic!("a check: {effects:?}") };
    fleet.step(at(1.0), Input::Reported(A, Word::Stopped));
    let late = fleet.step(at(2.0), Input::Observed { ticket, verdict: ok(), took: Duration::ZERO });
    assert_eq!((late.len(), fleet.servers()[0].phase()), (0, Phase::Stopped));
}

#[test]
fn a_death_after_a_signal_waits_for_the_engines_stop() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(5.0), Input::Reported(A, Word::Killed));
    let died = fleet.step(at(5.0), Input::Reported(A, Word::Died(Death { exit_code: Some(137), ..Death::default() })));
    assert_eq!(names(&died), ["container_died"]);
    let stopped = fleet.step(at(5.2), Input::Reported(A, Word::Stopped));
    assert_eq!(names(&stopped), ["status_changed", "server_stopped"]);
    assert_eq!(run(&mut fleet, 60.0, &refused()), Vec::<&str>::new());
}

#[test]
fn a_death_after_a_signal_is_a_death_when_no_stop_follows() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(5.0), Input::Reported(A, Word::Killed));
    fleet.step(at(5.0), Input::Reported(A, Word::Died(Death { exit_code: Some(137), ..Death::default() })));
    assert_eq!(run(&mut fleet, 6.0, &refused()), ["status_changed", "server_down"]);
}

#[test]
fn an_engines_own_restart_goes_first() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(5.0), Input::Reported(A, Word::Died(Death { exit_code: Some(1), ..Death::default() })));
    assert_eq!(names(&fleet.step(at(5.1), Input::Reported(A, Word::Restarted)))[0], "server_restarted");
    assert_eq!(run(&mut fleet, 10.0, &ok()), ["server_recovered", "status_changed"]);
    let restarts = fleet.servers()[0].state();
    assert_eq!((restarts.restarts_ours, restarts.restarts_engine), (0, 1));
}

#[test]
fn what_an_engine_runs_waits_until_the_engine_is_back() {
    let mut fleet = fleet("servers: [{name: a, runtime: {kind: docker, container: x}}]", &Beginning::default());
    run(&mut fleet, 0.0, &ok());
    let lost = fleet.step(at(1.0), Input::EngineLost(EngineId(0), "gone".into()));
    assert_eq!(names(&lost), ["monitor_impaired"]);
    assert_eq!(run(&mut fleet, 40.0, &refused()), ["status_changed", "server_down", "recovery_held"]);
    assert_eq!(fleet.servers()[0].state().held.as_ref().map(|hold| hold.on.clone()), Some(vec!["local".to_owned()]));
    let back = fleet.step(at(41.0), Input::EngineBack(EngineId(0)));
    assert_eq!(names(&back), ["recovery_released"]);
    assert_eq!(run(&mut fleet, 43.0, &refused()), ["recovery_started", "ACT"]);
}

#[test]
fn a_container_that_is_not_running_when_first_seen_is_left_alone() {
    let mut fleet = alone();
    let seen = fleet.step(at(0.0), Input::Reported(A, Word::NotRunning(Death::default())));
    assert_eq!(names(&seen), ["status_changed", "server_stopped"]);
    assert_eq!(run(&mut fleet, 300.0, &refused()), Vec::<&str>::new());
}

#[test]
fn a_container_that_is_not_running_when_first_seen_is_started_if_that_is_wanted() {
    let mut fleet = fleet("{servers: [{name: a}], recovery: {start_stopped: true}}", &Beginning::default());
    fleet.step(at(0.0), Input::Reported(A, Word::NotRunning(Death::default())));
    assert_eq!(run(&mut fleet, 1.0, &refused()), ["recovery_started", "ACT"]);
}

#[test]
fn a_container_that_stopped_running_while_nobody_looked_has_died() {
    let mut first = alone();
    run(&mut first, 0.0, &ok());
    let mut fleet = fleet("servers: [{name: a}]", &memory_of(&first));
    let death = Death { exit_code: Some(137), oom_killed: true, ..Death::default() };
    let seen = fleet.step(at(0.0), Input::Reported(A, Word::NotRunning(death)));
    assert_eq!(names(&seen), ["container_died", "status_changed", "server_down"]);
    let Some(Effect::Publish(Happened { kind, .. })) = seen.first() else { panic!("a death: {seen:?}") };
    assert!(matches!(kind, EventKind::ContainerDied { exit_code: Some(137), oom_killed: true, .. }), "{kind:?}");
}

#[test]
fn an_operators_restart_is_verified_and_not_counted() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &ok());
    let by = || "operator".to_owned();
    let asked = fleet.operate(at(5.0), A, Command::Restart { by: by() }).expect("accepted");
    assert_eq!(names(&asked), ["action_requested", "recovery_started", "ACT"]);
    assert_eq!(fleet.operate(at(5.5), A, Command::Restart { by: by() }), Err(Refusal::Busy));
    let Some(Effect::Act { ticket, .. }) = asked.last().cloned() else { panic!("an action: {asked:?}") };
    fleet.step(at(6.0), Input::Finished { ticket, result: Ok(()) });
    assert_eq!(run(&mut fleet, 9.0, &ok()), ["recovery_successful"]);
    assert_eq!(fleet.servers()[0].state().attempts, 0);
}

#[test]
fn observe_says_what_it_would_do_and_does_nothing() {
    let mut fleet = fleet("{servers: [{name: a}], recovery: {mode: observe}}", &Beginning::default());
    run(&mut fleet, 0.0, &ok());
    assert_eq!(run(&mut fleet, 300.0, &refused()), ["status_changed", "server_down", "recovery_held"]);
}

#[test]
fn a_check_that_could_not_be_made_is_not_held_against_the_server() {
    let mut fleet = alone();
    let effects = fleet.step(at(0.0), Input::Woken);
    let Some(Effect::Probe { ticket, .. }) = effects.first().cloned() else { panic!("a check: {effects:?}") };
    let blind = fleet.step(at(0.1), Input::Blind { ticket, error: "no descriptors".into() });
    assert_eq!(names(&blind), ["monitor_impaired"]);
    assert_eq!((fleet.servers()[0].state().failures, fleet.deadline()), (0, Some(at(1.0))));

    let effects = fleet.step(at(1.0), Input::Woken);
    let Some(Effect::Probe { ticket, .. }) = effects.first().cloned() else { panic!("a check: {effects:?}") };
    let blind = fleet.step(at(1.1), Input::Blind { ticket, error: "no descriptors".into() });
    assert_eq!(names(&blind), [""; 0], "it has been said");
    assert_eq!(run(&mut fleet, 2.0, &ok()), ["status_changed"]);
}

#[test]
fn an_attempt_that_was_being_verified_has_its_time_again_after_a_restart_of_the_monitor() {
    let mut first = alone();
    run(&mut first, 0.0, &ok());
    first.step(at(1.0), Input::Reported(A, Word::Died(Death::default())));
    let started = run(&mut first, 2.0, &refused());
    assert_eq!(started, ["recovery_started", "ACT"]);
    let Recovery::Acting { serial, .. } = first.servers()[0].state().recovery else { panic!("it acts") };
    first.step(at(3.0), Input::Finished { ticket: Ticket { server: A, serial }, result: Ok(()) });
    let file: File = serde_saphyr::from_str("servers: [{name: a}]").expect("the file reads");
    let policies = compile(&file, Purpose::Simulate).expect("it compiles");
    let mut second = Fleet::new(policies, &memory_of(&first), at(500.0)).0;
    assert_eq!(run(&mut second, 503.0, &ok()), ["recovery_successful", "status_changed"]);
}

#[test]
fn while_the_state_cannot_be_written_each_server_gets_one_action() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &ok());
    let lost = fleet.step(at(1.0), Input::StateLost { since: at(1.0), error: "no space".into() });
    assert_eq!(names(&lost), ["monitor_impaired"]);
    fleet.step(at(2.0), Input::Reported(A, Word::Died(Death::default())));
    assert_eq!(run(&mut fleet, 3.0, &refused()), ["recovery_started", "ACT"]);
    let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
    let failed = fleet.step(at(3.5), Input::Finished { ticket: Ticket { server: A, serial }, result: Err("no space".into()) });
    assert_eq!(names(&failed), ["recovery_failed", "recovery_held"]);
    assert_eq!(run(&mut fleet, 300.0, &refused()), Vec::<&str>::new());
    assert_eq!(names(&fleet.step(at(301.0), Input::StateBack)), ["recovery_released"]);
    assert_eq!(run(&mut fleet, 306.0, &refused()), ["recovery_started", "ACT"]);
    assert_eq!(fleet.servers()[0].state().attempts, 2);
}

#[test]
fn a_death_that_was_said_is_not_said_again() {
    let mut first = alone();
    run(&mut first, 0.0, &ok());
    let died = || Input::Reported(A, Word::Died(Death { signal: Some(9), ..Death::default() }));
    assert_eq!(names(&first.step(at(1.0), died())), ["container_died", "status_changed", "server_down"]);
    let mut second = fleet("servers: [{name: a}]", &memory_of(&first));
    assert_eq!(names(&second.step(at(0.1), died())), Vec::<&str>::new());
    assert_eq!(run(&mut second, 2.0, &refused()), ["recovery_started", "ACT"]);
}

#[test]
fn a_clock_that_is_off_is_said_once() {
    let mut fleet = alone();
    let body = br#"{"status":"ok","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":1}"#;
    let reading = health_spec::dialect::read(body).ok();
    let skewed = Verdict { reading, clock_skew: true, ..ok() };
    assert_eq!(run(&mut fleet, 100.0, &skewed), ["clock_skew", "status_changed"]);
}

#[test]
fn what_held_a_recovery_is_asked_again_when_the_monitor_begins() {
    let mut first = fleet("{servers: [{name: a}], recovery: {enabled: false}}", &Beginning::default());
    run(&mut first, 0.0, &ok());
    assert_eq!(run(&mut first, 100.0, &refused()), ["status_changed", "server_down", "recovery_held"]);
    let file: File = serde_saphyr::from_str("servers: [{name: a}]").expect("the file reads");
    let policies = compile(&file, Purpose::Simulate).expect("it compiles");
    let (mut second, begun) = Fleet::new(policies, &memory_of(&first), at(200.0));
    assert_eq!(names(&begun), ["recovery_released"]);
    assert_eq!(run(&mut second, 207.0, &refused()), Vec::<&str>::new(), "it has the time to show that it is well");
    assert_eq!(run(&mut second, 208.0, &refused()), ["recovery_started", "ACT"]);
}

/// What is left of `first` after a break, at `now`.
fn after_a_break(yaml: &str, first: &Fleet, now: f64) -> Fleet {
    let file: File = serde_saphyr::from_str(yaml).expect("the file reads");
    Fleet::new(compile(&file, Purpose::Simulate).expect("it compiles"), &memory_of(first), at(now)).0
}

#[test]
fn a_restart_of_the_monitor_leaves_checks_where_they_were() {
    let mut first = alone();
    run(&mut first, 0.0, &ok());
    for (name, yaml, now, next) in [
        ("planned", "servers: [{name: a}]", 10.0, 30.0),
        ("passed meanwhile", "servers: [{name: a}]", 31.0, 31.0),
        ("with a shorter interval", "{servers: [{name: a}], health_check: {interval_seconds: 5}}", 10.0, 10.0),
    ] {
        assert_eq!(after_a_break(yaml, &first, now).deadline(), Some(at(next)), "{name}");
    }
}

#[test]
fn a_delay_goes_on_after_a_restart_of_the_monitor_and_one_that_has_passed_looks_first() {
    let yaml = "{servers: [{name: a}], recovery: {backoff: {schedule: [60]}}}";
    let mut first = fleet(yaml, &Beginning::default());
    run(&mut first, 0.0, &ok());
    first.step(at(1.0), Input::Reported(A, Word::Died(Death::default())));
    let waits = |fleet: &Fleet| matches!(fleet.servers()[0].state().recovery, Recovery::Waiting { .. });

    let mut second = after_a_break(yaml, &first, 40.0);
    assert!(run(&mut second, 60.9, &refused()).is_empty() && waits(&second));
    assert_eq!(run(&mut second, 61.0, &refused()), ["recovery_started", "ACT"]);

    let mut second = after_a_break(yaml, &first, 100.0);
    assert_eq!(run(&mut second, 102.0, &ok()), ["server_recovered", "status_changed"]);
    let mut second = after_a_break(yaml, &first, 100.0);
    assert_eq!(run(&mut second, 103.0, &refused()), ["recovery_started", "ACT"]);
}

#[test]
fn an_action_whose_attempt_was_refused_by_the_disk_is_the_one() {
    let mut fleet = alone();
    run(&mut fleet, 0.0, &ok());
    fleet.step(at(2.0), Input::Reported(A, Word::Died(Death::default())));
    assert_eq!(run(&mut fleet, 3.0, &refused()), ["recovery_started", "ACT"]);
    // The disk has said no a moment later, to the batch with this attempt.
    fleet.step(at(3.1), Input::StateLost { since: at(3.0), error: "no space".into() });
    let Recovery::Acting { serial, .. } = fleet.servers()[0].state().recovery else { panic!("it acts") };
    let failed = fleet.step(at(3.5), Input::Finished { ticket: Ticket { server: A, serial }, result: Err("no space".into()) });
    assert_eq!(names(&failed), ["recovery_failed", "recovery_held"]);
}

#[test]
fn a_session_that_is_gone_is_a_restart_unless_we_have_restarted_it() {
    let mut fleet = alone();
    let found = |session| Verdict { session: Some(session), ..ok() };
    run(&mut fleet, 0.0, &found(Session::Kept));
    let events = run(&mut fleet, 40.0, &found(Session::Lost));
    assert!(events.contains(&"server_restarted"), "{events:?}");
    fleet.step(at(41.0), Input::Reported(A, Word::Died(Death::default())));
    let effects = fleet.step(at(41.5), Input::Reported(A, Word::Started));
    let mut events = Vec::new();
    answered(&mut fleet, at(41.5), effects, &found(Session::Lost), &mut events);
    assert!(!events.contains(&"server_restarted"), "{events:?}");
}

/// At most 1 KiB a server, with what it has on the heap: `cargo xtask bench` measures all of it. What is rare is in a box.
#[test]
fn a_server_is_small() {
    let size = std::mem::size_of::<crate::machine::server::Server>();
    assert!(size <= 900, "{size} bytes");
}
