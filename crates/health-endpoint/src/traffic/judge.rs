//! Decides what the traffic says about the server. Pure: numbers in, components out.

use std::time::Duration;

use health_spec::Status;

use super::window::Totals;
use super::{Signal, Traffic};
use crate::evaluate::Judged;

/// Fewer calls than this make no share: one failure of one call is an accident.
const FEWEST_SAMPLES: u32 = 5;

/// What the recorder knows at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    pub(super) totals: Totals,
    pub(super) in_flight: usize,
    /// The age of the request that has run longest.
    pub(super) longest: Option<Duration>,
}

impl Traffic {
    /// One component for each signal; requests in flight only where they have a limit.
    pub(super) fn judge(&self, reading: Reading) -> impl Iterator<Item = Judged<'_>> {
        let in_flight = self.max_in_flight.map(|limit| (Signal::InFlight, crowded(reading.in_flight, limit)));
        let signals = [
            (Signal::Errors, self.failing(&reading.totals)),
            (Signal::Latency, self.slowing(&reading.totals)),
            (Signal::Stuck, self.hanging(reading.longest)),
        ];
        signals.into_iter().chain(in_flight).map(|(signal, reason)| self.component(signal, reason))
    }

    fn component(&self, signal: Signal, reason: Option<String>) -> Judged<'_> {
        let beyond = if self.down[signal as usize] { Status::Down } else { Status::Degraded };
        let status = if reason.is_some() { beyond } else { Status::Ok };
        Judged { name: &self.names[signal as usize], status, reason }
    }

    fn failing(&self, totals: &Totals) -> Option<String> {
        let Totals { calls, failed, .. } = totals;
        exceeds(*failed, *calls, self.max_error_share)
            .then(|| format!("{failed} of {calls} calls failed in the last {:?}", self.window))
    }

    fn slowing(&self, totals: &Totals) -> Option<String> {
        let (Totals { timed, slow, .. }, limit) = (totals, self.slow);
        exceeds(*slow, *timed, self.max_slow_share)
            .then(|| format!("{slow} of {timed} calls took longer than {limit:?} in the last {:?}", self.window))
    }

    fn hanging(&self, longest: Option<Duration>) -> Option<String> {
        let age = longest.filter(|age| *age > self.stuck)?;
        Some(format!("a request has been running for {} s", age.as_secs()))
    }
}

fn crowded(in_flight: usize, limit: usize) -> Option<String> {
    (in_flight > limit).then(|| format!("{in_flight} requests are running, more than {limit}"))
}

fn exceeds(part: u32, whole: u32, share: f64) -> bool {
    whole >= FEWEST_SAMPLES && f64::from(part) > share * f64::from(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwell(traffic: &Traffic, reading: Reading) -> Vec<String> {
        let judged = traffic.judge(reading).filter(|judged| judged.status != Status::Ok);
        judged.map(|judged| format!("{} {}: {}", judged.name, judged.status.as_str(), judged.reason.unwrap())).collect()
    }

    fn ended(calls: u32, failed: u32, slow: u32) -> Reading {
        Reading { totals: Totals { calls, failed, timed: calls, slow }, ..Reading::default() }
    }

    #[test]
    fn each_signal_has_its_threshold() {
        let traffic = Traffic::new("mcp").max_in_flight(2);
        let stuck = |seconds| Reading { longest: Some(Duration::from_secs(seconds)), in_flight: 1, ..Reading::default() };
        let crowd = |in_flight| Reading { in_flight, ..Reading::default() };
        let cases = [
            (Reading::default(), None),
            (ended(4, 4, 4), None),
            (ended(10, 5, 5), None),
            (ended(10, 6, 0), Some("mcp_errors degraded: 6 of 10 calls failed in the last 60s")),
            (ended(5, 5, 0), Some("mcp_errors degraded: 5 of 5 calls failed in the last 60s")),
            (ended(10, 0, 6), Some("mcp_latency degraded: 6 of 10 calls took longer than 10s in the last 60s")),
            (stuck(60), None),
            (stuck(61), Some("mcp_stuck degraded: a request has been running for 61 s")),
            (crowd(2), None),
            (crowd(3), Some("mcp_in_flight degraded: 3 requests are running, more than 2")),
        ];
        for (reading, expected) in cases {
            assert_eq!(unwell(&traffic, reading), Vec::from_iter(expected.map(str::to_owned)), "{reading:?}");
        }
    }

    #[test]
    fn it_is_down_only_where_the_author_says_so() {
        let traffic = Traffic::new("mcp").down_on(Signal::Errors);
        let statuses: Vec<_> = traffic.judge(ended(9, 9, 9)).map(|judged| judged.status).collect();
        assert_eq!(statuses, [Status::Down, Status::Degraded, Status::Ok]);
    }

    #[test]
    fn the_names_follow_the_prefix_and_the_contract() {
        let traffic = Traffic::new("tools").max_in_flight(1);
        let names: Vec<_> = traffic.judge(Reading::default()).map(|judged| judged.name).collect();
        assert_eq!(names, ["tools_errors", "tools_latency", "tools_stuck", "tools_in_flight"]);
    }
}
