//! A real orchestrator as a child process: started, waited for, stopped, never left behind.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::api::Client;
use crate::command;
use crate::interrupt::Interrupt;
use crate::outcome::{Context, Failure, Outcome};
use crate::proc;

/// How long it may take to stop its servers and itself.
const STOP_DEADLINE: Duration = Duration::from_secs(15);
/// How long it may take until it answers.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How much of its log is shown when it fails.
const TAIL_LINES: usize = 30;

/// What to start.
pub(crate) struct Setup<'a> {
    /// The program.
    pub(crate) program: &'a Path,
    /// What to watch.
    pub(crate) registry: &'a Path,
    /// Its state; its output goes to `orchestrator.log` there.
    pub(crate) state: &'a Path,
    /// Its API.
    pub(crate) api: SocketAddr,
    /// The dashboard in the same process, where one is wanted.
    pub(crate) dashboard: Option<SocketAddr>,
}

/// One that runs.
pub(crate) struct Orchestrator {
    child: Child,
    log: PathBuf,
}

impl Orchestrator {
    /// Starts it in a process group of its own: Ctrl-C reaches only us, and we stop it.
    pub(crate) fn start(setup: &Setup<'_>) -> Outcome<Self> {
        let log = setup.state.join("orchestrator.log");
        let output = File::create(&log).context(format_args!("write {}", log.display()))?;
        let mut command = command::program(setup.program);
        command.arg("run").arg(setup.registry);
        if let Some(dashboard) = setup.dashboard {
            command.arg(format!("--gateway={dashboard}"));
        }
        command.args(["--listen", &setup.api.to_string(), "--state-dir"]).arg(setup.state);
        command.stdout(output.try_clone().context("share the log file")?).stderr(Stdio::from(output)).process_group(0);
        let child = command.spawn().context(format_args!("start {}", setup.program.display()))?;
        Ok(Self { child, log })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its output.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Waits until every address answers with success.
    pub(crate) fn wait_until_ready(&mut self, urls: &[String], interrupt: &Interrupt) -> Outcome {
        let client = Client::new(Duration::from_secs(2));
        let end = Instant::now() + START_DEADLINE;
        for url in urls {
            while !client.answers(url) {
                self.check_alive()?;
                if Instant::now() > end {
                    return Err(Failure::new(format!(
                        "{url} does not answer after {} s\n{}",
                        START_DEADLINE.as_secs(),
                        self.tail()
                    )));
                }
                if !interrupt.pause(Duration::from_millis(100)) {
                    return Err(Failure::new("interrupted before the orchestrator was up"));
                }
            }
        }
        Ok(())
    }

    /// An orchestrator that ended by itself is a failure, told with the tail of its log.
    pub(crate) fn check_alive(&mut self) -> Outcome {
        match self.child.try_wait().context("wait for the orchestrator")? {
            None => Ok(()),
            Some(status) => Err(Failure::new(format!("the orchestrator ended by itself ({status})\n{}", self.tail()))),
        }
    }

    /// Asks it to stop, and insists when it does not. An unclean end is a failure.
    pub(crate) fn stop(mut self) -> Outcome {
        match self.end()? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Failure::new(format!("the orchestrator stopped with {status}\n{}", self.tail()))),
            None => {
                Err(Failure::new(format!("the orchestrator did not stop within {} s and was killed", STOP_DEADLINE.as_secs())))
            }
        }
    }

    /// `None`: it had to be killed.
    fn end(&mut self) -> Outcome<Option<ExitStatus>> {
        proc::signal(self.child.id(), Signal::TERM);
        let end = Instant::now() + STOP_DEADLINE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().context("wait for the orchestrator")? {
                return Ok(Some(status));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.child.kill().context("kill the orchestrator")?;
        self.child.wait().context("wait for the orchestrator")?;
        Ok(None)
    }

    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines = text.lines().collect::<Vec<_>>();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        format!("the end of {}:\n{tail}", self.log.display())
    }
}

impl Drop for Orchestrator {
    /// On every early return too.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _reported_by_stop = self.end();
        }
    }
}
