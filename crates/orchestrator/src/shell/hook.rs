//! Hooks: an operator's commands and requests around an attempt, or as the attempt itself.
//!
//! A command is a child in a group of its own, ended with that group at its timeout and when the orchestrator ends. Before it runs this is
//! on disk, so that what a crash leaves behind is ended at the next start; it is never run again for the same attempt, which is
//! the machine's promise. What it leaves running in the background when it ends well is left alone.

mod command;
mod output;
mod request;
mod tail;

use std::path::{Path, PathBuf};
use std::time::Duration;

use health_spec::config::{self, File, Strategy, defaults};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::causes::causes;
use super::probe::tls::Roots;
use super::runtime::process::group::{GroupError, Members};
use super::runtime::process::places::{hook_record, hook_records};
use super::runtime::process::procfs;
use super::runtime::process::program::Missing;
use super::runtime::process::record::{Record, RecordError, RecordFile};
use crate::machine::policy::Issue;
use command::Program;
use request::Call;

/// The hooks of one server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hooks {
    /// What strategy `repair` does.
    pub repair: Option<Hook>,
    /// Runs before every attempt.
    pub before: Option<Hook>,
    /// Runs after an action that ended well.
    pub after: Option<Hook>,
}

/// One hook, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    does: Does,
    timeout: Duration,
}

#[derive(Clone, Debug, PartialEq)]
enum Does {
    Command(Box<Program>),
    Request(Box<Call>),
}

/// What a hook is told of the attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The server's name.
    pub server: String,
    /// Which attempt; 0 for one that is not counted.
    pub attempt: u32,
    /// Why, as in `recovery_started`.
    pub reason: String,
    /// What the attempt does.
    pub strategy: Strategy,
    /// The incident, if one is open.
    pub incident: Option<String>,
}

/// A hook did not end well.
#[derive(Debug, Error)]
pub enum HookError {
    /// The program could not be started.
    #[error("cannot start `{program}`")]
    Start {
        /// As it was configured.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// Whether the program can be started is not known yet.
    #[error(
        "`{program}` has not started within {} s, its `timeout_seconds`: it may be on a disk that does not answer; should it start later, it is ended at once",
        .after.as_secs_f64()
    )]
    Hangs {
        /// Where it is.
        program: String,
        /// Its timeout.
        after: Duration,
    },
    /// That it runs could not be written down, so it was not run.
    #[error("it was not run")]
    Unrecorded(#[from] RecordError),
    /// It ended with another exit code than 0, or by a signal.
    #[error("it ended with {how}{said}")]
    Ended {
        /// `exit code 3`, `signal 9`.
        how: String,
        /// The end of what it wrote, after a colon.
        said: String,
    },
    /// It took too long, and was ended with everything that it had started.
    #[error("it was ended after {} s, its `timeout_seconds`{said}", .after.as_secs_f64())]
    TimedOut {
        /// Its timeout.
        after: Duration,
        /// The end of what it wrote, after a colon.
        said: String,
    },
    /// It took too long, and cannot be ended.
    #[error("it takes longer than it may")]
    Undying(#[from] GroupError),
    /// Its end could not be waited for.
    #[error("its end is not known")]
    Lost(#[source] std::io::Error),
    /// The request got no answer.
    #[error("{url} does not answer: {cause}")]
    Unanswered {
        /// Where it went.
        url: String,
        /// Why.
        cause: String,
    },
    /// The answer was not one of success.
    #[error("{url} answered {status}{said}")]
    Refused {
        /// Where it went.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer, after a colon.
        said: String,
    },
    /// The orchestrator ends, and with it the hook.
    #[error("the orchestrator is shutting down")]
    ShuttingDown,
    /// The same, in the middle of its start.
    #[error("the orchestrator is shutting down")]
    CutOff,
}

/// Runs hooks, and ends those that an earlier run has left.
#[derive(Clone, Debug)]
pub struct HookRunner {
    state_directory: PathBuf,
    cancel: CancellationToken,
}

impl HookRunner {
    /// `cancel` ends whatever runs.
    pub fn new(state_directory: &Path, cancel: CancellationToken) -> Self {
        Self { state_directory: state_directory.to_owned(), cancel }
    }

    /// Runs a hook to its end.
    pub async fn run(&self, hook: &Hook, about: &About) -> Result<(), HookError> {
        match &hook.does {
            Does::Command(program) => {
                let record = RecordFile::new(hook_record(&self.state_directory, &about.server), procfs::boot_id());
                program.run(hook.timeout, about, &record, &self.cancel).await
            }
            Does::Request(call) => {
                let answered = call.run(hook.timeout, about);
                self.cancel.run_until_cancelled(answered).await.unwrap_or(Err(HookError::ShuttingDown))
            }
        }
    }

    /// Ends the hooks that a crash of ours has left behind. Nobody waits for them, and what they were part of is verified, not repeated.
    pub async fn end_leftovers(&self) {
        let Ok(entries) = std::fs::read_dir(hook_records(&self.state_directory)) else { return };
        for path in
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.extension().is_some_and(|it| it == "json"))
        {
            if let Err(error) = end_leftover(&path).await {
                tracing::error!(path = %path.display(), "a hook that a crash has left behind may still run: {error}");
            }
        }
    }
}

async fn end_leftover(path: &Path) -> Result<(), String> {
    let record = RecordFile::new(path.to_owned(), procfs::boot_id());
    let left = match record.read().map_err(|error| causes(&error))? {
        Some(Record::Starting { token, .. }) => Some(Members::Carrying(token)),
        Some(Record::Running(instance)) if instance.leader.lives().map_err(|error| causes(&error))? => {
            Some(Members::Marked(instance))
        }
        // It has ended: what it has left running is meant to.
        _ => None,
    };
    if let Some(left) = left {
        let living = left.found().await.map_err(|error| causes(&error))?.len();
        left.kill(command::KILL_PATIENCE).await.map_err(|error| causes(&error))?;
        if living > 0 {
            tracing::warn!(path = %path.display(), "a hook that a crash has left behind was ended ({living} processes)");
        }
    }
    record.write(Record::Stopped).await.map_err(|error| causes(&error))
}

/// The hooks of all servers, in the order of the file, and what is wrong with requests; whether a hook is complete, the policy's compiler
/// says. `directory` says where the file is that a pointer leads to.
pub fn compile(file: &File, directory: &dyn Fn(&str) -> PathBuf, issues: &mut Vec<Issue>) -> Vec<Hooks> {
    let roots = Roots::default();
    let mut of = |recovery: &config::Recovery, place: &str| {
        let mut one = |name: &str, hook: Option<&config::Hook>| {
            let pointer = format!("{place}/{name}");
            let hook = hook.filter(|hook| hook.command.is_some() || hook.url.is_some())?;
            let made = Hook::of(hook, &directory(&pointer), &roots);
            made.map_err(|mistake| issues.push(mistake.at(&pointer))).ok()
        };
        Hooks {
            repair: one("repair", recovery.repair.as_ref()),
            before: one("before", recovery.before.as_ref()),
            after: one("after", recovery.after.as_ref()),
        }
    };
    let common = of(&file.recovery, "/recovery");
    let own = file.servers.iter().enumerate().map(|(index, entry)| of(&entry.recovery, &format!("/servers/{index}/recovery")));
    own.map(|own| own.or(&common)).collect()
}

impl Hooks {
    fn or(self, common: &Self) -> Self {
        let or = |own: Option<Hook>, common: &Option<Hook>| own.or_else(|| common.clone());
        Self {
            repair: or(self.repair, &common.repair),
            before: or(self.before, &common.before),
            after: or(self.after, &common.after),
        }
    }
}

/// Programs that this machine does not have, each with its pointer. `path` is our own PATH, which is a hook's too.
pub fn missing(file: &File, directory: &dyn Fn(&str) -> PathBuf, path: Option<&str>) -> Vec<(String, Missing)> {
    let one = |(pointer, hook): (String, &config::Hook)| {
        let missing = Program::of(hook.command.as_ref()?, &directory(&pointer)).missing(path)?;
        Some((format!("{pointer}/{}", missing.key), missing))
    };
    written(file).filter_map(one).collect()
}

/// Every hook with its pointer: the file's own, then those of its servers.
fn written(file: &File) -> impl Iterator<Item = (String, &config::Hook)> {
    let own = file.servers.iter().enumerate().map(|(index, entry)| (format!("/servers/{index}/recovery"), &entry.recovery));
    std::iter::once(("/recovery".to_owned(), &file.recovery)).chain(own).flat_map(|(pointer, recovery)| {
        let hooks = [("repair", &recovery.repair), ("before", &recovery.before), ("after", &recovery.after)];
        hooks.into_iter().filter_map(move |(name, hook)| Some((format!("{pointer}/{name}"), hook.as_ref()?)))
    })
}

impl Hook {
    fn of(hook: &config::Hook, directory: &Path, roots: &Roots) -> Result<Self, request::Mistake> {
        let does = match &hook.command {
            Some(command) => Does::Command(Box::new(Program::of(command, directory))),
            None => Does::Request(Box::new(Call::of(hook, directory, roots)?)),
        };
        Ok(Self { does, timeout: hook.timeout_seconds.unwrap_or(defaults::HOOK_TIMEOUT).0 })
    }
}

impl About {
    /// Names without the common beginning, and values; what is not known is empty.
    fn words(&self) -> [(&'static str, String); 5] {
        [
            ("SERVER", self.server.clone()),
            ("ATTEMPT", self.attempt.to_string()),
            ("REASON", self.reason.clone()),
            ("STRATEGY", self.strategy.as_str().to_owned()),
            ("INCIDENT", self.incident.clone().unwrap_or_default()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use rustix::process::{Pid, RawPid, Signal, kill_process_group};

    use super::*;
    use crate::shell::runtime::process::INSTANCE_VARIABLE;
    use crate::shell::runtime::process::procfs::Identity;
    use crate::shell::runtime::process::record::Instance;

    /// We were killed after a hook had ended, and before that was written down.
    #[tokio::test]
    async fn what_a_hook_that_has_ended_left_running_is_left_running() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 1000 &"]).env(INSTANCE_VARIABLE, "t").process_group(0).stdout(Stdio::null());
        let mut hook = command.spawn().unwrap();
        let pid = RawPid::try_from(hook.id()).unwrap();
        let leader = procfs::stat(pid).unwrap().unwrap().identity;
        assert!(hook.wait().unwrap().success());
        let record = RecordFile::new(hook_record(directory.path(), "a"), procfs::boot_id());
        record.write(Record::Running(Instance { token: "t".to_owned(), leader, bound: false })).await.unwrap();
        HookRunner::new(directory.path(), CancellationToken::new()).end_leftovers().await;
        let left: Vec<Identity> = Members::Of(pid).living().unwrap().iter().map(|stat| stat.identity).collect();
        let _ = kill_process_group(Pid::from_raw(pid).unwrap(), Signal::KILL);
        assert_eq!((left.len(), record.read().unwrap()), (1, Some(Record::Stopped)));
    }
}
