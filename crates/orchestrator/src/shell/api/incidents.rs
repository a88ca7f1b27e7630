//! `GET /incidents`: what went wrong, newest first; `GET /incidents/{id}`: one, with what a restart would have destroyed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Json;
use health_spec::Incident;
use health_spec::incident::{IncidentPage, Outcome};
use serde::Deserialize;

use super::{Api, Refused};
use crate::shell::incidents::number;
use crate::shell::store::{self, Reader, StoreError};

/// The most incidents of one page.
const MOST: usize = 500;

/// The query. `before` takes the ids of several orchestrators; each reads its own.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    server: Option<String>,
    open: Option<bool>,
    before: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<IncidentPage>, Refused> {
    let Query(wanted) = wanted.map_err(|error| Refused::bad_query(error.body_text()))?;
    let limit = wanted.limit.unwrap_or(50).clamp(1, MOST);
    let before = api.before(wanted.before.as_deref())?;
    let query = store::Query { server: wanted.server, open: wanted.open, before, limit: limit + 1 };
    let asked = query.clone();
    let kept = api.look_up(move |log| log.incidents(&asked)).await?;
    // What the disk has not taken is in the book, and newer there.
    let mut found: BTreeMap<u64, Incident> = kept.into_iter().collect();
    for (number, incident) in api.collector.book.incidents() {
        if fits(&query, number, &incident) {
            found.insert(number, incident);
        } else {
            found.remove(&number);
        }
    }
    let more = found.len() > limit;
    let incidents: Vec<Incident> = found.into_values().rev().take(limit).collect();
    let next = incidents.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Json(IncidentPage { incidents, next }))
}

fn fits(query: &store::Query, number: u64, incident: &Incident) -> bool {
    query.server.as_ref().is_none_or(|server| *server == incident.server_name)
        && query.open.is_none_or(|open| open == (incident.outcome == Outcome::Open))
        && query.before.is_none_or(|before| number < before)
}

pub(super) async fn one(State(api): State<Arc<Api>>, id: Result<Path<String>, PathRejection>) -> Result<Json<Incident>, Refused> {
    let Path(id) = id.map_err(|error| Refused::bad_path(&error))?;
    let unknown = || Refused::unknown_incident(&id);
    let number = api.own_number(&id).ok_or_else(unknown)?;
    if let Some(incident) = api.collector.book.incident(number) {
        return Ok(Json(incident));
    }
    let (incident, evidence) = api.look_up(move |log| Ok((log.incident(number)?, log.evidence(number)?))).await?;
    Ok(Json(Incident { evidence, ..incident.ok_or_else(unknown)? }))
}

impl Api {
    /// The number of an incident of this log.
    fn own_number(&self, id: &str) -> Option<u64> {
        let number = number(id)?;
        (crate::shell::view::incident_id(self.published.known(), number) == id).then_some(number)
    }

    fn before(&self, ids: Option<&str>) -> Result<Option<u64>, Refused> {
        let Some(ids) = ids else { return Ok(None) };
        match ids.split(',').find(|id| number(id).is_none()) {
            Some(wrong) => Err(Refused::bad_query(format!("before: `{wrong}` is no id of an incident"))),
            None => Ok(ids.split(',').find_map(|id| self.own_number(id))),
        }
    }

    /// Reads the database, beside everything else.
    pub(super) async fn look_up<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refused> {
        let log = Arc::clone(&self.log).lock_owned().await;
        let read = tokio::task::spawn_blocking(move || look(&log)).await;
        let unreadable = |cause: String| Refused::log_unreadable(&cause);
        read.map_err(|error| unreadable(error.to_string()))?.map_err(|error| unreadable(crate::shell::causes::causes(&error)))
    }
}
