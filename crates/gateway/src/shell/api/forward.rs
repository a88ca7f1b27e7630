//! What the orchestrators know and the gateway does not keep: incidents, service levels, one server's details (contract, section 6).
//! Each question goes to the source that owns the answer, with the caller's credentials.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use health_spec::Problem;
use serde_json::{Value, json};

use super::{App, ecosystem, problem};
use crate::machine::resolve::resolve;
use crate::shell::client;

/// The most that an orchestrator's answer may have: a page of 500 incidents.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Incidents of one page, unless asked for.
const DEFAULT: usize = 50;

/// The most of one page.
const MOST: usize = 500;

/// An answer of an orchestrator.
struct Answer {
    status: StatusCode,
    content_type: Option<HeaderValue>,
    body: bytes::Bytes,
}

/// An orchestrator that can be asked.
#[derive(Clone)]
struct Owner {
    name: Arc<str>,
    url: String,
    epoch: Option<String>,
}

/// `GET /incidents`: those of all orchestrators, newest first.
pub(crate) async fn incidents(
    State(app): State<App>,
    Query(asked): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let value = |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let limit = value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(DEFAULT).clamp(1, MOST);
    let wanted = value("source");
    let query: Vec<String> = asked
        .iter()
        .filter(|(key, _)| key != "source" && key != "limit")
        .map(|(key, value)| format!("{}={}", encoded(key), encoded(value)))
        .collect();
    let path = format!("/incidents?limit={limit}&{}", query.join("&"));
    let owners = app.owners().into_iter().filter(|owner| wanted.is_none_or(|wanted| *owner.name == *wanted));
    let asking = owners.map(|owner| {
        let (path, headers) = (path.clone(), headers.clone());
        async move { (owner.name.clone(), ask(&owner, &path, &headers).await) }
    });
    let mut merged = Merged {
        cursors: value("before").into_iter().flat_map(|ids| ids.split(',')).map(str::to_owned).collect(),
        ..Merged::default()
    };
    for (name, answer) in futures_util::future::join_all(asking).await {
        match answer {
            Ok(answer) if answer.status.is_success() => merged.take(&name, &answer.body),
            // What is wrong with the question is wrong for everybody.
            Ok(answer) if answer.status.is_client_error() => return answer.into_response(),
            Ok(answer) => merged.missing(&name, &format!("it answers {}", answer.status)),
            Err(why) => merged.missing(&name, &why),
        }
    }
    ([(CACHE_CONTROL, "no-store")], Json(merged.page(limit))).into_response()
}

/// `GET /incidents/{id}`.
pub(crate) async fn incident(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let epoch = id.rsplit_once('-').map(|(epoch, _)| epoch.to_owned());
    let Some(owner) = app.owners().into_iter().find(|owner| owner.epoch == epoch) else {
        let detail = format!("no orchestrator here has an incident {id:?}; GET /incidents lists them all");
        return problem::answer(&Problem::new(404, "unknown_incident", "there is no such incident").detail(detail));
    };
    pass(&owner, &format!("/incidents/{}", encoded(&id)), &headers).await
}

/// `GET /slo`, of one orchestrator: `?source=` says which, where there are several.
pub(crate) async fn slo(State(app): State<App>, Query(asked): Query<Vec<(String, String)>>, headers: HeaderMap) -> Response {
    let value = |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let mut owners = app.owners();
    if let Some(source) = value("source") {
        owners.retain(|owner| *owner.name == *source);
    }
    let path = value("window").map_or_else(|| "/slo".to_owned(), |window| format!("/slo?window={}", encoded(window)));
    match owners.as_slice() {
        [owner] => pass(owner, &path, &headers).await,
        owners => {
            let names: Vec<_> = owners.iter().map(|owner| &*owner.name).collect();
            let detail = format!("say which orchestrator with ?source=; there are: {}", names.join(", "));
            problem::answer(&Problem::new(400, "which_source", "whose service levels?").detail(detail))
        }
    }
}

/// `GET /servers/{id}/...`: what the server's orchestrator says.
pub(crate) async fn server(
    State(app): State<App>,
    Path((id, rest)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let found = app.hub.read(|state| resolve(&state.view, &id).map(|server| (server.source.clone(), server.name.clone())));
    let (source, name) = match found {
        Ok(found) => found,
        Err(unresolved) => return ecosystem::unresolved(&id, unresolved),
    };
    let rest: Vec<_> = rest.split('/').map(encoded).collect();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("/servers/{}/{}{query}", encoded(&name), rest.join("/"));
    match app.owners().into_iter().find(|owner| *owner.name == *source) {
        Some(owner) => pass(&owner, &path, &headers).await,
        None => unreachable(&source, "it has no address"),
    }
}

impl App {
    /// Every orchestrator that can be asked.
    fn owners(&self) -> Vec<Owner> {
        self.hub.read(|state| {
            let sources = state.view.sources().iter().zip(self.apis.iter());
            let owner = |(source, api): (&crate::machine::view::Followed, &Option<String>)| {
                let epoch = source.place().map(|place| place.epoch.to_string());
                Some(Owner { name: source.name(), url: api.clone()?, epoch })
            };
            sources.filter_map(owner).collect()
        })
    }
}

/// Pages of several orchestrators, as one.
#[derive(Default)]
struct Merged {
    incidents: Vec<Value>,
    more: bool,
    unreachable: Vec<Value>,
    /// Where this page began: ids, one of each orchestrator.
    cursors: Vec<String>,
}

impl Merged {
    fn take(&mut self, source: &str, body: &[u8]) {
        let Ok(mut page) = serde_json::from_slice::<Value>(body) else {
            return self.missing(source, "its answer cannot be read");
        };
        self.more |= page["next"].is_string();
        let Some(incidents) = page["incidents"].as_array_mut() else { return };
        for mut incident in std::mem::take(incidents) {
            incident["source"] = source.into();
            self.incidents.push(incident);
        }
    }

    fn missing(&mut self, source: &str, why: &str) {
        self.unreachable.push(json!({ "source": source, "why": why }));
    }

    /// Timestamps in UTC with milliseconds are in the order of their letters.
    fn page(mut self, limit: usize) -> Value {
        self.incidents.sort_by(|a, b| b["opened_at"].as_str().cmp(&a["opened_at"].as_str()));
        self.more |= self.incidents.len() > limit;
        self.incidents.truncate(limit);
        let next = self.more.then(|| self.next());
        json!({ "incidents": self.incidents, "next": next, "unreachable": self.unreachable })
    }

    /// The last id of each orchestrator that is shown; of those of which nothing is, where the page began.
    fn next(&self) -> String {
        let epoch = |id: &str| id.rsplit_once('-').map(|(epoch, _)| epoch.to_owned()).unwrap_or_default();
        let mut last = std::collections::BTreeMap::new();
        for id in self.cursors.iter().map(String::as_str).chain(self.incidents.iter().filter_map(|it| it["id"].as_str())) {
            last.insert(epoch(id), id.to_owned());
        }
        last.into_values().collect::<Vec<_>>().join(",")
    }
}

async fn pass(owner: &Owner, path: &str, headers: &HeaderMap) -> Response {
    match ask(owner, path, headers).await {
        Ok(answer) => answer.into_response(),
        Err(why) => unreachable(&owner.name, &why),
    }
}

fn unreachable(source: &str, why: &str) -> Response {
    let detail = format!("orchestrator {source} cannot be asked: {why}");
    problem::answer(&Problem::new(502, "source_unreachable", "the orchestrator does not answer").detail(detail))
}

/// The error is a fragment for people.
async fn ask(owner: &Owner, path: &str, headers: &HeaderMap) -> Result<Answer, String> {
    let url = format!("{}{path}", owner.url);
    let response =
        client::get_as(&url, "application/json", headers.get(AUTHORIZATION)).await.map_err(|error| error.to_string())?;
    let (head, body) = response.into_parts();
    let body = client::read(body, MOST_BYTES).await.map_err(|error| error.to_string())?;
    Ok(Answer { status: head.status, content_type: head.headers.get(CONTENT_TYPE).cloned(), body })
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, [(CACHE_CONTROL, "no-store")], self.body).into_response();
        let content_type = self.content_type.unwrap_or(HeaderValue::from_static("application/json"));
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

/// As one segment of a path, or one word of a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(epoch: &str, numbers: &[u64], next: bool) -> Vec<u8> {
        let incident = |number: &u64| json!({ "id": format!("{epoch}-{number}"), "opened_at": format!("2026-01-02T03:04:{number:02}.000Z") });
        let incidents: Vec<_> = numbers.iter().map(incident).collect();
        json!({ "incidents": incidents, "next": next.then_some("x") }).to_string().into_bytes()
    }

    fn ids(page: &Value) -> Vec<String> {
        page["incidents"].as_array().into_iter().flatten().filter_map(|it| it["id"].as_str().map(str::to_owned)).collect()
    }

    #[test]
    fn pages_of_several_orchestrators_are_one_in_the_order_of_time() {
        let mut merged = Merged::default();
        merged.take("s", &page("a", &[9, 5, 1], true));
        merged.take("t", &page("b", &[7, 6], false));
        merged.missing("u", "away");
        let page = merged.page(3);
        assert_eq!(ids(&page), ["a-9", "b-7", "b-6"]);
        assert_eq!((page["next"].as_str(), page["incidents"][0]["source"].as_str()), (Some("a-9,b-6"), Some("s")));
        assert_eq!(page["unreachable"][0]["source"], "u");
    }

    #[test]
    fn a_page_goes_on_where_it_began_for_those_that_it_does_not_show() {
        let mut merged = Merged { cursors: vec!["a-9".into(), "b-6".into()], ..Merged::default() };
        merged.take("s", &page("a", &[8, 7], true));
        merged.take("t", &page("b", &[2], false));
        let page = merged.page(2);
        assert_eq!((ids(&page), page["next"].as_str()), (vec!["a-8".to_owned(), "a-7".to_owned()], Some("a-7,b-6")));
    }
}
