//! What is on disk: a database file (`SQLite`) that holds every server's state, its uptime and the latest events.
//!
//! One transaction holds an event and the state that goes with it, so that a crash at any instant leaves both or
//! neither. `schema` has the tables and their versions, `retention` removes what is old. The JSONL log is written by
//! [`super::journal`] from what is committed here.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use health_spec::verdict::History;
use health_spec::view::LastCheck;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::probe::aim::Aim;
use crate::machine::Mono;
use crate::machine::memory::{FleetMemory, ServerMemory};
use crate::machine::uptime::Steady;

mod batch;
mod incident;
mod lock;
mod reader;
mod retention;
mod schema;
mod uptime;
mod well;

pub use batch::{Batch, Written};
pub use incident::{Kept as KeptIncident, Query};
pub use lock::Lock;
pub use reader::Reader;
pub use retention::Retention;
pub use uptime::Kept;
pub use well::{Facts, Well};

/// The log of the database is folded into it after so many pages: 4 MiB.
const CHECKPOINT_PAGES: u32 = 1_000;

/// A log that a long reader has made larger is cut to this again.
const LOG_KEPT_BYTES: u32 = 8 * 1024 * 1024;

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
    /// What stands there is no database, or a broken one.
    #[error(
        "{path} is damaged, or no database of ours; put a backup in its place, or move it away and begin anew: attempts and uptime are forgotten then"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
    /// The database is of a later program.
    #[error(
        "{path} has version {found}, and this program reads up to version {known}; use the newer program, or another state directory"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// Ours.
        known: usize,
    },
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

impl StoreError {
    /// What a broken file makes of every question is said of the file.
    fn at(self, path: &Path) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Database(source) if matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)) => {
                Self::Damaged { path: path.to_owned(), source }
            }
            other => other,
        }
    }
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
    /// Where it was checked.
    #[serde(default)]
    pub aim: Aim,
    /// When and how its process or container ended last, until it is well again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Box<(Mono, String)>>,
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
    /// Their uptime.
    pub uptime: Kept,
    /// The incidents that are open.
    pub open_incidents: Vec<KeptIncident>,
}

/// The open database. The lock is held as long as it lives.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    retention: Retention,
    /// The first start, which moments of the machine are counted from.
    origin: Steady,
    /// The last event.
    seq: u64,
    _lock: Lock,
}

impl Store {
    /// Opens the state directory, creating what is missing.
    pub fn open(directory: &Path, retention: Retention) -> Result<Self, StoreError> {
        let failed = |source| StoreError::File { path: directory.to_owned(), source };
        // Logs and tokens are nobody else's business.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let lock = Lock::take(directory)?;
        let path = directory.join("state.db");
        let connection = open(&path).map_err(|error| error.at(&path))?;
        Ok(Self { connection, path, retention, origin: Steady::default(), seq: 0, _lock: lock })
    }

    /// A second connection for readers, which never waits for a writer.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Ok(Reader::new(connect(&self.path)?))
    }

    /// Reads what an earlier run has left; what is new is given `epoch` and `now`.
    pub fn left(&mut self, epoch: &str, now: Timestamp) -> Result<Left, StoreError> {
        self.read_left(epoch, now).map_err(|error| error.at(&self.path))
    }

    fn read_left(&mut self, epoch: &str, now: Timestamp) -> Result<Left, StoreError> {
        // Not a write where there is nothing to write: also with a full disk it starts.
        if self.connection.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, u32>(0))? == 0 {
            self.begin_life(epoch, now)?;
        }
        let first_start = self.meta("first_start")?.parse().unwrap_or(now);
        self.origin = origin(first_start);
        self.seq = self.connection.query_row("SELECT coalesce(max(seq), 0) FROM event", [], |row| row.get(0))?;
        Ok(Left {
            epoch: self.meta("epoch")?,
            seq: self.seq,
            first_start,
            last: Mono(Duration::from_micros(self.meta("last_us")?.parse().unwrap_or(0))),
            incidents: self.meta("incidents")?.parse().unwrap_or(0),
            records: self.records()?,
            uptime: uptime::read(&self.connection)?,
            open_incidents: incident::open(&self.connection)?,
        })
    }

    fn begin_life(&mut self, epoch: &str, now: Timestamp) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for (key, value) in [("epoch", epoch), ("first_start", &now.to_string()), ("last_us", "0"), ("incidents", "0")] {
            transaction.execute("INSERT INTO meta VALUES (?1, ?2)", params![key, value])?;
        }
        Ok(transaction.commit()?)
    }

    /// Writes a batch. With `durable` it has reached the disk when this returns, and not only the system.
    pub fn commit(&mut self, batch: &Batch, durable: bool) -> Result<(), StoreError> {
        self.connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
        let now = Steady::of(self.origin, batch.now);
        let transaction = self.connection.transaction()?;
        batch::put_events(&transaction, &batch.events, self.seq, now)?;
        batch::put_servers(&transaction, batch)?;
        let mut meta = transaction.prepare_cached("INSERT OR REPLACE INTO meta VALUES (?1, ?2)")?;
        meta.execute(params!["last_us", batch.now.0.as_micros().to_string()])?;
        meta.execute(params!["incidents", batch.incidents.to_string()])?;
        drop(meta);
        let last = batch.events.last().map_or(self.seq, |event| event.seq);
        let prunes = retention::is_due(self.seq + 1, last);
        if prunes {
            self.retention.prune(&transaction, last, now)?;
        }
        transaction.commit()?;
        self.seq = last;
        if prunes && let Err(error) = retention::give_back(&self.connection) {
            // The batch is written: were it refused now, it would be offered again, and clash with itself for ever.
            tracing::warn!(error = &error as &dyn std::error::Error, "free room of the state database is not given back");
        }
        Ok(())
    }

    /// Keeps the evidence of an incident; it has reached the disk when this returns.
    pub fn put_evidence(&mut self, number: u64, json: &str) -> Result<(), StoreError> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        incident::put_evidence(&self.connection, number, json)
    }

    /// Keeps what a server was made of while it was well.
    pub fn put_well(&mut self, server: &str, json: &str) -> Result<(), StoreError> {
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        let mut put = self.connection.prepare_cached("INSERT OR REPLACE INTO well VALUES (?1, ?2)")?;
        put.execute(params![server, json])?;
        Ok(())
    }

    fn meta(&self, key: &str) -> Result<String, StoreError> {
        Ok(self.connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))?)
    }

    fn records(&self) -> Result<Vec<(String, Record)>, StoreError> {
        let mut statement = self.connection.prepare("SELECT name, state FROM server")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.filter_map(|row| match row {
            Ok((name, state)) => readable(&name, &state).map(|record| Ok((name, record))),
            Err(error) => Some(Err(error.into())),
        })
        .collect()
    }
}

/// One server that is forgotten is less than a fleet that nobody watches.
fn readable(name: &str, state: &str) -> Option<Record> {
    serde_json::from_str(state)
        .inspect_err(|error| {
            tracing::error!(
                %error,
                "the state of {name} does not read back, and it starts afresh: its status, its attempts and a pause are forgotten, and an \
                 incident of it that is open stays so"
            );
        })
        .ok()
}

/// The first start on the axis of [`Steady`].
pub fn origin(first_start: Timestamp) -> Steady {
    Steady::new(Duration::try_from(first_start.duration_since(Timestamp::UNIX_EPOCH)).unwrap_or_default())
}

impl Left {
    /// The machine's part of it.
    pub fn memory(&self) -> FleetMemory {
        let servers = self.records.iter().map(|(name, record)| (name.clone(), record.memory.clone())).collect();
        FleetMemory { incidents: self.incidents, servers }
    }
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = connect(path)?;
    // Log lines and answers are in it. The files beside it get the same rights; where that cannot be changed it is as it was.
    let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
    if connection.pragma_query_value(None, "page_count", |row| row.get::<_, u32>(0))? == 0 {
        // Only an empty file can be told so, and on any other it would be a write, which a full disk refuses.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    schema::migrate(&mut connection, path)?;
    Ok(connection)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_KEPT_BYTES)?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
