//! `GET /slo?window=24h|7d|30d`.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Json;
use health_spec::slo::{Slo, Window};
use serde::Deserialize;

use super::{Api, Refused};
use crate::shell::clock::wall;
use crate::shell::slo::{beginning, levels};
use crate::shell::store;

/// As many incidents as are kept.
const ALL: usize = 10_000;

/// The query. A week unless asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    window: Window,
}

pub(super) async fn slo(
    State(api): State<Arc<Api>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Slo>, Refused> {
    let Query(Wanted { window }) = wanted.map_err(|error| Refused::bad_query(error.body_text()))?;
    let now = wall();
    let since = beginning(window, now);
    let read = api.look_up(move |log| {
        let query = store::Query { limit: ALL, ..store::Query::default() };
        Ok((log.incidents(&query)?, log.manual_restarts(since)?))
    });
    let (kept, manual) = read.await?;
    let mut incidents: std::collections::BTreeMap<_, _> = kept.into_iter().collect();
    incidents.extend(api.collector.book.incidents());
    let incidents: Vec<_> = incidents.into_values().filter(|incident| incident.opened_at >= since).collect();
    Ok(Json(levels(window, &api.published.snapshot().servers, &incidents, &manual, now)))
}
