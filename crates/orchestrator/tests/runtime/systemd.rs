//! Units of a stand-in for systemd on a real message bus: heard of, restarted, lost and found again.

use health_spec::registry::{Runtime, RuntimeKind};
use orchestrator::{
    machine::{Death, Input, ServerId, Word},
    shell::{
        causes::causes,
        runtime::{ActionError, life},
    },
};

use crate::{
    bench::{Bench, Life, eventually},
    bus::{self, Bus, Restart, State, Systemd},
};

mod stops;

const UNIT: &str = "a.service";

/// A bench, a bus and a systemd with one unit that runs.
struct Yard {
    bench: Bench,
    bus: Bus,
    systemd: Systemd,
}

impl Yard {
    fn new() -> Self {
        let bench = Bench::new();
        let bus = Bus::start(bench.path());
        let systemd = Systemd::start(&bus, &[(UNIT, State::running())]);
        Self { bench, bus, systemd }
    }

    fn server(&self, unit: &str) -> Runtime {
        let (unit, bus) = (Some(unit.to_owned()), Some(self.bus.address.clone()));
        Runtime { kind: RuntimeKind::Systemd, unit, bus, ..Runtime::default() }
    }

    /// Watches the unit, which has been said to run.
    fn watch(&self) -> Life {
        let mut life = self.bench.start(&[self.server(UNIT)]);
        assert_eq!(life.next_word(), Word::Running);
        life
    }
}

fn died(death: Death) -> Word {
    Word::Died(death)
}

fn is_asked(word: &Word) -> bool {
    matches!(word, Word::AskedToEnd(Some(_)))
}

fn is_lost(input: &Input) -> bool {
    matches!(input, Input::EngineLost(..))
}

fn said(result: Result<(), ActionError>) -> String {
    causes(&result.unwrap_err())
}

#[test]
fn a_death_is_told_and_a_restart_brings_it_back() {
    let yard = Yard::new();
    let mut life = yard.watch();
    yard.systemd.dies(UNIT, 9);
    assert_eq!(life.next_word(), died(Death { signal: Some(9), ..Death::default() }));
    life.restart().unwrap();
    assert_eq!(life.next_word(), Word::Running);
    assert_eq!((yard.systemd.state(UNIT).asked, yard.systemd.state(UNIT).active), (1, "active"));
    assert_eq!(life.pending(), []);
    yard.systemd.dies(UNIT, 11);
    assert_eq!(life.next_word(), died(Death { signal: Some(11), ..Death::default() }));
}

#[test]
fn a_stop_by_somebody_is_a_stop_and_a_start_is_a_start() {
    let yard = Yard::new();
    let mut life = yard.watch();
    yard.systemd.stops(UNIT);
    assert!(is_asked(&life.next_word()));
    assert_eq!(life.next_word(), Word::Stopped);
    yard.systemd.happens(UNIT, |state| {
        (state.active, state.sub, state.invocation) = ("active", "running", 2);
    });
    assert_eq!(life.next_word(), Word::Started);
    assert_eq!(life.pending(), []);
}

#[test]
fn what_systemd_restarts_itself_comes_back() {
    let yard = Yard::new();
    let mut life = yard.watch();
    yard.systemd.happens(UNIT, |state| {
        (state.active, state.sub, state.result, state.ended) = ("activating", "auto-restart", "core-dump", (3, 6));
    });
    let death = Death { signal: Some(6), core_dumped: true, comes_back: true, ..Death::default() };
    assert_eq!(life.next_word(), died(death));
    yard.systemd.happens(UNIT, |state| {
        (state.active, state.sub, state.invocation, state.restarts) = ("active", "running", 2, 1);
    });
    assert_eq!(life.next_word(), Word::Restarted);
}

#[test]
fn a_restart_that_systemd_refuses_says_why_and_what_to_do() {
    let yard = Yard::new();
    let life = yard.watch();
    yard.systemd.set(UNIT, |state| state.on_restart = Restart::StartLimit);
    let text = said(life.restart());
    assert!(text.contains("the restart ended as \"failed\"") && text.contains("systemctl reset-failed a.service"), "{text}");
    yard.systemd.set(UNIT, |state| state.on_restart = Restart::Forbidden);
    let text = said(life.restart());
    assert!(text.starts_with("systemd refused to restart a.service") && text.contains("polkit"), "{text}");
}

/// Nothing was said of it, since it was our doing; but a probe of kind `process` is to see it.
#[test]
fn one_that_a_restart_has_only_ended_is_known_not_to_run() {
    let yard = Yard::new();
    let mut life = yard.watch();
    assert_eq!(life.of_the_first(), life::Life::Running);
    yard.systemd.set(UNIT, |state| state.on_restart = Restart::StartLimit);
    life.restart().unwrap_err();
    assert_eq!(life.pending(), []);
    assert!(matches!(life.of_the_first(), life::Life::NotRunning(_)));
}

#[test]
fn while_the_bus_is_lost_nobody_knows_whether_it_runs() {
    let yard = Yard::new();
    let mut life = yard.watch();
    yard.systemd.leaves();
    assert!(is_lost(&life.next()));
    assert!(matches!(life.of_the_first(), life::Life::Unknown(_)));
    yard.systemd.set(UNIT, |state| (state.active, state.sub) = ("activating", "start"));
    yard.systemd.comes_back();
    assert!(matches!(life.next(), Input::EngineBack(_)));
    assert!(matches!(life.of_the_first(), life::Life::NotRunning(_)), "not yet");
}

/// The bus itself may refuse to carry something; then systemd never hears of it.
#[test]
fn a_restart_that_the_bus_refuses_ends_at_once() {
    let bench = Bench::new();
    let rule = "<deny send_interface='org.freedesktop.systemd1.Manager' send_member='RestartUnit'/>";
    let bus = Bus::start_with(bench.path(), rule);
    let systemd = Systemd::start(&bus, &[(UNIT, State::running())]);
    let yard = Yard { bench, bus, systemd };
    let mut life = yard.watch();
    let text = said(life.restart());
    assert!(text.starts_with("systemd refused to restart a.service"), "{text}");
    assert_eq!(yard.systemd.state(UNIT).asked, 0);
    yard.systemd.dies(UNIT, 9);
    assert_eq!((life.next_word(), life.next_word()), (Word::Running, died(Death { signal: Some(9), ..Death::default() })));
}

#[test]
fn a_death_between_the_two_answers_of_a_look_is_told_with_its_cause() {
    let yard = Yard::new();
    let mut life = yard.watch();
    yard.systemd.leaves();
    assert!(is_lost(&life.next()));
    yard.systemd.set(UNIT, |state| state.dies_when_asked = 2);
    yard.systemd.comes_back();
    assert_eq!(life.next_word(), Word::Running);
    assert!(matches!(life.next(), Input::EngineBack(_)));
    assert_eq!(life.next_word(), died(Death { signal: Some(9), ..Death::default() }));
    assert_eq!(life.pending(), []);
}

#[test]
fn a_lost_bus_is_a_lost_engine_and_what_happened_meanwhile_is_told() {
    let Yard { bench, bus, systemd } = Yard::new();
    let address = bus.address.clone();
    let server = Runtime { kind: RuntimeKind::Systemd, unit: Some(UNIT.to_owned()), bus: Some(address), ..Runtime::default() };
    let mut life = bench.start(&[server]);
    assert_eq!(life.next_word(), Word::Running);
    drop((systemd, bus));
    assert!(is_lost(&life.next()));
    let text = said(life.restart());
    assert!(text.starts_with("systemd cannot be reached"), "{text}");
    let bus = Bus::start(bench.path());
    let failed = State { active: "failed", sub: "failed", result: "exit-code", ended: (1, 3), ..State::running() };
    let _systemd = Systemd::start(&bus, &[(UNIT, failed)]);
    assert_eq!(life.next_word(), died(Death { exit_code: Some(3), ..Death::default() }));
    assert!(matches!(life.next(), Input::EngineBack(_)));
    life.restart().unwrap();
    assert_eq!(life.next_word(), Word::Running);
}

#[test]
fn a_restart_that_is_interrupted_by_a_loss_ends() {
    let yard = Yard::new();
    yard.systemd.set(UNIT, |state| state.on_restart = Restart::Never);
    let mut life = yard.watch();
    let Yard { bench: _bench, bus, systemd } = yard;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("it is asked", || systemd.state(UNIT).asked == 1);
            drop(bus);
        });
        let text = said(life.restart());
        assert!(text.starts_with("systemd was lost during the restart"), "{text}");
    });
    assert!(is_lost(&life.next()));
}

#[test]
fn a_systemd_that_leaves_the_bus_for_a_moment_is_listened_to_again() {
    let yard = Yard::new();
    let mut life = yard.watch();
    yard.systemd.leaves();
    assert!(is_lost(&life.next()));
    yard.systemd.comes_back();
    assert_eq!(life.next_word(), Word::Running);
    assert!(matches!(life.next(), Input::EngineBack(_)));
    yard.systemd.dies(UNIT, 15);
    assert_eq!(life.next_word(), died(Death { signal: Some(15), ..Death::default() }));
}

#[test]
fn nobody_but_systemd_is_believed() {
    let yard = Yard::new();
    let mut life = yard.watch();
    bus::lie(&yard.bus, UNIT);
    yard.systemd.dies(UNIT, 9);
    assert_eq!(life.next_word(), died(Death { signal: Some(9), ..Death::default() }));
    assert_eq!(life.pending(), []);
}

#[test]
fn one_that_is_no_longer_registered_is_nobodys_business() {
    let yard = Yard::new();
    let mut life = yard.watch();
    life.let_go();
    yard.systemd.dies(UNIT, 9);
    assert!(matches!(life.restart(), Err(ActionError::Unmanaged)));
    assert_eq!(life.pending(), []);
}

#[test]
fn a_restart_of_one_that_is_let_go_says_so() {
    let yard = Yard::new();
    yard.systemd.set(UNIT, |state| state.on_restart = Restart::Never);
    let life = yard.watch();
    let text = said(life.restart_and_let_go(|| yard.systemd.state(UNIT).asked == 1));
    assert_eq!(text, "the server is no longer registered");
}

#[test]
fn a_bus_has_one_listener_as_long_as_it_has_units() {
    const OTHER: &str = "b.service";
    let bench = Bench::new();
    let bus = Bus::start(bench.path());
    let systemd = Systemd::start(&bus, &[(UNIT, State::running()), (OTHER, State::running())]);
    let yard = Yard { bench, bus, systemd };
    let mut life = yard.watch();
    life.register(&yard.bench, 1, &yard.server(OTHER));
    assert_eq!(life.next(), Input::Reported(ServerId(1), Word::Running));
    eventually("one listens", || yard.systemd.others() == 1);
    yard.systemd.dies(OTHER, 9);
    let death = died(Death { signal: Some(9), ..Death::default() });
    assert_eq!(life.next(), Input::Reported(ServerId(1), death));
    life.restart_of(1).unwrap();
    assert_eq!(life.next(), Input::Reported(ServerId(1), Word::Running));

    yard.systemd.leaves();
    assert!(is_lost(&life.next()));
    yard.systemd.comes_back();
    let words = [life.next(), life.next()];
    assert_eq!(words, [0, 1].map(|at| Input::Reported(ServerId(at), Word::Running)));
    assert!(matches!(life.next(), Input::EngineBack(_)));

    life.let_go();
    life.let_go_of(1);
    eventually("nobody listens", || yard.systemd.others() == 0);
    assert_eq!(life.pending(), []);
    life.register(&yard.bench, 2, &yard.server(UNIT));
    assert_eq!(life.next(), Input::Reported(ServerId(2), Word::Running));
}

/// A message bus allows a connection 512 rules of what it wants to hear, unless somebody says otherwise.
#[test]
fn there_may_be_more_units_than_a_bus_allows_rules() {
    const UNITS: usize = 520;
    let bench = Bench::new();
    let bus = Bus::start(bench.path());
    let names: Vec<String> = (0..UNITS).map(|at| format!("unit-{at}.service")).collect();
    let units: Vec<_> = names.iter().map(|name| (name.as_str(), State::running())).collect();
    let systemd = Systemd::start(&bus, &units);
    let yard = Yard { bench, bus, systemd };
    let servers: Vec<_> = names.iter().map(|name| yard.server(name)).collect();
    let mut life = yard.bench.start(&servers);
    for at in 0..UNITS {
        assert_eq!(life.next(), Input::Reported(ServerId(at), Word::Running));
    }
    yard.systemd.dies(&names[UNITS - 1], 9);
    let death = died(Death { signal: Some(9), ..Death::default() });
    assert_eq!(life.next(), Input::Reported(ServerId(UNITS - 1), death));
}

#[test]
fn what_cannot_be_watched_is_said_before_anything_starts() {
    let bench = Bench::new();
    let bus = Bus::start(bench.path());
    let server = |unit: &str| {
        let (unit, bus) = (Some(unit.to_owned()), Some(bus.address.clone()));
        Runtime { kind: RuntimeKind::Systemd, unit, bus, ..Runtime::default() }
    };
    let faults = |servers: &[Runtime]| bench.try_start(servers).err().unwrap().faults;
    let nobody = &faults(&[server(UNIT)])[0];
    assert_eq!(nobody.pointer, "/servers/0/runtime/bus");
    assert!(nobody.text.starts_with("there is no systemd on the bus at unix:path="), "{}", nobody.text);

    let units =
        [(UNIT, State::running()), ("masked.service", State::unusable("masked")), ("no.service", State::unusable("not-found"))];
    let _systemd = Systemd::start(&bus, &units);
    let faults = faults(&[server(UNIT), server("masked.service"), server("no.service"), server(UNIT)]);
    let faults: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.text.as_str())).collect();
    assert_eq!(
        faults,
        [
            (
                "/servers/1/runtime/unit",
                "masked.service cannot be watched: it is masked, so that nobody can start it; `systemctl unmask masked.service` undoes that"
            ),
            (
                "/servers/2/runtime/unit",
                "no.service cannot be watched: there is no such unit; `systemctl list-unit-files` shows those that there are"
            ),
            ("/servers/3/runtime/unit", "a.service is the same unit as a.service"),
        ]
    );
    let nowhere = Runtime { bus: Some("unix:path=/nowhere".to_owned()), ..server(UNIT) };
    let text = bench.try_start(&[nowhere]).err().unwrap().to_string();
    assert!(text.starts_with("cannot reach the bus at unix:path=/nowhere"), "{text}");
}
