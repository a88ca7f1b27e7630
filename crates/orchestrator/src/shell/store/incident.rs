//! The rows of incidents and of their evidence.

use health_spec::incident::{Evidence, Incident, Outcome};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::StoreError;
use crate::shell::incidents::Row;

/// So many incidents are kept, those that are open aside.
const MOST_INCIDENTS: u64 = 10_000;

/// So many of them with their evidence: 64 MiB at most.
const MOST_EVIDENCE: u64 = 1_000;

/// An incident that an earlier run has left open.
pub type Kept = (u64, Incident, Evidence);

/// Which incidents are wanted.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Of this server.
    pub server: Option<String>,
    /// Open ones; closed ones.
    pub open: Option<bool>,
    /// Older ones than this.
    pub before: Option<u64>,
    /// So many at most.
    pub limit: usize,
}

/// Writes what has changed, and removes what is old.
pub(super) fn put(transaction: &Transaction<'_>, rows: &[Row]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO incident VALUES (?1, ?2, ?3, ?4)")?;
    for Row { number, incident, json, evidence, .. } in rows {
        put.execute(params![number, incident.server_name, incident.outcome == Outcome::Open, json])?;
        if let Some(evidence) = evidence {
            put_evidence(transaction, *number, evidence)?;
        }
    }
    let newest = rows.iter().map(|row| row.number).max().unwrap_or_default();
    prune(transaction, newest)
}

fn prune(transaction: &Transaction<'_>, newest: u64) -> Result<(), StoreError> {
    let open = "number IN (SELECT number FROM incident WHERE is_open)";
    transaction.execute(
        &format!("DELETE FROM evidence WHERE number <= ?1 AND NOT {open}"),
        params![newest.saturating_sub(MOST_EVIDENCE)],
    )?;
    transaction
        .execute("DELETE FROM incident WHERE number <= ?1 AND NOT is_open", params![newest.saturating_sub(MOST_INCIDENTS)])?;
    Ok(())
}

pub(super) fn put_evidence(connection: &Connection, number: u64, json: &str) -> Result<(), StoreError> {
    connection.prepare_cached("INSERT OR REPLACE INTO evidence VALUES (?1, ?2)")?.execute(params![number, json])?;
    Ok(())
}

/// Those that are open, with their evidence.
pub(super) fn open(connection: &Connection) -> Result<Vec<Kept>, StoreError> {
    let query = Query { open: Some(true), limit: usize::MAX, ..Query::default() };
    let found = list(connection, &query)?;
    found
        .into_iter()
        .map(|(number, incident)| Ok((number, incident, evidence(connection, number)?.unwrap_or_default())))
        .collect()
}

/// Newest first.
pub(super) fn list(connection: &Connection, query: &Query) -> Result<Vec<(u64, Incident)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT number, json FROM incident
         WHERE (?1 IS NULL OR server_name = ?1) AND (?2 IS NULL OR is_open = ?2) AND number < ?3 ORDER BY number DESC LIMIT ?4",
    )?;
    let before = query.before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX);
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![query.server, query.open, before, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (number, text): (u64, String) = row?;
        Ok((number, read(number, &text)?))
    })
    .collect()
}

pub(super) fn one(connection: &Connection, number: u64) -> Result<Option<Incident>, StoreError> {
    text(connection, "SELECT json FROM incident WHERE number = ?1", number)?.map(|text| read(number, &text)).transpose()
}

pub(super) fn evidence(connection: &Connection, number: u64) -> Result<Option<Evidence>, StoreError> {
    text(connection, "SELECT json FROM evidence WHERE number = ?1", number)?.map(|text| read(number, &text)).transpose()
}

fn text(connection: &Connection, query: &str, number: u64) -> Result<Option<String>, StoreError> {
    Ok(connection.prepare_cached(query)?.query_row(params![number], |row| row.get(0)).optional()?)
}

fn read<T: serde::de::DeserializeOwned>(number: u64, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Record { name: format!("incident {number}"), source })
}
