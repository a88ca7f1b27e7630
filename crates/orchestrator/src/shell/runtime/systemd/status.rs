//! What systemd says about a unit: the properties that matter here.

use std::{collections::HashMap, time::Duration};

use zbus::{ObjectPath, OwnedVariant, Structure, Variant, message::Sequence};

use crate::machine::Death;

/// A unit as it was when systemd said so.
#[derive(Clone, Debug)]
pub struct Look {
    /// How it was.
    pub status: Status,
    /// Whatever was received before this is known to it.
    pub as_of: Sequence,
}

/// The properties of a unit and its service (`org.freedesktop.systemd1(5)`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Its name, when the one in the registry is an alias.
    pub id: String,
    /// `loaded`, `not-found`, `masked`, ...
    pub load: String,
    /// `active`, `inactive`, `failed`, ...
    pub active: String,
    /// `running`, `auto-restart`, ...
    pub sub: String,
    /// Why it ended: `success`, `exit-code`, `signal`, `start-limit-hit`, ...
    pub result: String,
    /// How often systemd has restarted it on its own.
    pub restarts: u32,
    /// How its main process ended: 1 exited, 2 killed, 3 dumped core (`CLD_*`).
    pub code: i32,
    /// Its exit code, or the signal.
    pub status: i32,
    /// Names one start of the unit.
    pub invocation: Vec<u8>,
    /// The job that is queued for it, if there is one.
    pub job: Option<String>,
    /// How long systemd lets it start and stop.
    pub patience: Duration,
    pub(super) start: u64,
    pub(super) stop: u64,
}

/// What a status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Up,
    /// It is being started or stopped.
    Between,
    /// It has ended, and systemd will start it again.
    Returns,
    /// It has ended.
    Over,
}

/// However long systemd would wait, we do not wait longer than this for a job.
const LONGEST_JOB: Duration = Duration::from_secs(600);

/// systemd's way to write "for ever".
const INFINITY: u64 = u64::MAX;

impl Status {
    /// Takes over what these values say.
    pub(super) fn change(&mut self, values: &HashMap<String, OwnedVariant>) {
        let text = |to: &mut String, key: &str| {
            if let Some(value) = values.get(key).and_then(|value| <&str>::try_from(value).ok()) {
                value.clone_into(to);
            }
        };
        text(&mut self.id, "Id");
        text(&mut self.load, "LoadState");
        text(&mut self.active, "ActiveState");
        text(&mut self.sub, "SubState");
        text(&mut self.result, "Result");
        let number = |key: &str| values.get(key).and_then(|value| i32::try_from(value).ok());
        self.code = number("ExecMainCode").unwrap_or(self.code);
        self.status = number("ExecMainStatus").unwrap_or(self.status);
        self.restarts = values.get("NRestarts").and_then(|value| u32::try_from(value).ok()).unwrap_or(self.restarts);
        let microseconds = |key: &str| values.get(key).and_then(|value| u64::try_from(value).ok());
        self.start = microseconds("TimeoutStartUSec").unwrap_or(self.start);
        self.stop = microseconds("TimeoutStopUSec").unwrap_or(self.stop);
        self.patience = patience(self.start, self.stop);
        if let Some(Variant::Array(bytes)) = values.get("InvocationID").map(|value| &**value) {
            self.invocation = bytes.iter().filter_map(|byte| u8::try_from(byte).ok()).collect();
        }
        if let Some(Variant::Structure(job)) = values.get("Job").map(|value| &**value) {
            self.job = job_of(job);
        }
    }

    /// What that means.
    pub fn life(&self) -> Life {
        match self.active.as_str() {
            "active" | "reloading" | "refreshing" => Life::Up,
            "activating" if self.sub.starts_with("auto-restart") => Life::Returns,
            "activating" | "deactivating" | "maintenance" => Life::Between,
            _ => Life::Over,
        }
    }

    /// How long systemd lets it stop before it kills it; where that is for ever, no longer than anybody here waits.
    pub fn stops_within(&self) -> Duration {
        match self.stop {
            0 | INFINITY => LONGEST_JOB,
            stop => Duration::from_micros(stop).min(LONGEST_JOB),
        }
    }

    /// It has run since the machine was started, and nothing was wrong with its end.
    pub fn has_ended_well(&self) -> bool {
        self.code != 0 && self.result == "success"
    }

    /// How it ended.
    pub fn death(&self) -> Death {
        let ended = matches!(self.result.as_str(), "success" | "exit-code" | "signal" | "core-dump" | "oom-kill");
        let known = ended || matches!(self.result.as_str(), "watchdog" | "timeout");
        Death {
            exit_code: (known && self.code == 1).then_some(i64::from(self.status)),
            signal: (known && matches!(self.code, 2 | 3)).then_some(self.status),
            oom_killed: self.result == "oom-kill",
            core_dumped: self.code == 3 || self.result == "core-dump",
            error: (!known).then(|| format!("systemd says: {}", self.result)),
            comes_back: self.life() == Life::Returns,
            ..Death::default()
        }
    }

    /// Why a start has failed, and what to do.
    pub fn explain(&self, unit: &str) -> String {
        if self.result == "start-limit-hit" {
            return format!(
                "{unit} was started too often (StartLimitBurst=, StartLimitIntervalSec=): systemd does not start it again until that \
                 interval has passed, or somebody runs `systemctl reset-failed {unit}`"
            );
        }
        let how = match (self.code, self.result.as_str()) {
            (1, "exit-code") => format!("its main process ended with code {}", self.status),
            (2 | 3, "signal" | "core-dump" | "oom-kill") => format!("its main process was ended by signal {}", self.status),
            (_, result) => format!("systemd says: {result}"),
        };
        format!("{how}; `journalctl -u {unit}` shows more")
    }
}

fn patience(start: u64, stop: u64) -> Duration {
    let margin = Duration::from_secs(10);
    match (start, stop) {
        (INFINITY, _) | (_, INFINITY) => LONGEST_JOB,
        (start, stop) => (Duration::from_micros(start.saturating_add(stop)) + margin).min(LONGEST_JOB),
    }
}

/// `(uo)`: number and path; 0 without a job.
fn job_of(job: &Structure<'_>) -> Option<String> {
    let [id, path] = job.fields() else { return None };
    let id = u32::try_from(id).ok().filter(|id| *id != 0);
    let path = <&ObjectPath<'_>>::try_from(path).ok()?;
    id.map(|_| path.as_str().to_owned())
}
