//! Finds out in which era a server lives, and asks it in the words of that era.

use health_spec::registry::Depth;
use health_spec::verdict::Verdict;
use hyper::header::HeaderValue;
use serde_json::Value;

use super::judge::{judge, only_liveness, says_no};
use super::known::{Era, Known, SessionId};
use super::message::{Form, LEGACY, Message, SESSION};
use super::reply::Reply;
use super::talk::Talk;
use super::{Call, McpTarget};
use crate::shell::probe::Fault;

/// Errors that only a server of the new era has: a header that does not fit, a capability that is missing, another version.
pub(super) const MODERN_ERRORS: std::ops::RangeInclusive<i64> = -32_022..=-32_020;

/// So many checks ask in one session. A server of the TypeScript SDK with an event store keeps every answer of a session until its end, for
/// a client that may want to hear it again: 14 KiB for each list of server-everything.
pub(super) const MOST_ASKED: u32 = 100;

/// What was found.
pub(super) struct Seen {
    pub(super) verdict: Verdict,
    /// The session of earlier checks was gone, and another one is well: the server has restarted.
    pub(super) has_lost_session: bool,
}

impl Seen {
    fn of(verdict: Verdict) -> Self {
        Self { verdict, has_lost_session: false }
    }
}

/// What a first meeting leads to.
enum Met {
    /// It lives in this era.
    In(Era),
    /// This is all that it says.
    Said(Reply),
}

/// Asks as deep as wanted. A server that no longer understands is met anew, once.
pub(super) async fn look(target: &McpTarget, known: &mut Known, talk: &mut Talk<'_>) -> Result<Seen, Fault> {
    let mut has_lost_session = false;
    for is_last in [false, true] {
        let era = match known.era {
            Some(era) => era,
            None => match meet(known, talk).await? {
                Met::In(era) => era,
                Met::Said(reply) => return Ok(Seen::of(judge(&reply, target.without_call(), known, talk.question))),
            },
        };
        known.era = Some(era);
        if era == Era::Sessions && known.session.is_none() {
            let reply = open(known, talk).await?;
            if known.session.is_none() && !reply.has_result() {
                known.era = None;
                if has_lost_session || is_last || says_no(&reply) {
                    return Ok(Seen::of(judge(&reply, target.without_call(), known, talk.question)));
                }
                continue;
            }
            if known.session.is_none() {
                known.era = Some(Era::Stateless);
            }
        }
        if era == Era::Stream {
            return Ok(Seen::of(stream(target, known, talk).await?));
        }
        let reply = talk.say(&message(target, era), form(known)).await?;
        if is_last || !is_lost(&reply) {
            let is_understood = !is_lost(&reply);
            let verdict = judge(&reply, target.asked(), known, talk.question);
            return Ok(Seen { verdict, has_lost_session: has_lost_session && is_understood });
        }
        has_lost_session = forget(known, &reply, talk).await;
    }
    // Both rounds return, or go on to the next one.
    Err(Fault::Server(health_spec::Reason::McpError, "it understands neither the new era nor the old one".to_owned()))
}

pub(super) fn message(target: &McpTarget, era: Era) -> Message {
    match (target.depth, &target.call) {
        (Depth::Call, Some(call)) => Message::call(call),
        (Depth::List | Depth::Call, _) => Message::list(),
        (Depth::Discover, _) if era == Era::Modern => Message::discover(),
        (Depth::Discover, _) => Message::ping(),
    }
}

fn form(known: &Known) -> Form<'_> {
    match (&known.session, known.era) {
        (Some(session), _) => Form::In(session),
        (None, Some(Era::Modern)) => Form::Modern,
        (None, _) => Form::Bare,
    }
}

/// It no longer knows what was agreed on: a session (404, some say 400), or the era.
fn is_lost(reply: &Reply) -> bool {
    let is_method_unknown = reply.error_code() == Some(-32_601);
    matches!(reply.status, 400 | 404)
        && !is_method_unknown
        && !reply.error_code().is_some_and(|code| MODERN_ERRORS.contains(&code))
}

/// `true` when that was a session. It is ended all the same where the server may only have disliked the request.
async fn forget(known: &mut Known, reply: &Reply, talk: &mut Talk<'_>) -> bool {
    let Some(session) = known.session.take() else {
        known.era = None;
        return false;
    };
    if reply.status == 400 {
        // The server's word on it does not matter, so long as there is one.
        if talk.end(&session).await.is_err() {
            talk.leave(session);
        }
    }
    true
}

/// First contact: a modern request; what does not understand it is older.
async fn meet(known: &mut Known, talk: &mut Talk<'_>) -> Result<Met, Fault> {
    let reply = talk.say(&Message::discover(), Form::Modern).await?;
    if reply.has_result() || reply.error_code().is_some_and(|code| MODERN_ERRORS.contains(&code)) {
        return Ok(Met::In(Era::Modern));
    }
    if says_no(&reply) {
        return Ok(Met::Said(reply));
    }
    let reply = talk.say(&Message::ping(), Form::Bare).await?;
    if reply.has_result() {
        return Ok(Met::In(Era::Stateless));
    }
    if says_no(&reply) {
        return Ok(Met::Said(reply));
    }
    let reply = open(known, talk).await?;
    match (&known.session, reply.has_result()) {
        (Some(_), _) => Ok(Met::In(Era::Sessions)),
        (None, true) => Ok(Met::In(Era::Stateless)),
        (None, false) if matches!(reply.status, 400 | 404 | 405) && talk.opens_stream().await? => Ok(Met::In(Era::Stream)),
        (None, false) => Ok(Met::Said(reply)),
    }
}

/// Opens a session, in the place of any other. A server may answer without one.
async fn open(known: &mut Known, talk: &mut Talk<'_>) -> Result<Reply, Fault> {
    let reply = talk.say(&Message::initialize(), Form::Bare).await?;
    let Some(id) = reply.headers.get(SESSION).filter(|_| reply.has_result()) else { return Ok(reply) };
    let session = SessionId { id: id.clone(), version: agreed(&reply) };
    // From here on it is the one that is spoken in, whatever becomes of the rest.
    (known.era, known.asked) = (Some(Era::Sessions), 0);
    known.session.replace(session.clone()).into_iter().for_each(|other| talk.leave(other));
    talk.say(&Message::initialized(), Form::In(&session)).await?;
    Ok(reply)
}

/// After a check that was answered: at once, so that there is always a session whose loss tells of a restart. The next check tries again
/// what fails.
pub(super) async fn renew(known: &mut Known, talk: &mut Talk<'_>) {
    if known.session.is_none() {
        return;
    }
    known.asked += 1;
    if known.asked < MOST_ASKED {
        return;
    }
    if let Err(fault) = open(known, talk).await {
        tracing::debug!(?fault, "an MCP session was not renewed");
    }
}

fn agreed(reply: &Reply) -> HeaderValue {
    let result = reply.answer.as_ref().and_then(|answer| answer.result.as_deref());
    let result = result.and_then(|result| serde_json::from_str::<Value>(result.get()).ok());
    let version = result.as_ref().and_then(|result| result.get("protocolVersion")?.as_str());
    version.and_then(|version| HeaderValue::try_from(version).ok()).unwrap_or(HeaderValue::from_static(LEGACY))
}

/// A server of the oldest kind: whether it opens its stream is all that is seen of it.
async fn stream(target: &McpTarget, known: &mut Known, talk: &mut Talk<'_>) -> Result<Verdict, Fault> {
    let is_open = talk.opens_stream().await?;
    if !is_open {
        known.era = None;
    }
    Ok(only_liveness(is_open, target.depth))
}

impl Call {
    /// A result of it is a health response.
    pub(super) fn is_health_check(&self) -> bool {
        self.tool == "health_check"
    }
}
