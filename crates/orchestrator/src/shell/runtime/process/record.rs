//! What is on disk about a process, and what it means for the next start of the orchestrator.
//!
//! A record is written before what it announces is done, so that whatever we were doing when we were killed can be
//! told from it. It says nothing about health: that is the machine's.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use health_spec::registry::OnCrash;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::procfs::Identity;
use crate::machine::Death;

/// A record could not be read or written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file is there and cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The record.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not a record of ours.
    #[error("{path} is not a process record; make sure that the server does not run, then remove the file")]
    Malformed {
        /// The record.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// It cannot be written, so nothing may be started.
    #[error("cannot write {path}")]
    Write {
        /// The record.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// How far we were with a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Record {
    /// It is about to be started, and will carry this token.
    Starting {
        /// The value of `MCP_HEALTH_INSTANCE`.
        token: String,
        /// Its input and output will be pipes of ours.
        #[serde(default)]
        bound: bool,
    },
    /// It was started.
    Running(Instance),
    /// We are stopping it, in a restart or at our own shutdown.
    Stopping(Instance),
    /// We stopped it: the next start of the orchestrator starts it again.
    Stopped,
    /// It ended on its own.
    Ended {
        /// Which one.
        instance: Instance,
        /// Its exit code, when there was one and we saw it.
        exit_code: Option<i64>,
        /// The signal that ended it, when we saw it.
        signal: Option<i32>,
        /// Whether it left a core dump.
        #[serde(default)]
        core_dumped: bool,
        /// Whether the kernel killed it for memory.
        #[serde(default)]
        oom_killed: bool,
        /// When we saw that.
        #[serde(default)]
        at: Option<Timestamp>,
    },
}

/// One start of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The value of `MCP_HEALTH_INSTANCE` in it and in its children.
    pub token: String,
    /// The process that was started; it leads the group.
    pub leader: Identity,
    /// Its input and output are pipes of ours, which end with us: it cannot be adopted.
    #[serde(default)]
    pub bound: bool,
}

/// What to do with a server when the orchestrator starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Start it; first kill what still carries this token.
    Spawn {
        /// Of a start that may have left something behind.
        leftover: Option<String>,
    },
    /// It runs: supervise it.
    Adopt(Instance),
    /// It is not to go on: end it, then start.
    FinishStop(Instance, Because),
    /// It died while we were away: report it, the machine decides.
    Mourn(Instance, Death),
}

/// Why a server that may still run is ended and started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// A stop of ours was cut short.
    CutShort,
    /// It cannot go on without us.
    Bound,
    /// It is not to.
    Configured,
}

impl Because {
    /// For the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CutShort => "it was being stopped when the last orchestrator ended",
            Self::Bound => "its input and output ended with the last orchestrator",
            Self::Configured => "so configured (on_crash: end)",
        }
    }
}

/// The token of a start that cannot be written down, where this one is the last that was: who knows the one finds the other.
pub fn unwritten_after(token: &str) -> String {
    format!("{token}+")
}

impl Record {
    /// It ended on its own, like this; when, where somebody saw it.
    pub fn ended(instance: Instance, death: &Death, at: Option<Timestamp>) -> Self {
        let Death { exit_code, signal, core_dumped, oom_killed, .. } = *death;
        Self::Ended { instance, exit_code, signal, core_dumped, oom_killed, at }
    }

    /// When it was seen to have ended.
    pub fn ended_at(&self) -> Option<Timestamp> {
        if let Self::Ended { at, .. } = self { *at } else { None }
    }

    /// The token of the start that it is about, and whether pipes of ours belong to that.
    fn start(&self) -> Option<(&str, bool)> {
        match self {
            Self::Starting { token, bound } => Some((token, *bound)),
            Self::Running(instance) | Self::Stopping(instance) | Self::Ended { instance, .. } => {
                Some((&instance.token, instance.bound))
            }
            Self::Stopped => None,
        }
    }

    /// The token of the start that it is about.
    pub fn token(&self) -> Option<&str> {
        self.start().map(|(token, _)| token)
    }

    /// It was followed by a start that could not be written down, when somebody carries that one's token.
    fn followed(
        self,
        alive: impl Fn(Identity) -> io::Result<bool>,
        carrier: impl Fn(&str) -> io::Result<Option<Identity>>,
    ) -> io::Result<Self> {
        // One that lives is not followed yet, and a look at every process is saved.
        if let Self::Running(instance) | Self::Stopping(instance) = &self
            && alive(instance.leader)?
        {
            return Ok(self);
        }
        let next = self.start().map(|(token, bound)| (unwritten_after(token), bound));
        match next {
            Some((token, bound)) if carrier(&token)?.is_some() => Ok(Self::Starting { token, bound }),
            _ => Ok(self),
        }
    }
}

impl Plan {
    /// What a record means, given what the kernel says: whether a process lives, and who leads a group and carries a token. What cannot
    /// be seen is not guessed: it might run twice.
    pub fn of(
        record: Option<Record>,
        on_crash: OnCrash,
        alive: impl Fn(Identity) -> io::Result<bool>,
        carrier: impl Fn(&str) -> io::Result<Option<Identity>>,
    ) -> io::Result<Self> {
        let lives = |instance: Instance| match on_crash {
            _ if instance.bound => Self::FinishStop(instance, Because::Bound),
            OnCrash::Adopt => Self::Adopt(instance),
            OnCrash::End => Self::FinishStop(instance, Because::Configured),
        };
        Ok(match record.map(|record| record.followed(&alive, &carrier)).transpose()? {
            None | Some(Record::Stopped) => Self::Spawn { leftover: None },
            Some(Record::Starting { token, bound }) => match carrier(&token)? {
                Some(leader) => lives(Instance { token, leader, bound }),
                None => Self::Spawn { leftover: Some(token) },
            },
            // When we ended, so did its input: if it is gone by now, that was no death of its own.
            Some(Record::Running(instance)) if instance.bound => Self::FinishStop(instance, Because::Bound),
            Some(Record::Running(instance)) if alive(instance.leader)? => lives(instance),
            Some(Record::Running(instance)) => Self::Mourn(instance, Death::default()),
            Some(Record::Stopping(instance)) => Self::FinishStop(instance, Because::CutShort),
            Some(Record::Ended { instance, exit_code, signal, core_dumped, oom_killed, at: _ }) => {
                Self::Mourn(instance, Death { exit_code, signal, oom_killed, core_dumped, known: true, ..Death::default() })
            }
        })
    }
}

/// Where one server's record is kept.
#[derive(Clone, Debug)]
pub struct RecordFile {
    path: PathBuf,
    boot: String,
    /// Stands for what the last start was made with, where that is known.
    settings: Option<String>,
}

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Page {
    boot: String,
    #[serde(default)]
    settings: Option<String>,
    record: Record,
}

impl RecordFile {
    /// `boot` names this boot of the machine.
    pub fn new(path: PathBuf, boot: String) -> Self {
        let new = Self { path, boot, settings: None };
        // What cannot be read is an error when the record is asked for.
        let settings = new.page().ok().flatten().and_then(|page| page.settings);
        Self { settings, ..new }
    }

    /// The next start is made with this.
    pub fn starts_with(&mut self, settings: String) {
        self.settings = Some(settings);
    }

    /// Whether the last start was made with something else, as far as is known.
    pub fn was_started_otherwise(&self, settings: &str) -> bool {
        self.settings.as_deref().is_some_and(|started| started != settings)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The record; `None` when there is none, or none that this boot of the machine could know.
    pub fn read(&self) -> Result<Option<Record>, RecordError> {
        // A reboot ended every process and none of them died; an end that was seen before it is still true.
        let holds = |page: &Page| page.boot == self.boot || matches!(page.record, Record::Ended { .. });
        Ok(self.page()?.filter(holds).map(|page| page.record))
    }

    fn page(&self) -> Result<Option<Page>, RecordError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RecordError::Read { path: self.path.clone(), source }),
        };
        let page = serde_json::from_slice(&text);
        page.map(Some).map_err(|source| RecordError::Malformed { path: self.path.clone(), source })
    }

    /// Replaces the record. When this returns, it is on disk.
    pub async fn write(&self, record: Record) -> Result<(), RecordError> {
        let page = Page { boot: self.boot.clone(), settings: self.settings.clone(), record };
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || replace(&path, &serde_json::to_vec_pretty(&page)?)).await;
        written
            .unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .map_err(|source| RecordError::Write { path: self.path.clone(), source })
    }
}

/// Every record takes as much room as this: a full disk then still has the room that the last one took.
const ROOM: usize = 1_024;

/// Replaces a file as a whole, durably. On a full disk it is written over, within one block, so that it is not torn either.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut content = content.to_vec();
    content.resize(content.len().max(ROOM), b' ');
    match exchange(path, &content) {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => write_over(path, &content).map_err(|_| error),
        done => done,
    }
}

/// Temporary file, fsync, rename, fsync of the directory.
fn exchange(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let temporary = path.with_extension("json.tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(directory)?.sync_all()
}

fn write_over(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    if file.metadata()?.len() != content.len() as u64 {
        return Err(io::ErrorKind::StorageFull.into());
    }
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
