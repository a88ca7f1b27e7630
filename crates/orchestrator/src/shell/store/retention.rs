//! How long records are kept, and the removal of older ones: a little with each batch, so that nobody ever waits for it.

use std::time::Duration;

use health_spec::config::{self, defaults};
use rusqlite::{Connection, Transaction, params};

use super::StoreError;
use crate::machine::uptime::{self, Steady};

/// How often old events are removed: every so many.
const PRUNE_EVERY: u64 = 1_000;

/// The most that are removed at once; more than come in between, so that a backlog shrinks.
const MOST_AT_ONCE: u64 = 2_000;

/// Free pages are given back to the file system when they are more than one in so many.
const FREE_SHARE: i64 = 4;

/// Fewer free pages than these (4 MiB) are kept for what comes next.
const FREE_KEPT: i64 = 1_024;

/// Pages that are given back at once: 1 MiB.
const GIVEN_BACK: u32 = 256;

/// How long records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So many events at least, however old (contract, section 5).
    pub events: u64,
    /// And all that are younger than this.
    pub events_for: Duration,
    /// But never more than these, so that a large fleet cannot fill the disk: about 2.5 GB.
    pub most_events: u64,
    /// Uptime.
    pub uptime: uptime::Retention,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events: 100_000,
            events_for: Duration::from_secs(7 * 86_400),
            most_events: 5_000_000,
            uptime: uptime::Retention::default(),
        }
    }
}

impl Retention {
    /// As the configuration says.
    pub fn of(written: &config::Retention) -> Self {
        let days = |days: u32| Duration::from_secs(u64::from(days) * 86_400);
        let count = u64::from(written.events.count.unwrap_or(defaults::RETAINED_EVENTS));
        let built_in = Self::default();
        Self {
            events: count,
            events_for: days(written.events.days.unwrap_or(defaults::RETAINED_EVENT_DAYS)),
            most_events: built_in.most_events.max(count),
            uptime: uptime::Retention {
                days: days(written.uptime.days.unwrap_or(defaults::RETAINED_UPTIME_DAYS)),
                ..built_in.uptime
            },
        }
    }
}

/// Whether a batch with these numbers passes a mark at which old events are removed.
pub(super) fn is_due(first: u64, last: u64) -> bool {
    last / PRUNE_EVERY > first.saturating_sub(1) / PRUNE_EVERY
}

impl Retention {
    /// Removes some of the events that need not be kept once `last` is written.
    pub(super) fn prune(&self, transaction: &Transaction<'_>, last: u64, now: Steady) -> Result<(), StoreError> {
        let young = now.before(self.events_for).since_epoch().as_millis();
        transaction.execute(
            "DELETE FROM event WHERE seq IN (SELECT seq FROM event ORDER BY seq LIMIT ?1)
             AND seq <= ?2 AND (written_ms < ?3 OR seq <= ?4)",
            params![
                MOST_AT_ONCE,
                last.saturating_sub(self.events),
                i64::try_from(young).unwrap_or(i64::MAX),
                last.saturating_sub(self.most_events)
            ],
        )?;
        Ok(())
    }
}

/// Gives some of the free pages back, when there are many. A file made before there was a version keeps them for itself.
pub(super) fn give_back(connection: &Connection) -> Result<(), StoreError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let free = number("freelist_count")?;
    if free > FREE_KEPT && free > number("page_count")? / FREE_SHARE {
        let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({GIVEN_BACK})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}
