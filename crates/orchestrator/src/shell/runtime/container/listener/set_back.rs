//! An engine whose clock was set back: moments come a second time. What it told the first time is no measure of what is news now, and cannot be asked
//! for: it lies ahead. Every container is looked at instead.

use super::{
    ListenError, Listener,
    session::{DISORDER, answer},
};
use crate::shell::runtime::container::{
    address::{Connection, shown},
    event::Happening,
    inspect,
};

const SECOND: i64 = 1_000_000_000;

impl Listener {
    /// Whether it says that it is earlier than when it last told something.
    pub(super) async fn is_set_back(&mut self, connection: &Connection) -> Result<bool, ListenError> {
        let Some(since) = self.since else { return Ok(false) };
        let Some(now) = earlier_than(since, connection).await? else { return Ok(false) };
        self.set_back(now, now, connection);
        Ok(true)
    }

    /// Such an event is late, or the first one since then.
    pub(super) async fn mind_the_clock(&mut self, happening: &Happening, connection: &Connection) -> Result<(), ListenError> {
        let is_behind = |since: &i64| happening.at < since.saturating_sub(DISORDER);
        if let Some(since) = self.since.filter(is_behind)
            && let Some(now) = earlier_than(since, connection).await?
        {
            self.set_back(now.min(happening.at.saturating_sub(1)), now, connection);
        }
        Ok(())
    }

    /// What comes after `to` is news.
    fn set_back(&mut self, to: i64, now: i64, connection: &Connection) {
        let from = self.since.unwrap_or(now);
        let by = from.saturating_sub(now);
        let kind = shown(connection.kind);
        tracing::warn!("the {kind} engine's clock was set back by {} s; its containers are looked at", by / SECOND);
        self.clock.set_back(to, now, from);
        (self.since, self.began) = (Some(to), self.began.map(|began| began.min(to)));
        self.volley.set_back(by);
        for container in &mut self.containers {
            container.ledger.set_back(to, by);
        }
        self.unseen = self.containers.iter().map(|container| container.server).collect();
    }
}

/// What time it is there, if that is earlier, and not just told less exactly. One that does not tell its time is never found out.
async fn earlier_than(since: i64, connection: &Connection) -> Result<Option<i64>, ListenError> {
    let now = answer(connection, inspect::clock(&connection.client)).await?;
    Ok(Some(now).filter(|now| *now > 0 && *now < since.saturating_sub(SECOND)))
}
