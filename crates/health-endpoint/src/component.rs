//! One component of the server's health: a check, and how often, how long and how gravely it is taken.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use health_spec::Status;
use health_spec::response::is_component_name;

use crate::check::{Check, CheckResult};

/// How long one run may take, unless the component says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
/// From the start of one run to the start of the next, unless the component says otherwise.
/// A third of a monitor's usual 30 s: its answers are never older than its own pace.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
/// Shorter intervals are taken as this one, so that no check becomes a busy loop.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// One component of the server's health: a [`Check`] and its terms.
///
/// ```
/// use std::time::Duration;
/// use health_endpoint::{CheckError, Component, Health, Status};
///
/// let cache = Component::new("cache", || async { Err(CheckError::degraded("cold")) })
///     .interval(Duration::from_secs(30))
///     .timeout(Duration::from_secs(1))
///     .initially(Status::Ok)
///     .non_critical();
/// let health = Health::builder("my-server").component(cache).build();
/// ```
#[derive(Clone)]
pub struct Component {
    pub(crate) name: String,
    pub(crate) timeout: Duration,
    pub(crate) interval: Duration,
    pub(crate) critical: bool,
    pub(crate) initial: Status,
    run: Arc<dyn Fn() -> Run + Send + Sync>,
}

/// One run of a check.
pub(crate) type Run = Pin<Box<dyn Future<Output = CheckResult> + Send>>;

impl Component {
    /// A critical component with the default interval and timeout, `degraded` until its first run has ended.
    ///
    /// # Panics
    ///
    /// When `name` is not lower-case letters and underscores (`^[a-z_]+$`, contract, section 1).
    pub fn new(name: impl Into<String>, check: impl Check) -> Self {
        let name = checked(name.into());
        let check = Arc::new(check);
        let run: Arc<dyn Fn() -> Run + Send + Sync> = Arc::new(move || {
            let check = Arc::clone(&check);
            Box::pin(async move { check.check().await })
        });
        Self { name, timeout: DEFAULT_TIMEOUT, interval: DEFAULT_INTERVAL, critical: true, initial: Status::Degraded, run }
    }

    /// How long one run may take; one that takes longer is `down`. Default: [`DEFAULT_TIMEOUT`].
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// From the start of one run to the start of the next. Default: [`DEFAULT_INTERVAL`], at least [`SHORTEST_INTERVAL`].
    /// A run that outlasts it is followed at once; two runs of a check never overlap.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(SHORTEST_INTERVAL);
        self
    }

    /// The server can serve without this component: it is reported as `degraded` at worst.
    #[must_use]
    pub fn non_critical(mut self) -> Self {
        self.critical = false;
        self
    }

    /// What it is until its first run has ended. Default: `degraded`, "has not run yet": nobody knows that it is well,
    /// and nobody should restart for it. `ok` trusts it, `down` keeps traffic away until it is known to be well.
    #[must_use]
    pub fn initially(mut self, status: Status) -> Self {
        self.initial = status;
        self
    }

    /// Begins one run.
    pub(crate) fn run(&self) -> Run {
        (self.run)()
    }
}

/// The name, when it is one.
pub(crate) fn checked(name: String) -> String {
    assert!(
        is_component_name(&name),
        "the component name {name:?} is not lower-case letters and underscores, as in `task_queue`"
    );
    name
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .field("interval", &self.interval)
            .field("critical", &self.critical)
            .field("initial", &self.initial)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "\"Database\" is not lower-case")]
    fn a_name_outside_the_pattern_is_refused() {
        let _ = Component::new("Database", || async { Ok(()) });
    }

    #[test]
    fn an_interval_of_nothing_is_no_busy_loop() {
        assert_eq!(Component::new("a", || async { Ok(()) }).interval(Duration::ZERO).interval, SHORTEST_INTERVAL);
    }

    #[tokio::test]
    async fn a_type_of_its_own_is_a_check() {
        struct Broken;
        impl Check for Broken {
            async fn check(&self) -> CheckResult {
                Err(std::io::Error::other("broken"))?
            }
        }
        assert_eq!(Component::new("a", Broken).run().await, Err(crate::CheckError::down("broken")));
    }
}
