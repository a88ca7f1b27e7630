//! A server's sections over the file's, key by key, with the rules that tie one key to another.

use std::time::Duration;

use health_spec::config::{self, File, HealthCheck, Seconds, defaults};

use super::{Issue, budget};
use crate::machine::backoff::Backoff;

/// The shortest pace: below it a monitor harms what it watches.
pub(super) const SHORTEST: Duration = Duration::from_millis(10);

/// Both levels of one server's settings.
pub(super) struct Section<'a> {
    pub(super) file: &'a File,
    pub(super) index: usize,
    issues: &'a mut Vec<Issue>,
}

impl<'a> Section<'a> {
    pub(super) fn new(file: &'a File, index: usize, issues: &'a mut Vec<Issue>) -> Self {
        Self { file, index, issues }
    }

    /// A key of `health_check`: the server's, else the file's.
    pub(super) fn check<T>(&self, key: impl Fn(&HealthCheck) -> Option<T>) -> Option<T> {
        key(&self.file.servers[self.index].health_check).or_else(|| key(&self.file.health_check))
    }

    /// A key of `recovery`: the server's, else the file's.
    pub(super) fn recovery<T>(&self, key: impl Fn(&config::Recovery) -> Option<T>) -> Option<T> {
        key(&self.file.servers[self.index].recovery).or_else(|| key(&self.file.recovery))
    }

    /// A duration of `health_check`. Only the start period may be zero.
    pub(super) fn duration(&mut self, name: &str, key: impl Fn(&HealthCheck) -> Option<Seconds>, default: Seconds) -> Duration {
        let Seconds(found) = self.check(&key).unwrap_or(default);
        if found < SHORTEST && name != "start_period_seconds" {
            let pointer = self.check_pointer(name, &key);
            self.issue(pointer, format!("{name} is {}, which is too short", shown(found)), "at least 0.01 seconds");
        }
        found
    }

    /// The default is never longer than the interval.
    pub(super) fn confirm_interval(&mut self, interval: Duration) -> Duration {
        let key = |check: &HealthCheck| check.confirm_interval_seconds;
        let Some(Seconds(confirm)) = self.check(key) else {
            return interval.min(defaults::CONFIRM_INTERVAL.0);
        };
        if confirm > interval || confirm < SHORTEST {
            let pointer = self.check_pointer("confirm_interval_seconds", &key);
            let message = format!("confirm_interval_seconds is {}, but interval_seconds is {}", shown(confirm), shown(interval));
            self.issue(pointer, message, "at least 0.01 seconds and at most the interval");
        }
        confirm
    }

    /// The default is never shorter than the interval.
    pub(super) fn max_backoff(&mut self, interval: Duration) -> Duration {
        let key = |check: &HealthCheck| check.max_backoff_seconds;
        let Some(Seconds(max)) = self.check(key) else {
            return interval.max(defaults::MAX_BACKOFF.0);
        };
        if max < interval {
            let pointer = self.check_pointer("max_backoff_seconds", &key);
            let message = format!("max_backoff_seconds is {}, but interval_seconds is {}", shown(max), shown(interval));
            self.issue(pointer, message, "at least the interval, or it can never be met");
        }
        max
    }

    /// The default is never shorter than the start period.
    pub(super) fn verify_timeout(&mut self, start_period: Duration) -> Duration {
        let key = |recovery: &config::Recovery| recovery.verify_timeout_seconds;
        let Some(Seconds(verify)) = self.recovery(key) else {
            return start_period.max(defaults::VERIFY_TIMEOUT.0);
        };
        if verify < start_period || verify < SHORTEST {
            let pointer = self.recovery_pointer("verify_timeout_seconds", &key);
            let message =
                format!("verify_timeout_seconds is {}, but start_period_seconds is {}", shown(verify), shown(start_period));
            self.issue(
                pointer,
                message,
                "at least the start period: a server that may take so long to start cannot be verified sooner",
            );
        }
        verify
    }

    /// `backoff` is replaced as a whole, never merged.
    pub(super) fn backoff(&mut self) -> Backoff {
        let backoff = self.recovery(|recovery| recovery.backoff.clone()).unwrap_or_default();
        self.check_backoff(&backoff, self.recovery(|recovery| recovery.max_attempts));
        self.compiled_backoff(backoff)
    }

    fn compiled_backoff(&self, backoff: config::Backoff) -> Backoff {
        let max_attempts = self.recovery(|recovery| recovery.max_attempts);
        let exponential = backoff.initial_delay.is_some() || backoff.multiplier.is_some() || backoff.max_delay.is_some();
        match backoff.schedule {
            Some(schedule) => Backoff::Schedule(schedule.into_iter().map(|delay| delay.0).collect()),
            None if exponential || max_attempts.is_some() => Backoff::Exponential {
                initial: backoff.initial_delay.unwrap_or(defaults::INITIAL_DELAY).0,
                multiplier: backoff.multiplier.unwrap_or(defaults::MULTIPLIER),
                max: backoff.max_delay.unwrap_or(defaults::MAX_DELAY).0,
                attempts: max_attempts.unwrap_or(defaults::MAX_ATTEMPTS),
            },
            None => Backoff::Schedule(defaults::SCHEDULE.map(|delay| delay.0).to_vec()),
        }
    }

    /// One that an operator has written must be able to bite.
    pub(super) fn budget(&mut self) -> (u32, Duration) {
        let key = |recovery: &config::Recovery| recovery.budget.clone();
        let written = self.recovery(key);
        let config::Budget { attempts, window_seconds: Seconds(window) } = written.clone().unwrap_or(defaults::BUDGET);
        if written.is_some() {
            self.check_budget(attempts, window);
        }
        (attempts, window)
    }

    fn check_budget(&mut self, attempts: u32, window: Duration) {
        let backoff = self.compiled_backoff(self.recovery(|recovery| recovery.backoff.clone()).unwrap_or_default());
        let reset_after = self.recovery(|recovery| recovery.reset_after_seconds).unwrap_or(defaults::RESET_AFTER).0;
        let most = budget::most_attempts(&backoff, reset_after, window, attempts);
        if most < attempts {
            let pointer = self.recovery_pointer("budget", &|recovery: &config::Recovery| recovery.budget.clone());
            let message = format!(
                "this budget of {attempts} attempts in {} is never reached: the backoff makes at most {most}",
                shown(window)
            );
            self.issue(pointer, message, "fewer attempts, or a longer window; or leave it out");
        }
    }

    fn check_backoff(&mut self, backoff: &config::Backoff, max_attempts: Option<u32>) {
        let key = |recovery: &config::Recovery| recovery.backoff.clone();
        let exponential = [
            ("initial_delay", backoff.initial_delay.is_some()),
            ("multiplier", backoff.multiplier.is_some()),
            ("max_delay", backoff.max_delay.is_some()),
        ];
        if backoff.schedule.is_some() {
            for (name, _) in exponential.into_iter().filter(|(_, given)| *given) {
                let pointer = format!("{}/{name}", self.recovery_pointer("backoff", &key));
                self.issue(
                    pointer,
                    format!("{name} stands beside schedule"),
                    "give a schedule, or the exponential keys, not both",
                );
            }
            if max_attempts.is_some() {
                let pointer = self.recovery_pointer("max_attempts", &|recovery: &config::Recovery| recovery.max_attempts);
                self.issue(
                    pointer,
                    "max_attempts stands beside schedule".into(),
                    "remove it: a schedule has as many attempts as delays",
                );
            }
        }
        if let (Some(initial), Some(max)) = (backoff.initial_delay, backoff.max_delay)
            && initial > max
        {
            let pointer = format!("{}/initial_delay", self.recovery_pointer("backoff", &key));
            self.issue(
                pointer,
                format!("initial_delay is {}, but max_delay is {}", shown(initial.0), shown(max.0)),
                "at most max_delay",
            );
        }
    }

    fn check_pointer<T>(&self, name: &str, key: &impl Fn(&HealthCheck) -> Option<T>) -> String {
        let own = key(&self.file.servers[self.index].health_check).is_some();
        self.pointer("health_check", name, own)
    }

    pub(super) fn recovery_pointer<T>(&self, name: &str, key: &impl Fn(&config::Recovery) -> Option<T>) -> String {
        let own = key(&self.file.servers[self.index].recovery).is_some();
        self.pointer("recovery", name, own)
    }

    fn pointer(&self, section: &str, name: &str, own: bool) -> String {
        if own { format!("/servers/{}/{section}/{name}", self.index) } else { format!("/{section}/{name}") }
    }

    /// A mistake in the file's own section is said once, not once a server.
    pub(super) fn issue(&mut self, pointer: String, message: String, help: &str) {
        let issue = Issue { pointer, message, help: help.to_owned() };
        if !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }
}

fn shown(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
