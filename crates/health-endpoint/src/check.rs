//! What a server author writes: a named async closure, and how often and how long it may run.
//!
//! Runs nothing itself; `runner` does.

use std::fmt::{self, Display};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use health_spec::Status;
use health_spec::response::is_component_name;

/// How long one run may take, unless the check says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
/// From the start of one run to the start of the next, unless the check says otherwise.
/// A third of a monitor's usual 30 s: its answers are never older than its own pace.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
/// Shorter intervals are taken as this one, so that no check becomes a busy loop.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// What a check returns: `Ok(())`, or why not.
pub type CheckResult = Result<(), CheckError>;

/// Why a component is not `ok`. The reason is shown to everyone who reads `/health`: no secrets in it.
///
/// Every error converts into `down`, with its chain of sources, so `?` works in a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckError {
    status: Status,
    reason: String,
}

/// One component of the server's health.
///
/// ```
/// use std::time::Duration;
/// use health_endpoint::{Check, CheckError, Health};
///
/// let cache = Check::new("cache", || async { Err(CheckError::degraded("cold")) })
///     .interval(Duration::from_secs(30))
///     .timeout(Duration::from_secs(1))
///     .non_critical();
/// let health = Health::builder("my-server").check_with(cache).build();
/// ```
#[derive(Clone)]
pub struct Check {
    pub(crate) name: String,
    pub(crate) timeout: Duration,
    pub(crate) interval: Duration,
    pub(crate) critical: bool,
    run: Arc<dyn Fn() -> Run + Send + Sync>,
}

/// One run of a check.
pub(crate) type Run = Pin<Box<dyn Future<Output = CheckResult> + Send>>;

impl Check {
    /// A critical check with the default interval and timeout.
    ///
    /// # Panics
    ///
    /// When `name` is not lower-case letters and underscores (`^[a-z_]+$`, contract, section 1).
    pub fn new<F, Fut>(name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = CheckResult> + Send + 'static,
    {
        let name = name.into();
        assert!(
            is_component_name(&name),
            "the check name {name:?} is not lower-case letters and underscores, as in `task_queue`"
        );
        let run: Arc<dyn Fn() -> Run + Send + Sync> = Arc::new(move || Box::pin(check()));
        Self { name, timeout: DEFAULT_TIMEOUT, interval: DEFAULT_INTERVAL, critical: true, run }
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

    /// Begins one run.
    pub(crate) fn run(&self) -> Run {
        (self.run)()
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .field("interval", &self.interval)
            .field("critical", &self.critical)
            .finish_non_exhaustive()
    }
}

impl CheckError {
    /// Serving but impaired: a monitor warns, and never restarts.
    pub fn degraded(reason: impl Display) -> Self {
        Self { status: Status::Degraded, reason: reason.to_string() }
    }

    /// Cannot serve: a monitor recovers.
    pub fn down(reason: impl Display) -> Self {
        Self { status: Status::Down, reason: reason.to_string() }
    }

    /// `degraded` or `down`.
    pub fn status(&self) -> Status {
        self.status
    }

    /// For people.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

// `CheckError` is not an `Error` itself: that would overlap with this conversion.
impl<E: std::error::Error> From<E> for CheckError {
    fn from(error: E) -> Self {
        Self::down(with_sources(&error))
    }
}

/// `outer: inner: innermost`.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_mark_makes_a_component_down_and_keeps_the_chain() {
        #[derive(Debug)]
        struct Refused(std::io::Error);
        impl Display for Refused {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cannot reach the database")
            }
        }
        impl std::error::Error for Refused {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let check = || -> CheckResult { Err(Refused(std::io::Error::other("connection refused")))? };
        assert_eq!(check(), Err(CheckError::down("cannot reach the database: connection refused")));
    }

    #[test]
    #[should_panic(expected = "\"Database\" is not lower-case")]
    fn a_name_outside_the_pattern_is_refused() {
        let _ = Check::new("Database", || async { Ok(()) });
    }

    #[test]
    fn an_interval_of_nothing_is_no_busy_loop() {
        assert_eq!(Check::new("a", || async { Ok(()) }).interval(Duration::ZERO).interval, SHORTEST_INTERVAL);
    }
}
