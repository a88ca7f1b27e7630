//! Carries out what the machine orders: checks and restarts, each in a task that reports back under its ticket.

use std::sync::Arc;
use std::time::Duration;

use health_spec::config::Strategy;
use health_spec::verdict::History;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::causes::causes;
use super::clock::wall;
use super::evidence::{Collector, Turn};
use super::probe::{HttpTarget, http};
use super::runtime::Runtimes;
use crate::machine::{Input, Ticket};

/// Probes and runtimes.
#[derive(Clone, Debug)]
pub struct Actions {
    /// By server.
    pub targets: Arc<[HttpTarget]>,
    /// What runs the servers.
    pub runtimes: Arc<Runtimes>,
    /// Keeps what an action would destroy.
    pub collector: Arc<Collector>,
    /// Where results go.
    pub inbox: mpsc::Sender<Input>,
    /// Where tasks are spawned.
    pub tasks: TaskTracker,
}

impl Actions {
    /// Checks a server once.
    pub fn probe(&self, ticket: Ticket, timeout: Duration, history: History) {
        let Self { targets, inbox, collector, .. } = self.clone();
        self.tasks.spawn(async move {
            let input = match http::check(&targets[ticket.server.0], timeout, &history, wall).await {
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

/// The driver has ended when this fails: nobody is left to be told.
async fn report(inbox: &mpsc::Sender<Input>, input: Input) {
    let _ = inbox.send(input).await;
}
