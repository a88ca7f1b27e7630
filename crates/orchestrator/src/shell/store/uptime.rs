//! The rows of each server's time. What they mean is decided in [`crate::machine::uptime`].

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::{Connection, Transaction, params};

use super::StoreError;
use crate::machine::uptime::{Changes, Resolution, Run, Steady, Tally};

/// What is kept of each server, in the order of time.
pub type Kept = HashMap<String, Vec<(Resolution, Run)>>;

/// Writes what has changed of one server.
pub(super) fn write(transaction: &Transaction<'_>, server: &str, changes: &Changes) -> Result<(), StoreError> {
    let resolution = changes.resolution.as_str();
    let first = changes.first.map_or(i64::MAX, seconds);
    let from = changes.rows.first().map_or(i64::MAX, |run| seconds(run.start));
    let mut remove =
        transaction.prepare_cached("DELETE FROM uptime WHERE server_name = ?1 AND resolution = ?2 AND start < ?3")?;
    remove.execute(params![server, resolution, first])?;
    let mut remove =
        transaction.prepare_cached("DELETE FROM uptime WHERE server_name = ?1 AND resolution = ?2 AND start >= ?3")?;
    remove.execute(params![server, resolution, from])?;
    let mut put = transaction.prepare_cached("INSERT INTO uptime VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for run in &changes.rows {
        let Tally { up_ms, counted_ms } = run.each;
        put.execute(params![server, resolution, seconds(run.start), run.pieces, up_ms, counted_ms])?;
    }
    Ok(())
}

/// Reads all of it.
pub(super) fn read(connection: &Connection) -> Result<Kept, StoreError> {
    let mut statement = connection.prepare(
        "SELECT server_name, resolution, start, pieces, up_ms, counted_ms FROM uptime ORDER BY server_name, resolution, start",
    )?;
    let mut rows = statement.query([])?;
    let mut kept = Kept::new();
    while let Some(row) = rows.next()? {
        let word: String = row.get(1)?;
        let Some(resolution) = Resolution::of(&word) else { continue };
        let each = Tally { up_ms: row.get(4)?, counted_ms: row.get(5)? };
        let run = Run { start: Steady::new(Duration::from_secs(row.get(2)?)), pieces: row.get(3)?, each };
        kept.entry(row.get(0)?).or_default().push((resolution, run));
    }
    Ok(kept)
}

fn seconds(moment: Steady) -> i64 {
    i64::try_from(moment.since_epoch().as_secs()).unwrap_or(i64::MAX)
}
