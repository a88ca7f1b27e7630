//! The container engine of the tests. One that runs already is used and never stopped; one of ours is stopped again.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::packages::Rights;
use crate::command;
use crate::engine;
use crate::outcome::{Context, Failure, Outcome};
use crate::workspace;

/// How long it may take to answer, and to stop.
const DEADLINE: Duration = Duration::from_secs(60);

/// The engine, for as long as this lives.
pub(super) struct Dockerd(Option<(Child, Rights)>);

/// Finds one or starts one.
pub(super) fn provide() -> Outcome<Dockerd> {
    if engine::answers() {
        return Ok(Dockerd(None));
    }
    let rights = Rights::found().ok_or_else(|| Failure::new(asking_for_help()))?;
    let log = workspace::own_folder()?.join("dockerd.log");
    let output = File::create(&log).context(format_args!("write {}", log.display()))?;
    eprintln!("xtask: no container engine answers at {}; starting dockerd, log: {}", engine::SOCKET, log.display());
    let mut dockerd = rights.program("dockerd");
    dockerd.stdout(output.try_clone().context("share the log file")?).stderr(output).stdin(Stdio::null());
    let started = Dockerd(Some((dockerd.spawn().context("start dockerd")?, rights)));
    wait_for_answer(&log)?;
    Ok(started)
}

impl Dockerd {
    /// Stops it if it is ours.
    pub(super) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some((mut child, rights)) = self.0.take() else { return };
        // Through `kill`, since what `sudo` started is not ours to signal.
        command::succeeds(rights.program("sh").args(["-c", &format!("kill -TERM {}", child.id())]));
        let end = Instant::now() + DEADLINE;
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Dockerd {
    /// On every early return too.
    fn drop(&mut self) {
        self.end();
    }
}

/// Another one that comes up meanwhile is as good; so only the socket counts.
fn wait_for_answer(log: &Path) -> Outcome {
    let end = Instant::now() + DEADLINE;
    while !engine::answers() {
        if Instant::now() > end {
            return Err(Failure::new(format!("dockerd does not answer at {}; see {}", engine::SOCKET, log.display())));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn asking_for_help() -> String {
    format!("no container engine answers at {}, and starting one needs root; start it, for example: sudo dockerd", engine::SOCKET)
}
