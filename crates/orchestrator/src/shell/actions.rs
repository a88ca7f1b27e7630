//! Carries out what the machine orders: checks and restarts, each in a task that reports back under its ticket.

use std::sync::Arc;
use std::time::Duration;

use health_spec::config::Strategy;
use health_spec::verdict::History;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::causes::causes;
use super::clock::wall;
use super::hook::{About, Hook, HookRunner, Hooks};
use super::probe::{HttpTarget, http};
use super::runtime::Runtimes;
use crate::machine::{Input, ServerId, Ticket};

/// Probes and runtimes.
#[derive(Clone, Debug)]
pub struct Actions {
    /// By server.
    pub targets: Arc<[HttpTarget]>,
    /// What is done around attempts, by server.
    pub hooks: Arc<[Hooks]>,
    /// Runs them.
    pub hook_runner: HookRunner,
    /// What runs the servers.
    pub runtimes: Arc<Runtimes>,
    /// Where results go.
    pub inbox: mpsc::Sender<Input>,
    /// Where tasks are spawned.
    pub tasks: TaskTracker,
}

impl Actions {
    /// Checks a server once.
    pub fn probe(&self, ticket: Ticket, timeout: Duration, history: History) {
        let Self { targets, inbox, .. } = self.clone();
        self.tasks.spawn(async move {
            let input = match http::check(&targets[ticket.server.0], timeout, &history, wall).await {
                Ok(checked) => Input::Observed { ticket, verdict: checked.verdict, took: checked.response_time },
                Err(impaired) => Input::Blind { ticket, error: causes(&impaired) },
            };
            report(&inbox, input).await;
        });
    }

    /// Brings a server back: the hook before, the action, the hook after.
    pub fn act(&self, ticket: Ticket, strategy: Strategy, about: About) {
        let actions = self.clone();
        self.tasks.spawn(async move {
            let result = actions.attempt(ticket.server, strategy, &about).await;
            report(&actions.inbox, Input::Finished { ticket, result }).await;
        });
    }

    async fn attempt(&self, server: ServerId, strategy: Strategy, about: &About) -> Result<(), String> {
        let hooks = self.hooks.get(server.0).cloned().unwrap_or_default();
        self.hook("before", hooks.before.as_ref(), about).await?;
        match strategy {
            Strategy::Restart => self.runtimes.restart(server).await.map_err(|error| causes(&error))?,
            Strategy::Recreate => self.runtimes.recreate(server).await.map_err(|error| causes(&error))?,
            Strategy::Repair => self.hook("repair", hooks.repair.as_ref(), about).await?,
            Strategy::Manual => return Err("a person does it".to_owned()),
        }
        self.hook("after", hooks.after.as_ref(), about).await
    }

    async fn hook(&self, which: &str, hook: Option<&Hook>, about: &About) -> Result<(), String> {
        let Some(hook) = hook else { return Ok(()) };
        self.hook_runner.run(hook, about).await.map_err(|error| format!("hook `{which}`: {}", causes(&error)))
    }

    /// Clears away what a `recreate` has replaced, or puts it back.
    pub fn settle(&self, ticket: Ticket, keep: bool) {
        let Self { runtimes, inbox, .. } = self.clone();
        self.tasks.spawn(async move {
            let result = runtimes.settle(ticket.server, keep).await.map_err(|error| causes(&error));
            report(&inbox, Input::Settled { ticket, result }).await;
        });
    }
}

/// The driver has ended when this fails: nobody is left to be told.
async fn report(inbox: &mpsc::Sender<Input>, input: Input) {
    let _ = inbox.send(input).await;
}
