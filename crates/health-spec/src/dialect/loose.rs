//! Every JSON dialect but v1.0: a status word, and whatever else can be understood.
//!
//! Fields are looked at one by one as raw text, so that a hostile body is never unfolded into a tree.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::loss::{LossKind, note};
use super::{Dialect, ReadError, Reading, sentence};
use crate::response::ParseError;
use crate::{Status, time};

/// An object whose values have not been looked at.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Fields that a reading carries; all others are lost.
const CARRIED: [&str; 9] =
    ["status", "timestamp", "uptime_seconds", "uptime", "last_check", "version", "error", "checks", "metadata"];

/// Reads a body that is no v1.0 answer, for the reason `not_v1`.
pub(super) fn read(body: &str, not_v1: &ParseError) -> Result<Reading, ReadError> {
    let fields = fields(body)?;
    let status = fields.get("status").ok_or_else(|| ReadError::NotHealth("it has no `status`".to_owned()))?;
    let word: Option<String> = value(status);
    let found = word.and_then(|word| status_word(&word, fields.contains_key("timestamp")));
    let Some((dialect, status)) = found else { return Err(ReadError::NotHealth(sentence(not_v1))) };
    Ok(collect(&fields, Reading::new(dialect, status)))
}

fn fields(body: &str) -> Result<Fields<'_>, ReadError> {
    serde_json::from_str(body).map_err(|error| {
        if error.is_data() { ReadError::NotHealth("it is no object".to_owned()) } else { ReadError::NotJson(error.to_string()) }
    })
}

fn collect(fields: &Fields<'_>, mut reading: Reading) -> Reading {
    let mut take = Take { fields, reading: &mut reading };
    take.reading.timestamp = take.moment("timestamp");
    take.reading.last_check = take.moment("last_check");
    take.reading.uptime_seconds = take.uptime();
    take.reading.version = take.text("version").or_else(|| take.text("releaseId"));
    take.reading.error = take.text("error").or_else(|| take.text("output"));
    take.reading.draining = take.draining();
    take.components();
    take.note_the_rest();
    reading
}

/// Takes fields over into a reading, and notes what gets lost.
struct Take<'a, 'r> {
    fields: &'a Fields<'a>,
    reading: &'r mut Reading,
}

impl Take<'_, '_> {
    fn lose(&mut self, steps: &[&str], kind: LossKind) {
        note(&mut self.reading.lost, steps, kind);
    }

    /// A field's value, if it is there and of that type.
    fn typed<T: for<'de> Deserialize<'de>>(&mut self, key: &str) -> Option<T> {
        let found = value(self.fields.get(key)?);
        if found.is_none() {
            self.lose(&[key], LossKind::Unreadable);
        }
        found
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.typed(key)
    }

    fn moment(&mut self, key: &str) -> Option<Timestamp> {
        let at = time::rfc3339::parse(&self.text(key)?);
        if at.is_none() {
            self.lose(&[key], LossKind::Unreadable);
        }
        at
    }

    fn uptime(&mut self) -> Option<u64> {
        let seconds: f64 = self.typed("uptime_seconds").or_else(|| self.typed("uptime"))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and uptime is shown in whole seconds"
        )]
        Some(seconds as u64)
    }

    fn draining(&mut self) -> bool {
        let metadata: Option<Fields<'_>> = self.fields.get("metadata").and_then(|raw| serde_json::from_str(raw.get()).ok());
        metadata.and_then(|metadata| value(metadata.get("draining")?)).unwrap_or(false)
    }

    /// Component statuses: a word, an object with `status`, or IETF's list of such objects.
    fn components(&mut self) {
        let Some(checks) = self.fields.get("checks") else { return };
        let Ok(checks) = serde_json::from_str::<Fields<'_>>(checks.get()) else {
            return self.lose(&["checks"], LossKind::Unreadable);
        };
        for (name, raw) in checks {
            match component(raw) {
                Some(status) => self.reading.checks.push((name, status)),
                None => self.lose(&["checks", &name], LossKind::Unreadable),
            }
        }
    }

    /// What v1.0 requires and is not there, then what is there and has no place.
    fn note_the_rest(&mut self) {
        for (required, found) in
            [("timestamp", self.reading.timestamp.is_some()), ("uptime_seconds", self.reading.uptime_seconds.is_some())]
        {
            if !found && !self.fields.contains_key(required) {
                self.lose(&[required], LossKind::Missing);
            }
        }
        let taken = |key: &str| {
            CARRIED.contains(&key)
                || (key == "output" && !self.fields.contains_key("error"))
                || (key == "releaseId" && !self.fields.contains_key("version"))
        };
        let rest: Vec<_> = self.fields.keys().filter(|key| !taken(key)).take(super::MAX_LOSSES).collect();
        for key in rest {
            self.lose(&[key], LossKind::Ignored);
        }
    }
}

fn value<T: for<'de> Deserialize<'de>>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// The worst of what it says, since IETF lists one entry a node.
fn component(raw: &RawValue) -> Option<Status> {
    let text = raw.get();
    if text.starts_with('[') {
        let entries: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        return entries.into_iter().map(entry).collect::<Option<Vec<_>>>()?.into_iter().max();
    }
    entry(raw)
}

fn entry(raw: &RawValue) -> Option<Status> {
    let word: Option<String> = if raw.get().starts_with('{') {
        let fields: Fields<'_> = serde_json::from_str(raw.get()).ok()?;
        value(fields.get("status")?)
    } else {
        value(raw)
    };
    status_word(&word?, false).map(|(_, status)| status)
}

/// The dialect that a status word belongs to. A v1.0 word in a body that claims to be v1.0 (it has a
/// `timestamp`) but did not parse is no other dialect: it is a broken v1.0.
fn status_word(word: &str, claims_v1: bool) -> Option<(Dialect, Status)> {
    Some(match word.to_ascii_lowercase().as_str() {
        "healthy" => (Dialect::Words, Status::Ok),
        "unhealthy" => (Dialect::Words, Status::Down),
        "pass" | "up" => (Dialect::Ietf, Status::Ok),
        "warn" => (Dialect::Ietf, Status::Degraded),
        "fail" | "error" => (Dialect::Ietf, Status::Down),
        "degraded" if claims_v1 => (Dialect::Words, Status::Degraded),
        _ if claims_v1 => return None,
        "ok" => (Dialect::Draft, Status::Ok),
        "degraded" => (Dialect::Draft, Status::Degraded),
        "down" => (Dialect::Draft, Status::Down),
        _ => return None,
    })
}
