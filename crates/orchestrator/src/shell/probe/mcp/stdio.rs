//! The same over the pipes of a child of ours (`stdio: mcp`): one line a message.
//!
//! `ping` is the first line: it is answered in both eras and binds a server to neither. Who is asked for more has to be introduced
//! to first, once for each start of the child.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use health_spec::registry::Depth;
use health_spec::verdict::{Phases, Reason, Verdict};
use hyper::HeaderMap;
use tokio::time::Instant;

use super::McpTarget;
use super::judge::{METHOD_NOT_FOUND, judge};
use super::known::Era;
use super::meet::{MODERN_ERRORS, message};
use super::message::{Form, Message};
use super::reply::{Reply, alone};
use crate::shell::probe::Glimpse;
use crate::shell::probe::deadline::{Deadline, milliseconds};
use crate::shell::probe::http::verdict_of;
use crate::shell::probe::{Fault, Impaired, Question};
use crate::shell::runtime::process::wire::{Conversation, Wire, WireError};
use crate::shell::text::looked_at;

/// What is known of the child that runs at the moment.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    /// Late answers to earlier questions are told from those to the present one.
    asked: AtomicU64,
    /// The start of the child that knows us, and whether it does so in the new era.
    introduced: Mutex<Option<(String, bool)>>,
}

pub(super) async fn check(
    target: &McpTarget,
    question: &Question<'_>,
    deadline: Deadline,
    phases: &mut Phases,
    glimpse: &mut Option<Glimpse>,
) -> Result<Verdict, Impaired> {
    let Some(wire) = question.lives.wire(question.server) else {
        return Ok(Verdict::failed(Reason::NotRunning, "it has no child that speaks on its pipes"));
    };
    let began = Instant::now();
    let found = ask(target, &wire, deadline, glimpse).await;
    phases.answer_ms = Some(milliseconds(began.elapsed()));
    let mut loan = target.memory.lend();
    loan.known.was_well |= question.history.was_well;
    match found {
        Ok(reply) => {
            let verdict = judge(&reply, target.asked(), &loan.known, question);
            loan.known.was_well |= verdict.outcome == health_spec::Outcome::Ok;
            Ok(verdict)
        }
        Err(fault) => verdict_of(fault, !loan.known.was_well),
    }
}

async fn ask(target: &McpTarget, wire: &Wire, deadline: Deadline, last: &mut Option<Glimpse>) -> Result<Reply, Fault> {
    let mut conversation = deadline.hold("no turn to speak", wire.converse()).await?.map_err(|error| fault(&error))?;
    let mut talk = Spoken { pipes: &target.memory.pipes, conversation: &mut conversation, deadline, last };
    if target.depth == Depth::Discover {
        return talk.say(&Message::ping(), Form::Bare).await;
    }
    let (era, form) = if talk.introduce().await? { (Era::Modern, Form::Modern) } else { (Era::Sessions, Form::Bare) };
    talk.say(&message(target, era), form).await
}

struct Spoken<'a> {
    pipes: &'a Pipes,
    conversation: &'a mut Conversation,
    deadline: Deadline,
    /// The line that came last, an answer or not: evidence.
    last: &'a mut Option<Glimpse>,
}

impl Spoken<'_> {
    /// Whether the child lives in the new era: it does not know `initialize`, or not as it was before.
    async fn introduce(&mut self) -> Result<bool, Fault> {
        let instance = self.conversation.instance().to_owned();
        let known = self.introduced().clone().filter(|(of, _)| *of == instance);
        if let Some((_, is_modern)) = known {
            return Ok(is_modern);
        }
        let reply = self.say(&Message::initialize(), Form::Bare).await?;
        let is_modern = match reply.answer.as_ref().and_then(|answer| answer.error.as_ref()) {
            None => false,
            Some(error) if is_of_new_era(error.code) => true,
            // It may have a bad moment: it is introduced to again at the next check.
            Some(error) => {
                let message = format!("it answers `initialize` with error {}: {}", error.code, looked_at(&error.message));
                return Err(Fault::Server(Reason::McpError, message));
            }
        };
        if !is_modern {
            let line = Message::initialized().body(Form::Bare, 0);
            self.deadline.hold("it does not listen", self.conversation.say(&line)).await?.map_err(|error| fault(&error))?;
        }
        *self.introduced() = Some((instance, is_modern));
        Ok(is_modern)
    }

    fn introduced(&self) -> std::sync::MutexGuard<'_, Option<(String, bool)>> {
        self.pipes.introduced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn say(&mut self, message: &Message, form: Form<'_>) -> Result<Reply, Fault> {
        let id = self.pipes.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let line = message.body(form, id);
        self.deadline.hold("it does not listen", self.conversation.say(&line)).await?.map_err(|error| fault(&error))?;
        loop {
            let heard = self.deadline.hold("no answer", self.conversation.hear()).await?.map_err(|error| fault(&error))?;
            *self.last = Some(Glimpse::said(heard.as_bytes()));
            // What else it says is its log, a notification, or a late answer.
            if let Some(answer) = alone(heard.as_bytes(), id) {
                return Ok(Reply { status: 200, headers: HeaderMap::new(), answer: Some(answer), is_cut: false });
            }
        }
    }
}

fn is_of_new_era(code: i64) -> bool {
    code == METHOD_NOT_FOUND || MODERN_ERRORS.contains(&code)
}

fn fault(error: &WireError) -> Fault {
    let reason = match error {
        WireError::Silent => Reason::NotRunning,
        WireError::Closed | WireError::Broken(_) => Reason::ConnectionReset,
    };
    Fault::Server(reason, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Channel;
    use super::*;
    use crate::shell::runtime::process::wire::tests::connected;

    /// Answers `initialize` as `$1` says the first time, and with a result from then on; to a list with the form that it was asked in.
    const CHILD: &str = r#"
        times=0
        while read -r line; do
            id=${line#*:}; id=${id%%,*}
            case "$line" in
            *'"method":"initialize"'*)
                times=$((times + 1))
                if [ $times = 1 ]; then say='"error":{"code":CODE,"message":"later"}'; else say='"result":{}'; fi ;;
            *notifications*) continue ;;
            *_meta*) say='"error":{"code":1,"message":"modern"}' ;;
            *) say='"result":{}' ;;
            esac
            echo "{\"jsonrpc\":\"2.0\",\"id\":$id,$say}"
        done"#;

    async fn asked_twice(code: i64) -> [Result<Reply, Fault>; 2] {
        let (wire, mut child) = connected(&CHILD.replace("CODE", &code.to_string())).await;
        let target = McpTarget::new(Channel::Stdio, Depth::List, None);
        let deadline = Deadline::new(Instant::now(), Duration::from_secs(30));
        let found = [ask(&target, &wire, deadline, &mut None).await, ask(&target, &wire, deadline, &mut None).await];
        child.kill().expect("it runs");
        child.wait().expect("it has ended");
        found
    }

    #[tokio::test]
    async fn a_child_that_errs_once_at_its_introduction_is_not_taken_for_a_modern_one() {
        let [first, second] = asked_twice(-32_603).await;
        let Err(Fault::Server(Reason::McpError, message)) = first else { panic!("{first:?}") };
        assert_eq!(message, "it answers `initialize` with error -32603: later");
        assert!(second.expect("an answer").has_result(), "it is introduced to again, and asked in the old form");
    }

    #[tokio::test]
    async fn a_child_that_knows_no_introduction_is_asked_in_the_new_form() {
        for code in [-32_601, -32_022] {
            for found in asked_twice(code).await {
                assert_eq!(found.expect("an answer").error_code(), Some(1));
            }
        }
    }
}
