//! For how much of its time a server served: counted from status changes, by minute, hour and day.
//!
//! It is told moments and standings and says what they add up to; it reads no clock and writes nothing. Its time is
//! [`Steady`], which no stepped clock bends. Time in which the server was stopped or not known yet does not count, nor
//! does time in which nobody looked. Equal neighbours are one [`Run`], so that a year of quiet is one row.

use std::time::Duration;

use health_spec::Phase;
use health_spec::status::Observed;
use health_spec::view::Uptime;
use serde::{Deserialize, Serialize};

use super::Mono;
use super::memory::ServerMemory;

mod series;
#[cfg(test)]
mod tests;

use series::Series;
pub use series::{Changes, Run};

/// Longer than the pause between two moments that [`Ledger`] is told of ever is: beyond it the monitor was asleep.
const NOBODY_LOOKED: Duration = Duration::from_secs(120);

const DAY: Duration = Duration::from_secs(86_400);

/// A moment in whole milliseconds since the Unix epoch: the machine's time, counted from when the clock showed the first
/// start. It agrees with the wall clock as long as that was never stepped, and never goes backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Steady(u64);

/// A length of the pieces in which time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours, in UTC.
    Day,
}

/// What a moment of a server counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// `ok` or `degraded`.
    Up,
    /// `down`.
    Down,
    /// Stopped on purpose, or not known yet.
    #[default]
    Uncounted,
}

/// Some time, and how much of it the server was up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// `ok` or `degraded`, in milliseconds. Never more than what counts.
    pub up_ms: u64,
    /// What counts, in milliseconds.
    pub counted_ms: u64,
}

/// How long each resolution is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Minutes. Below a day, the share of the last 24 hours lacks the rest.
    pub minutes: Duration,
    /// Hours. Below 30 days, the share of the last 30 days lacks the rest.
    pub hours: Duration,
    /// Days.
    pub days: Duration,
}

/// One server's time.
#[derive(Clone, Debug)]
pub struct Ledger {
    standing: Standing,
    /// Counted up to here.
    last: Steady,
    series: [Series; 3],
    /// Of the closed pieces within 24 hours, 7 days and 30 days; brought up to date whenever a minute is closed.
    sums: [Tally; 3],
}

/// The windows of [`Uptime`], and what they are summed up from.
const WINDOWS: [(Duration, Resolution); 3] = [
    (DAY, Resolution::Minute),
    (Duration::from_secs(7 * 86_400), Resolution::Hour),
    (Duration::from_secs(30 * 86_400), Resolution::Hour),
];

impl Steady {
    /// `since` the Unix epoch; what is below a millisecond is left out.
    pub fn new(since: Duration) -> Self {
        Self(milliseconds(since))
    }

    /// A moment of the machine whose first start was at `origin`.
    pub fn of(origin: Self, at: Mono) -> Self {
        origin.after(at.0)
    }

    /// The time since the Unix epoch.
    pub fn since_epoch(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// This much later; it saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(milliseconds(duration)))
    }

    /// This much earlier; it saturates.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(milliseconds(duration)))
    }

    /// How long `earlier` lies back; zero when it does not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The start of the piece that it lies in.
    #[must_use]
    pub fn floor(self, resolution: Resolution) -> Self {
        let length = milliseconds(resolution.length());
        Self(self.0 / length * length)
    }
}

impl Resolution {
    /// Every one, finest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// How long a piece is.
    pub fn length(self) -> Duration {
        match self {
            Self::Minute => Duration::from_secs(60),
            Self::Hour => Duration::from_secs(3_600),
            Self::Day => DAY,
        }
    }

    /// Its word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The resolution of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resolution| resolution.as_str() == word)
    }
}

impl Standing {
    /// What this state counts as. A server that is started again after a stop is still stopped until it is well or down.
    pub fn of(state: &ServerMemory) -> Self {
        match state.status {
            Observed::Ok | Observed::Degraded => Self::Up,
            Observed::Unknown => Self::Uncounted,
            Observed::Down if state.phase == Phase::Stopped || state.was_stopped => Self::Uncounted,
            Observed::Down => Self::Down,
        }
    }
}

impl Tally {
    /// `time` of one standing.
    fn of(standing: Standing, time: Duration) -> Self {
        let time = milliseconds(time);
        match standing {
            Standing::Up => Self { up_ms: time, counted_ms: time },
            Standing::Down => Self { up_ms: 0, counted_ms: time },
            Standing::Uncounted => Self::default(),
        }
    }

    fn add(&mut self, other: Self) {
        self.up_ms += other.up_ms;
        self.counted_ms += other.counted_ms;
    }

    fn times(self, count: u32) -> Self {
        Self { up_ms: self.up_ms.saturating_mul(count.into()), counted_ms: self.counted_ms.saturating_mul(count.into()) }
    }

    /// From 0 to 1; `None` when nothing counts.
    pub fn share(self) -> Option<f64> {
        let of = Duration::from_millis;
        (self.counted_ms > 0).then(|| of(self.up_ms).div_duration_f64(of(self.counted_ms)))
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { minutes: 2 * DAY, hours: 35 * DAY, days: 400 * DAY }
    }
}

impl Retention {
    fn of(&self, resolution: Resolution) -> Duration {
        match resolution {
            Resolution::Minute => self.minutes,
            Resolution::Hour => self.hours,
            Resolution::Day => self.days,
        }
    }
}

impl Ledger {
    /// Goes on from what is kept, at `now`. What lies between is not counted: nobody looked.
    pub fn new(kept: impl IntoIterator<Item = (Resolution, Run)>, standing: Standing, now: Steady) -> Self {
        let mut series = Resolution::ALL.map(Series::new);
        for (resolution, run) in kept {
            series[resolution as usize].load(run);
        }
        for one in &mut series {
            one.take_up(now);
        }
        let mut ledger = Self { standing, last: now, series, sums: Default::default() };
        ledger.sum_up();
        ledger
    }

    /// From now on it counts as `standing`.
    pub fn turn(&mut self, now: Steady, standing: Standing, retention: &Retention) {
        self.count_up_to(now, retention);
        self.standing = standing;
    }

    /// Counts the time up to `now`. To be called once a minute at least.
    pub fn count_up_to(&mut self, now: Steady, retention: &Retention) {
        let from = self.last;
        self.last = from.max(now);
        if now.since(from) <= NOBODY_LOOKED {
            for series in &mut self.series {
                series.count(self.standing, from, now);
            }
        }
        if now.floor(Resolution::Minute) > from.floor(Resolution::Minute) {
            self.close(now, retention);
        }
    }

    /// As everyone sees it.
    pub fn uptime(&self) -> Uptime {
        let share = |window: usize| {
            let mut sum = self.sums[window];
            let (_, resolution) = WINDOWS[window];
            sum.add(self.series[resolution as usize].open());
            sum.share()
        };
        Uptime { day: share(0), week: share(1), month: share(2) }
    }

    /// What is to be written. The same again until [`Self::saved`] is called.
    pub fn changes(&self) -> Vec<Changes> {
        self.series.iter().map(Series::changes).collect()
    }

    /// What [`Self::changes`] said last is written.
    pub fn saved(&mut self) {
        self.series.iter_mut().for_each(Series::saved);
    }

    fn close(&mut self, now: Steady, retention: &Retention) {
        for (series, resolution) in self.series.iter_mut().zip(Resolution::ALL) {
            series.close(now);
            series.forget(now.before(retention.of(resolution)));
        }
        self.sum_up();
    }

    fn sum_up(&mut self) {
        self.sums = WINDOWS.map(|(window, resolution)| self.series[resolution as usize].sum(self.last.before(window)));
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
