//! One step's changes, and how they become rows.

use std::sync::Arc;

use rusqlite::{Transaction, params};

use super::{Record, StoreError, incident, uptime};
use crate::machine::Mono;
use crate::machine::uptime::{Changes, Steady};
use crate::shell::incidents::Row;

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
    /// Their uptime, where it is to be written.
    pub uptime: Vec<(String, Changes)>,
    /// The servers that are no longer registered.
    pub gone: Vec<String>,
    /// The incidents that have changed.
    pub changed_incidents: Vec<Row>,
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
    pub json: Arc<str>,
}

/// Events that come after a hole (more were refused than could be kept) take the place of those before it: readers are told
/// of what is missing at the beginning, and nowhere else.
pub(super) fn put_events(transaction: &Transaction<'_>, events: &[Written], last: u64, now: Steady) -> Result<(), StoreError> {
    if let Some(first) = events.first().filter(|first| first.seq > last + 1) {
        transaction.execute("DELETE FROM event WHERE seq < ?1", params![first.seq])?;
    }
    let mut put = transaction
        .prepare_cached("INSERT INTO event (seq, server_name, event_type, json, written_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let now = i64::try_from(now.since_epoch().as_millis()).unwrap_or(i64::MAX);
    for Written { seq, server_name, event_type, json } in events {
        put.execute(params![seq, server_name, event_type, json, now])?;
    }
    Ok(())
}

pub(super) fn put_servers(transaction: &Transaction<'_>, batch: &Batch) -> Result<(), StoreError> {
    let mut server = transaction.prepare_cached("INSERT OR REPLACE INTO server VALUES (?1, ?2)")?;
    for (name, record) in &batch.servers {
        let state = serde_json::to_string(record).map_err(|source| StoreError::Record { name: name.clone(), source })?;
        server.execute(params![name, state])?;
    }
    for (name, changes) in &batch.uptime {
        uptime::write(transaction, name, changes)?;
    }
    incident::put(transaction, &batch.changed_incidents)?;
    for name in &batch.gone {
        transaction.execute("DELETE FROM well WHERE server_name = ?1", params![name])?;
        transaction.execute("DELETE FROM server WHERE name = ?1", params![name])?;
        transaction.execute("DELETE FROM uptime WHERE server_name = ?1", params![name])?;
    }
    Ok(())
}
