//! The handle that a server holds: built once, cloned freely, asked for a response at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use health_spec::HealthResponse;
use serde_json::Value;

use crate::check::{Check, CheckResult};
use crate::clock::Clock;
use crate::evaluate::{Identity, Now, evaluate};
use crate::runner::Runner;

/// The health of one server. Clones share everything; the checks end when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Health {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    identity: Identity,
    clock: Clock,
    draining: AtomicBool,
    runner: Runner,
}

/// Collects what [`Health`] is made of.
#[derive(Debug)]
#[must_use = "nothing is checked before `build`"]
pub struct Builder {
    identity: Identity,
    checks: Vec<Check>,
}

impl Health {
    /// Begins to describe a server. `name` is shown as `metadata.name`.
    ///
    /// Uptime counts from the first call in the process, so make it early.
    pub fn builder(name: impl Into<String>) -> Builder {
        Clock::start();
        Builder { identity: Identity::default(), checks: Vec::new() }.metadata("name", name.into())
    }

    /// What `/health` says now. It reads the last results and never waits for a check.
    pub fn response(&self) -> HealthResponse {
        self.shared.runner.start();
        let now = Now { moment: self.shared.clock.now(), uptime: Clock::uptime(), draining: self.is_draining() };
        evaluate(&self.shared.identity, &self.shared.runner.observations(), now)
    }

    /// Says that the server is shutting down: `metadata.draining: true` and HTTP 503 (contract, section 1).
    /// A monitor then waits for a minute before it calls that a failure.
    pub fn set_draining(&self, draining: bool) {
        self.shared.draining.store(draining, Ordering::Relaxed);
    }

    /// Whether [`Health::set_draining`] said so last.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    /// Waits until every check has ended its first run, for a server that wants to know before it listens.
    /// It takes as long as the slowest check, at most the longest timeout.
    pub async fn settled(&self) {
        self.shared.runner.start();
        self.shared.runner.settled().await;
    }

    /// Runs every check once more and waits for the results: for a server that knows that something has just changed.
    /// A run in flight is waited for first, since it may have looked before the change.
    pub async fn recheck(&self) {
        self.shared.runner.start();
        self.shared.runner.recheck().await;
    }
}

impl Builder {
    /// The server's version.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.identity.version = Some(version.into());
        self
    }

    /// An entry of `metadata`. `draining` belongs to [`Health::set_draining`].
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.identity.metadata.insert(key.into(), value.into());
        self
    }

    /// A critical check with the default interval and timeout; [`Builder::check_with`] takes any other.
    ///
    /// # Panics
    ///
    /// When the name is not `^[a-z_]+$`, or is taken.
    pub fn check<F, Fut>(self, name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = CheckResult> + Send + 'static,
    {
        self.check_with(Check::new(name, check))
    }

    /// A check with its own interval, timeout or weight.
    ///
    /// # Panics
    ///
    /// When the name is taken.
    pub fn check_with(mut self, check: Check) -> Self {
        assert!(self.checks.iter().all(|other| other.name != check.name), "there are two checks named {:?}", check.name);
        self.checks.push(check);
        self
    }

    /// Begins the checks, at once inside a tokio runtime, else with the first response that is made inside one.
    ///
    /// Until a check has ended its first run it is `degraded`, "has not run yet": nobody knows that it is well, and
    /// nobody should restart for it. [`Health::settled`] waits for that.
    pub fn build(self) -> Health {
        let clock = Clock::start();
        let runner = Runner::new(self.checks, clock);
        runner.start();
        Health { shared: Arc::new(Shared { identity: self.identity, clock, draining: AtomicBool::new(false), runner }) }
    }
}

#[cfg(test)]
mod tests {
    use health_spec::Status;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_degraded_until_the_first_run_has_ended() {
        let health = Health::builder("a").check("database", || async { Ok(()) }).build();
        assert_eq!(health.response().status, Status::Degraded);
        health.settled().await;
        assert_eq!(health.response().status, Status::Ok);
    }

    #[test]
    fn uptime_never_starts_over_within_a_process() {
        let first = Health::builder("a").build().response().uptime_seconds;
        assert!(Health::builder("b").build().response().uptime_seconds >= first);
    }

    #[test]
    #[should_panic(expected = "two checks named \"a\"")]
    fn a_name_is_taken_once() {
        let _ = Health::builder("x").check("a", || async { Ok(()) }).check("a", || async { Ok(()) });
    }
}
