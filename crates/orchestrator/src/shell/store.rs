//! What is on disk: a database file (`SQLite`) that holds every server's state and the latest events.
//!
//! One transaction holds an event and the state that goes with it, so that a crash at any instant leaves both or
//! neither. The JSONL log is written by [`super::journal`] from what is committed here.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use health_spec::verdict::History;
use health_spec::view::LastCheck;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::machine::Mono;
use crate::machine::memory::{FleetMemory, ServerMemory};

mod lock;

pub use lock::Lock;

/// Events that are kept at least (contract, section 5).
const KEPT_EVENTS: u64 = 100_000;

/// How often old events are removed: every so many.
const PRUNE_EVERY: u64 = 1_000;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS server (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, server_name TEXT, event_type TEXT NOT NULL, json TEXT NOT NULL);
";

/// Why the state cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory or a file in it.
    #[error("cannot use {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Another orchestrator uses the directory.
    #[error(
        "the state directory {path} is in use by another orchestrator; stop that one, or give this one a --state-dir of its own"
    )]
    Locked {
        /// Which one.
        path: PathBuf,
    },
    /// The database itself.
    #[error("cannot read or write the state database")]
    Database(#[from] rusqlite::Error),
    /// An earlier failure that nothing has been tried after.
    #[error("the state is not written yet")]
    Unwritten,
    /// A record that does not read back.
    #[error("the state of {name} does not read back")]
    Record {
        /// The server, or the key.
        name: String,
        /// The cause.
        source: serde_json::Error,
    },
}

/// What survives a restart, for one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The machine's part.
    pub memory: ServerMemory,
    /// What earlier answers have taught.
    pub history: History,
    /// For the view.
    pub last_check: Option<LastCheck>,
}

/// One step's changes: all of them, or none.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The machine's time.
    pub now: Mono,
    /// The number of the latest incident.
    pub incidents: u64,
    /// What happened, in order.
    pub events: Vec<Written>,
    /// The servers that changed.
    pub servers: Vec<(String, Record)>,
    /// The servers that are no longer registered.
    pub gone: Vec<String>,
}

/// An event as it is written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its number.
    pub seq: u64,
    /// The server concerned.
    pub server_name: Option<String>,
    /// Its type.
    pub event_type: &'static str,
    /// One line, without the line break.
    pub json: String,
}

/// What an earlier run has left.
#[derive(Debug)]
pub struct Left {
    /// Names this life of the log.
    pub epoch: String,
    /// The last event.
    pub seq: u64,
    /// When this state directory was first used.
    pub first_start: Timestamp,
    /// The latest moment that was recorded.
    pub last: Mono,
    /// The servers.
    pub records: Vec<(String, Record)>,
    /// The number of the latest incident.
    pub incidents: u64,
}

/// The open database. The lock is held as long as it lives.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    _lock: Lock,
}

impl Store {
    /// Opens the state directory, creating what is missing.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::File { path: directory.to_owned(), source };
        // Logs and tokens are nobody else's business.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let lock = Lock::take(directory)?;
        let path = directory.join("state.db");
        let connection = connect(&path)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection, path, _lock: lock })
    }

    /// A second connection for readers, which never waits for a writer.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Ok(Reader { connection: connect(&self.path)? })
    }

    /// Reads what an earlier run has left; what is new is given `epoch` and `now`.
    pub fn left(&mut self, epoch: &str, now: Timestamp) -> Result<Left, StoreError> {
        let transaction = self.connection.transaction()?;
        for (key, value) in [("epoch", epoch), ("first_start", &now.to_string()), ("last_us", "0"), ("incidents", "0")] {
            transaction.execute("INSERT OR IGNORE INTO meta VALUES (?1, ?2)", params![key, value])?;
        }
        transaction.commit()?;
        let first_start: String = self.meta("first_start")?;
        Ok(Left {
            epoch: self.meta("epoch")?,
            seq: self.connection.query_row("SELECT coalesce(max(seq), 0) FROM event", [], |row| row.get(0))?,
            first_start: first_start.parse().unwrap_or(now),
            last: Mono(Duration::from_micros(self.meta("last_us")?.parse().unwrap_or(0))),
            incidents: self.meta("incidents")?.parse().unwrap_or(0),
            records: self.records()?,
        })
    }

    /// Writes a batch. With `durable` it has reached the disk when this returns, and not only the system.
    pub fn commit(&mut self, batch: &Batch, durable: bool) -> Result<(), StoreError> {
        self.connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
        let transaction = self.connection.transaction()?;
        {
            let mut event = transaction.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4)")?;
            for written in &batch.events {
                event.execute(params![written.seq, written.server_name, written.event_type, written.json])?;
            }
            let mut server = transaction.prepare_cached("INSERT OR REPLACE INTO server VALUES (?1, ?2)")?;
            for (name, record) in &batch.servers {
                let state = serde_json::to_string(record).map_err(|source| StoreError::Record { name: name.clone(), source })?;
                server.execute(params![name, state])?;
            }
            for name in &batch.gone {
                transaction.execute("DELETE FROM server WHERE name = ?1", params![name])?;
            }
            let mut meta = transaction.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?;
            meta.execute(params!["last_us", batch.now.0.as_micros().to_string()])?;
            meta.execute(params!["incidents", batch.incidents.to_string()])?;
            if let Some(oldest) = prune_below(&batch.events) {
                transaction.execute("DELETE FROM event WHERE seq < ?1", params![oldest])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn meta(&self, key: &str) -> Result<String, StoreError> {
        Ok(self.connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))?)
    }

    fn records(&self) -> Result<Vec<(String, Record)>, StoreError> {
        let mut statement = self.connection.prepare("SELECT name, state FROM server")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (name, state) = row?;
            match serde_json::from_str(&state) {
                Ok(record) => Ok((name, record)),
                Err(source) => Err(StoreError::Record { name, source }),
            }
        })
        .collect()
    }
}

/// The oldest event that stays, when this batch passes a pruning mark.
fn prune_below(events: &[Written]) -> Option<u64> {
    let seq = events.iter().map(|event| event.seq).find(|seq| seq.is_multiple_of(PRUNE_EVERY))?;
    seq.checked_sub(KEPT_EVENTS)
}

impl Left {
    /// The machine's part of it.
    pub fn memory(&self) -> FleetMemory {
        let servers = self.records.iter().map(|(name, record)| (name.clone(), record.memory.clone())).collect();
        FleetMemory { incidents: self.incidents, servers }
    }
}

/// Reads events.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
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

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
