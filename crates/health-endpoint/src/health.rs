//! The handle that a server holds: cloned freely, asked for a response at any time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use health_spec::HealthResponse;
use http::HeaderMap;

use crate::about::About;
use crate::builder::Builder;
use crate::clock::{Clock, Moment};
use crate::evaluate::{Judged, Now, evaluate, judge, last_check};
use crate::render::{Answer, Key, Rendered};
use crate::runner::{Changes, Runner};
use crate::token::Token;
use crate::traffic::Recorder;

/// The health of one server. Clones share everything; the checks end when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Health {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) about: About,
    pub(crate) token: Option<Token>,
    pub(crate) clock: Clock,
    pub(crate) draining: AtomicBool,
    pub(crate) drain_timeout: Duration,
    pub(crate) runner: Runner,
    /// Empty until the builder or the first traffic layer asks for it.
    pub(crate) traffic: OnceLock<Arc<Recorder>>,
    pub(crate) changes: Changes,
    pub(crate) rendered: Rendered,
}

impl Health {
    /// Begins to describe a server. `name` is shown as `metadata.name`.
    ///
    /// Uptime counts from the first call in the process, so make it early.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }

    /// What `/health` says now. It reads the last results and never waits for a check.
    pub fn response(&self) -> HealthResponse {
        self.shared.runner.start();
        self.response_at(self.shared.clock.now())
    }

    /// The same as it is sent. Metadata that is asked for at each response makes each one new.
    pub(crate) fn rendered(&self) -> Answer {
        let shared = &*self.shared;
        if shared.about.is_lazy() {
            return Answer::of(&self.response());
        }
        shared.runner.start();
        let now = shared.clock.now();
        shared.rendered.get(Key::new(now, shared.changes.count()), || self.response_at(now))
    }

    fn response_at(&self, moment: Moment) -> HealthResponse {
        let shared = &*self.shared;
        let now = Now { moment, uptime: Clock::uptime(), draining: self.is_draining() };
        let observations = shared.runner.observations();
        let mut judged: Vec<Judged<'_>> = observations.iter().map(|observation| judge(observation, now.moment)).collect();
        if let Some(traffic) = shared.traffic.get() {
            judged.extend(traffic.judged(now.moment.elapsed));
        }
        evaluate(shared.about.identity(), &judged, last_check(&observations), now)
    }

    /// Says that the server is shutting down: `metadata.draining: true` and HTTP 503 (contract, section 1).
    /// A monitor then waits for a minute before it calls that a failure.
    pub fn set_draining(&self, draining: bool) {
        self.shared.draining.store(draining, Ordering::Relaxed);
        self.shared.changes.one_more();
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

    /// Whether these request headers may read health.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        self.shared.token.as_ref().is_none_or(|token| token.is_in(headers))
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

    #[tokio::test(start_paused = true)]
    async fn what_has_changed_is_sent_at_once() {
        let broken = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&broken);
        let check = move || {
            let broken = seen.load(Ordering::Relaxed);
            async move { if broken { Err(crate::CheckError::down("broken")) } else { Ok(()) } }
        };
        let health = Health::builder("a").check("part", check).build();
        health.settled().await;
        // Often enough that some of it happens within one millisecond.
        for _ in 0..100 {
            broken.store(false, Ordering::Relaxed);
            health.recheck().await;
            assert_eq!(health.rendered().status, 200);
            health.set_draining(true);
            assert_eq!(health.rendered().status, 503);
            health.set_draining(false);
            assert_eq!(health.rendered().status, 200);
            broken.store(true, Ordering::Relaxed);
            health.recheck().await;
            assert_eq!(health.rendered().status, 503);
        }
    }

    #[test]
    fn the_version_can_be_kept_to_oneself() {
        let health = Health::builder("a").version("1.2.3");
        assert_eq!(health.clone().build().response().version.as_deref(), Some("1.2.3"));
        assert_eq!(health.show_version(false).build().response().version, None);
    }

    #[test]
    fn debug_does_not_print_the_token() {
        let health = Health::builder("a").bearer_token("secret").build();
        assert!(!format!("{health:?}").contains("secret"));
    }
}
