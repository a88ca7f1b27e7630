//! What the machine believes of a server, what it will do next and when, and what it is waiting for.
//!
//! In words, since people read it: the API, the command line and the dashboard show these. How a moment is written only the shell knows.
//! The parts: `evidence`, `next`, and `waiting`, what a held recovery waits for.

use super::memory::Attempt;
use super::server::Server;
use super::{Fleet, Mono, ServerId};

mod evidence;
mod next;
mod waiting;

/// One server, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// What it believes, such as `down: 3_consecutive_failures`.
    pub believes: String,
    /// What that rests on.
    pub evidence: Vec<String>,
    /// What it will do, the soonest first.
    pub next: Vec<Step>,
    /// What it is waiting for, if it is held.
    pub waiting_for: Option<String>,
}

/// Something that will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub what: String,
    /// When; `None`: once something has ended.
    pub at: Option<Mono>,
}

impl Step {
    fn at(at: Mono, what: impl Into<String>) -> Self {
        Self { what: what.into(), at: Some(at) }
    }

    fn then(what: impl Into<String>) -> Self {
        Self { what: what.into(), at: None }
    }
}

/// A server and what is around it.
struct Account<'a> {
    fleet: &'a Fleet,
    id: ServerId,
    server: &'a Server,
    /// How a moment is written, such as `12:01:07 UTC`.
    when: &'a dyn Fn(Mono) -> String,
}

impl Fleet {
    /// Why a server is what it is, and what comes next; `when` writes a moment.
    pub fn why(&self, id: ServerId, when: &dyn Fn(Mono) -> String) -> Why {
        let server = &self.servers()[id.0];
        let account = Account { fleet: self, id, server, when };
        Why { believes: account.belief(), evidence: account.evidence(), next: account.next(), waiting_for: account.waiting_for() }
    }
}

impl Account<'_> {
    fn belief(&self) -> String {
        let state = self.server.state();
        match &state.reason {
            Some(reason) if reason != "check" => format!("{}: {reason}", state.status),
            _ => state.status.to_string(),
        }
    }

    fn when(&self, at: Mono) -> String {
        (self.when)(at)
    }

    /// What the next attempt does.
    fn strategy(&self) -> &'static str {
        self.server.policy().recovery.strategy.rung(self.server.state().attempts + 1).as_str()
    }

    /// How many attempts there are.
    fn of(&self) -> u32 {
        self.server.policy().recovery.backoff.attempts()
    }

    fn named(&self, attempt: Attempt) -> String {
        match attempt {
            Attempt::Counted(number) => format!("attempt {number} of {}", self.of()),
            Attempt::Operator => "the restart that an operator wanted".to_owned(),
            Attempt::Foreign => "the start by somebody else".to_owned(),
            Attempt::Follows(strategy) => format!("the {} that follows another server's", strategy.as_str()),
        }
    }

    fn name(&self, id: ServerId) -> &str {
        &self.fleet.servers()[id.0].policy().name
    }

    fn names(&self, ids: impl IntoIterator<Item = ServerId>) -> String {
        ids.into_iter().map(|id| self.name(id)).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests;
