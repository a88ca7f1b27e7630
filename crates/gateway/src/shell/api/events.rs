//! `GET /health/events`: the newest events, oldest first, as a page needs them that has just been opened.

use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use health_spec::Problem;

use super::{App, problem};
use crate::machine::cursor;
use crate::machine::filter::Filter;
use crate::machine::log::What;
use crate::machine::message::Text;
use crate::machine::state::State as Known;

/// How many events come unless asked for.
const DEFAULT: usize = 100;

/// How many can be asked for.
const MOST: usize = 1000;

/// `{events, next}`; `next` is the cursor with which a stream goes on.
pub(crate) async fn newest(State(app): State<App>, Query(parameters): Query<Vec<(String, String)>>) -> Response {
    let (filter, limit) = match read(&parameters) {
        Ok(asked) => asked,
        Err(wrong) => return problem::answer(&wrong),
    };
    let (events, next) = app.hub.read(|state| (last(state, &filter, limit), cursor::encode(&state.view.places())));
    let mut body = b"{\"events\":[".to_vec();
    for (index, event) in events.iter().rev().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&event.json());
    }
    body.extend_from_slice(format!("],\"next\":\"{next}\"}}").as_bytes());
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Newest first.
fn last(state: &Known, filter: &Filter, limit: usize) -> Vec<Text> {
    let numbers = (state.log.first()..state.log.end()).rev();
    let events = numbers.filter_map(|number| match &state.log.get(number)?.what {
        What::Event(message) => filter.shows_event(message).then(|| message.text.clone()),
        _ => None,
    });
    events.take(limit).collect()
}

fn read(parameters: &[(String, String)]) -> Result<(Filter, usize), Problem> {
    let mut filter = Filter::default();
    let mut limit = DEFAULT;
    for (name, value) in parameters {
        match name.as_str() {
            "limit" => {
                let asked = value.parse().ok().filter(|asked| (1..=MOST).contains(asked));
                limit = asked.ok_or_else(|| wrong(&format!("limit is a number from 1 to {MOST}, not {value:?}")))?;
            }
            "since" | "wait" => {
                return Err(wrong(&"only the newest events can be listed; GET /health/stream goes on after a cursor"));
            }
            _ => filter.set(name, value).map_err(|error| wrong(&error))?,
        }
    }
    Ok((filter, limit))
}

fn wrong(detail: &dyn std::fmt::Display) -> Problem {
    problem::bad_request("bad_filter", "the parameters cannot be read", detail)
}
