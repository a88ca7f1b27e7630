//! What is wrong with the section `maintenance`.

use std::time::Duration;

use health_spec::config::{self, File};
use jiff::Timestamp;
use jiff::tz;

use super::{NICKNAMES, Window, cron, ending, last_end, zone};
use crate::machine::policy::Issue;
use crate::shell::config::nearest;

/// Where judging starts: any moment does, and the clock is not asked. 2024-01-01T00:00:00Z, the beginning of a leap year.
const FROM: Timestamp = Timestamp::constant(1_704_067_200, 0);

/// One window, if nothing is wrong with it.
pub(super) fn window(file: &File, index: usize, written: &config::Maintenance, issues: &mut Vec<Issue>) -> Option<Window> {
    let pointer = format!("/maintenance/{index}");
    let before = issues.len();
    check_servers(file, written, &pointer, issues);
    let zone = zone(written).inspect_err(|_| issues.push(unknown_zone(written, &pointer))).ok();
    let cron = cron(&written.cron).inspect_err(|why| issues.push(no_cron(written, why, &pointer))).ok();
    if written.duration.0.is_zero() {
        issues.push(Issue {
            pointer: format!("{pointer}/duration"),
            message: "this maintenance is over when it starts".to_owned(),
            help: "write how long it lasts, such as 1h".to_owned(),
        });
    }
    let servers = written.servers.as_ref().map(|servers| servers.iter().cloned().collect());
    let window = Window { cron: cron?, duration: written.duration.0, zone: zone?, servers };
    check_times(&window, &pointer, issues);
    (issues.len() == before).then_some(window)
}

fn check_servers(file: &File, written: &config::Maintenance, pointer: &str, issues: &mut Vec<Issue>) {
    let names: Vec<&str> = file.servers.iter().map(|entry| entry.name.as_str()).collect();
    for (at, name) in written.servers.iter().flatten().enumerate().filter(|(_, name)| !names.contains(&name.as_str())) {
        let near = nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        issues.push(Issue {
            pointer: format!("{pointer}/servers/{at}"),
            message: format!("there is no server `{name}`"),
            help: near.unwrap_or_else(|| "name a server of `servers`, or leave `servers` out to mean all".to_owned()),
        });
    }
}

fn unknown_zone(written: &config::Maintenance, pointer: &str) -> Issue {
    let name = written.time_zone.clone().unwrap_or_default();
    let known: Vec<String> = tz::db().available().map(|name| name.as_str().to_owned()).collect();
    // Zones are written with capitals and slashes, which the measure of likeness does not know.
    let lower: Vec<String> = known.iter().map(|name| name.to_lowercase()).collect();
    let near = nearest(&name, lower.iter().map(String::as_str)).and_then(|near| lower.iter().position(|name| name == near));
    Issue {
        pointer: format!("{pointer}/time_zone"),
        message: format!("there is no time zone `{name}`"),
        help: near.map_or("write it as Europe/Berlin or UTC".to_owned(), |at| format!("did you mean `{}`?", known[at])),
    }
}

fn no_cron(written: &config::Maintenance, why: &str, pointer: &str) -> Issue {
    let near = Some(written.cron.trim()).filter(|text| text.starts_with('@')).and_then(|text| nearest(text, NICKNAMES));
    let help = near.map(|near| format!("did you mean `{near}`?"));
    Issue {
        pointer: format!("{pointer}/cron"),
        message: format!("`{}` is no cron expression: {why}", written.cron),
        help: help.unwrap_or_else(|| {
            "five fields: minute, hour, day of the month, month, day of the week; `0 3 * * 0` is Sundays at 3".to_owned()
        }),
    }
}

/// A window must begin at some time, and end before it has begun for ever.
fn check_times(window: &Window, pointer: &str, issues: &mut Vec<Issue>) {
    let Some(start) = window.next_start(FROM) else {
        issues.push(Issue {
            pointer: format!("{pointer}/cron"),
            message: "this time never comes".to_owned(),
            help: "write one that does: there is no 30th of February".to_owned(),
        });
        return;
    };
    let end = last_end(&[window], start);
    if end.is_some_and(|end| ending(&[window], end).is_none()) {
        issues.push(Issue {
            pointer: format!("{pointer}/duration"),
            message: format!("this maintenance never ends: it starts again before {} have passed", shown(window.duration)),
            help: "shorter than the time between two starts; `recovery: { enabled: false }` is for ever".to_owned(),
        });
    }
}

fn shown(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
