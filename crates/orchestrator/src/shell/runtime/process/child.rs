//! A running server: one that we started, or one that a former life of ours did.
//!
//! It starts, waits and stops. When to, and what is written down first, is the supervisor's.

use std::{fs::File, io, process, time::Duration};

use rustix::process::{Pid, RawPid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{
    beside::{STARTS, beside},
    group::{self, GroupError, Handle, Members},
    launch::{Launch, Place},
    procfs,
    program::{Patience, Program, ProgramError},
    reaper::Claim,
    record::Instance,
    wire::Wire,
};
use crate::machine::Death;
use crate::shell::causes::causes;

/// What has come of a start.
pub type Started = Result<process::Child, ProgramError>;

/// A start that is under way, and may hang.
#[derive(Debug)]
pub struct Launching {
    /// What comes of it.
    pub launch: Launch<Started>,
    /// Names it in the environment.
    pub token: String,
    /// Pipes of ours belong to it.
    pub bound: bool,
}

/// A running server.
#[derive(Debug)]
pub struct Child {
    instance: Instance,
    handle: Handle,
    /// `None`: adopted, and somebody else learns its exit code.
    own: Option<process::Child>,
    _claim: Option<Claim>,
}

impl Child {
    /// Begins to start it.
    pub async fn launch(program: &Program, token: &str, log: Option<File>, place: Place) -> io::Result<Launching> {
        let (of, bound) = ((program.clone(), token.to_owned()), program.speaks);
        let start = move |unwanted: &CancellationToken| of.0.start(&of.1, log, || !unwanted.is_cancelled());
        let launch = Launch::begin(place, start, |late| late.map_or((), end)).await?;
        Ok(Launching { launch, token: token.to_owned(), bound })
    }

    /// One that was started, with its protocol's streams on this wire if it speaks. The error is a sentence for people.
    pub async fn started(started: Started, (token, bound): (String, bool), wire: &Wire) -> Result<Self, String> {
        let mut own = started.map_err(|error| causes(&error))?;
        let claim = RawPid::try_from(own.id()).ok().map(Claim::on);
        let connected = wire.connect(&mut own, &token).map_err(|error| format!("cannot use its streams: {error}"));
        match connected.and_then(|()| Self::hold(&own, token, bound)) {
            Ok((instance, handle)) => Ok(Self { instance, handle, own: Some(own), _claim: claim }),
            Err(error) => {
                // What we cannot watch we must not leave running.
                let _ = beside(&STARTS, move || end(own)).await;
                Err(error)
            }
        }
    }

    fn hold(own: &process::Child, token: String, bound: bool) -> Result<(Instance, Handle), String> {
        let pid = own.id();
        let lost = |why: &dyn std::fmt::Display| format!("cannot watch process {pid}: {why}");
        let gone = || lost(&"it is gone");
        let found = RawPid::try_from(pid).map_or(Ok(None), procfs::stat);
        let stat = found.map_err(|error| lost(&error))?.ok_or_else(gone)?;
        let handle = Handle::open(stat.identity).map_err(|error| causes(&error))?.ok_or_else(gone)?;
        Ok((Instance { token, leader: stat.identity, bound }, handle))
    }

    /// Takes over one that runs. `None` when it has just ended.
    pub fn adopt(instance: Instance) -> Result<Option<Self>, GroupError> {
        let handle = Handle::open(instance.leader)?;
        Ok(handle.map(|handle| Self { instance, handle, own: None, _claim: None }))
    }

    /// Which start of the server it is.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Returns when it has ended; cancel-safe. How an adopted one ended is not known.
    /// It is not reaped yet: until [`Self::clear`] nobody can be given its number.
    pub async fn ended(&self) -> Death {
        self.handle.ended().await;
        if self.own.is_none() {
            return Death::default();
        }
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let status = self.instance.leader.pid().ok().and_then(|pid| waitid(WaitId::Pid(pid), peek).ok().flatten());
        status.map(|status| death(&status)).unwrap_or_default()
    }

    /// Closes its input if that is ours, asks the group to end, kills what is left, and returns when nobody is. What keeps us from asking
    /// keeps nothing alive: the killing says whether it worked.
    pub async fn stop(&mut self, patience: Patience, wire: &Wire) -> Result<(), GroupError> {
        let leader = self.instance.leader;
        if self.own.is_some() || leader.is_alive() {
            // The input of one that outlived us has been closed by our end.
            let closed = wire.hang_up() || (self.instance.bound && self.own.is_none());
            let mut ended = closed && self.is_gone_within(patience.stdin).await;
            if !ended {
                if let Err(error) = group::ask_to_end(leader.pid).await {
                    tracing::debug!(pid = leader.pid, error = causes(&error), "not all of a server could be asked to end");
                }
                ended = self.is_gone_within(patience.term).await;
            }
            if !ended {
                tracing::warn!(pid = leader.pid, "a server did not end when it was asked to; it is killed");
            }
        }
        self.clear(patience).await
    }

    /// Whether nobody is left so soon. Where the others cannot be looked at, the leader speaks for them.
    async fn is_gone_within(&self, patience: Duration) -> bool {
        match self.members().are_gone_within(patience).await {
            Ok(gone) => gone,
            Err(_) => timeout(patience, self.handle.ended()).await.is_ok(),
        }
    }

    /// Kills the group, or what an ended leader left of it, and reaps the leader.
    pub async fn clear(&mut self, patience: Patience) -> Result<(), GroupError> {
        self.members().kill(patience.kill).await?;
        let pid = self.instance.leader.pid;
        // Nobody else sets a limit to this.
        timeout(patience.kill, self.reap()).await.map_err(|_| GroupError::Undying { pid })
    }

    /// Waits for the leader alone, and reaps it if it is ours.
    pub async fn reap(&mut self) {
        self.handle.ended().await;
        if let Some(own) = &mut self.own {
            // Does not block: it has ended.
            let _ = own.wait();
        }
    }

    /// Our own leader keeps its group's number until we reap it; an adopted one has to be recognised.
    fn members(&self) -> Members {
        match self.own {
            Some(_) => Members::Of(self.instance.leader.pid),
            None => Members::Marked(self.instance.clone()),
        }
    }
}

/// Ends one that was just started, with what it has started itself by now.
fn end(mut own: process::Child) {
    if let Some(group) = RawPid::try_from(own.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = own.kill();
    let _ = own.wait();
}

fn death(status: &WaitIdStatus) -> Death {
    let exit_code = status.exit_status().map(i64::from);
    Death { exit_code, signal: status.terminating_signal(), core_dumped: status.dumped(), ..Death::default() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;
    use crate::shell::root::is_alone;
    use crate::shell::runtime::process::procfs::Identity;

    #[tokio::test]
    async fn an_adopted_one_that_hides_its_token_and_will_not_end_is_killed() {
        let script = "trap '' TERM; exec sleep 1000";
        let mut ours = process::Command::new("/bin/sh").args(["-c", script]).process_group(0).spawn().unwrap();
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while procfs::name(RawPid::try_from(ours.id()).unwrap()) != "sleep" {
            look.tick().await;
        }
        let leader = Identity::of(RawPid::try_from(ours.id()).unwrap()).unwrap().unwrap();
        let instance = Instance { token: "not shown".to_owned(), leader, bound: false };
        let mut child = Child::adopt(instance).unwrap().unwrap();
        let term = Duration::from_millis(100);
        let wire = Wire::default();
        let stop = child.stop(Patience { term, ..Patience::default() }, &wire);
        let stopped = tokio::time::timeout(Duration::from_secs(30), stop).await;
        let has_ended = !leader.is_alive();
        ours.kill().unwrap();
        ours.wait().unwrap();
        assert!(stopped.is_ok_and(|stopped| stopped.is_ok()) && has_ended);
    }

    #[tokio::test]
    async fn one_with_more_processes_than_we_have_descriptors_is_killed() {
        // What it uses up, others would lack.
        if !is_alone("shell::runtime::process::child::tests::one_with_more_processes_than_we_have_descriptors_is_killed") {
            return;
        }
        let script = "trap '' TERM; n=0; while [ $n -lt 200 ]; do sleep 1000 & n=$((n + 1)); done; echo; wait";
        let mut command = process::Command::new("/bin/sh");
        let mut ours = command.args(["-c", script]).process_group(0).stdout(process::Stdio::piped()).spawn().unwrap();
        std::io::Read::read_exact(&mut ours.stdout.take().unwrap(), &mut [0]).unwrap();
        let leader = Identity::of(RawPid::try_from(ours.id()).unwrap()).unwrap().unwrap();
        let instance = Instance { token: "not shown".to_owned(), leader, bound: false };
        let before = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(128), ..before }).unwrap();
        let mut child = Child::adopt(instance).unwrap().unwrap();
        let patience = Patience { term: Duration::from_millis(100), ..Patience::default() };
        let stopped = child.stop(patience, &Wire::default()).await;
        setrlimit(Resource::Nofile, before).unwrap();
        let left = Members::Of(leader.pid).living().unwrap();
        let _ = kill_process_group(leader.pid().unwrap(), Signal::KILL);
        ours.wait().unwrap();
        assert!(stopped.is_ok() && left.is_empty(), "{stopped:?}, {} are left", left.len());
    }

    #[test]
    fn one_that_cannot_be_watched_is_ended_with_what_it_has_started() {
        let mut command = process::Command::new("/bin/sh");
        command.args(["-c", "(sleep 5; echo it lives) & echo; wait"]).process_group(0).stdout(process::Stdio::piped());
        let mut own = command.spawn().unwrap();
        let mut output = own.stdout.take().unwrap();
        std::io::Read::read_exact(&mut output, &mut [0]).unwrap();
        end(own);
        assert_eq!(std::io::read_to_string(output).unwrap(), "");
    }
}
