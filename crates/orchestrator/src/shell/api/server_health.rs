//! One server's health: the last verdict with what it rests on, and what has happened to it.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Json;
use health_spec::Phase;
use health_spec::incident::Answer;
use health_spec::status::Observed;
use health_spec::view::{LastCheck, Streak};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Api, Named, Refused};
use crate::machine::ServerId;

/// The most events of one page.
const MOST: usize = 1_000;

/// The last verdict, with its evidence.
#[derive(Serialize)]
pub(super) struct Judged {
    name: String,
    status: Observed,
    phase: Phase,
    reason: Option<String>,
    since: String,
    as_of: String,
    last_check: Option<LastCheck>,
    streak: Streak,
    incident_id: Option<String>,
    /// The last ten since the orchestrator started, oldest first; secrets are masked.
    answers: Vec<Answer>,
}

pub(super) async fn health(State(api): State<Arc<Api>>, name: Named) -> Result<Json<Judged>, Refused> {
    let Path(name) = name.map_err(|error| Refused::bad_path(&error))?;
    let (place, view) = api.published.server(&name).ok_or_else(|| Refused::unknown_server(&name))?;
    Ok(Json(Judged {
        name: view.name.clone(),
        status: view.status,
        phase: view.phase,
        reason: view.reason.clone(),
        since: format!("{:.3}", view.since),
        as_of: format!("{:.3}", view.as_of),
        last_check: view.last_check.clone(),
        streak: view.streak,
        incident_id: view.incident_id.clone(),
        answers: api.collector.last_answers(ServerId(place)).await,
    }))
}

/// The query.
#[derive(Debug, Deserialize)]
pub(super) struct Range {
    before: Option<u64>,
    limit: Option<usize>,
    /// Completed checks too.
    #[serde(default)]
    checks: bool,
}

/// Newest first.
#[derive(Serialize)]
pub(super) struct News {
    events: Vec<Box<RawValue>>,
    /// What to ask for next, as `before`; `null`: there are no older ones.
    next: Option<u64>,
}

pub(super) async fn events(
    State(api): State<Arc<Api>>,
    name: Named,
    range: Result<Query<Range>, QueryRejection>,
) -> Result<Json<News>, Refused> {
    let Path(name) = name.map_err(|error| Refused::bad_path(&error))?;
    let Query(range) = range.map_err(|error| Refused::bad_query(error.body_text()))?;
    api.published.server(&name).ok_or_else(|| Refused::unknown_server(&name))?;
    let limit = range.limit.unwrap_or(100).clamp(1, MOST);
    let before = range.before.unwrap_or(u64::MAX);
    let lines = api.look_up(move |log| log.news(&name, before, limit, range.checks)).await?;
    let next = lines.last().filter(|_| lines.len() == limit).map(|(seq, _)| *seq);
    let events = lines.into_iter().filter_map(|(_, line)| RawValue::from_string(line).ok()).collect();
    Ok(Json(News { events, next }))
}
