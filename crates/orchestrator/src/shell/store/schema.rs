//! The tables, their version, and how a database of an earlier version becomes one of this.
//!
//! `PRAGMA user_version` names the version. Each step is one transaction: a crash leaves the version before it or after it.

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;

/// Steps from each version to the next; the first makes version 1. They are never changed, only added to.
const STEPS: &[&str] = &[
    // The first files were written without a version, so the tables may be there already.
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
     CREATE TABLE IF NOT EXISTS server (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
     CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, server_name TEXT, event_type TEXT NOT NULL, json TEXT NOT NULL);",
    // When an event was written decides how long it is kept. Of those before, only how many there are.
    "ALTER TABLE event ADD COLUMN written_ms INTEGER NOT NULL DEFAULT 0;
     CREATE TABLE uptime (
         server_name TEXT NOT NULL,
         resolution TEXT NOT NULL CHECK (resolution IN ('minute', 'hour', 'day')),
         start INTEGER NOT NULL,
         pieces INTEGER NOT NULL,
         up_ms INTEGER NOT NULL,
         counted_ms INTEGER NOT NULL,
         PRIMARY KEY (server_name, resolution, start)
     ) WITHOUT ROWID;
     CREATE VIEW uptime_share AS
         SELECT server_name, resolution, datetime(start, 'unixepoch') AS since, pieces,
                round(1.0 * up_ms / counted_ms, 6) AS share
         FROM uptime WHERE counted_ms > 0 ORDER BY server_name, resolution, start;",
    // Incidents with their evidence, what servers were made of when they were last well, and the news of one server without all its checks.
    "CREATE TABLE incident (
         number INTEGER PRIMARY KEY,
         server_name TEXT NOT NULL,
         is_open INTEGER NOT NULL,
         json TEXT NOT NULL
     );
     CREATE INDEX incident_of_server ON incident (server_name, number);
     CREATE INDEX incident_open ON incident (number) WHERE is_open;
     CREATE TABLE evidence (number INTEGER PRIMARY KEY, json TEXT NOT NULL);
     CREATE TABLE well (server_name TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
     CREATE INDEX event_news ON event (server_name, seq) WHERE event_type <> 'health_check_completed';",
];

/// Brings the database at `path` to this version.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > STEPS.len() {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: STEPS.len() });
    }
    for (version, step) in STEPS.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// This program's version.
    pub(in super::super) const VERSION: usize = STEPS.len();

    /// A database as the program of that version has left it, with some records. Version 0 is 1 without its number.
    pub(in super::super) fn of_version(path: &Path, version: usize) {
        let connection = Connection::open(path).expect("opens");
        for step in &STEPS[..version.max(1)] {
            connection.execute_batch(step).expect("a step");
        }
        connection.pragma_update(None, "user_version", version).expect("a version");
        connection
            .execute_batch(
                "INSERT INTO meta VALUES ('epoch', 'old'), ('first_start', '2026-01-02T03:04:05Z'), ('last_us', '7000000'), ('incidents', '3');
                 INSERT INTO event (seq, server_name, event_type, json) VALUES
                     (1, 'a', 'server_down', '{\"seq\":1}'), (2, NULL, 'monitor_stopped', '{\"seq\":2}');",
            )
            .expect("records");
        let state = include_str!("server-state-v1.json");
        connection.execute("INSERT INTO server VALUES ('a', ?1)", [state.trim_end()]).expect("a state");
    }
}
