//! Carries out what the machine orders: checks and restarts, each in a task that reports back under its ticket.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use health_spec::Outcome;
use health_spec::config::Strategy;
use health_spec::verdict::History;
use hyper::header::HeaderValue;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::causes::causes;
use super::clock::wall;
use super::compact::compact;
use super::evidence::{Collector, Turn, told_error};
use super::hook::{About, Hook, HookRunner, Hooks};
use super::probe::{Question, Resolver, Target, Trace, check};
use super::runtime::life::Lives;
use super::runtime::{Incumbent, Runtimes};
use crate::machine::memory::Cut;
use crate::machine::{Input, ServerId, Ticket, Word};
use readable::readable;
use underway::Permit;
pub use underway::Underway;

mod readable;
mod underway;

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
    /// What is done around attempts, by server.
    pub hooks: Arc<[Hooks]>,
    /// Runs them.
    pub hook_runner: HookRunner,
    /// What runs the servers.
    pub runtimes: Arc<Runtimes>,
    /// Keeps what an action would destroy.
    pub collector: Arc<Collector>,
    /// Where results go.
    pub inbox: mpsc::Sender<Input>,
    /// What is on its way, and waits for leave before it touches its server.
    pub underway: Underway,
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
        let (collector, runtimes) = (Arc::clone(&self.collector), Arc::clone(&self.runtimes));
        self.tasks.spawn(async move {
            let began = Instant::now();
            let input = match check(&target, &eyes.question(ticket.server, &target, timeout, &history)).await {
                Ok(checked) => {
                    let verdict = readable(&collector, ticket.server, checked.verdict, began).await;
                    let took = checked.response_time;
                    collector.answers.keep(ticket.server, &verdict, took, checked.glimpse.as_ref(), wall());
                    Input::Observed { ticket, verdict, took }
                }
                Err(impaired) => Input::Blind { ticket, error: causes(&impaired) },
            };
            let found_nothing_wrong = matches!(&input, Input::Observed { verdict, .. } if verdict.outcome != Outcome::Failed);
            if !found_nothing_wrong {
                // What its engine knows comes first: it may have been stopped while nobody looked.
                runtimes.compared(ticket.server).await;
                runtimes.asked_whether_it_is_stopped(ticket.server).await;
            }
            report(&inbox, input).await;
            if !found_nothing_wrong {
                eyes.clear(ticket.server, &target).await;
            }
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
        self.targets = compact(targets.into_iter().enumerate().map(aimed));
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

    /// Brings a server back, once what that would destroy is kept: the hook before, the action, the hook after. `turn` was taken when it
    /// was decided.
    pub fn act(&self, ticket: Ticket, strategy: Strategy, about: About, turn: Turn) {
        let actions = self.clone();
        let permit = self.underway.begin(ticket);
        self.tasks.spawn(async move {
            let incumbent = actions.runtimes.incumbent(ticket.server);
            actions.collector.before(ticket.server, turn).await;
            let result = actions.attempt(ticket, strategy, &about, (incumbent, permit)).await;
            actions.underway.end(ticket);
            let result = masked(&actions.collector, ticket.server, result).await;
            report(&actions.inbox, Input::Finished { ticket, result }).await;
            actions.runtimes.tell_of_successor(ticket.server, incumbent).await;
        });
    }

    async fn attempt(
        &self,
        ticket: Ticket,
        strategy: Strategy,
        about: &About,
        (incumbent, mut permit): (Incumbent, Permit),
    ) -> Result<(), String> {
        let server = ticket.server;
        permit.is_open()?;
        let hooks = self.hooks.get(server.0).cloned().unwrap_or_default();
        self.hook("before", hooks.before.as_ref(), about).await?;
        let takes_a_network = matches!(strategy, Strategy::Restart | Strategy::Recreate);
        let followers = if takes_a_network { self.runtimes.followers(server).await } else { Vec::new() };
        permit.is_open()?;
        if strategy == Strategy::Recreate {
            self.runtimes.make_room(server).await.map_err(|error| causes(&error))?;
        }
        report(&self.inbox, Input::Touches { ticket }).await;
        permit.given().await?;
        self.runtimes.is_still(server, incumbent).map_err(|error| causes(&error))?;
        // First: once it is done, a crash would have forgotten them.
        for follower in &followers {
            let cut = Cut { leader: about.server.clone(), strategy, before: None };
            report(&self.inbox, Input::Reported(*follower, Word::Cut(cut))).await;
        }
        let done = match strategy {
            Strategy::Restart => self.runtimes.restart(server).await,
            Strategy::Recreate => self.runtimes.recreate(server).await,
            Strategy::Repair => Ok(self.hook("repair", hooks.repair.as_ref(), about).await?),
            Strategy::Manual => return Err("a person does it".to_owned()),
        };
        if let Err(error) = done {
            if error.is_untouched() {
                report(&self.inbox, Input::Reported(server, Word::Spared)).await;
                for follower in followers {
                    report(&self.inbox, Input::Reported(follower, Word::NotCut(about.server.clone()))).await;
                }
            }
            return Err(causes(&error));
        }
        self.hook("after", hooks.after.as_ref(), about).await
    }

    async fn hook(&self, which: &str, hook: Option<&Hook>, about: &About) -> Result<(), String> {
        let Some(hook) = hook else { return Ok(()) };
        self.hook_runner.run(hook, about).await.map_err(|error| format!("hook `{which}`: {}", causes(&error)))
    }

    /// A recreated server was stopped or removed before it was well: what it has replaced is nobody's to clear away, so it is named.
    pub fn tell_of_kept(&self, server: ServerId, name: String) {
        let runtimes = Arc::clone(&self.runtimes);
        self.tasks.spawn(async move {
            match runtimes.kept(server).await {
                Ok(Some(kept)) => tracing::warn!(
                    "{name} was stopped or removed before it was well; the container that it has replaced is kept as `{kept}` until it is. \
                     Where the new one is gone, `orchestrator restart {name}` puts the kept one back"
                ),
                Ok(None) => {}
                Err(error) => tracing::warn!(
                    "{name} was stopped or removed before it was well; what it has replaced may still be kept: {}",
                    causes(&error)
                ),
            }
        });
    }

    /// Clears away what a `recreate` has replaced, or puts it back.
    pub fn settle(&self, ticket: Ticket, keep: bool, start: bool) {
        let Self { runtimes, collector, inbox, .. } = self.clone();
        self.tasks.spawn(async move {
            let result = runtimes.settle(ticket.server, keep, start).await.map_err(|error| causes(&error));
            let result = masked(&collector, ticket.server, result).await;
            report(&inbox, Input::Settled { ticket, result }).await;
        });
    }
}

impl Eyes {
    fn question<'a>(&'a self, server: ServerId, target: &Target, timeout: Duration, history: &'a History) -> Question<'a> {
        let id = target.trace_id.clone().or_else(|| self.trace_id.clone()).filter(|_| self.says_traces);
        let (resolver, lives) = (&self.resolver, &*self.lives);
        Question { server, timeout, history, clock: wall, resolver, lives, trace: Trace { id } }
    }

    /// Ends what the check has left open.
    async fn clear(&self, server: ServerId, target: &Target) {
        let history = History::default();
        let question = self.question(server, target, FAREWELL, &history);
        for session in target.sessions() {
            session.clear(&question).await;
        }
    }

    async fn take_leave(&self, server: ServerId, target: &Target) {
        let history = History::default();
        let question = self.question(server, target, FAREWELL, &history);
        for session in target.sessions() {
            session.close(&question).await;
        }
    }
}

/// What hooks print and engines say may hold secrets. It becomes events, lines of the log and reasons, so they are hidden before all of those.
async fn masked(collector: &Collector, server: ServerId, result: Result<(), String>) -> Result<(), String> {
    match result {
        Ok(()) => Ok(()),
        Err(error) => {
            let mask = collector.mask(server).await;
            Err(told_error(&error, &mask))
        }
    }
}

/// The driver has ended when this fails: nobody is left to be told.
async fn report(inbox: &mpsc::Sender<Input>, input: Input) {
    let _ = inbox.send(input).await;
}

#[cfg(test)]
mod tests {
    use health_spec::config::File;
    use health_spec::registry::RuntimeKind;
    use tokio_util::sync::CancellationToken;

    use super::underway::{CALLED_OFF, ENDS};
    use super::*;
    use crate::shell::evidence::tests::{collector, runtime};
    use crate::shell::hook::compile;
    use crate::shell::runtime::Setup;

    const SERVER: ServerId = ServerId(0);

    const TICKET: Ticket = Ticket { server: SERVER, serial: 1 };

    const FILE: &str =
        "servers: [{name: a, port: 1, recovery: {repair: {command: [/bin/sh, -c, 'echo password=hunter2; exit 3']}}}]";

    async fn actions(directory: &std::path::Path, inbox: mpsc::Sender<Input>, collector: Arc<Collector>, file: &str) -> Actions {
        let file: File = serde_saphyr::from_str(file).expect("the file reads");
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let setup =
            Setup { servers: vec![], engines: vec![], state_directory: directory.into(), registry_directory: directory.into() };
        let runtimes = Arc::new(Runtimes::start(setup, inbox.clone(), &tasks, &shutdown).await.expect("nothing to run"));
        let lives: Arc<dyn Lives> = Arc::<Runtimes>::clone(&runtimes);
        Actions {
            targets: vec![],
            eyes: Arc::new(Eyes { resolver: Resolver::default(), lives, trace_id: None, says_traces: true }),
            hooks: compile(&file, &|_| directory.into(), &mut vec![]).into(),
            hook_runner: HookRunner::new(directory, shutdown),
            runtimes,
            collector,
            inbox,
            underway: Underway::default(),
            tasks,
        }
    }

    async fn told_of_a_repair(file: &str) -> String {
        let directory = tempfile::tempdir().expect("a directory");
        let (inbox, mut reports) = mpsc::channel(8);
        let (collector, _journal) = collector(directory.path(), &runtime(RuntimeKind::Process), "unix:///nowhere");
        let actions = actions(directory.path(), inbox, collector, file).await;
        repair(&actions);
        assert_eq!(told(&mut reports).await, Some(Input::Touches { ticket: TICKET }));
        actions.underway.proceed(TICKET);
        let told = told(&mut reports).await;
        let Some(Input::Finished { result: Err(error), .. }) = told else { panic!("{told:?}") };
        error
    }

    fn repair(actions: &Actions) {
        let strategy = Strategy::Repair;
        let about = About { server: "a".into(), attempt: 1, reason: "down".into(), strategy, incident: None };
        actions.act(TICKET, strategy, about, actions.collector.turn(SERVER));
    }

    async fn told(reports: &mut mpsc::Receiver<Input>) -> Option<Input> {
        tokio::time::timeout(Duration::from_secs(30), reports.recv()).await.expect("in time")
    }

    #[tokio::test]
    async fn what_a_hook_prints_is_hidden_before_anybody_is_told() {
        let told = told_of_a_repair(FILE).await;
        assert_eq!(told, "hook `repair`: it ended with exit code 3: password=***");
    }

    #[tokio::test]
    async fn what_a_hook_prints_last_is_told() {
        let told = told_of_a_repair(&FILE.replace("echo password=hunter2", "seq 1 400; echo FATAL")).await;
        assert!(told.starts_with("hook `repair`: it ended with exit code 3: ...") && told.ends_with("400\nFATAL"), "{told}");
    }

    /// Somebody stops the server while the hook before the attempt runs: it is what they wanted.
    #[tokio::test]
    async fn what_is_called_off_meanwhile_is_not_done() {
        let directory = tempfile::tempdir().expect("a directory");
        let pipe = directory.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("a pipe");
        let (inbox, mut reports) = mpsc::channel(8);
        let (collector, _journal) = collector(directory.path(), &runtime(RuntimeKind::Process), "unix:///nowhere");
        let file = FILE.replace("repair: {", &format!("before: {{command: [/bin/cat, {}]}}, repair: {{", pipe.display()));
        let actions = actions(directory.path(), inbox, collector, &file).await;
        repair(&actions);
        // It opens once somebody reads.
        let opened = tokio::task::spawn_blocking(move || std::fs::OpenOptions::new().write(true).open(pipe)).await;
        actions.underway.abandon(TICKET);
        drop(opened.expect("it ran").expect("the hook reads"));
        refused(&mut reports, CALLED_OFF).await;
    }

    /// One that begins after the end of whoever decides.
    #[tokio::test]
    async fn what_nobody_can_allow_any_more_is_not_done() {
        let directory = tempfile::tempdir().expect("a directory");
        let (inbox, mut reports) = mpsc::channel(8);
        let (collector, _journal) = collector(directory.path(), &runtime(RuntimeKind::Process), "unix:///nowhere");
        let actions = actions(directory.path(), inbox, collector, FILE).await;
        actions.underway.close();
        repair(&actions);
        refused(&mut reports, ENDS).await;
    }

    /// Leave that is refused, and nobody who could give it: the orchestrator ends.
    #[tokio::test]
    async fn what_is_not_allowed_is_not_done() {
        for ends in [false, true] {
            let directory = tempfile::tempdir().expect("a directory");
            let (inbox, mut reports) = mpsc::channel(8);
            let (collector, _journal) = collector(directory.path(), &runtime(RuntimeKind::Process), "unix:///nowhere");
            let actions = actions(directory.path(), inbox, collector, FILE).await;
            repair(&actions);
            assert_eq!(told(&mut reports).await, Some(Input::Touches { ticket: TICKET }));
            if ends {
                actions.underway.close();
            } else {
                actions.underway.abandon(TICKET);
            }
            refused(&mut reports, if ends { ENDS } else { CALLED_OFF }).await;
        }
    }

    /// It ends at once, and has not asked for anything.
    async fn refused(reports: &mut mpsc::Receiver<Input>, why: &str) {
        assert_eq!(told(reports).await, Some(Input::Finished { ticket: TICKET, result: Err(why.to_owned()) }));
    }
}
