//! From the moment a server is killed, or hangs, to `server_down`, and to its recovery.
//!
//! The moment is read just before the blow, the rest from the events' timestamps: one clock, no polling in between.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Signal;

use super::container::Container;
use super::report::{Cell, Measurement};
use super::rig::{self, Rig};
use crate::interrupt::Interrupt;
use crate::outcome::{Context, Failure, Outcome};
use crate::registry::{self, Entry, Runtime};
use crate::{engine, proc};

/// The defaults, with enough attempts for every kill: each counts, since none stays up for `reset_after`.
const SETTINGS: &str = "\
recovery:
  backoff: { initial_delay: 1, multiplier: 1.0, max_delay: 1 }
  max_attempts: 300
  budget: { attempts: 300, window_seconds: 86400 }
";
const NOTE: &str = "Default settings (30 s between checks, 3 good answers 1 s apart end a recovery), 1 s before the action. \
    Event times are whole milliseconds.";
/// Everything a second, as the figures of other monitors are given.
const HANGING: &str = "\
health_check: { interval_seconds: 1, timeout_seconds: 1, confirm_interval_seconds: 1, failure_threshold: 3 }
recovery:
  backoff: { initial_delay: 1, multiplier: 1.0, max_delay: 1 }
  max_attempts: 300
  budget: { attempts: 300, window_seconds: 86400 }
";
const HANGING_NOTE: &str = "Interval = timeout = confirm interval = 1 s, threshold 3; stopped with SIGSTOP at varying moments between two checks. \
    `server_down` is to come within 4.05 intervals.";
const COLUMNS: &[&str] = &["from the blow to", "n", "p50", "p90", "p99", "max"];

/// A child process of the orchestrator, killed with `kill -9`.
pub(super) fn of_a_process(times: u32, interrupt: &Interrupt) -> Outcome<Measurement> {
    let address = registry::free_addresses(1)?[0].to_string();
    let program = rig::sample_server();
    let runtime = Runtime::Process { command: program.clone(), args: vec!["--listen".to_owned(), address.clone()] };
    let entry = Entry { name: "victim".to_owned(), health_url: format!("http://{address}/health"), runtime };
    let scenario = Scenario { title: "A killed process", settings: SETTINGS, note: NOTE };
    measure(&scenario, &entry, times, interrupt, || strike(&program, &address, Signal::KILL))
}

/// A child process that is stopped with SIGSTOP: it takes connections and answers nothing.
pub(super) fn of_a_hanging_process(times: u32, interrupt: &Interrupt) -> Outcome<Measurement> {
    let address = registry::free_addresses(1)?[0].to_string();
    let program = rig::sample_server();
    let runtime = Runtime::Process { command: program.clone(), args: vec!["--listen".to_owned(), address.clone()] };
    let entry = Entry { name: "victim".to_owned(), health_url: format!("http://{address}/health"), runtime };
    let scenario = Scenario { title: "A hanging process", settings: HANGING, note: HANGING_NOTE };
    measure(&scenario, &entry, times, interrupt, || strike(&program, &address, Signal::STOP))
}

fn strike(program: &Path, address: &str, signal: Signal) -> Outcome<Timestamp> {
    let pids = proc::find(program, address);
    let pid = pids.first().ok_or_else(|| Failure::new("the sample server does not run"))?;
    let moment = Timestamp::now();
    proc::signal(*pid, signal);
    Ok(moment)
}

/// A container, killed as `docker kill` does.
pub(super) fn of_a_container(times: u32, interrupt: &Interrupt) -> Outcome<Measurement> {
    let container = Container::start()?;
    let path = format!("/containers/{}/kill", container.name());
    in_a_container("A killed container", &container, times, interrupt, || {
        let moment = Timestamp::now();
        let status = engine::request("POST", &path).context("kill the container")?;
        if status < 300 { Ok(moment) } else { Err(Failure::new(format!("the engine answered {status} to the kill"))) }
    })
}

/// A container whose main process is killed from outside: to its engine, it has crashed.
pub(super) fn of_a_crashing_container(times: u32, interrupt: &Interrupt) -> Outcome<Measurement> {
    let container = Container::start()?;
    in_a_container("A crashing container", &container, times, interrupt, || {
        let pid = container.pid()?;
        let moment = Timestamp::now();
        proc::signal(pid, Signal::KILL);
        Ok(moment)
    })
}

fn in_a_container(
    title: &'static str,
    container: &Container,
    times: u32,
    interrupt: &Interrupt,
    strike: impl Fn() -> Outcome<Timestamp>,
) -> Outcome<Measurement> {
    let runtime = Runtime::Docker { container: container.name().to_owned() };
    let entry = Entry { name: "victim".to_owned(), health_url: format!("http://{}/health", container.address()), runtime };
    measure(&Scenario { title, settings: SETTINGS, note: NOTE }, &entry, times, interrupt, strike)
}

/// What is measured, and under which settings.
struct Scenario {
    title: &'static str,
    settings: &'static str,
    note: &'static str,
}

/// `strike` kills and says when.
fn measure(
    scenario: &Scenario,
    victim: &Entry,
    times: u32,
    interrupt: &Interrupt,
    strike: impl Fn() -> Outcome<Timestamp>,
) -> Outcome<Measurement> {
    let mut rig = Rig::start(scenario.settings, std::slice::from_ref(victim), interrupt)?;
    let (mut falls, mut rises) = (Vec::new(), Vec::new());
    for round in 1..=times {
        rig.wait_until_up()?;
        // Any moment between two checks.
        rig.leave_alone(Duration::from_millis(500 + u64::from(round) * 137 % 1_000))?;
        rig.forget()?;
        let moment = strike()?;
        let (fall, rise) = rig.wait_for_fall_and_rise()?;
        falls.push(since(moment, fall.at)?);
        rises.push(since(moment, rise.at)?);
        eprintln!("xtask: {round} of {times}");
    }
    rig.stop()?;
    let rows = vec![row("server_down", falls), row("recovered", rises)];
    Ok(Measurement { title: scenario.title, note: scenario.note.to_owned(), columns: COLUMNS, rows })
}

fn row(what: &str, mut times: Vec<Duration>) -> Vec<Cell> {
    times.sort();
    let at = |percent| Cell::Time(percentile(&times, percent));
    vec![Cell::Text(what.to_owned()), Cell::Count(times.len() as u64), at(50), at(90), at(99), at(100)]
}

/// The nearest rank: a value that was really measured.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Events have whole milliseconds, the moment has more: a little below zero is rounding, more is a wrong clock.
fn since(moment: Timestamp, event: Timestamp) -> Outcome<Duration> {
    let difference = event.duration_since(moment);
    if difference.as_millis() < -1 {
        return Err(Failure::new(format!(
            "an event is {} ms older than its cause: the clocks disagree",
            -difference.as_millis()
        )));
    }
    Ok(Duration::try_from(difference).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_before_its_cause_is_a_failure_not_a_zero() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a timestamp");
        let moment = at("2026-01-02T03:04:05.0009Z");
        assert_eq!(since(moment, at("2026-01-02T03:04:05Z")), Ok(Duration::ZERO));
        assert!(since(moment, at("2026-01-02T03:04:04Z")).is_err());
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let times = (1..=20).map(Duration::from_millis).collect::<Vec<_>>();
        assert_eq!(percentile(&times, 50), Duration::from_millis(10));
        assert_eq!(percentile(&times, 90), Duration::from_millis(18));
        assert_eq!(percentile(&times, 100), Duration::from_millis(20));
        assert_eq!(percentile(&times[..1], 50), Duration::from_millis(1));
    }
}
