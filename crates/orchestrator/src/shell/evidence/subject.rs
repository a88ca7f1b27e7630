//! Where the evidence of a server is: what runs it, and what must not be shown of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use health_spec::config::Engine;
use health_spec::incident::DetectedBy;
use health_spec::registry::{Runtime, RuntimeKind};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::machine::policy::engine_of;
use crate::shell::config::Stamps;
use crate::shell::runtime::process::places::Places;
use crate::shell::secrets::credentials::behind_scheme;
use crate::shell::secrets::{Mask, digest};
pub use secret::pairs;
use secret::{Secret, collect, read_environment, read_secret};

mod secret;

/// One server, as evidence needs it.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// What runs it.
    pub source: Source,
    secrets: Box<[Secret]>,
    /// What stood in the files when they were last read.
    read: Arc<Read>,
}

/// What runs a server.
#[derive(Clone, Debug, Default)]
pub enum Source {
    /// Nothing that we know of.
    #[default]
    None,
    /// A container.
    Container {
        /// Its engine.
        engine: Box<Engine>,
        /// `docker` or `podman`.
        kind: &'static str,
        /// Its name or id.
        container: String,
    },
    /// A child process of ours.
    Process(Box<ProcessSource>),
    /// A unit of systemd.
    Unit {
        /// Its name.
        unit: String,
        /// Where its manager is: `system`, `user`, or the address of a bus.
        bus: String,
    },
}

/// A child process of ours.
#[derive(Clone, Debug)]
pub struct ProcessSource {
    /// The program, as it is configured.
    pub command: String,
    /// Tells one list of arguments from another; they may hold secrets.
    pub arguments: String,
    /// Tells one environment from another.
    pub environment: String,
    /// The names in it.
    pub names: Vec<String>,
    /// A file with more of it.
    pub environment_file: Option<PathBuf>,
    /// Its log.
    pub log: PathBuf,
    /// What is known of the process itself.
    pub record: PathBuf,
}

/// What the places of files start at.
#[derive(Clone, Copy, Debug)]
pub struct Directories<'a> {
    /// Where records and logs are kept.
    pub state: &'a Path,
    /// What relative paths in the registry start at.
    pub registry: &'a Path,
}

impl Subject {
    /// A server of this name; `written` is all that was written for it, such as its entry in the registry, each with the directory that its
    /// relative paths start at.
    pub fn new<'a>(
        name: &str,
        runtime: Option<&Runtime>,
        engines: &[Engine],
        written: impl IntoIterator<Item = (&'a Value, &'a Path)>,
        directories: Directories<'_>,
    ) -> Self {
        let mut secrets = Vec::new();
        written.into_iter().for_each(|(written, base)| collect(written, base, &mut secrets));
        let source = runtime.map_or(Source::None, |runtime| source(name, runtime, engines, directories));
        Self { name: name.to_owned(), source, secrets: secrets.into(), read: Arc::default() }
    }

    /// The values that the registry entry itself gives.
    pub fn values(&self) -> impl Iterator<Item = String> {
        let given = self.secrets.iter().filter_map(|secret| match secret {
            Secret::Value(value) => Some(value.to_string()),
            Secret::File(_) | Secret::Environment(_) => None,
        });
        given.flat_map(with_and_without_scheme)
    }

    /// What was hidden of the one before is still hidden, until files are read again. Where nothing has changed, what was read holds.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        if before.name != self.name {
            return self;
        }
        if before.secrets == self.secrets {
            return Self { read: Arc::clone(&before.read), ..self };
        }
        let last = before.read.known().map_or_else(|| before.values().collect(), |known| known.values);
        let found = before.read.found();
        let mask = Arc::new(Mask::of(self.values().chain(last.iter().cloned()).chain(each(found.as_deref()))));
        let known = Mutex::new(Some(Known { at: None, stamps: Stamps::default(), values: last, mask }));
        Self { read: Arc::new(Read { known, found: Mutex::new(found), ..Read::default() }), ..self }
    }

    /// What was found where the server runs, such as in the environment of its container. What was found the last time stays hidden, too.
    pub fn hides_too(&self, found: &[String]) {
        if !found.is_empty() {
            self.read.add(found);
        }
    }

    /// How the files are now.
    fn stamps(&self) -> Stamps {
        let path = |secret: &Secret| match secret {
            Secret::Value(_) => None,
            Secret::File(path) | Secret::Environment(path) => Some(path.clone()),
        };
        Stamps::of(&self.secrets.iter().filter_map(path).collect::<Vec<_>>())
    }

    /// Those, and what stands in the files that it names.
    fn secrets(&self) -> Vec<String> {
        let mut values: Vec<String> = self.values().collect();
        for secret in &self.secrets {
            match secret {
                Secret::Value(_) => {}
                Secret::File(path) => values.extend(read_secret(path).into_iter().flat_map(with_and_without_scheme)),
                Secret::Environment(path) => values.extend(read_environment(path)),
            }
        }
        values
    }

    /// Hides all of them, as far as they have been read.
    pub fn known_mask(&self) -> Arc<Mask> {
        let unread = || Arc::new(Mask::of(self.values().chain(each(self.read.found().as_deref()))));
        self.read.known().map_or_else(unread, |known| known.mask)
    }

    /// Hides all of them, from files that were looked at no earlier than `since`, and read if they had changed; where the disk does not answer within `patience`, as
    /// [`Self::known_mask`].
    pub async fn mask(self: &Arc<Self>, since: Instant, patience: Duration) -> Arc<Mask> {
        let is_fresh = |known: &Known| known.at.is_some_and(|at| at >= since || !self.has_files());
        let read = async {
            let turn = Arc::clone(&self.read.turn).lock_owned().await;
            if self.read.known().as_ref().is_some_and(is_fresh) {
                return;
            }
            let subject = Arc::clone(self);
            let read = move || {
                // A disk that hangs holds one thread.
                let _turn = turn;
                // In this order: what is written meanwhile is seen the next time.
                let (at, stamps) = (Instant::now(), subject.stamps());
                if !subject.read.is_as(&stamps, at) {
                    subject.read.keep(at, stamps, subject.secrets());
                }
            };
            // One that has panicked has read nothing.
            let _ = tokio::task::spawn_blocking(read).await;
        };
        if !self.read.known().as_ref().is_some_and(is_fresh) {
            let _ = timeout(patience, read).await;
        }
        self.known_mask()
    }

    fn has_files(&self) -> bool {
        self.secrets.iter().any(|secret| !matches!(secret, Secret::Value(_)))
    }

    /// Who notices when it dies.
    pub fn notices_death(&self) -> DetectedBy {
        match self.source {
            Source::Process(_) => DetectedBy::Process,
            Source::Container { .. } | Source::Unit { .. } | Source::None => DetectedBy::Engine,
        }
    }
}

/// The secrets of a running server: of now, and of the time before.
type Beside = [Vec<String>; 2];

/// What stood in files, kept for whoever cannot wait for a disk.
#[derive(Default)]
struct Read {
    known: Mutex<Option<Known>>,
    /// What was found where the server runs, now and the time before. Most have nothing.
    found: Mutex<Option<Arc<Beside>>>,
    /// One reads at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone)]
struct Known {
    /// When the files were last looked at. `None`: it is known from before a change of the configuration.
    at: Option<Instant>,
    /// How they were when they were read.
    stamps: Stamps,
    values: Arc<[String]>,
    mask: Arc<Mask>,
}

impl Read {
    fn known(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn found(&self) -> Option<Arc<Beside>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, found: &[String]) {
        let mut kept = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.as_ref().map(|kept| kept[0].clone()).unwrap_or_default();
        if before == found {
            return;
        }
        *kept = Some(Arc::new([found.to_owned(), before]));
        // Held until then: whoever makes a mask anew meanwhile knows of it.
        if let Some(known) = &mut *self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            known.mask = Arc::new(known.mask.and(found.iter().cloned()));
        }
    }

    /// Whether the files are as they were when they were read; they have been looked at now.
    fn is_as(&self, stamps: &Stamps, now: Instant) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_mut().filter(|known| known.at.is_some() && known.stamps == *stamps);
        known.map(|known| known.at = Some(now)).is_some()
    }

    /// What has just been replaced may still be said by somebody.
    fn keep(&self, at: Instant, stamps: Stamps, values: Vec<String>) {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let values: Arc<[String]> = values.into();
        let last = known.as_ref().map(|known| Arc::clone(&known.values)).unwrap_or_default();
        let is_same = known.as_ref().is_some_and(|known| known.values == values);
        let mask = match known.take() {
            Some(known) if is_same && known.at.is_some() => known.mask,
            _ => Arc::new(Mask::of(values.iter().chain(&*last).cloned().chain(each(found.as_deref())))),
        };
        *known = Some(Known { at: Some(at), stamps, values, mask });
    }
}

fn each(found: Option<&Beside>) -> impl Iterator<Item = String> {
    found.into_iter().flatten().flatten().cloned()
}

impl std::fmt::Debug for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Read").finish_non_exhaustive()
    }
}

fn source(name: &str, runtime: &Runtime, engines: &[Engine], directories: Directories<'_>) -> Source {
    match runtime.kind {
        RuntimeKind::Process => Source::Process(Box::new(process(name, runtime, directories))),
        RuntimeKind::Docker => container(runtime, engines, "docker"),
        RuntimeKind::Podman => container(runtime, engines, "podman"),
        RuntimeKind::Systemd => {
            let bus = runtime.bus.clone().unwrap_or_else(|| "system".to_owned());
            Source::Unit { unit: runtime.unit.clone().unwrap_or_default(), bus }
        }
        RuntimeKind::None => Source::None,
    }
}

fn container(runtime: &Runtime, engines: &[Engine], kind: &'static str) -> Source {
    // A configuration that names none there is, is refused.
    let Some(engine) = engine_of(engines, runtime).and_then(|id| engines.get(id.0)).cloned() else { return Source::None };
    let container = runtime.container.clone().unwrap_or_default();
    Source::Container { engine: Box::new(engine), kind, container }
}

fn process(name: &str, runtime: &Runtime, directories: Directories<'_>) -> ProcessSource {
    let Places { record, log, .. } = Places::of(directories.state, name);
    let environment: BTreeMap<_, _> = runtime.env.iter().collect();
    ProcessSource {
        command: runtime.command.clone().unwrap_or_default(),
        arguments: format!("{} ({})", runtime.args.len(), digest(&runtime.args.join("\0"))),
        environment: digest(&format!("{environment:?}")),
        names: runtime.env.keys().cloned().collect(),
        environment_file: runtime.env_file.as_ref().map(|path| directories.registry.join(path)),
        log,
        record,
    }
}

/// As it is sent, and as whoever receives it prints it.
fn with_and_without_scheme(value: String) -> impl Iterator<Item = String> {
    let token = behind_scheme(&value).map(str::to_owned);
    std::iter::once(value).chain(token)
}

#[cfg(test)]
mod tests;
