//! What systemd knows of a unit: its state over the unit's own bus, its lines by `journalctl`. What cannot be had is said, and where to look.
//!
//! A bus that is given by its address may be another machine's, where a unit of that name is another one: neither the journal nor the files
//! of this machine are asked about it.

use health_spec::incident::RuntimeState;

use super::container::MOST_NAMES;
use super::facts::word;
use super::found::{Deadline, Found, Want};
use super::subject::pairs;
use crate::shell::runtime::systemd::bus::Bus;
use crate::shell::secrets::credentials::passwords;
use crate::shell::secrets::{digest, may_be_secret};
use files::Files;
use journal::Journal;
use properties::Properties;

mod files;
mod journal;
mod properties;

/// How a process ended, in the kernel's words (`waitid`): killed, and killed with a core dump.
const BY_SIGNAL: [u64; 2] = [2, 3];

/// Looks at a unit of the manager on this bus: `system`, `user`, or an address.
pub(super) async fn look(unit: &str, bus: &str, want: Want, deadline: Deadline) -> Found {
    let bus = Bus::new(bus);
    let journal = Journal::of(&bus, unit);
    let mut found = Found { log_source: journal.command(), ..Found::default() };
    let (told, lines) = tokio::join!(told(&bus, unit, deadline), journal.lines(want, deadline));
    if let Some((told, files)) = found.part("unit", told) {
        take(unit, &told, files, &mut found);
    }
    match lines {
        Some(lines) => {
            let lines = lines.map_err(|error| format!("{error}; where it is installed, `{}` has them", found.log_source));
            found.lines = found.part("logs", lines);
        }
        None => found.holes.push(format!("logs: its bus may be another machine's; there `{}` has them", found.log_source)),
    }
    found
}

/// What systemd tells, and what stands in the files that it names.
async fn told(bus: &Bus, unit: &str, deadline: Deadline) -> Result<(Properties, Files), String> {
    let told = async {
        let told = Properties::of(bus, unit).await?;
        let files = Files::read(bus, told.environment_files()).await;
        Ok((told, files))
    };
    tokio::time::timeout_at(deadline.at(), told).await.map_err(|_| "systemd does not answer".to_owned())?
}

fn take(unit: &str, told: &Properties, files: Files, found: &mut Found) {
    found.facts.extend(told.text("FragmentPath").map(|path| ("unit.FragmentPath".to_owned(), path.to_owned())));
    found.facts.extend(told.number("NRestarts").map(|count| ("unit.NRestarts".to_owned(), count.to_string())));
    let own = told.texts("Environment");
    let given = own.iter().filter_map(|pair| pair.split_once('='));
    let pairs: Vec<(&str, &str)> = given.chain(pairs(&files.text)).collect();
    let mut names: Vec<_> = pairs.iter().map(|(name, _)| word(name)).collect();
    names.sort_unstable();
    names.dedup();
    let number = digest(&format!("{}\0{}", own.join("\0"), files.text));
    found.facts.insert("unit.environment".to_owned(), format!("{} variables ({number})", names.len()));
    let secret = pairs.iter().filter(|(name, value)| may_be_secret(name, value));
    let secret = secret.map(|(_, value)| *value).chain(pairs.iter().flat_map(|(_, value)| passwords(value)));
    found.secrets.extend(secret.map(str::to_owned));
    names.truncate(MOST_NAMES);
    found.state = Some(RuntimeState { environment: names, ..state(unit, told) });
    found.holes.extend(files.unread.into_iter().map(|why| format!("environment: {why}")));
}

fn state(unit: &str, told: &Properties) -> RuntimeState {
    let pid = told.number("MainPID").filter(|pid| *pid > 0);
    let active = told.text("ActiveState").unwrap_or("unknown");
    let result = told.text("Result").filter(|result| *result != "success");
    let status = told.number("ExecMainStatus").filter(|_| pid.is_none());
    let (by_signal, exit_code) = if told.number("ExecMainCode").is_some_and(|code| BY_SIGNAL.contains(&code)) {
        (status.map(|signal| format!("ended by signal {signal}")), None)
    } else {
        (None, status.and_then(|code| i64::try_from(code).ok()))
    };
    let load = told.text("LoadState").filter(|load| *load != "loaded").map(|load| format!("its file is {load}"));
    let result = result.map(|result| format!("result {result}"));
    let oom_killed = result.as_ref().map(|result| result == "result oom-kill");
    let error: Vec<_> = load.into_iter().chain(result).chain(by_signal).collect();
    RuntimeState {
        kind: "systemd".to_owned(),
        name: unit.to_owned(),
        id: pid.map(|pid| pid.to_string()),
        running: Some(active == "active"),
        status: Some(format!("{active} ({})", told.text("SubState").unwrap_or("?"))),
        started_at: told.moment("ExecMainStartTimestamp"),
        finished_at: told.moment("ExecMainExitTimestamp"),
        exit_code,
        oom_killed,
        memory_limit_bytes: told.number("MemoryMax").filter(|bytes| *bytes != u64::MAX),
        restarts: told.number("NRestarts"),
        error: (!error.is_empty()).then(|| error.join(", ")),
        ..RuntimeState::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use zbus::Variant;

    use super::*;

    fn failed(code: i32, result: &str) -> Properties {
        Properties::told([
            ("LoadState", "loaded".into()),
            ("ActiveState", "failed".into()),
            ("SubState", "failed".into()),
            ("Result", result.to_owned().into()),
            ("ExecMainCode", code.into()),
            ("ExecMainStatus", 9_i32.into()),
            ("NRestarts", 3_u32.into()),
            ("MainPID", 0_u32.into()),
            ("MemoryMax", u64::MAX.into()),
            ("ExecMainStartTimestamp", 1_767_323_045_250_000_u64.into()),
            ("ExecMainExitTimestamp", 0_u64.into()),
        ])
    }

    #[test]
    fn what_systemd_tells_is_read() {
        let killed = state("a.service", &failed(2, "oom-kill"));
        assert_eq!((killed.status.as_deref(), killed.running), (Some("failed (failed)"), Some(false)));
        assert_eq!((killed.exit_code, killed.oom_killed, killed.restarts), (None, Some(true), Some(3)), "9 is a signal");
        assert_eq!((killed.memory_limit_bytes, killed.error.as_deref()), (None, Some("result oom-kill, ended by signal 9")));
        assert_eq!(killed.started_at.map(jiff::Timestamp::as_millisecond), Some(1_767_323_045_250));
        assert_eq!(killed.finished_at, None, "what never happened is 0");
        let ended = state("a.service", &failed(1, "exit-code"));
        assert_eq!((ended.exit_code, ended.error.as_deref()), (Some(9), Some("result exit-code")));
        let limited = Properties::told([("MemoryMax", (64_u64 << 20).into()), ("LoadState", "not-found".into())]);
        let limited = state("a.service", &limited);
        assert_eq!((limited.memory_limit_bytes, limited.error.as_deref()), (Some(64 << 20), Some("its file is not-found")));
    }

    #[test]
    fn the_environment_is_that_of_the_unit_and_of_its_files() {
        let of = |environment: Vec<&'static str>, text: &str| {
            let told = Properties::told([("Environment", Variant::from(environment))]);
            let mut found = Found::default();
            let files = Files { text: text.to_owned(), unread: vec!["/etc/b: denied".to_owned()] };
            take("a.service", &told, files, &mut found);
            found
        };
        let found = of(vec!["API_TOKEN=hunter2hunter2", "TWO=a b"], "# no\nDB_PASSWORD='swordfish'\nMODE=x\nTWO=c\n");
        assert_eq!(found.state.expect("a state").environment, ["API_TOKEN", "DB_PASSWORD", "MODE", "TWO"]);
        assert_eq!(found.secrets, ["hunter2hunter2", "swordfish"]);
        assert_eq!((found.holes, found.missing.len()), (vec!["environment: /etc/b: denied".to_owned()], 0));
        let other = of(vec!["API_TOKEN=hunter2hunter2", "TWO=a b"], "DB_PASSWORD='swordfish'\nMODE=y\nTWO=c\n");
        assert_ne!(found.facts["unit.environment"], other.facts["unit.environment"], "what a file says has changed");
    }

    #[tokio::test]
    async fn a_bus_that_is_not_there_is_said_and_nobody_else_is_asked() {
        let found = look("a.service", "unix:path=/nowhere", Want::Last(5), Deadline::within(Duration::from_secs(30))).await;
        assert!(found.state.is_none() && found.lines.is_none(), "{found:?}");
        assert!(found.missing[0].starts_with("unit: cannot reach the bus at unix:path=/nowhere"), "{:?}", found.missing);
        assert_eq!(found.holes, ["logs: its bus may be another machine's; there `journalctl -u a.service` has them"]);
    }
}
