//! Speaks MCP with a server, in whichever of its two eras that lives (contract, section 2.1).
//!
//! A server of 2026-07-28 and later has no sessions: `server/discover` asks whether it is alive. An older one is asked `ping`, without
//! a session if it answers so, else in one session that is kept from check to check: to open one for each check and leave it would
//! fill the server's memory. So would one that is asked in for ever where the server stores its answers: now and then another takes its
//! place. A session that the server no longer knows tells that it has restarted.

mod judge;
mod known;
mod meet;
mod message;
mod reply;
mod stdio;
mod talk;

use std::sync::Arc;
use std::time::Duration;

use health_spec::registry::Depth;
use health_spec::verdict::{Phases, Session, Verdict};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::deadline::Deadline;
use super::http::{HttpTarget, verdict_of};
use super::{Impaired, Question};
use crate::shell::probe::Glimpse;
use known::{Memory, Opened};
use talk::Talk;

/// How long the end of a session may take: it is a courtesy, and nobody waits for it longer.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where MCP is spoken, how deep a check looks, and what is known from earlier checks.
#[derive(Clone, Debug)]
pub struct McpTarget {
    channel: Channel,
    depth: Depth,
    call: Option<Call>,
    memory: Arc<Memory>,
}

/// How the server is spoken to.
#[derive(Clone, Debug, PartialEq)]
pub enum Channel {
    /// Over HTTP.
    Http(Box<HttpTarget>),
    /// Over the pipes of a child of ours.
    Stdio,
}

/// A harmless tool call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which tool.
    pub tool: String,
    /// With what.
    pub arguments: Map<String, Value>,
    /// What its result has to be.
    pub expect: Option<Value>,
}

impl McpTarget {
    /// One that has not been spoken to yet. The depth is `call` exactly when there is a call.
    pub fn new(channel: Channel, depth: Depth, call: Option<Call>) -> Self {
        Self { channel, depth, call, memory: Arc::default() }
    }

    /// What is asked, and where.
    pub(super) fn aim(&self) -> (String, String) {
        let asks = format!("{:?} {:?}", self.depth, self.call);
        match &self.channel {
            Channel::Http(http) => (format!("{asks} {}", http.address.path()), format!("{:?}", http.address.to())),
            Channel::Stdio => (asks, "its pipes".to_owned()),
        }
    }

    /// Ends what is kept with the server, now and by every check that still runs. What comes back does not matter.
    pub async fn close(&self, question: &Question<'_>) {
        let Channel::Http(http) = &self.channel else { return };
        let sessions = self.memory.leave();
        if sessions.is_empty() {
            return;
        }
        let (mut phases, opened) = (Phases::default(), Opened::default());
        let mut talk = Talk::new(http, question, farewell(question), &mut phases, &opened);
        for session in sessions {
            if let Err(fault) = talk.end(&session).await {
                tracing::debug!(?fault, "an MCP session was not ended");
            }
        }
    }

    /// Ends what a check that found a fault has left open, when that has been judged: it may take a while.
    pub async fn clear(&self, question: &Question<'_>) {
        let Channel::Http(http) = &self.channel else { return };
        if self.memory.surplus().is_empty() {
            return;
        }
        let (mut phases, opened) = (Phases::default(), Opened::default());
        end_surplus(&self.memory, &mut Talk::new(http, question, farewell(question), &mut phases, &opened)).await;
    }
}

fn farewell(question: &Question<'_>) -> Deadline {
    Deadline::new(Instant::now(), question.timeout.min(FAREWELL))
}

/// Left by a check that ran at the same time. What the server says to that does not matter to this one; when it says nothing, the next check
/// tries again.
async fn end_surplus(memory: &Memory, talk: &mut Talk<'_>) {
    for session in memory.surplus() {
        let is_answered = tokio::time::timeout(FAREWELL, talk.end(&session)).await.is_ok_and(|ended| ended.is_ok());
        memory.has_tried(&session, is_answered);
    }
}

/// Memory is no difference: an unchanged target goes on with what it knows.
impl PartialEq for McpTarget {
    fn eq(&self, other: &Self) -> bool {
        (&self.channel, self.depth, &self.call) == (&other.channel, other.depth, &other.call)
    }
}

pub(super) async fn check(
    target: &McpTarget,
    question: &Question<'_>,
    deadline: Deadline,
    phases: &mut Phases,
    glimpse: &mut Option<Glimpse>,
) -> Result<Verdict, Impaired> {
    let http = match &target.channel {
        Channel::Http(http) => http,
        Channel::Stdio => return stdio::check(target, question, deadline, phases, glimpse).await,
    };
    let mut loan = target.memory.lend();
    loan.known.was_well |= question.history.was_well;
    let mut talk = Talk::new(http, question, deadline, phases, &loan.opened);
    let found = meet::look(target, &mut loan.known, &mut talk).await;
    *glimpse = talk.last.take();
    if found.is_ok() {
        // The verdict is known: what comes of this does not matter to it.
        let _ = tokio::time::timeout(FAREWELL, meet::renew(&mut loan.known, &mut talk)).await;
    }
    loan.give_up_spare();
    if found.is_ok() {
        end_surplus(&target.memory, &mut talk).await;
    }
    let verdict = match found {
        Ok(seen) => {
            loan.known.was_well |= seen.verdict.outcome == health_spec::Outcome::Ok;
            let kept = loan.known.session.is_some().then_some(Session::Kept);
            let session = if seen.has_lost_session { Some(Session::Lost) } else { kept };
            Ok(Verdict { session, ..seen.verdict })
        }
        Err(fault) => verdict_of(fault, !loan.known.was_well),
    };
    drop(loan);
    if target.memory.is_left() {
        // The target was dropped meanwhile, and whoever ended its sessions then did not find this one.
        target.close(question).await;
    }
    verdict
}

#[cfg(test)]
mod tests;
