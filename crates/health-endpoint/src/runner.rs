//! Runs the checks in the background, each at its own pace, and keeps the last result of each.
//!
//! The one place that spawns for checks. Does not judge results; `evaluate` does.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use crate::check::{CheckError, CheckResult};
use crate::clock::Clock;
use crate::component::Component;
use crate::evaluate::{Observation, Seen};

/// How much later than planned a result may come on a busy machine before it is overdue.
const SLACK: Duration = Duration::from_secs(2);

/// The checks and their last results. Dropping it ends their tasks.
#[derive(Debug)]
pub(crate) struct Runner {
    slots: Vec<Arc<Slot>>,
    clock: Clock,
    started: Once,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

/// Counts what has changed, so that nobody sends an answer from before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(Arc<AtomicU64>);

impl Changes {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// After the change itself.
    pub(crate) fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// A component and the last result of its check.
#[derive(Debug)]
struct Slot {
    component: Component,
    seen: watch::Sender<Seen>,
    changes: Changes,
    /// Held during a run.
    turn: Mutex<()>,
}

impl Runner {
    /// Checks that have not begun.
    pub(crate) fn new(components: Vec<Component>, clock: Clock, changes: &Changes) -> Self {
        let slots = components
            .into_iter()
            .map(|component| {
                let (seen, changes) = (watch::Sender::new(Seen::Nothing), changes.clone());
                Arc::new(Slot { component, seen, changes, turn: Mutex::default() })
            })
            .collect();
        let stop = CancellationToken::new();
        Self { slots, clock, started: Once::new(), _stop_on_drop: stop.clone().drop_guard(), stop }
    }

    /// Begins the runs, once. Outside a tokio runtime it does nothing, and can be called again.
    pub(crate) fn start(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        self.started.call_once(|| {
            for slot in &self.slots {
                let (slot, clock, stop) = (Arc::clone(slot), self.clock, self.stop.clone());
                slot.see(Seen::Begun(clock.now()));
                // It never errs, and ends when the last `Health` is dropped; a run in flight is aborted with it.
                runtime.spawn(async move { stop.run_until_cancelled(repeat(&slot, clock)).await });
            }
        });
    }

    /// Whether there is a check of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.slots.iter().any(|slot| slot.component.name == name)
    }

    /// What is known of each check, in the order in which they were declared.
    pub(crate) fn observations(&self) -> Vec<Observation<'_>> {
        self.slots.iter().map(|slot| slot.observation()).collect()
    }

    /// Waits until every check has ended a run.
    pub(crate) async fn settled(&self) {
        for slot in &self.slots {
            // The sender lives in the slot, so waiting cannot fail.
            let _ = slot.seen.subscribe().wait_for(|seen| matches!(seen, Seen::Ended(..))).await;
        }
    }

    /// Runs every check once more, all at the same time, and waits for their results.
    pub(crate) async fn recheck(&self) {
        join_all(self.slots.iter().map(|slot| run_once(slot, self.clock))).await;
    }
}

impl Slot {
    fn see(&self, seen: Seen) {
        self.seen.send_replace(seen);
        self.changes.one_more();
    }

    fn observation(&self) -> Observation<'_> {
        let Component { name, timeout, interval, critical, initial, .. } = &self.component;
        let patience = (*interval).max(*timeout).saturating_add(*timeout).saturating_add(SLACK);
        Observation { name, critical: *critical, initial: *initial, patience, seen: self.seen.borrow().clone() }
    }
}

/// Runs a check again and again, counted from start to start.
async fn repeat(slot: &Slot, clock: Clock) {
    loop {
        let next = Instant::now().checked_add(slot.component.interval);
        run_once(slot, clock).await;
        match next {
            Some(next) => sleep_until(next).await,
            None => std::future::pending().await,
        }
    }
}

/// One run, in a task of its own: a panic ends that task only, and a check that blocks its thread still times out here.
/// Returns when the run has truly ended, so that runs that cannot be aborted do not pile up.
#[expect(clippy::disallowed_methods, reason = "awaited right here; a task of its own so that a panic ends it alone")]
async fn run_once(slot: &Slot, clock: Clock) {
    let _turn = slot.turn.lock().await;
    let begun = clock.now();
    let component = slot.component.clone();
    let mut run = AbortOnDropHandle::new(tokio::spawn(async move { component.run().await }));
    let ended = timeout(slot.component.timeout, &mut run).await;
    let timed_out = ended.is_err();
    slot.see(Seen::Ended(begun, result(ended, slot.component.timeout)));
    if timed_out {
        run.abort();
        // It was aborted; how it ended no longer matters.
        let _ = run.await;
    }
}

fn result(ended: Result<Result<CheckResult, JoinError>, tokio::time::error::Elapsed>, limit: Duration) -> CheckResult {
    match ended {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => Err(CheckError::down(match error.try_into_panic() {
            Ok(panic) => format!("panicked: {}", message(&*panic)),
            Err(error) => error.to_string(),
        })),
        Err(_) => Err(CheckError::down(format_args!("timed out after {limit:?}"))),
    }
}

/// What `panic!` was given.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn runner(components: Vec<Component>) -> Runner {
        let runner = Runner::new(components, Clock::start(), &Changes::default());
        runner.start();
        runner
    }

    fn results(runner: &Runner) -> Vec<(&str, CheckResult)> {
        let ended = |observation: Observation<'_>| match observation.seen {
            Seen::Ended(_, result) => Some(result),
            _ => None,
        };
        let names = runner.slots.iter().map(|slot| slot.component.name.as_str());
        names.zip(runner.observations()).filter_map(|(name, observation)| Some((name, ended(observation)?))).collect()
    }

    async fn hang() -> CheckResult {
        std::future::pending().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_check_is_down_at_its_timeout_and_delays_no_other() {
        let runner = runner(vec![Component::new("slow", hang), Component::new("fast", || async { Ok(()) })]);
        let mut fast = runner.slots[1].seen.subscribe();
        fast.wait_for(|seen| matches!(seen, Seen::Ended(..))).await.unwrap();
        assert_eq!(results(&runner), [("fast", Ok(()))]);
        runner.settled().await;
        assert_eq!(results(&runner)[0], ("slow", Err(CheckError::down("timed out after 2s"))));
        assert_eq!(runner.clock.now().elapsed.as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_down_with_its_message_and_the_check_runs_again() {
        let runs = Arc::new(AtomicUsize::new(0));
        let check = Component::new("shaky", move || {
            let run = runs.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(run > 0, "the first run breaks");
                Ok(())
            }
        });
        let runner =
            runner(vec![check, Component::new("in_the_closure", || -> std::future::Ready<CheckResult> { panic!("at once") })]);
        runner.settled().await;
        let down = |reason| Err(CheckError::down(reason));
        let first = [("shaky", down("panicked: the first run breaks")), ("in_the_closure", down("panicked: at once"))];
        assert_eq!(results(&runner), first);
        let mut seen = runner.slots[0].seen.subscribe();
        seen.wait_for(|seen| matches!(seen, Seen::Ended(_, Ok(())))).await.unwrap();
        assert_eq!(runner.clock.now().elapsed.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn runs_are_paced_from_start_to_start() {
        let clock = Clock::start();
        let (began, mut begins) = tokio::sync::mpsc::channel(9);
        let check = Component::new("steady", move || {
            let began = began.clone();
            async move {
                began.send(clock.now().elapsed.as_secs()).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(())
            }
        });
        let _runner = runner(vec![check]);
        for expected in [0, 10, 20] {
            assert_eq!(begins.recv().await, Some(expected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_recheck_waits_for_the_run_in_flight_and_runs_once_more() {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let check = Component::new("slow", move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(())
            }
        });
        let runner = runner(vec![check]);
        tokio::task::yield_now().await;
        runner.recheck().await;
        assert_eq!((runs.load(Ordering::Relaxed), runner.clock.now().elapsed.as_secs()), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_runner_ends_its_tasks() {
        let held = Arc::new(());
        let inside = Arc::downgrade(&held);
        let runner = runner(vec![Component::new("holds", move || {
            let held = Arc::clone(&held);
            async move {
                let result = hang().await;
                drop(held);
                result
            }
        })]);
        tokio::task::yield_now().await;
        assert!(inside.upgrade().is_some());
        drop(runner);
        while inside.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn outside_a_runtime_nothing_begins_yet() {
        let runner = runner(vec![Component::new("later", || async { Ok(()) })]);
        assert_eq!(runner.observations()[0].seen, Seen::Nothing);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            runner.start();
            runner.settled().await;
        });
        assert_eq!(results(&runner), [("later", Ok(()))]);
    }
}
