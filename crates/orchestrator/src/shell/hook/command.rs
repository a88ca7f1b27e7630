//! A hook that is a command: started in its own group, waited for, ended at its timeout.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::RawPid;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::tail::Tail;
use super::{About, HookError};
use crate::shell::runtime::process::INSTANCE_VARIABLE;
use crate::shell::runtime::process::environment;
use crate::shell::runtime::process::group::{Members, ask_to_end};
use crate::shell::runtime::process::procfs::{self, Identity};
use crate::shell::runtime::process::program::Missing;
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
        let token = uuid::Uuid::new_v4().simple().to_string();
        record.write(Record::Starting { token: token.clone(), bound: false }).await?;
        let outcome = self.run_recorded(timeout, about, (record, token), cancel).await;
        // It has ended. What cannot be written is found again at the next start, where there is nobody left to end.
        let _ = record.write(Record::Stopped).await;
        outcome
    }

    async fn run_recorded(
        &self,
        timeout: Duration,
        about: &About,
        (record, token): (&RecordFile, String),
        cancel: &CancellationToken,
    ) -> Result<(), HookError> {
        let (mut child, mut output) = self.start(about, &token).map_err(|source| self.unstartable(source))?;
        let leader = child.id().and_then(|pid| RawPid::try_from(pid).ok()).and_then(procfs::stat).map(|stat| stat.identity);
        if let Some(leader) = leader {
            // That it was about to be started is on disk already.
            let _ = record.write(Record::Running(Instance { token, leader, bound: false })).await;
        }
        let mut tail = Tail::default();
        let end = tokio::select! {
            status = wait(&mut child, &mut output, &mut tail) => End::Exited(status),
            () = tokio::time::sleep(timeout) => End::TimedOut,
            () = cancel.cancelled() => End::Cancelled,
        };
        match end {
            End::Exited(Ok(status)) if status.success() => Ok(()),
            End::Exited(Ok(status)) => Err(HookError::Ended { how: how(status), said: tail.said() }),
            End::Exited(Err(error)) => Err(HookError::Lost(error)),
            End::TimedOut => {
                end_group(&mut child, leader).await?;
                Err(HookError::TimedOut { after: timeout, said: tail.said() })
            }
            End::Cancelled => {
                end_group(&mut child, leader).await?;
                Err(HookError::ShuttingDown)
            }
        }
    }

    fn start(&self, about: &About, token: &str) -> io::Result<(Child, pipe::Receiver)> {
        let (ours, theirs) = io::pipe()?;
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
        Ok((child, pipe::Receiver::from_owned_fd(ours.into())?))
    }

    fn unstartable(&self, source: io::Error) -> HookError {
        HookError::Start { program: self.path.display().to_string(), source }
    }
}

/// Until it exits. Whoever it has left in the background may hold the pipe for ever: that is not waited for.
async fn wait(child: &mut Child, output: &mut pipe::Receiver, tail: &mut Tail) -> io::Result<ExitStatus> {
    let mut buffer = [0; 4_096];
    let mut is_open = true;
    let status = loop {
        tokio::select! {
            read = output.read(&mut buffer), if is_open => match read {
                Ok(0) | Err(_) => is_open = false,
                Ok(length) => tail.add(&buffer[..length]),
            },
            status = child.wait() => break status,
        }
    };
    while let Ok(length @ 1..) = output.try_read(&mut buffer) {
        tail.add(&buffer[..length]);
    }
    status
}

/// Ends everything that it has started and that is still in its group. It is not reaped before, so the group is still its own.
async fn end_group(child: &mut Child, leader: Option<Identity>) -> Result<(), HookError> {
    if let Some(leader) = leader {
        let members = Members::Of(leader.pid);
        ask_to_end(leader).await?;
        if !members.are_gone_within(GRACE).await? {
            members.kill(KILL_PATIENCE).await?;
        }
    }
    child.wait().await.map(|_| ()).map_err(HookError::Lost)
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}
