//! The incidents that are open, and those whose end is not on disk yet: a fold of the events, kept beside them.
//!
//! The driver folds each event before its batch is written, so that an incident and the events that it is made of are one
//! transaction. What an action would destroy is added by [`super::evidence`] in between. All others are in the database.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use health_spec::incident::{Death, DetectedBy, Evidence, Incident, Outcome};
use health_spec::{Event, EventKind};
use jiff::Timestamp;

use super::secrets::Mask;
use super::text::escaped;

mod fold;

/// Of so many closed incidents the evidence is kept while the disk does not take it.
const MOST_EVIDENCE: usize = 100;

/// So many of them are kept at all: as many as the database has.
const MOST_PAGES: usize = 10_000;

/// What is said in the place of evidence that was not kept.
const FORGOTTEN: &str = "everything: too much had happened before it could be written";

/// The open incidents.
#[derive(Debug, Default)]
pub struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    /// By number.
    incidents: BTreeMap<u64, Page>,
    /// How servers have last died.
    deaths: HashMap<String, Death>,
}

/// One incident, and what of it is not on disk.
#[derive(Debug)]
struct Page {
    incident: Arc<Incident>,
    evidence: Evidence,
    /// One more with each change; the disk has that of `written`.
    version: u64,
    written: u64,
    evidence_version: u64,
    evidence_written: u64,
    /// Both as they are offered to the disk, made when they are first needed.
    json: Json,
    /// Looks that are still being taken.
    looks: usize,
}

/// As it is written.
#[derive(Debug, Default)]
struct Json {
    incident: Option<Arc<str>>,
    evidence: Option<Arc<str>>,
}

/// An incident as it is written.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number; later incidents have larger ones.
    pub number: u64,
    /// Without its evidence.
    pub incident: Arc<Incident>,
    /// The same, as JSON.
    pub json: Arc<str>,
    /// The evidence as JSON, when the disk has not taken it by itself.
    pub evidence: Option<Arc<str>>,
    versions: (u64, u64),
}

/// Who tells, and whom a death would be told by.
#[derive(Clone, Debug, Default)]
pub struct Teller {
    /// Who notices when the server dies.
    pub death: DetectedBy,
    /// Hides the server's secrets.
    pub mask: Mask,
}

/// Keeps a page while a look is being taken.
#[derive(Debug)]
pub struct Hold {
    book: Arc<Book>,
    number: u64,
}

impl Book {
    /// With what an earlier run has left open.
    pub fn new(open: Vec<(u64, Incident, Evidence)>) -> Self {
        let page = |(number, incident, evidence)| (number, Page::written(incident, evidence));
        Self(Mutex::new(Pages { incidents: open.into_iter().map(page).collect(), deaths: HashMap::new() }))
    }

    /// What an event makes of the incidents.
    pub fn fold(&self, event: &Event, teller: impl FnOnce() -> Teller) {
        if !fold::concerns(&event.kind) {
            return;
        }
        let teller = teller();
        let mut pages = self.lock();
        if let (EventKind::ContainerDied { .. }, Some(name)) = (&event.kind, &event.server_name) {
            pages.deaths.insert(name.clone(), death(event, &teller));
        }
        let name = event.server_name.as_deref().unwrap_or_default();
        let died = match event.kind {
            EventKind::ServerDeregistered => pages.deaths.remove(name),
            _ => pages.deaths.get(name).cloned(),
        };
        let Some(number) = event.incident_id.as_deref().and_then(number) else { return };
        let page = pages.incidents.entry(number).or_insert_with(|| Page::new(fold::opened(event, &teller)));
        page.changes();
        fold::take(Arc::make_mut(&mut page.incident), event, &teller);
        page.notice(event, died);
    }

    /// What the disk does not have yet.
    pub fn unwritten(&self) -> Vec<Row> {
        let mut pages = self.lock();
        let changed = pages.incidents.iter_mut().filter(|(_, page)| page.version != page.written);
        changed.map(|(number, page)| page.row(*number)).collect()
    }

    /// It has these.
    pub fn written(&self, rows: &[Row]) {
        let mut pages = self.lock();
        for row in rows {
            if let Some(page) = pages.incidents.get_mut(&row.number) {
                page.written = page.written.max(row.versions.0);
                page.is_written(row.versions.1);
            }
        }
        pages.tidy();
    }

    /// It has this version of the evidence.
    pub fn evidence_written(&self, number: u64, version: u64) {
        if let Some(page) = self.lock().incidents.get_mut(&number) {
            page.is_written(version);
        }
    }

    /// Adds to the evidence; answers with its version and all of it, as JSON.
    pub fn amend(&self, number: u64, change: impl FnOnce(&mut Evidence)) -> Option<(u64, Arc<str>)> {
        let mut pages = self.lock();
        let page = pages.incidents.get_mut(&number)?;
        change(&mut page.evidence);
        page.evidence_changes();
        // Should the disk not take it by itself, it goes with the next batch.
        page.changes();
        Some((page.evidence_version, page.evidence_json()))
    }

    /// The disk takes nothing: of those that are closed the oldest lose their evidence, and then go. What it has as open stays.
    pub fn bound(&self) {
        let mut pages = self.lock();
        let closed = pages.incidents.iter().filter(|(_, page)| !page.is_open() && page.looks == 0);
        let closed: Vec<u64> = closed.map(|(number, _)| *number).collect();
        let (gone, kept) = closed.split_at(closed.len().saturating_sub(MOST_PAGES));
        for number in gone {
            if pages.incidents.get(number).is_some_and(|page| page.written == 0) {
                pages.incidents.remove(number);
            }
        }
        for number in &kept[..kept.len().saturating_sub(MOST_EVIDENCE)] {
            pages.incidents.get_mut(number).into_iter().for_each(Page::forget_evidence);
        }
    }

    /// When it was last looked.
    pub fn last_capture(&self, number: u64) -> Option<Timestamp> {
        self.lock().incidents.get(&number)?.evidence.captures.last().map(|capture| capture.at)
    }

    /// How it died, as far as that was told.
    pub fn death(&self, number: u64) -> Option<Death> {
        self.lock().incidents.get(&number)?.evidence.death.clone()
    }

    /// The open incident of a server, and the attempt that runs.
    pub fn open_of(&self, name: &str) -> Option<(u64, Option<u32>)> {
        let pages = self.lock();
        let (number, page) =
            pages.incidents.iter().rev().find(|(_, page)| page.is_open() && page.incident.server_name == name)?;
        Some((*number, page.incident.attempts.last().map(|attempt| attempt.attempt)))
    }

    /// An attempt has begun.
    pub fn is_acted_upon(&self, number: u64) -> bool {
        self.lock().incidents.get(&number).is_none_or(|page| !page.incident.attempts.is_empty())
    }

    /// The page stays as long as the hold does.
    pub fn hold(self: &Arc<Self>, number: u64) -> Hold {
        if let Some(page) = self.lock().incidents.get_mut(&number) {
            page.looks += 1;
        }
        Hold { book: Arc::clone(self), number }
    }

    /// The one with its evidence, if it is in the book.
    pub fn incident(&self, number: u64) -> Option<Incident> {
        let pages = self.lock();
        let page = pages.incidents.get(&number)?;
        Some(Incident { evidence: Some(page.evidence.clone()), ..Incident::clone(&page.incident) })
    }

    /// Every one that is in the book, without its evidence.
    pub fn incidents(&self) -> Vec<(u64, Incident)> {
        self.lock().incidents.iter().map(|(number, page)| (*number, Incident::clone(&page.incident))).collect()
    }

    /// A panic while the lock was held left at worst one change half made.
    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut pages = self.book.lock();
        if let Some(page) = pages.incidents.get_mut(&self.number) {
            page.looks = page.looks.saturating_sub(1);
        }
        pages.tidy();
    }
}

impl Pages {
    /// What is closed, written and no longer looked at is the database's alone.
    fn tidy(&mut self) {
        self.incidents.retain(|_, page| {
            let is_written = page.version == page.written && page.evidence_version == page.evidence_written;
            page.is_open() || page.looks > 0 || !is_written
        });
    }
}

impl Page {
    fn new(incident: Incident) -> Self {
        Self { written: 0, ..Self::written(incident, Evidence::default()) }
    }

    fn written(incident: Incident, evidence: Evidence) -> Self {
        Self {
            incident: Arc::new(incident),
            evidence,
            version: 1,
            written: 1,
            evidence_version: 0,
            evidence_written: 0,
            json: Json::default(),
            looks: 0,
        }
    }

    fn is_open(&self) -> bool {
        self.incident.outcome == Outcome::Open
    }

    fn changes(&mut self) {
        self.version += 1;
        self.json.incident = None;
    }

    fn evidence_changes(&mut self) {
        self.evidence_version += 1;
        self.json.evidence = None;
    }

    /// The disk has this version of the evidence. What it has is not kept as JSON.
    fn is_written(&mut self, evidence: u64) {
        self.evidence_written = self.evidence_written.max(evidence);
        if self.evidence_written == self.evidence_version {
            self.json.evidence = None;
        }
        if self.written == self.version {
            self.json.incident = None;
        }
    }

    /// All but how it died and who noticed: that is small. A version of it that is on its way to the disk counts as this one.
    fn forget_evidence(&mut self) {
        let Evidence { captures, changed, left_out, .. } = &mut self.evidence;
        if captures.is_empty() && changed.is_empty() {
            return;
        }
        (*captures, *changed) = (Vec::new(), Vec::new());
        *left_out = vec![FORGOTTEN.to_owned()];
        self.json.evidence = None;
    }

    fn row(&mut self, number: u64) -> Row {
        let is_behind = self.evidence_version != self.evidence_written;
        let evidence = is_behind.then(|| self.evidence_json());
        let json = Arc::clone(self.json.incident.get_or_insert_with(|| json(&*self.incident)));
        Row { number, incident: Arc::clone(&self.incident), json, evidence, versions: (self.version, self.evidence_version) }
    }

    fn evidence_json(&mut self) -> Arc<str> {
        Arc::clone(self.json.evidence.get_or_insert_with(|| json(&self.evidence)))
    }

    /// Who noticed first, and how it died.
    fn notice(&mut self, event: &Event, died: Option<Death>) {
        match &event.kind {
            EventKind::ServerDown { first_failure_at, .. } => {
                let by_death = self.incident.detected_by != DetectedBy::Probe;
                self.evidence.death = died.filter(|_| by_death);
                let noticed = fold::noticed(&self.incident, *first_failure_at, self.evidence.death.as_ref());
                self.evidence.noticed = Some(noticed);
            }
            // Later ones are of what an attempt has stopped or started.
            EventKind::ContainerDied { .. } if self.incident.attempts.is_empty() => self.evidence.death = died,
            _ => return,
        }
        self.evidence_changes();
    }
}

/// The number in an incident's id.
pub fn number(id: &str) -> Option<u64> {
    id.rsplit_once('-')?.1.parse().ok()
}

fn death(event: &Event, teller: &Teller) -> Death {
    let EventKind::ContainerDied { exit_code, signal, oom_killed, core_dumped, error } = &event.kind else {
        return Death { at: event.timestamp, exit_code: None, signal: None, oom_killed: false, core_dumped: None, error: None };
    };
    Death {
        at: event.timestamp,
        exit_code: *exit_code,
        signal: *signal,
        oom_killed: *oom_killed,
        // Engines do not tell; of our own children it is known, unless somebody else saw them end.
        core_dumped: (*core_dumped || (teller.death == DetectedBy::Process && (exit_code.is_some() || signal.is_some())))
            .then_some(*core_dumped),
        error: error.as_deref().map(|error| escaped(&teller.mask.text(error))),
    }
}

fn json(part: &impl serde::Serialize) -> Arc<str> {
    serde_json::to_string(part).unwrap_or_default().into()
}

#[cfg(test)]
pub(crate) mod tests;
