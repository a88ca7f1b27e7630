//! What the requests themselves tell about a server: what they are held to, and the layer that watches them.
//!
//! `window` counts, `judge` decides, `recorder` keeps, `layer` and `body` watch, `look` reads what passes.

mod body;
mod judge;
mod layer;
mod look;
mod recorder;
mod window;

use std::time::Duration;

pub use body::TrafficBody;
pub use layer::{TrafficFuture, TrafficLayer, TrafficService};
pub(crate) use recorder::Recorder;

use crate::component::checked;

/// What the requests are held to. Beyond a threshold a component is `degraded`, or `down` where [`Traffic::down_on`] says so.
///
/// | component | is not `ok` when | default |
/// | --- | --- | --- |
/// | `mcp_errors` | more than a share of the calls failed | half of them, in the last minute |
/// | `mcp_latency` | more than a share of the calls took longer than [`slow`](Traffic::slow) | half of them, 10 s |
/// | `mcp_stuck` | a request has run for longer than [`stuck`](Traffic::stuck) | 60 s |
/// | `mcp_in_flight` | more requests run at once than [`max_in_flight`](Traffic::max_in_flight) | not shown without a limit |
///
/// ```
/// use std::time::Duration;
/// use health_endpoint::{Health, Signal, Traffic};
///
/// let traffic = Traffic::new("mcp")
///     .window(Duration::from_secs(120))
///     .max_error_share(0.2)
///     .slow(Duration::from_secs(2))
///     .stuck(Duration::from_secs(300))
///     .max_in_flight(64)
///     .down_on(Signal::Stuck);
/// let health = Health::builder("my-server").traffic(traffic).build();
/// ```
///
/// Requests count from their arrival to the end of their answer's body. Only `POST` counts, and no
/// `subscriptions/listen`: a stream that is open for hours is not stuck.
///
/// A call has failed when the service erred or panicked, when its answer is a 5xx or breaks off, and when a 200 carries
/// a tool result with `isError` or a JSON-RPC error that is the server's fault (-32603, -32000 to -32019). What is the
/// client's fault, and what is no call (`initialize`, `ping`, lists, notifications), is no sample: fifty pings must
/// not hide that the one tool is broken. A share needs at least five calls in the window: one failure of one call is an
/// accident. Pieces of an answer that are larger than 64 KiB are not looked into.
#[derive(Clone, Debug)]
pub struct Traffic {
    names: [String; 4],
    window: Duration,
    max_error_share: f64,
    slow: Duration,
    max_slow_share: f64,
    stuck: Duration,
    max_in_flight: Option<usize>,
    down: [bool; 4],
}

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The share of calls that failed.
    Errors,
    /// The share of calls that were slow.
    Latency,
    /// The request that has run longest.
    Stuck,
    /// How many requests run at once.
    InFlight,
}

impl Traffic {
    /// The defaults, with components named `<prefix>_errors` and so on.
    ///
    /// # Panics
    ///
    /// When `prefix` is not lower-case letters and underscores.
    pub fn new(prefix: &str) -> Self {
        Self {
            names: ["errors", "latency", "stuck", "in_flight"].map(|signal| checked(format!("{prefix}_{signal}"))),
            window: Duration::from_secs(60),
            max_error_share: 0.5,
            slow: Duration::from_secs(10),
            max_slow_share: 0.5,
            stuck: Duration::from_secs(60),
            max_in_flight: None,
            down: [false; 4],
        }
    }

    /// How far back the shares look. Default: 60 s, at least a second.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window.max(Duration::from_secs(1));
        self
    }

    /// The share of calls that may fail, from 0 to 1. Default: 0.5.
    ///
    /// # Panics
    ///
    /// When it is not from 0 to 1.
    #[must_use]
    pub fn max_error_share(mut self, share: f64) -> Self {
        self.max_error_share = is_share(share);
        self
    }

    /// From when on a call is slow. Default: 10 s.
    #[must_use]
    pub fn slow(mut self, latency: Duration) -> Self {
        self.slow = latency;
        self
    }

    /// The share of calls that may be slow, from 0 to 1. Default: 0.5, so that half of them decide; 0.05 makes
    /// [`slow`](Traffic::slow) the limit of the 95th percentile.
    ///
    /// # Panics
    ///
    /// When it is not from 0 to 1.
    #[must_use]
    pub fn max_slow_share(mut self, share: f64) -> Self {
        self.max_slow_share = is_share(share);
        self
    }

    /// How long one request may run. Default: 60 s.
    #[must_use]
    pub fn stuck(mut self, age: Duration) -> Self {
        self.stuck = age;
        self
    }

    /// How many requests may run at once. Default: any number.
    #[must_use]
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.max_in_flight = Some(requests);
        self
    }

    /// Beyond its threshold this signal is `down` instead of `degraded`: a monitor then recovers the server. Say so where
    /// a restart is known to help.
    #[must_use]
    pub fn down_on(mut self, signal: Signal) -> Self {
        self.down[signal as usize] = true;
        self
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

fn is_share(share: f64) -> f64 {
    assert!((0.0..=1.0).contains(&share), "a share is from 0 to 1, not {share}");
    share
}

impl Default for Traffic {
    fn default() -> Self {
        Self::new("mcp")
    }
}
