//! A connection of its own for whoever reads the log.

use health_spec::incident::{Evidence, Incident};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;
use super::incident::{self, Query};
use super::well::Well;

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

    /// The newest events of one server before `before`, newest first, each as its line.
    pub fn news(&self, server: &str, before: u64, limit: usize, checks: bool) -> Result<Vec<(u64, String)>, StoreError> {
        let text = if checks {
            "SELECT seq, json FROM event WHERE server_name = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3"
        } else {
            "SELECT seq, json FROM event WHERE server_name = ?1 AND seq < ?2 AND event_type <> 'health_check_completed'
             ORDER BY seq DESC LIMIT ?3"
        };
        let mut statement = self.connection.prepare_cached(text)?;
        let rows =
            statement.query_map(params![server, bounded(before), bounded(limit as u64)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Incidents without their evidence, newest first.
    pub fn incidents(&self, query: &Query) -> Result<Vec<(u64, Incident)>, StoreError> {
        incident::list(&self.connection, query)
    }

    /// One of them.
    pub fn incident(&self, number: u64) -> Result<Option<Incident>, StoreError> {
        incident::one(&self.connection, number)
    }

    /// What was gathered of it.
    pub fn evidence(&self, number: u64) -> Result<Option<Evidence>, StoreError> {
        incident::evidence(&self.connection, number)
    }

    /// The servers of all restarts that operators have asked for since then, one a restart.
    pub fn manual_restarts(&self, since: Timestamp) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT server_name FROM event WHERE server_name IS NOT NULL AND event_type <> 'health_check_completed'
             AND event_type = 'action_requested' AND json ->> 'action' = 'restart' AND json ->> 'timestamp' >= ?1",
        )?;
        let rows = statement.query_map(params![format!("{since:.3}")], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What a server was made of when it last became well.
    pub fn well(&self, server: &str) -> Result<Option<Well>, StoreError> {
        let text: Option<String> = self
            .connection
            .query_row("SELECT json FROM well WHERE server_name = ?1", params![server], |row| row.get(0))
            .optional()?;
        // One of a later program is compared with nothing.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// The oldest event that is kept.
    pub fn oldest(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.connection.query_row("SELECT min(seq) FROM event", [], |row| row.get(0)).optional()?.flatten())
    }
}

fn bounded(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
