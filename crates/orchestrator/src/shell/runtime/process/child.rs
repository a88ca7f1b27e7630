//! A running server: one that we started, or one that a former life of ours did.
//!
//! It starts, waits and stops. When to, and what is written down first, is the supervisor's.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    time::Duration,
};

use health_spec::registry::Runtime;
use rustix::process::{RawPid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

use super::{
    INSTANCE_VARIABLE,
    group::{self, GroupError, Handle, Members},
    procfs,
    record::Instance,
};
use crate::machine::Death;
use crate::shell::causes::causes;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    command: PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    cwd: PathBuf,
}

impl Program {
    /// Relative paths start at the registry file's directory. `None` without a `command`.
    pub fn of(runtime: &Runtime, registry_directory: &Path) -> Option<Self> {
        let base = std::path::absolute(registry_directory).unwrap_or_else(|_| registry_directory.to_owned());
        let cwd = base.join(runtime.cwd.as_deref().unwrap_or_default());
        let command = runtime.command.as_deref().filter(|command| !command.is_empty())?;
        // A bare name is looked for in PATH.
        let command = if command.contains('/') { cwd.join(command) } else { command.into() };
        Some(Self { command, args: runtime.args.clone(), env: runtime.env.clone(), cwd })
    }

    fn start(&self, token: &str, log: File) -> io::Result<process::Child> {
        Command::new(&self.command)
            .args(&self.args)
            .envs(&self.env)
            .env(INSTANCE_VARIABLE, token)
            .current_dir(&self.cwd)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    }

    /// Says what went wrong, and with what: the kernel's word is the same for a missing program and a missing directory.
    fn explain(&self, error: &io::Error) -> String {
        let command = self.command.display();
        if self.cwd.is_dir() {
            format!("cannot start \"{command}\": {}", plain(error))
        } else {
            format!("cannot start \"{command}\": the working directory \"{}\" is not there", self.cwd.display())
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Child {
    instance: Instance,
    handle: Handle,
    /// `None`: adopted, and somebody else learns its exit code.
    own: Option<process::Child>,
}

impl Child {
    /// Starts it. The error is a sentence for people.
    pub fn spawn(program: &Program, token: String, log: File) -> Result<Self, String> {
        let mut own = program.start(&token, log).map_err(|error| program.explain(&error))?;
        match Self::hold(&own, token) {
            Ok((instance, handle)) => Ok(Self { instance, handle, own: Some(own) }),
            Err(error) => {
                // What we cannot watch we must not leave running.
                let _ = own.kill();
                let _ = own.wait();
                Err(error)
            }
        }
    }

    fn hold(own: &process::Child, token: String) -> Result<(Instance, Handle), String> {
        let pid = own.id();
        let lost = || format!("cannot watch process {pid}");
        let stat = RawPid::try_from(pid).ok().and_then(procfs::stat).ok_or_else(lost)?;
        let handle = Handle::open(stat.identity).map_err(|error| causes(&error))?.ok_or_else(lost)?;
        Ok((Instance { token, leader: stat.identity }, handle))
    }

    /// Takes over one that runs. `None` when it has just ended.
    pub fn adopt(instance: Instance) -> Result<Option<Self>, GroupError> {
        let handle = Handle::open(instance.leader)?;
        Ok(handle.map(|handle| Self { instance, handle, own: None }))
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

    /// Asks the group to end, waits for at most `patience`, kills what is left, and returns when nobody is.
    pub async fn stop(&mut self, patience: Duration) -> Result<(), GroupError> {
        let leader = self.instance.leader;
        if self.own.is_some() || leader.is_alive() {
            group::ask_to_end(leader)?;
            if let Ok(ended) = tokio::time::timeout(patience, self.members().gone()).await {
                ended?;
            }
        }
        self.clear().await
    }

    /// Kills the group, or what an ended leader left of it, and reaps the leader.
    pub async fn clear(&mut self) -> Result<(), GroupError> {
        self.members().kill().await?;
        self.handle.ended().await;
        if let Some(own) = &mut self.own {
            // Does not block: it has ended.
            let _ = own.wait();
        }
        Ok(())
    }

    /// Our own leader keeps its group's number until we reap it; an adopted one has to be recognised.
    fn members(&self) -> Members {
        match self.own {
            Some(_) => Members::Of(self.instance.leader.pid),
            None => Members::Marked(self.instance.clone()),
        }
    }
}

fn death(status: &WaitIdStatus) -> Death {
    let exit_code = status.exit_status().map(i64::from);
    Death { exit_code, signal: status.terminating_signal(), ..Death::default() }
}

/// An IO error without the number in parentheses.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_owned())
}

#[cfg(test)]
mod tests {
    use health_spec::registry::RuntimeKind;

    use super::*;

    fn runtime(command: &str, cwd: Option<&str>) -> Runtime {
        Runtime {
            kind: RuntimeKind::Process,
            container: None,
            engine: None,
            command: Some(command.to_owned()),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: cwd.map(str::to_owned),
            stop_timeout_seconds: None,
        }
    }

    #[test]
    fn relative_paths_start_at_the_registry_file() {
        for (command, cwd, resolved, directory) in [
            ("python3", None, "python3", "/etc/mcp/"),
            ("./serve", None, "/etc/mcp/./serve", "/etc/mcp/"),
            ("./serve", Some("a"), "/etc/mcp/a/./serve", "/etc/mcp/a"),
            ("/bin/serve", Some("/srv"), "/bin/serve", "/srv"),
        ] {
            let program = Program::of(&runtime(command, cwd), Path::new("/etc/mcp")).unwrap();
            assert_eq!((program.command.as_path(), program.cwd.as_path()), (Path::new(resolved), Path::new(directory)));
        }
        assert_eq!(Program::of(&runtime("", None), Path::new("/")), None);
    }
}
