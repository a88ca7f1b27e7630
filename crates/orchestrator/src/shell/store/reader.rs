//! A connection of its own for whoever reads the log.

use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;

/// Reads events.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// At most `limit` events after `since`, ascending, each as its line.
    pub fn events(&self, since: u64, limit: usize) -> Result<Vec<(u64, String)>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT seq, json FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![since, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The oldest event that is kept.
    pub fn oldest(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.connection.query_row("SELECT min(seq) FROM event", [], |row| row.get(0)).optional()?.flatten())
    }
}
