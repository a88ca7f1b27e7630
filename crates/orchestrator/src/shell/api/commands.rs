//! What a person asks of one server: restart, pause, resume, check. Each needs the operator token, and leaves who asked in the log.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use health_spec::ServerView;
use health_spec::asked::{Asked, LONGEST_PAUSE, PAUSE};
use tokio::sync::oneshot;

use super::{Api, Named, Refused, named};
use crate::machine::{Command, Mono, Refusal, ServerId};
use crate::shell::driver::Operation;

/// Characters of a name, and of a reason: they are kept with every event and every view.
const LONGEST_NAME: usize = 100;
const LONGEST_REASON: usize = 500;

type Api_ = State<Arc<Api>>;
type Body = Result<Bytes, BytesRejection>;

pub(super) async fn restart(api: Api_, name: Named, headers: HeaderMap, body: Body) -> Result<Response, Refused> {
    let make = |asked: &Asked, _| alone(asked, "restart").map(|()| Command::Restart { by: actor(asked) });
    carry_out(&api, name, &headers, body, make).await
}

pub(super) async fn check(api: Api_, name: Named, headers: HeaderMap, body: Body) -> Result<Response, Refused> {
    let make = |asked: &Asked, _| alone(asked, "check").map(|()| Command::Check { by: actor(asked) });
    carry_out(&api, name, &headers, body, make).await
}

pub(super) async fn resume(api: Api_, name: Named, headers: HeaderMap, body: Body) -> Result<Response, Refused> {
    let make = |asked: &Asked, _| alone(asked, "resume").map(|()| Command::Resume { by: actor(asked) });
    carry_out(&api, name, &headers, body, make).await
}

pub(super) async fn pause(api: Api_, name: Named, headers: HeaderMap, body: Body) -> Result<Response, Refused> {
    carry_out(&api, name, &headers, body, pausing).await
}

fn pausing(asked: &Asked, now: Mono) -> Result<Command, String> {
    let lasts = asked.lasts.unwrap_or(PAUSE).0;
    if lasts.is_zero() || lasts > LONGEST_PAUSE.0 {
        return Err(format!("`for` must be more than 0 and at most {} days", LONGEST_PAUSE.0.as_secs() / 86_400));
    }
    Ok(Command::Pause { until: Some(now.after(lasts)), by: actor(asked), reason: asked.reason.clone() })
}

/// What only a pause has.
fn alone(asked: &Asked, action: &str) -> Result<(), String> {
    match asked {
        Asked { lasts: Some(_), .. } => Err(format!("`for` is for a pause; a {action} takes no time")),
        Asked { reason: Some(_), .. } => Err(format!("`reason` is for a pause; a {action} needs none")),
        _ => Ok(()),
    }
}

/// Whoever has the token is an operator; the name is their own word.
fn actor(asked: &Asked) -> String {
    asked.by.as_ref().map_or_else(|| "operator".to_owned(), |name| format!("operator {name}"))
}

async fn carry_out(
    api: &Api,
    name: Named,
    headers: &HeaderMap,
    body: Body,
    make: impl FnOnce(&Asked, Mono) -> Result<Command, String>,
) -> Result<Response, Refused> {
    api.operator_token.check(headers)?;
    let (name, place, _) = named(api, name)?;
    let body = body.map_err(|error| Refused::unread_body(&error))?;
    let asked = read(&body).map_err(Refused::bad_body)?;
    let command = make(&asked, api.clock.now()).map_err(Refused::bad_body)?;
    api.operate(ServerId(place), command, &name).await?;
    // It may have been deregistered meanwhile.
    let (_, view) = api.published.server(&name).ok_or_else(|| Refused::unknown_server(&name))?;
    Ok((StatusCode::ACCEPTED, Json(ServerView::clone(&view))).into_response())
}

fn read(body: &[u8]) -> Result<Asked, String> {
    if body.trim_ascii().is_empty() {
        return Ok(Asked::default());
    }
    // A list would be read as the values in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err("it must be a JSON object, such as {\"for\": \"2h\"}".to_owned());
    }
    let asked: Asked = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    for (key, text, most) in [("by", &asked.by, LONGEST_NAME), ("reason", &asked.reason, LONGEST_REASON)] {
        let Some(text) = text else { continue };
        if text.trim().is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
            return Err(format!("`{key}` must be one line of 1 to {most} characters"));
        }
    }
    Ok(asked)
}

impl Api {
    async fn operate(&self, server: ServerId, command: Command, name: &str) -> Result<(), Refused> {
        // It would fail, and that would be an alarm.
        if matches!(command, Command::Restart { .. })
            && let Some(missing) = self.runtimes.missing(server).await
        {
            return Err(Refused::no_container(name, &missing));
        }
        let (answer, answered) = oneshot::channel();
        let operation = Operation { server, command, answer };
        self.operations.send(operation).await.map_err(|_| Refused::shutting_down())?;
        answered.await.map_err(|_| Refused::shutting_down())?.map_err(|refusal| match refusal {
            Refusal::Busy => Refused::busy(name),
            Refusal::NotRestartable => Refused::not_restartable(name),
            Refusal::EngineAway => Refused::engine_away(name),
            Refusal::NotPaused => Refused::not_paused(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn asked(json: &str) -> Asked {
        serde_json::from_str(json).expect("it reads")
    }

    #[test]
    fn a_pause_ends_by_itself() {
        let now = Mono(Duration::from_secs(10));
        let until = |json| match pausing(&asked(json), now) {
            Ok(Command::Pause { until, .. }) => until.map(|until| until.0.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(until("{}"), Some(3_610));
        assert_eq!(until(r#"{"for": "2h"}"#), Some(7_210));
        for wrong in [r#"{"for": 0}"#, r#"{"for": "367d"}"#] {
            assert!(pausing(&asked(wrong), now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_body_is_read_or_refused_with_a_reason() {
        assert_eq!(read(b" \n").expect("none"), Asked::default());
        assert_eq!(actor(&read(br#"{"by": "ada"}"#).expect("it reads")), "operator ada");
        assert_eq!(actor(&Asked::default()), "operator");
        for wrong in ["[]", "{", r#"{"by": ""}"#, r#"{"by": "a\nb"}"#, r#"{"forr": 3}"#, r#"{"reason": 7}"#] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        let long = format!(r#"{{"by": "{}"}}"#, "x".repeat(101));
        assert!(read(long.as_bytes()).is_err());
        assert!(alone(&asked(r#"{"for": 1}"#), "restart").is_err() && alone(&asked("{}"), "check").is_ok());
    }
}
