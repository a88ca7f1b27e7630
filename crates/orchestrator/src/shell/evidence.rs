//! Gathers what a restart would destroy (contract, section 3.2), before it does.
//!
//! When an incident opens, before each action and after it, whatever runs the server is asked: how it ended, what it printed, what it is made
//! of. An action waits for that, and for the disk, but not for long: what could not be had in time is named, and recovery goes on. Secrets
//! are hidden ([`super::secrets`]), and the whole stays within a bound. Nothing is decided here, and nothing is changed but our own database.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use health_spec::incident::{Capture, Change, DetectedBy, Moment};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clock::wall;
use super::compact::compact;
use super::incidents::Book;
use super::journal::Notes;
use super::published::Published;
use super::secrets::Mask;
use super::store::{Facts, Reader, Well};
use crate::machine::ServerId;

pub mod answers;
mod bound;
mod container;
mod desk;
pub mod facts;
mod found;
mod host;
mod process;
mod shown;
pub mod subject;
mod unit;

pub use answers::Answers;
use desk::Desk;
pub use desk::Turn;
use found::{Deadline, Found, Want};
use shown::Shown;
pub use shown::{told, told_error, told_word};
pub use subject::{Source, Subject};

/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the disk may take to keep what was found.
const WRITING: Duration = Duration::from_secs(3);

/// So many lines are kept of before an action (contract, section 3.2).
const LINES_BEFORE: usize = 50;

/// So many of after it.
const LINES_AFTER: usize = 20;

/// An incident that opens so soon after an operator's restart is told what was found before that.
const FOLLOWS: Duration = Duration::from_secs(600);

/// A look that ended so recently need not be taken again.
const FRESH: Duration = Duration::from_secs(1);

/// So many servers are looked at at once while no action waits for that: many become well when the orchestrator starts.
const LOOKS_AT_ONCE: usize = 8;

/// Gathers evidence.
#[derive(Debug)]
pub struct Collector {
    /// The last answers of every server.
    pub answers: Answers,
    /// Where the evidence is kept.
    pub book: Arc<Book>,
    subjects: RwLock<Vec<Option<Arc<Subject>>>>,
    desks: std::sync::Mutex<HashMap<ServerId, Arc<Mutex<Desk>>>>,
    setup: Setup,
    /// For looks that no action waits for.
    places: Semaphore,
}

/// What a collector needs.
#[derive(Debug)]
pub struct Setup {
    /// Where incidents are kept.
    pub book: Arc<Book>,
    /// What is published.
    pub published: Arc<Published>,
    /// Reads what an earlier run has noted.
    pub log: Arc<Mutex<Reader>>,
    /// To the disk.
    pub notes: Notes,
    /// Where the disk is looked at.
    pub state_directory: PathBuf,
    /// Where tasks are spawned.
    pub tasks: TaskTracker,
    /// Ends them.
    pub shutdown: CancellationToken,
}

/// What is to be looked at, and why.
#[derive(Clone, Copy, Debug)]
struct Occasion {
    server: ServerId,
    incident: Option<u64>,
    moment: Moment,
    attempt: Option<u32>,
}

impl Collector {
    /// For the servers at these places.
    pub fn new(setup: Setup, subjects: Vec<Subject>) -> Self {
        Self {
            answers: Answers::default(),
            book: Arc::clone(&setup.book),
            subjects: RwLock::new(compact(subjects.into_iter().map(|subject| Some(Arc::new(subject))))),
            desks: std::sync::Mutex::default(),
            setup,
            places: Semaphore::new(LOOKS_AT_ONCE),
        }
    }

    /// Another registry is in force; by place, `None` for servers that are gone.
    pub fn know(&self, subjects: Vec<Option<Subject>>) {
        for (place, _) in subjects.iter().enumerate().filter(|(_, subject)| subject.is_none()) {
            self.answers.forget(ServerId(place));
            self.desks.lock().unwrap_or_else(PoisonError::into_inner).remove(&ServerId(place));
        }
        let mut known = self.subjects.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *known);
        let one = |(place, subject): (usize, Option<Subject>)| {
            let before = before.get(place).and_then(Option::as_ref);
            subject.map(|subject| Arc::new(before.map_or_else(|| subject.clone(), |before| subject.clone().after(before))))
        };
        *known = compact(subjects.into_iter().enumerate().map(one));
    }

    /// What is known of the server at a place.
    pub fn subject(&self, server: ServerId) -> Option<Arc<Subject>> {
        self.subjects.read().unwrap_or_else(PoisonError::into_inner).get(server.0).cloned().flatten()
    }

    /// Who notices when this server dies.
    pub fn notices_death(&self, server: ServerId) -> DetectedBy {
        self.subject(server).map_or(DetectedBy::Engine, |subject| subject.notices_death())
    }

    /// Takes a turn at the server's desk; to be called in the order of events.
    pub fn turn(&self, server: ServerId) -> Turn {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        let desk = Arc::clone(desks.entry(server).or_default());
        Turn::at(desk)
    }

    /// The incident has opened: looks at once, in a task of its own.
    ///
    /// Should everything break at once, a server whose turn has not come when it is acted upon is looked at by [`Self::before`] alone.
    pub fn opened(self: &Arc<Self>, server: ServerId, incident: u64) {
        let occasion = Occasion { server, incident: Some(incident), moment: Moment::Opened, attempt: None };
        let (collector, hold) = (Arc::clone(self), self.book.hold(incident));
        self.spawn(async move {
            let _hold = hold;
            let Ok(_place) = collector.places.acquire().await else { return };
            let Some(mut desk) = collector.turn(server).wait(PATIENCE + WRITING).await else { return };
            if !collector.book.is_acted_upon(incident) {
                Box::pin(collector.look(&mut desk, occasion)).await;
            }
        });
    }

    /// It is known how an attempt went: what the server printed since is kept as well.
    pub fn attempted(self: &Arc<Self>, server: ServerId, incident: u64, attempt: u32) {
        let occasion = Occasion { server, incident: Some(incident), moment: Moment::AfterAttempt, attempt: Some(attempt) };
        let (collector, turn, hold) = (Arc::clone(self), self.turn(server), self.book.hold(incident));
        self.spawn(async move {
            let _hold = hold;
            if let Some(mut desk) = turn.wait(PATIENCE + WRITING).await {
                Box::pin(collector.look(&mut desk, occasion)).await;
            }
        });
    }

    /// A look that is cut off by a shutdown is lost; what it looks at stays.
    fn spawn(&self, look: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.setup.shutdown.clone();
        self.setup.tasks.spawn(async move { shutdown.run_until_cancelled(look).await });
    }

    /// An action is about to run. When this returns, what it would destroy is on disk; or it could not be had in time.
    pub async fn before(&self, server: ServerId, turn: Turn) {
        let open = self.subject(server).and_then(|subject| self.book.open_of(&subject.name));
        let (incident, attempt) = open.map_or((None, None), |(incident, attempt)| (Some(incident), attempt));
        let Some(mut desk) = turn.wait(PATIENCE + WRITING).await else { return };
        let is_fresh = |(looked, ended): (u64, Instant)| Some(looked) == incident && ended.elapsed() < FRESH;
        if !desk.looked.is_some_and(is_fresh) {
            Box::pin(self.look(&mut desk, Occasion { server, incident, moment: Moment::BeforeAttempt, attempt })).await;
        }
    }

    /// A server is well: what it is made of is noted, to be compared with when it no longer is.
    pub fn well(self: &Arc<Self>, server: ServerId) {
        let collector = Arc::clone(self);
        self.spawn(async move {
            let Ok(_place) = collector.places.acquire().await else { return };
            if let Some(mut desk) = collector.turn(server).wait(PATIENCE + WRITING).await {
                collector.note_well(&mut desk, server).await;
            }
        });
    }

    async fn note_well(&self, desk: &mut Desk, server: ServerId) {
        let Some(subject) = self.subject(server) else { return };
        let found = look(&subject.source, desk.container.as_ref(), Want::Nothing, Deadline::within(PATIENCE)).await;
        desk.remember(&subject.source, &found);
        subject.hides_too(&found.secrets);
        if !found.missing.is_empty() {
            return;
        }
        let well = Well { at: wall(), facts: self.facts(server, found.facts) };
        // What cannot be kept is compared with what was kept before.
        let _ = timeout(WRITING, self.setup.notes.well(&subject.name, &well)).await;
    }

    fn facts(&self, server: ServerId, told: Facts) -> Facts {
        let mut facts = facts::registry(&self.setup.published.entry(server.0));
        facts.extend(told);
        facts.insert("orchestrator.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        facts
    }

    async fn look(&self, desk: &mut Desk, occasion: Occasion) {
        let Some(subject) = self.subject(occasion.server) else { return };
        let (began, at, deadline) = (Instant::now(), wall(), Deadline::within(PATIENCE));
        let want = match occasion.moment {
            Moment::AfterAttempt => Want::FirstSinceStart { most: LINES_AFTER, mark: desk.mark.take() },
            Moment::Opened | Moment::BeforeAttempt => Want::Last(LINES_BEFORE),
        };
        let directory = self.setup.state_directory.clone();
        let (mut found, mask, well, host) = tokio::join!(
            look(&subject.source, desk.container.as_ref(), want, deadline),
            subject.mask(began, FRESH),
            timeout(FRESH, self.last_well(&subject.name)),
            timeout(FRESH, tokio::task::spawn_blocking(move || host::load(&directory)))
        );
        desk.remember(&subject.source, &found);
        subject.hides_too(&found.secrets);
        let mask = mask.and(std::mem::take(&mut found.secrets));
        if let (Some(state), Some(death)) = (&mut found.state, occasion.incident.and_then(|it| self.book.death(it))) {
            process::complete(state, &death);
        }
        let facts = self.facts(occasion.server, std::mem::take(&mut found.facts));
        let well = well.ok().flatten();
        let changed = well.as_ref().map(|well| facts::changes(&well.facts, &facts)).unwrap_or_default();
        let (engine, end_of_log) = (found.engine.take(), found.mark);
        let spare = desk.spare.take().filter(|spare| spare.0.elapsed() < FOLLOWS).map(|spare| spare.1);
        let known = occasion.incident.and_then(|incident| self.book.last_capture(incident));
        let since = known.or(spare.as_ref().map(|spare| spare.at));
        let answers = self.answers.kept(occasion.server, since);
        let hiding = tokio::task::spawn_blocking(move || shown::all(found, &answers, changed, &mask));
        let unseen = |error| Shown { missing: vec![format!("everything: {error}")], ..Shown::default() };
        let Shown { answers, state, logs, missing, changed } = hiding.await.unwrap_or_else(unseen);
        let capture = Capture {
            at,
            moment: occasion.moment,
            attempt: occasion.attempt,
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            answers,
            state,
            logs,
            engine,
            host: host.ok().and_then(Result::ok),
            orchestrator_version: env!("CARGO_PKG_VERSION").to_owned(),
            missing,
        };
        if occasion.moment != Moment::AfterAttempt {
            desk.mark = end_of_log;
        }
        let Some(incident) = occasion.incident else {
            desk.spare = Some(Box::new((Instant::now(), capture)));
            return;
        };
        desk.looked = Some((incident, Instant::now()));
        let since_well = well.map(|well| (well.at, changed));
        self.keep(incident, spare.into_iter().chain([capture]), since_well).await;
    }

    /// What the disk does not take now goes with the next batch of events.
    async fn keep(
        &self,
        incident: u64,
        captures: impl Iterator<Item = Capture>,
        since_well: Option<(jiff::Timestamp, Vec<Change>)>,
    ) {
        let evidence = self.book.amend(incident, |evidence| {
            for capture in captures {
                if capture.moment != Moment::AfterAttempt
                    && let Some((at, changed)) = &since_well
                {
                    evidence.well_at = Some(*at);
                    evidence.changed.clone_from(changed);
                }
                bound::add(evidence, capture);
            }
        });
        let Some((version, json)) = evidence else { return };
        match timeout(WRITING, self.setup.notes.evidence(incident, json)).await {
            Ok(Ok(())) => self.book.evidence_written(incident, version),
            Ok(Err(error)) => tracing::warn!(incident, error = super::causes::causes(&error), "evidence is not on disk yet"),
            Err(_) => tracing::warn!(incident, "the disk does not take evidence in time"),
        }
    }

    async fn last_well(&self, name: &str) -> Option<Well> {
        let (log, name) = (Arc::clone(&self.setup.log).lock_owned().await, name.to_owned());
        tokio::task::spawn_blocking(move || log.well(&name)).await.ok()?.ok()?
    }

    /// The last answers of a server without their secrets.
    pub async fn last_answers(&self, server: ServerId) -> Vec<health_spec::incident::Answer> {
        let (kept, mask) = (self.answers.kept(server, None), self.mask(server).await);
        // Beside the checks: there is much to look through.
        let shown = tokio::task::spawn_blocking(move || kept.iter().map(|kept| kept.shown(&mask)).collect());
        shown.await.unwrap_or_default()
    }

    /// Hides the secrets of a server, as they are now. Where a disk does not answer soon, as they were when it last did.
    pub async fn mask(&self, server: ServerId) -> Arc<Mask> {
        self.mask_since(server, Instant::now()).await
    }

    /// The same for what was said after that moment: what was read since then need not be read again.
    pub async fn mask_since(&self, server: ServerId, since: Instant) -> Arc<Mask> {
        let Some(subject) = self.subject(server) else { return Arc::default() };
        subject.mask(since, FRESH).await
    }

    /// Reads the secrets of all servers in advance, for whoever cannot wait for a disk.
    pub fn read_secrets(self: &Arc<Self>) {
        let subjects = self.subjects.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.spawn(async move {
            for subject in subjects.into_iter().flatten() {
                subject.mask(Instant::now(), FRESH).await;
            }
        });
    }
}

/// `seen`: the container that it was when it was last found.
async fn look(source: &Source, seen: Option<&container::Seen>, want: Want, deadline: Deadline) -> Found {
    match source {
        Source::None => Found { missing: vec![], ..Found::default() },
        Source::Container { engine, kind, container } => {
            let sought = container::Sought { kind, wanted: container, id: seen.and_then(|seen| seen.id_of(container)) };
            container::look(engine, sought, want, deadline).await
        }
        Source::Process(process) => process::look(process, want, deadline).await,
        Source::Unit { unit, bus } => unit::look(unit, bus, want, deadline).await,
    }
}

#[cfg(test)]
pub(crate) mod tests;
