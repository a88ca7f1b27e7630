//! What a configuration has become: merged, complete and checked. A policy cannot be wrong.
//!
//! [`compile`] finds every problem at once and names each by its JSON pointer; where that stands in a file is the shell's to say.

use std::time::Duration;

use health_spec::config::{File, Mode, OnExitZero, Strategies, Strategy, defaults};
use health_spec::registry::ServerEntry;

use super::backoff::Backoff;
use super::{EngineId, ServerId};

mod budget;
mod merge;
mod relations;
mod runtime;
mod strategy;

pub use runtime::{engine_of, engines};

/// How one server is checked and brought back.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// From the start of one check to the start of the next.
    pub interval: Duration,
    /// One deadline over a whole check.
    pub timeout: Duration,
    /// Failures in a row that make it down.
    pub failure_threshold: u32,
    /// Good answers in a row that bring it back.
    pub success_threshold: u32,
    /// The pace while an answer is being confirmed.
    pub confirm_interval: Duration,
    /// Grace after a start.
    pub start_period: Duration,
    /// The longest distance between checks of a server that was given up.
    pub max_backoff: Duration,
    /// How it is brought back.
    pub recovery: Recovery,
    /// What must be healthy before it is recovered.
    pub depends_on: Vec<ServerId>,
    /// Whoever runs it and can be lost: an engine, a systemd, or this machine.
    pub engine: Option<Engine>,
    /// The host that is checked, as it is written.
    pub host: Option<String>,
}

/// A container engine, as far as the machine knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Its place in the configuration.
    pub id: EngineId,
    /// Its name there.
    pub name: String,
}

/// How one server is brought back.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    /// Whether anything is ever done.
    pub enabled: bool,
    /// Whether decisions are carried out.
    pub mode: Mode,
    /// What an attempt does; `manual` too when nothing here can bring the server back.
    pub strategy: Strategies,
    /// Whether something runs it that can restart it.
    pub restartable: bool,
    /// The delays before the attempts.
    pub backoff: Backoff,
    /// How long an attempt has to come back.
    pub verify_timeout: Duration,
    /// Healthy this long: the attempt counter starts over.
    pub reset_after: Duration,
    /// At most this many attempts in this window.
    pub budget: (u32, Duration),
    /// What exit code 0 means.
    pub on_exit_zero: OnExitZero,
    /// Whether a container that is not running when first seen is started.
    pub start_stopped: bool,
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// Where a server's runtime is: `simulate` has scripted restarts for servers that have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Real servers: what has no runtime cannot be restarted, and everything needs something to check.
    Run,
    /// Scripted servers.
    Simulate,
}

/// The policies of all servers, in the file's order, or everything that is wrong.
pub fn compile(file: &File, purpose: Purpose) -> Result<Vec<Policy>, Vec<Issue>> {
    let mut issues = Vec::new();
    relations::check_names(file, &mut issues);
    let graph = relations::graph(file);
    relations::check_cycles(file, &graph, &mut issues);
    let entries = file.servers.iter().zip(graph).enumerate();
    let policies =
        entries.map(|(index, (entry, depends_on))| policy(file, (index, entry), depends_on, purpose, &mut issues)).collect();
    relations::check_max_concurrent(file, &mut issues);
    if purpose == Purpose::Run {
        runtime::check(file, &mut issues);
    }
    if issues.is_empty() { Ok(policies) } else { Err(issues) }
}

/// How many recoveries run at once, over all servers.
pub fn max_concurrent(file: &File) -> u32 {
    file.recovery.max_concurrent.unwrap_or(defaults::MAX_CONCURRENT)
}

fn policy(
    file: &File,
    (index, entry): (usize, &ServerEntry),
    depends_on: Vec<ServerId>,
    purpose: Purpose,
    issues: &mut Vec<Issue>,
) -> Policy {
    let mut section = merge::Section::new(file, index, issues);
    let interval = section.duration("interval_seconds", |check| check.interval_seconds, defaults::INTERVAL);
    let confirm = section.confirm_interval(interval);
    section.hooks();
    let start_period = section.duration("start_period_seconds", |check| check.start_period_seconds, defaults::START_PERIOD);
    Policy {
        name: entry.name.clone(),
        interval,
        timeout: section.duration("timeout_seconds", |check| check.timeout_seconds, defaults::TIMEOUT),
        failure_threshold: section.check(|check| check.failure_threshold).unwrap_or(defaults::FAILURE_THRESHOLD),
        success_threshold: section.check(|check| check.success_threshold).unwrap_or(defaults::SUCCESS_THRESHOLD),
        confirm_interval: confirm,
        start_period,
        max_backoff: section.max_backoff(interval),
        recovery: Recovery {
            enabled: section.recovery(|recovery| recovery.enabled).unwrap_or(defaults::ENABLED),
            mode: section.recovery(|recovery| recovery.mode).unwrap_or(defaults::MODE),
            strategy: section.strategy(entry, purpose),
            restartable: strategy::is_restartable(entry, purpose),
            backoff: section.backoff(),
            verify_timeout: section.verify_timeout(start_period),
            reset_after: section.recovery(|recovery| recovery.reset_after_seconds).unwrap_or(defaults::RESET_AFTER).0,
            budget: section.budget(),
            on_exit_zero: section.recovery(|recovery| recovery.on_exit_zero).unwrap_or(defaults::ON_EXIT_ZERO),
            start_stopped: section.recovery(|recovery| recovery.start_stopped).unwrap_or(defaults::START_STOPPED),
        },
        depends_on,
        host: host(entry),
        engine: runtime::keeper_of(file, entry),
    }
}

/// `mcp.example.com` of `http://mcp.example.com:8082/health`.
fn host(entry: &ServerEntry) -> Option<String> {
    let of_probes = || entry.probes.iter().find_map(|probe| probe.url.as_ref().or(probe.address.as_ref()));
    let url = entry.health_url.as_ref().or(entry.endpoint.as_ref()).or_else(of_probes)?;
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(authority, |(host, _)| host);
    Some(host.to_owned())
}

impl Recovery {
    /// What an operator's restart does: a restart where there can be one, else what the first attempt does.
    pub fn of_an_operator(&self) -> Strategy {
        if self.restartable { Strategy::Restart } else { self.strategy.rung(1) }
    }
}

#[cfg(test)]
mod tests;
