//! Carries out what the machine orders: checks and restarts, each in a task that reports back under its ticket.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use health_spec::config::Strategy;
use health_spec::verdict::History;
use hyper::header::HeaderValue;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::causes::causes;
use super::clock::wall;
use super::evidence::{Collector, Turn};
use super::probe::{Lives, Question, Resolver, Target, Trace, check};
use super::runtime::Runtimes;
use crate::machine::{Input, ServerId, Ticket};

/// How many servers are taken leave of at once.
const FAREWELLS: usize = 64;

/// How long that may take: it is a courtesy.
const FAREWELL: Duration = Duration::from_secs(2);

/// Probes and runtimes.
#[derive(Clone, Debug)]
pub struct Actions {
    /// By server.
    pub targets: Vec<Arc<Target>>,
    /// What every check needs.
    pub eyes: Arc<Eyes>,
    /// What runs the servers.
    pub runtimes: Arc<Runtimes>,
    /// Keeps what an action would destroy.
    pub collector: Arc<Collector>,
    /// Where results go.
    pub inbox: mpsc::Sender<Input>,
    /// Where tasks are spawned.
    pub tasks: TaskTracker,
}

/// What every check needs.
#[derive(Clone, Debug)]
pub struct Eyes {
    /// Finds addresses.
    pub resolver: Resolver,
    /// Knows what runs.
    pub lives: Arc<dyn Lives>,
    /// The workflow of servers that name none.
    pub trace_id: Option<HeaderValue>,
    /// Whether servers are told about traces and workflows.
    pub says_traces: bool,
}

impl Actions {
    /// Checks a server once.
    pub fn probe(&self, ticket: Ticket, timeout: Duration, history: History) {
        let (target, eyes, inbox) = (Arc::clone(&self.targets[ticket.server.0]), Arc::clone(&self.eyes), self.inbox.clone());
        let collector = Arc::clone(&self.collector);
        self.tasks.spawn(async move {
            let input = match check(&target, &eyes.question(ticket.server, &target, timeout, &history)).await {
                Ok(checked) => {
                    let (verdict, took) = (checked.verdict, checked.response_time);
                    collector.answers.keep(ticket.server, &verdict, took, checked.glimpse, wall());
                    Input::Observed { ticket, verdict, took }
                }
                Err(impaired) => Input::Blind { ticket, error: causes(&impaired) },
            };
            report(&inbox, input).await;
        });
    }

    /// Servers are checked otherwise from now on, or no longer: what was kept with them is ended.
    pub fn aim(&mut self, targets: Vec<Target>) {
        let known = std::mem::take(&mut self.targets);
        let aimed = |(place, target): (usize, Target)| match known.get(place) {
            // It goes on with the sessions that it has.
            Some(same) if **same == target => Arc::clone(same),
            _ => Arc::new(target),
        };
        self.targets = targets.into_iter().enumerate().map(aimed).collect();
        for (place, old) in known.into_iter().enumerate() {
            let is_dropped = self.targets.get(place).is_none_or(|new| !Arc::ptr_eq(new, &old));
            if is_dropped && old.sessions().next().is_some() {
                let eyes = Arc::clone(&self.eyes);
                self.tasks.spawn(async move { eyes.take_leave(ServerId(place), &old).await });
            }
        }
    }

    /// Ends what is kept with all servers, as far as they answer soon.
    pub async fn take_leave(&self) {
        let has_sessions = |(_, target): &(usize, Arc<Target>)| target.sessions().next().is_some();
        let all: Vec<_> = self.targets.iter().cloned().enumerate().filter(has_sessions).collect();
        let everybody = stream::iter(all).for_each_concurrent(FAREWELLS, |(place, target)| {
            let eyes = Arc::clone(&self.eyes);
            async move { eyes.take_leave(ServerId(place), &target).await }
        });
        if tokio::time::timeout(FAREWELL, everybody).await.is_err() {
            tracing::debug!("not every MCP session was ended");
        }
    }

    /// Brings a server back, once what that would destroy is kept. `turn` was taken when it was decided.
    pub fn act(&self, ticket: Ticket, strategy: Strategy, turn: Turn) {
        let Self { runtimes, inbox, collector, .. } = self.clone();
        self.tasks.spawn(async move {
            collector.before(ticket.server, turn).await;
            let result = match strategy {
                Strategy::Restart => runtimes.restart(ticket.server).await.map_err(|error| causes(&error)),
                Strategy::Manual => Err("a person does it".to_owned()),
            };
            report(&inbox, Input::Finished { ticket, result }).await;
        });
    }
}

impl Eyes {
    fn question<'a>(&'a self, server: ServerId, target: &Target, timeout: Duration, history: &'a History) -> Question<'a> {
        let id = target.trace_id.clone().or_else(|| self.trace_id.clone()).filter(|_| self.says_traces);
        let (resolver, lives) = (&self.resolver, &*self.lives);
        Question { server, timeout, history, clock: wall, resolver, lives, trace: Trace { id } }
    }

    async fn take_leave(&self, server: ServerId, target: &Target) {
        let history = History::default();
        let question = self.question(server, target, FAREWELL, &history);
        for session in target.sessions() {
            session.close(&question).await;
        }
    }
}

/// The driver has ended when this fails: nobody is left to be told.
async fn report(inbox: &mpsc::Sender<Input>, input: Input) {
    let _ = inbox.send(input).await;
}
