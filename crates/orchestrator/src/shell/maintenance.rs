//! When recovery is held on purpose: is a server in maintenance at some moment, and when does that change?
//!
//! Pure: it is given the moment. A window starts when the clock on the wall of its time zone says so, and lasts as long as it lasts:
//! where clocks are put forward a start that is skipped happens at the end of the gap, where they are put back a repeated one happens once.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use health_spec::config::{self, File, defaults};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::machine::policy::Issue;

mod check;
pub mod keeper;

/// Starts that are looked at for one answer: windows that touch one another are one window.
const LOOKED_AT: usize = 1_000;

/// Every maintenance of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Maintenance {
    windows: Vec<Window>,
}

/// One line of the section `maintenance`.
#[derive(Clone, Debug)]
struct Window {
    cron: Cron,
    duration: Duration,
    zone: TimeZone,
    /// `None`: every server.
    servers: Option<HashSet<String>>,
}

/// What maintenance says about a server at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whether it is in maintenance.
    pub now: bool,
    /// When that changes; `None`: never, as far as can be seen.
    pub until: Option<Timestamp>,
}

impl Maintenance {
    /// Reads the section; what is wrong with it goes to `issues`.
    pub fn compile(file: &File, issues: &mut Vec<Issue>) -> Self {
        let windows = file.maintenance.iter().enumerate();
        Self { windows: windows.filter_map(|(index, written)| check::window(file, index, written, issues)).collect() }
    }

    /// Whether `server` is in maintenance at `at`, and when that changes.
    pub fn of(&self, server: &str, at: Timestamp) -> Held {
        let windows: Vec<_> = self.windows.iter().filter(|window| window.concerns(server)).collect();
        match last_end(&windows, at) {
            Some(end) => Held { now: true, until: ending(&windows, end) },
            None => Held { now: false, until: windows.iter().filter_map(|window| window.next_start(at)).min() },
        }
    }

    /// The same for many: servers that the same windows concern share one answer.
    pub fn of_each<'a>(&self, servers: impl Iterator<Item = &'a str>, at: Timestamp) -> impl Iterator<Item = (&'a str, Held)> {
        let mut known: HashMap<Vec<usize>, Held> = HashMap::new();
        servers.map(move |server| {
            let concerned = self.windows.iter().enumerate().filter(|(_, window)| window.concerns(server));
            let held = *known.entry(concerned.map(|(index, _)| index).collect()).or_insert_with(|| self.of(server, at));
            (server, held)
        })
    }

    /// The windows of `server` from `from` to `to`, in order.
    pub fn within(&self, server: &str, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let mut windows = Vec::new();
        let mut at = from;
        while at < to && windows.len() < LOOKED_AT {
            let held = self.of(server, at);
            let next = held.until.unwrap_or(to);
            if held.now {
                windows.push((at, next));
            }
            at = next;
        }
        windows
    }
}

/// The end of the window that `at` lies in; of several, the last.
fn last_end(windows: &[&Window], at: Timestamp) -> Option<Timestamp> {
    windows.iter().filter_map(|window| window.end_of_current(at)).max()
}

/// When all that overlaps or touches has ended.
fn ending(windows: &[&Window], mut end: Timestamp) -> Option<Timestamp> {
    for _ in 0..LOOKED_AT {
        match last_end(windows, end) {
            Some(later) => end = later,
            None => return Some(end),
        }
    }
    None
}

impl Window {
    fn concerns(&self, server: &str) -> bool {
        self.servers.as_ref().is_none_or(|servers| servers.contains(server))
    }

    /// The first start after `at`.
    fn next_start(&self, at: Timestamp) -> Option<Timestamp> {
        self.cron.find_next_occurrence(&self.on_the_wall(at), false).ok().map(|start| start.timestamp())
    }

    /// When the window that `at` lies in ends. The end itself is outside.
    fn end_of_current(&self, at: Timestamp) -> Option<Timestamp> {
        let start = self.cron.find_previous_occurrence(&self.on_the_wall(at), true).ok()?.timestamp();
        let end = start.checked_add(SignedDuration::try_from(self.duration).ok()?).ok()?;
        (end > at).then_some(end)
    }

    fn on_the_wall(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.zone.clone())
    }
}

/// Words for common expressions.
const NICKNAMES: [&str; 6] = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually"];

/// Reads a cron expression of five fields, or a nickname.
fn cron(text: &str) -> Result<Cron, String> {
    let fields = text.split_whitespace().count();
    if text.trim_start().starts_with('@') {
        if !NICKNAMES.contains(&text.trim().to_lowercase().as_str()) {
            return Err("there is no such word".to_owned());
        }
    } else if fields != 5 {
        let seconds = if fields > 5 { ", and knows neither seconds nor years" } else { "" };
        return Err(format!("it has {fields} field{}, not five{seconds}", if fields == 1 { "" } else { "s" }));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(text).map_err(|error| {
        let said = error.to_string();
        // The last part says it; what stands before names the parser's own types.
        let said = said.rsplit(": ").next().unwrap_or_default().trim_end_matches('.');
        said.to_lowercase()
    })
}

fn zone(written: &config::Maintenance) -> Result<TimeZone, jiff::Error> {
    TimeZone::get(written.time_zone.as_deref().unwrap_or(defaults::TIME_ZONE))
}

#[cfg(test)]
mod tests;
