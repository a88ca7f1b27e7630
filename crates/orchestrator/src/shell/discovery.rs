//! Containers that are watched because their labels ask for it (contract, section 2), while they come and go.
//!
//! [`watch`](mod@watch) listens to the engines, [`select()`] judges, and what comes of it is put into the plan beside the registry
//! ([`Plan::with`]): a container that appears is a server that was added to the registry. Only reads: nothing here changes a container.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use health_spec::config::{Engine, defaults};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub mod address;
pub mod container;
pub mod hints;
pub mod labels;
mod memory;
mod said;
pub mod select;
pub mod watch;
pub mod wish;

use self::container::Container;
use self::memory::Memory;
use self::said::{About, Said};
use self::select::{Finding, Ground, Known, Selection, Verdict, select};
use self::watch::{Report, watch};
use super::config::LoadError;
use super::plan::Plan;
use super::runtime::container::address::socket;

/// How long a start waits for the engines to say which containers they have.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// When one that could not be taken in is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// Reports that may wait.
const REPORTS: usize = 16;

/// What is discovered.
#[derive(Debug)]
pub struct Discovery {
    /// By engine; one that has not answered yet is not in here.
    listings: BTreeMap<String, Vec<Container>>,
    known: BTreeMap<String, Known>,
    memory: Memory,
    engines: Vec<Engine>,
    /// Whether somebody wrote that these engines are there; else they are only where engines usually are.
    named: bool,
    reports: mpsc::Receiver<Report>,
    tasks: TaskTracker,
    cancel: CancellationToken,
    /// Ends those who watch now.
    watchers: CancellationToken,
    /// What was said already.
    said: Said,
    next: Option<Instant>,
}

/// What was known at some moment.
#[derive(Debug)]
pub struct Before {
    known: BTreeMap<String, Known>,
    next: Option<Instant>,
}

impl Discovery {
    /// Takes up what an earlier run of this state directory knew. Watchers run in `tasks` until `cancel`.
    pub fn new(state_directory: &Path, tasks: &TaskTracker, cancel: &CancellationToken) -> Self {
        let (memory, known) = Memory::open(state_directory);
        let (tasks, cancel, watchers) = (tasks.clone(), cancel.clone(), cancel.child_token());
        let (listings, engines, said) = (BTreeMap::new(), Vec::new(), Said::default());
        let (_, reports) = mpsc::channel(1);
        Self { listings, known, memory, engines, named: false, reports, tasks, cancel, watchers, said, next: None }
    }

    /// Watches the engines that `written` names, and no others.
    pub fn follow(&mut self, written: &Plan) {
        let engines = engines(written);
        if engines == self.engines {
            return;
        }
        self.named = !written.loaded.file.engines.is_empty();
        self.watchers.cancel();
        self.watchers = self.cancel.child_token();
        self.listings.clear();
        let (sender, reports) = mpsc::channel(REPORTS);
        for engine in &engines {
            let watching = watch(engine.clone(), sender.clone());
            self.tasks.spawn(self.watchers.clone().run_until_cancelled_owned(watching));
        }
        self.reports = reports;
        self.engines = engines;
    }

    /// Waits until every engine has told its containers, or cannot be reached; but not for long.
    pub async fn first_look(&mut self) {
        let deadline = Instant::now() + FIRST_LOOK;
        let mut silent: BTreeSet<String> = self.engines.iter().map(|engine| engine.name.clone()).collect();
        while !silent.is_empty() {
            let Ok(Some(report)) = timeout_at(deadline, self.reports.recv()).await else { break };
            silent.remove(&report.engine);
            self.hear(report);
        }
        // A container that has gone while nobody was looking has no grace any more.
        let is_there = |known: &Known| {
            let listing = self.listings.get(&known.engine);
            listing.is_none_or(|all| all.iter().any(|container| known.is_there_as(&container.name)))
        };
        let stays: BTreeSet<_> = self.known.iter().filter(|(_, known)| is_there(known)).map(|(name, _)| name.clone()).collect();
        self.known.retain(|name, _| stays.contains(name));
    }

    /// Waits until something may have changed. Dropping the future loses nothing.
    pub async fn changed(&mut self) {
        let next = self.next;
        let due = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(report) = self.reports.recv() => self.hear(report),
            () = due => {}
        }
    }

    fn hear(&mut self, report: Report) {
        let Report { engine, news } = report;
        match news {
            Ok(containers) => {
                self.said.only(|about| *about != About::Engine(engine.clone()));
                self.listings.insert(engine, containers);
            }
            // What is known of it stays: an engine that is away says nothing about its containers.
            Err(error) if self.named || self.listings.is_empty() => {
                self.say(About::Engine(engine.clone()), &format!("{engine}: containers cannot be discovered: {error}"));
            }
            Err(error) => tracing::debug!("{engine}: containers cannot be discovered: {error}"),
        }
    }

    /// The plan of the files with what is discovered beside it; `written` alone when nothing is.
    pub fn composed(&mut self, written: &Plan, observe: bool) -> Plan {
        self.select(written);
        self.again(written, observe)
    }

    /// What is known now, for [`Self::restore`].
    pub fn known(&self) -> Before {
        Before { known: self.known.clone(), next: self.next }
    }

    /// What was composed since is not in force: nobody has come or gone for it.
    pub fn restore(&mut self, before: Before) {
        (self.known, self.next) = (before.known, before.next);
        self.memory.keep(&self.known);
    }

    /// As [`Self::composed`], without what was refused meanwhile.
    pub fn again(&mut self, written: &Plan, observe: bool) -> Plan {
        let mut found: Vec<_> = self.known.iter().map(|(name, known)| (name.clone(), known.entry.clone())).collect();
        loop {
            let entries: Vec<Value> = found.iter().map(|(_, entry)| entry.clone()).collect();
            let error = match written.with(&entries, observe) {
                Ok(plan) => return plan,
                Err(error) => error,
            };
            let bad: Vec<_> = places(&error, written.entries.len()).into_iter().filter(|at| *at < found.len()).collect();
            if bad.is_empty() {
                // A defect of ours: what was judged one by one does not fit together.
                tracing::error!("what was discovered does not fit together, and is left out: {error}");
                return written.clone();
            }
            for at in bad.into_iter().rev() {
                let (name, _) = found.remove(at);
                self.refuse(&name, &error.to_string());
            }
        }
    }

    /// It could not be taken in, and is tried again later.
    pub fn refuse(&mut self, server: &str, why: &str) {
        self.known.remove(server);
        self.retry();
        self.say(About::Server(server.to_owned()), &format!("{server} is discovered, but cannot be watched: {why}"));
    }

    /// Something could not be taken in, and is tried again later, also when no engine tells anything until then.
    pub fn retry(&mut self) {
        let retry = Instant::now() + RETRY;
        self.next = Some(self.next.map_or(retry, |next| next.min(retry)));
    }

    /// Judges everything anew.
    fn select(&mut self, written: &Plan) {
        let selection = selected(&self.listings, &self.known, written);
        self.narrate(&selection);
        self.known = selection.servers;
        self.next = selection.next;
        self.memory.keep(&self.known);
    }

    /// What is wrong, or could not be followed, is said once.
    fn narrate(&mut self, selection: &Selection) {
        for Finding { container, verdict, .. } in &selection.findings {
            let Container { name, engine, .. } = container;
            let texts: Vec<_> = match verdict {
                Verdict::Wrong(faults) => {
                    let wrong = |fault| format!("container {name} of engine {engine} is not watched as its labels ask: {fault}");
                    faults.iter().map(wrong).collect()
                }
                Verdict::Watched { notes, .. } => {
                    notes.iter().map(|note| format!("container {name} of engine {engine}: {note}")).collect()
                }
                _ => Vec::new(),
            };
            for text in texts {
                self.say(About::Container(engine.clone(), name.clone()), &text);
            }
        }
        self.forget_who_is_gone(selection);
    }

    fn forget_who_is_gone(&mut self, selection: &Selection) {
        let all = selection.findings.iter().map(|finding| &finding.container);
        let listed: BTreeSet<_> = all.map(|container| (&container.engine, &container.name)).collect();
        self.said.only(|about| match about {
            About::Engine(_) => true,
            About::Container(engine, name) => listed.contains(&(engine, name)),
            About::Server(name) => selection.servers.contains_key(name),
        });
    }

    fn say(&mut self, about: About, text: &str) {
        if self.said.is_new(about, text) {
            tracing::warn!("{text}");
        }
    }
}

/// The engines whose containers are looked at: none, unless discovery is on.
pub fn engines(written: &Plan) -> Vec<Engine> {
    let settings = &written.loaded.file.discovery;
    let wanted = |engine: &&Engine| settings.engines.as_ref().is_none_or(|names| names.contains(&engine.name));
    if settings.enabled.unwrap_or(defaults::DISCOVERY) {
        distinct(written.engines.iter().filter(wanted).cloned().collect())
    } else {
        Vec::new()
    }
}

/// Two names may lead to one socket, such as Podman's where Docker's usually is: each container is to be seen once.
fn distinct(mut engines: Vec<Engine>) -> Vec<Engine> {
    let mut sockets = BTreeSet::new();
    engines.retain(|engine| socket(&engine.address).is_none_or(|socket| sockets.insert(socket)));
    engines
}

/// Under which name each engine is looked at.
fn looked_at_as<'a>(all: &'a [Engine], looked_at: &'a [Engine]) -> BTreeMap<&'a str, &'a str> {
    let same = |engine: &Engine, other: &Engine| {
        engine.name == other.name || socket(&engine.address).is_some_and(|it| socket(&other.address) == Some(it))
    };
    let one = |engine: &'a Engine| {
        let other = looked_at.iter().find(|other| same(engine, other));
        (engine.name.as_str(), other.map_or(engine.name.as_str(), |other| other.name.as_str()))
    };
    all.iter().map(one).collect()
}

/// What is discovered is put beside this; nothing is kept when discovery is off, since of many servers it is much.
pub fn wants(written: Plan) -> Option<Plan> {
    written.loaded.file.discovery.enabled.unwrap_or(defaults::DISCOVERY).then_some(written)
}

/// Judges these containers beside the registry.
pub fn selected(listings: &BTreeMap<String, Vec<Container>>, known: &BTreeMap<String, Known>, written: &Plan) -> Selection {
    selected_of(listings, known, written, &engines(written))
}

/// As [`selected`], over engines of the caller's choice.
pub fn selected_of(
    listings: &BTreeMap<String, Vec<Container>>,
    known: &BTreeMap<String, Known>,
    written: &Plan,
    engines: &[Engine],
) -> Selection {
    let settings = &written.loaded.file.discovery;
    let names = looked_at_as(&written.engines, engines);
    let claims = written.claims().into_iter();
    let ground = Ground {
        settings,
        engines,
        names: written.entries.iter().map(|entry| entry.name.as_str()).collect(),
        claims: claims
            .map(|(engine, container, server)| (names.get(engine).copied().unwrap_or(engine), container, server))
            .collect(),
        judge: &|entry| written.judge(entry),
        grace: settings.grace_seconds.unwrap_or(defaults::DISCOVERY_GRACE).0,
        now: Instant::now(),
    };
    select(listings, known, &ground)
}

/// Which of what was discovered a mistake is about, in order.
fn places(error: &LoadError, written: usize) -> BTreeSet<usize> {
    let LoadError::Invalid { problems, .. } = error else { return BTreeSet::new() };
    problems.iter().filter_map(|problem| place(&problem.pointer)?.checked_sub(written)).collect()
}

/// N of `/servers/N/...`.
pub fn place(pointer: &str) -> Option<usize> {
    pointer.strip_prefix("/servers/")?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use health_spec::config::EngineKind;

    use super::*;

    #[test]
    fn engines_behind_one_socket_are_looked_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let [podman, docker] = ["podman.sock", "docker.sock"].map(|name| directory.path().join(name));
        std::fs::write(&podman, "").unwrap();
        std::os::unix::fs::symlink(&podman, &docker).unwrap();
        let engine = |name: &str, kind, address: String| Engine { name: name.to_owned(), kind, address, tls: None };
        let all = [
            engine("local", EngineKind::Docker, format!("unix://{}", docker.display())),
            engine("podman", EngineKind::Podman, format!("unix://{}", podman.display())),
            engine("far", EngineKind::Docker, "tcp://far:2375".to_owned()),
            engine("farther", EngineKind::Docker, "tcp://farther:2375".to_owned()),
        ];
        let looked_at = distinct(all.to_vec());
        assert_eq!(looked_at.iter().map(|engine| engine.name.as_str()).collect::<Vec<_>>(), ["local", "far", "farther"]);
        let names = looked_at_as(&all, &looked_at);
        assert_eq!(
            names.into_iter().collect::<Vec<_>>(),
            [("far", "far"), ("farther", "farther"), ("local", "local"), ("podman", "local")]
        );
    }

    #[tokio::test]
    async fn what_could_not_be_taken_in_is_due_again_although_nobody_tells_anything() {
        let directory = tempfile::tempdir().unwrap();
        let mut discovery = Discovery::new(directory.path(), &TaskTracker::new(), &CancellationToken::new());
        assert_eq!(discovery.next, None);
        discovery.retry();
        let due = discovery.next.expect("a moment");
        assert!(due <= Instant::now() + RETRY);
        discovery.retry();
        assert_eq!(discovery.next, Some(due), "it is not put off");
    }
}
