//! What a server author writes: something that can be asked how it is, as a closure or as a type of its own.
//!
//! Runs nothing itself; `runner` does. How often and how long is for [`Component`](crate::Component).

use std::fmt::Display;

use health_spec::Status;

/// What a check returns: `Ok(())`, or why not.
pub type CheckResult = Result<(), CheckError>;

/// Something that can be asked how it is.
///
/// Every async closure without arguments is one. A type of its own is worth it when the check has parts that deserve
/// names, or is shared between servers:
///
/// ```
/// use health_endpoint::{Check, CheckError, CheckResult, Health};
///
/// struct Backlog {
///     limit: usize,
/// }
///
/// impl Check for Backlog {
///     async fn check(&self) -> CheckResult {
///         let waiting = 3; // ask the queue
///         if waiting > self.limit { Err(CheckError::degraded(format!("{waiting} tasks wait"))) } else { Ok(()) }
///     }
/// }
///
/// let health = Health::builder("my-server").check("backlog", Backlog { limit: 100 }).build();
/// ```
pub trait Check: Send + Sync + 'static {
    /// One look. It may take as long as the component's timeout, and is dropped then; a panic in it is `down` with
    /// the panic's message.
    fn check(&self) -> impl Future<Output = CheckResult> + Send;
}

impl<F, Fut> Check for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = CheckResult> + Send + 'static,
{
    fn check(&self) -> impl Future<Output = CheckResult> + Send {
        self()
    }
}

/// Why a component is not `ok`. The reason is shown to everyone who reads `/health`: no secrets in it.
///
/// Every error converts into `down`, with its chain of sources, so `?` works in a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckError {
    status: Status,
    reason: String,
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
    use std::fmt;

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
}
