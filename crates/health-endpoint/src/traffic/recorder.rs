//! Keeps what the layer saw: the requests that run, and how the last ones ended. It judges nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Traffic;
use super::judge::Reading;
use super::window::{Outcome, Window};
use crate::clock::Clock;
use crate::evaluate::Judged;

/// The traffic of one server.
#[derive(Debug)]
pub(crate) struct Recorder {
    traffic: Traffic,
    clock: Clock,
    state: Mutex<State>,
    /// Notified when the last request has ended.
    idle: Notify,
}

#[derive(Debug)]
struct State {
    window: Window,
    /// When each request began. Serials rise with time, so the first one is the oldest.
    running: BTreeMap<u64, Duration>,
    next: u64,
}

/// A request that runs. It ends when this is dropped, as what `outcome` says by then.
#[derive(Debug)]
pub(super) struct Running {
    recorder: Arc<Recorder>,
    serial: u64,
    began: Duration,
    pub(super) outcome: Outcome,
}

impl Recorder {
    pub(crate) fn new(traffic: Traffic, clock: Clock) -> Self {
        let state = State { window: Window::new(traffic.window), running: BTreeMap::new(), next: 0 };
        Self { traffic, clock, state: Mutex::new(state), idle: Notify::new() }
    }

    /// A request has come. Until something else is known it is one whose client left.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        let began = self.clock.elapsed();
        let mut state = self.state();
        let serial = state.next;
        state.next += 1;
        state.running.insert(serial, began);
        drop(state);
        Running { recorder: Arc::clone(self), serial, began, outcome: Outcome::Neutral }
    }

    /// The components, as of `now`.
    pub(crate) fn judged(&self, now: Duration) -> impl Iterator<Item = Judged<'_>> {
        let state = self.state();
        let longest = state.running.first_key_value().map(|(_, began)| now.saturating_sub(*began));
        let reading = Reading { totals: state.window.totals(now), in_flight: state.running.len(), longest };
        drop(state);
        self.traffic.judge(reading)
    }

    /// Waits until no request runs.
    pub(crate) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.state().running.is_empty() {
                return;
            }
            idle.await;
        }
    }

    fn end(&self, running: &Running) {
        let now = self.clock.elapsed();
        let slow = now.saturating_sub(running.began) > self.traffic.slow;
        let mut state = self.state();
        state.running.remove(&running.serial);
        state.window.record(now, running.outcome, slow);
        let idle = state.running.is_empty();
        drop(state);
        if idle {
            self.idle.notify_waiters();
        }
    }

    /// Nothing panics while it is held; if something did, the counts would still be counts.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Runs a part of the request; a panic in it is the server's failure.
    pub(super) fn watch<T>(&mut self, part: impl FnOnce() -> T) -> T {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::Failed);
        let result = part();
        self.outcome = outcome;
        result
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.recorder.end(self);
    }
}

#[cfg(test)]
mod tests {
    use health_spec::Status;
    use tokio::time::{advance, timeout};

    use super::*;

    fn recorder() -> Arc<Recorder> {
        Arc::new(Recorder::new(Traffic::new("mcp").max_in_flight(1), Clock::start()))
    }

    fn status(recorder: &Recorder, name: &str) -> Status {
        let now = recorder.clock.elapsed();
        recorder.judged(now).find(|judged| judged.name == name).expect("it is shown").status
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_request_decides_whether_one_is_stuck() {
        let recorder = recorder();
        let old = recorder.begin();
        advance(Duration::from_secs(40)).await;
        let young = recorder.begin();
        assert_eq!(status(&recorder, "mcp_in_flight"), Status::Degraded);
        advance(Duration::from_secs(21)).await;
        assert_eq!(status(&recorder, "mcp_stuck"), Status::Degraded);
        drop(old);
        assert_eq!((status(&recorder, "mcp_stuck"), status(&recorder, "mcp_in_flight")), (Status::Ok, Status::Ok));
        drop(young);
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_leave_a_slow_server_count_as_slow() {
        let recorder = recorder();
        let left: Vec<_> = (0..5).map(|_| recorder.begin()).collect();
        advance(Duration::from_secs(11)).await;
        drop(left);
        assert_eq!((status(&recorder, "mcp_latency"), status(&recorder, "mcp_errors")), (Status::Degraded, Status::Ok));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_is_when_the_last_one_has_ended() {
        let recorder = recorder();
        recorder.idle().await;
        let (first, second) = (recorder.begin(), recorder.begin());
        let mut idle = std::pin::pin!(recorder.idle());
        drop(first);
        assert!(timeout(Duration::from_secs(1), idle.as_mut()).await.is_err());
        drop(second);
        idle.await;
    }
}
