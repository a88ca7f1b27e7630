//! A hook that is a command: started in its own group, waited for, ended at its timeout.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, RawPid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::output::Output;
use super::{About, HookError};
use crate::shell::runtime::process::INSTANCE_VARIABLE;
use crate::shell::runtime::process::environment;
use crate::shell::runtime::process::group::{GroupError, Members, ask_to_end};
use crate::shell::runtime::process::launch::{Launch, Place};
use crate::shell::runtime::process::procfs;
use crate::shell::runtime::process::program::Missing;
use crate::shell::runtime::process::reaper::Claim;
use crate::shell::runtime::process::record::{Instance, Record, RecordFile};
use crate::shell::runtime::process::search;

/// Between the request to end and the end by force.
const GRACE: Duration = Duration::from_secs(1);

/// SIGKILL works at once unless a process sits in the kernel; this long is waited for it.
pub(super) const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// What every variable begins with.
const PREFIX: &str = "MCP_HEALTH_";

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    directory: PathBuf,
}

/// How the waiting ended.
enum End {
    Exited(io::Result<ExitStatus>),
    TimedOut,
    Cancelled,
}

impl Program {
    /// Relative paths start at `directory`, and it runs there. A bare name is looked for in PATH.
    pub(super) fn of(command: &[String], directory: &Path) -> Self {
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let (program, arguments) = command.split_first().map_or(("", &[][..]), |(program, rest)| (program.as_str(), rest));
        let program = if program.contains('/') { directory.join(program) } else { program.into() };
        Self { path: program, arguments: arguments.to_vec(), directory }
    }

    /// The program, if this machine does not have it.
    pub(super) fn missing(&self, path: Option<&str>) -> Option<Missing> {
        let error = search::find(&self.path, &self.directory, path).err()?;
        Some(Missing { key: "command/0", text: error.to_string(), help: error.help() })
    }

    pub(super) async fn run(
        &self,
        timeout: Duration,
        about: &About,
        record: &RecordFile,
        cancel: &CancellationToken,
    ) -> Result<(), HookError> {
        // Not beside one that hangs: that is the one on record.
        let place = Place::take(record.path()).map_err(|source| self.unstartable(source))?;
        let token = uuid::Uuid::new_v4().simple().to_string();
        record.write(Record::Starting { token: token.clone(), bound: false }).await?;
        let outcome = self.run_recorded(timeout, about, (record, token, place), cancel).await;
        if has_ended(&outcome) {
            // What cannot be written is found again at the next start, where there is nobody left to end.
            let _ = record.write(Record::Stopped).await;
        }
        outcome
    }

    async fn run_recorded(
        &self,
        timeout: Duration,
        about: &About,
        (record, token, place): (&RecordFile, String, Place),
        cancel: &CancellationToken,
    ) -> Result<(), HookError> {
        let mut too_long = pin!(tokio::time::sleep(timeout));
        let started = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(HookError::CutOff),
            started = self.started(about, &token, place) => started,
            () = &mut too_long => return Err(HookError::Hangs { program: self.path.display().to_string(), after: timeout }),
        };
        let (mut child, mut output) = started.map_err(|source| self.unstartable(source))?;
        let pid = child.id().and_then(|pid| RawPid::try_from(pid).ok());
        let _claim = pid.map(Claim::on);
        if let Some(Ok(Some(stat))) = pid.map(procfs::stat) {
            // That it was about to be started is on disk already.
            let _ = record.write(Record::Running(Instance { token, leader: stat.identity, bound: false })).await;
        }
        let end = tokio::select! {
            // Who ends us may end it by the same signal.
            biased;
            () = cancel.cancelled() => End::Cancelled,
            status = wait(&mut child, &mut output) => End::Exited(status),
            () = &mut too_long => End::TimedOut,
        };
        let outcome = match end {
            End::Exited(Ok(status)) if status.success() => Ok(()),
            End::Exited(Ok(status)) => Err(HookError::Ended { how: how(status), said: output.tail.said() }),
            End::Exited(Err(error)) => Err(HookError::Lost(error)),
            End::TimedOut => {
                let said = output.tail.said();
                end_group(&mut child, pid).await.and(Err(HookError::TimedOut { after: timeout, said }))
            }
            End::Cancelled => end_group(&mut child, pid).await.and(Err(HookError::ShuttingDown)),
        };
        output.leave().await;
        outcome
    }

    /// Its program may be on a disk that does not answer: checks go on meanwhile, and one that comes too late is ended.
    async fn started(&self, about: &About, token: &str, place: Place) -> io::Result<(Child, Output)> {
        let (program, about, token) = (self.clone(), about.clone(), token.to_owned());
        let start = move |_: &CancellationToken| program.start(&about, &token);
        Launch::begin(place, start, |late| late.map_or((), end)).await?.done().await?
    }

    fn start(&self, about: &About, token: &str) -> io::Result<(Child, Output)> {
        let (ours, theirs) = Output::new()?;
        let words = about.words().map(|(name, value)| (format!("{PREFIX}{name}"), value));
        let mut command = Command::new(&self.path);
        environment::keep_ours(command.as_std_mut());
        let child = command
            .args(&self.arguments)
            .envs(words)
            .env(INSTANCE_VARIABLE, token)
            .current_dir(&self.directory)
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(theirs.try_clone()?)
            .stderr(theirs)
            .spawn()?;
        Ok((child, ours))
    }

    fn unstartable(&self, source: io::Error) -> HookError {
        HookError::Start { program: self.path.display().to_string(), source }
    }
}

/// Ends one that was just started, with what it has started itself by now.
fn end((child, _): (Child, Output)) {
    if let Some(group) = child.id().and_then(|pid| RawPid::try_from(pid).ok()).and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Until it exits. Whoever it has left in the background may hold the pipe for ever: that is not waited for.
async fn wait(child: &mut Child, output: &mut Output) -> io::Result<ExitStatus> {
    let status = tokio::select! {
        status = child.wait() => Some(status),
        () = output.read() => None,
    };
    let status = match status {
        Some(status) => status,
        None => child.wait().await,
    };
    output.read_rest();
    status
}

/// Ends everything that it has started and that is still in its group. It is not reaped before, so the group is still its own. The hook
/// itself is killed also when nobody can look who is there.
async fn end_group(child: &mut Child, pid: Option<RawPid>) -> Result<(), HookError> {
    let ended = match pid {
        Some(pid) => end_members(pid).await,
        None => Ok(()),
    };
    // It may have ended by itself.
    let _ = child.start_kill();
    let reaped = tokio::time::timeout(KILL_PATIENCE, child.wait()).await;
    reaped.map_err(|_| GroupError::Undying { pid: pid.unwrap_or_default() })?.map_err(HookError::Lost)?;
    Ok(ended?)
}

async fn end_members(leader: RawPid) -> Result<(), GroupError> {
    let members = Members::Of(leader);
    ask_to_end(leader).await?;
    if members.are_gone_within(GRACE).await? { Ok(()) } else { members.kill(KILL_PATIENCE).await }
}

/// Whether nothing of it is left that should not be.
fn has_ended(outcome: &Result<(), HookError>) -> bool {
    !matches!(outcome, Err(HookError::Undying(_) | HookError::Lost(_) | HookError::Hangs { .. } | HookError::CutOff))
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use health_spec::config::Strategy;

    use super::*;
    use crate::shell::runtime::process::beside::STARTS;

    fn about() -> About {
        About { server: "a".to_owned(), attempt: 1, reason: String::new(), strategy: Strategy::Repair, incident: None }
    }

    #[tokio::test]
    async fn one_is_started_beside_everything_else_when_it_is_its_turn() {
        let directory = tempfile::tempdir().unwrap();
        let program = Program::of(&["touch".to_owned(), "started".to_owned()], directory.path());
        let record = RecordFile::new(directory.path().join("a.json"), procfs::boot_id());
        let (about, cancel) = (about(), CancellationToken::new());
        let mut turns = Vec::new();
        for _ in 0..16 {
            turns.push(STARTS.turn().await.unwrap());
        }
        let mut run = std::pin::pin!(program.run(Duration::from_secs(30), &about, &record, &cancel));
        let before_its_turn = tokio::time::timeout(Duration::from_millis(200), &mut run).await;
        assert!(before_its_turn.is_err() && !directory.path().join("started").exists());
        assert!(matches!(record.read().unwrap(), Some(Record::Starting { .. })));
        drop(turns);
        run.await.unwrap();
        assert!(directory.path().join("started").exists());
        assert_eq!(record.read().unwrap(), Some(Record::Stopped));
    }

    /// It waits for its turn, as for a disk that does not answer.
    #[tokio::test]
    async fn a_start_that_hangs_has_the_timeout_of_the_hook_and_ends_with_us() {
        let directory = tempfile::tempdir().unwrap();
        let program = Program::of(&["touch".to_owned(), "started".to_owned()], directory.path());
        let record = RecordFile::new(directory.path().join("a.json"), procfs::boot_id());
        let mut turns = Vec::new();
        for _ in 0..16 {
            turns.push(STARTS.turn().await.unwrap());
        }
        let (about, cancel) = (about(), CancellationToken::new());
        let hangs = program.run(Duration::from_millis(50), &about, &record, &cancel).await.unwrap_err().to_string();
        assert!(hangs.starts_with("`touch` has not started within 0.05 s, its `timeout_seconds`: "), "{hangs}");
        assert!(matches!(record.read().unwrap(), Some(Record::Starting { .. })), "it is looked for at the next start");
        cancel.cancel();
        assert!(matches!(program.run(Duration::MAX, &about, &record, &cancel).await, Err(HookError::CutOff)));
        assert!(!directory.path().join("started").exists());
    }

    #[tokio::test]
    async fn one_that_comes_too_late_is_ended_with_what_it_has_started() {
        let command = ["/bin/sh", "-c", "sleep 1000 & echo ready; wait"].map(str::to_owned);
        let (child, mut output) = Program::of(&command, Path::new("/")).start(&about(), "token").unwrap();
        while !output.tail.said().contains("ready") {
            let _ = tokio::time::timeout(Duration::from_millis(5), output.read()).await;
        }
        let leader = RawPid::try_from(child.id().unwrap()).unwrap();
        end((child, output));
        assert!(Members::Of(leader).are_gone_within(Duration::from_secs(30)).await.unwrap());
    }

    #[tokio::test]
    async fn one_that_cannot_be_looked_up_is_killed_all_the_same() {
        let mut child = Command::new("/bin/sh").args(["-c", "trap '' TERM; exec sleep 1000"]).kill_on_drop(true).spawn().unwrap();
        end_group(&mut child, None).await.unwrap();
        assert!(matches!(child.try_wait(), Ok(Some(status)) if !status.success()));
    }

    #[test]
    fn what_may_still_run_stays_on_record() {
        let undying = HookError::Undying(GroupError::Undying { pid: 7 });
        for (outcome, ended) in [
            (Ok(()), true),
            (Err(HookError::Ended { how: "exit code 1".to_owned(), said: String::new() }), true),
            (Err(HookError::ShuttingDown), true),
            (Err(HookError::CutOff), false),
            (Err(HookError::Hangs { program: "a".to_owned(), after: GRACE }), false),
            (Err(undying), false),
            (Err(HookError::Lost(io::Error::other("no"))), false),
        ] {
            assert_eq!(has_ended(&outcome), ended, "{outcome:?}");
        }
    }
}
