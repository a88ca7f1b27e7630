//! What a server's process is: its command, its surroundings, and who it runs as.
//!
//! It is read anew at every start of the server, so that a file of secrets may change meanwhile.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use health_spec::registry::{self, OnCrash, Runtime, Session};
use process_wrap::std::{CommandWrap, ProcessSession};
use thiserror::Error;

use super::{
    INSTANCE_VARIABLE,
    environment::{self, EnvironmentError},
    places::fnv1a,
    search::{self, Absent},
    user::{User, UserError},
};

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    command: PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    env_file: Option<PathBuf>,
    cwd: PathBuf,
    user: Option<String>,
    session: Session,
    /// Its input and output are the protocol's.
    pub speaks: bool,
    /// What becomes of it when it outlived us.
    pub on_crash: OnCrash,
    /// How it is ended.
    pub patience: Patience,
}

/// How long each step of an end may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// After its input was closed.
    pub stdin: Duration,
    /// After SIGTERM.
    pub term: Duration,
    /// After SIGKILL, which works at once unless a process sits in the kernel.
    pub kill: Duration,
}

impl Patience {
    /// When it takes every step, from first to last.
    pub fn whole(self) -> Duration {
        self.stdin.saturating_add(self.term).saturating_add(self.kill)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { stdin: Duration::from_secs(2), term: Duration::from_secs(5), kill: Duration::from_secs(10) }
    }
}

/// What to do about a command with a space that is not there.
const NOT_A_LINE: &str = "a command is one program; its arguments stand in `args`, such as command: python3, args: [-m, server]";

/// Something that the machine does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Who names it: a key of the runtime, or of a hook.
    pub key: &'static str,
    /// What is missing.
    pub text: String,
    /// What to do about it.
    pub help: &'static str,
}

/// It could not be started, or cannot be as it is configured.
#[derive(Debug, Error)]
pub enum ProgramError {
    /// Its file of variables.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// Who it is to run as.
    #[error(transparent)]
    User(#[from] UserError),
    /// Nobody waits for it any more.
    #[error("it was not started, since it is no longer wanted")]
    Unwanted,
    /// There is no such program.
    #[error(transparent)]
    Absent(#[from] Absent),
    /// The kernel's word is the same for a missing program and a missing directory: this one says which.
    #[error("cannot start \"{}\": the working directory \"{}\" is not there", .command.display(), .cwd.display())]
    Directory {
        /// What.
        command: PathBuf,
        /// Where.
        cwd: PathBuf,
    },
    /// The kernel refused.
    #[error("cannot start \"{}\": {}", .command.display(), plain(.error))]
    Spawn {
        /// What.
        command: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl ProgramError {
    /// The key of the runtime that it is about.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Environment(_) => "/env_file",
            Self::User(_) => "/user",
            Self::Directory { .. } => "/cwd",
            Self::Absent(_) | Self::Spawn { .. } | Self::Unwanted => "/command",
        }
    }
}

impl Program {
    /// Relative paths start at the registry file's directory. `None` without a `command`.
    /// `term` is how long it has after SIGTERM unless `stop` says otherwise.
    pub fn of(runtime: &Runtime, registry_directory: &Path, term: Option<Duration>) -> Option<Self> {
        let base = std::path::absolute(registry_directory).unwrap_or_else(|_| registry_directory.to_owned());
        let cwd = base.join(runtime.cwd.as_deref().unwrap_or_default());
        let command = runtime.command.as_deref().filter(|command| !command.is_empty())?;
        // A bare name is looked for in PATH.
        let command = if command.contains('/') { cwd.join(command) } else { command.into() };
        Some(Self {
            command,
            args: runtime.args.clone(),
            env: runtime.env.clone(),
            env_file: runtime.env_file.as_deref().map(|file| base.join(file)),
            cwd,
            user: runtime.user.clone(),
            session: runtime.session.unwrap_or_default(),
            speaks: runtime.stdio == Some(registry::Stdio::Mcp),
            on_crash: runtime.on_crash.unwrap_or_default(),
            patience: patience(runtime, term),
        })
    }

    /// What a start of it reads, for people.
    pub fn reads(&self) -> String {
        let file = self.env_file.as_ref().map(|file| format!(", the file of variables \"{}\"", file.display()));
        let user = self.user.as_ref().map(|user| format!(", or whoever knows the user \"{user}\""));
        let (file, user) = (file.unwrap_or_default(), user.unwrap_or_default());
        format!("\"{}\" in \"{}\"{file}{user}", self.command.display(), self.cwd.display())
    }

    /// Stands for all that a start of it is made with. It is short, so that nobody finds out by trying which secrets are in it.
    pub fn settings(&self) -> String {
        let Self { command, args, env, env_file, cwd, user, session, speaks, on_crash: _, patience: _ } = self;
        let paths =
            [Some(command), env_file.as_ref(), Some(cwd)].map(|path| path.map(|path| path.as_os_str().as_encoded_bytes()));
        let all = serde_json::to_string(&(paths, args, env, user, session, speaks)).unwrap_or_default();
        let hash = fnv1a(&all);
        format!("{:08x}", (hash ^ (hash >> 32)) & 0xffff_ffff)
    }

    /// What can be seen to be wrong before it is started.
    pub fn check(&self) -> Result<(), ProgramError> {
        self.variables()?;
        self.user()?;
        Ok(())
    }

    /// What of it this machine does not have; `path` is our own PATH. Who may become whom is not asked: whoever looks need not be who starts it.
    pub fn missing(&self, path: Option<&str>) -> Vec<Missing> {
        let (variables, user) = (self.variables(), self.user());
        let path = variables.as_ref().ok().and_then(|variables| self.path(variables)).or_else(|| self.path(&[])).or(path);
        let has_directory = search::is_directory(&self.cwd);
        let mut missing = Vec::new();
        let mut say = |key, text, help| missing.push(Missing { key, text, help });
        if let Err(error) = search::find(&self.command, &self.cwd, path)
            && (has_directory || !self.command.starts_with(&self.cwd))
        {
            let is_a_line = self.command.as_os_str().as_encoded_bytes().contains(&b' ');
            say("command", error.to_string(), if is_a_line { NOT_A_LINE } else { error.help() });
        }
        if !has_directory {
            let text = format!("there is no directory \"{}\" on this machine", self.cwd.display());
            say("cwd", text, "make it, or name another one; a relative path starts at the directory of this file");
        }
        match user {
            Ok(_) | Err(UserError::NotAllowed { .. }) => {}
            Err(error) => say("user", refused(&error), "make the user, or name one that is there"),
        }
        if let Err(error) = variables {
            say("env_file", refused(&error), "a file of NAME=value lines that can be read");
        }
        missing
    }

    /// Whether it could be started now, as far as whoever it runs as can see.
    pub fn can_start(&self) -> Result<(), ProgramError> {
        let (variables, user) = (self.variables()?, self.user()?);
        let inherited = inherited_path();
        let path = self.path(&variables).or(inherited.as_deref());
        let look = || {
            if !search::is_directory(&self.cwd) {
                return Err(ProgramError::Directory { command: self.command.clone(), cwd: self.cwd.clone() });
            }
            Ok(search::find(&self.command, &self.cwd, path)?)
        };
        match user {
            None => look(),
            Some(user) => user.run(look)?,
        }
    }

    /// Starts it, with a log or without; not one that is no longer wanted when everything has been read.
    pub fn start(&self, token: &str, log: Option<File>, is_wanted: impl Fn() -> bool) -> Result<Child, ProgramError> {
        let user = self.user()?;
        let mut command = self.command(token, user.as_ref())?;
        if !is_wanted() {
            return Err(ProgramError::Unwanted);
        }
        self.streams(&mut command, log).map_err(|error| self.explain(error))?;
        match user {
            None => self.spawn(command).map_err(|error| self.explain(error)),
            // The child has the rights of the thread that makes it.
            Some(user) => user.run(|| self.spawn(command))?.map_err(|error| self.explain(error)),
        }
    }

    fn command(&self, token: &str, user: Option<&User>) -> Result<Command, EnvironmentError> {
        let mut command = Command::new(&self.command);
        command.args(&self.args).current_dir(&self.cwd);
        environment::keep_ours(&mut command);
        command.envs(user.into_iter().flat_map(User::variables)).envs(self.variables()?).envs(&self.env);
        command.env(INSTANCE_VARIABLE, token);
        Ok(command)
    }

    fn spawn(&self, mut command: Command) -> io::Result<Child> {
        if self.session == Session::Group {
            return command.process_group(0).spawn();
        }
        let wrapped = CommandWrap::from(command).wrap(ProcessSession).spawn()?;
        let inner: Box<dyn std::any::Any> = wrapped.into_inner();
        inner.downcast().map(|child| *child).map_err(|_| io::Error::other("the child is not where it should be"))
    }

    fn streams(&self, command: &mut Command, log: Option<File>) -> io::Result<()> {
        let copy = log.as_ref().map(File::try_clone).transpose()?;
        command.stderr(log.map_or_else(Stdio::null, Stdio::from));
        if self.speaks {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(copy.map_or_else(Stdio::null, Stdio::from));
        }
        Ok(())
    }

    fn variables(&self) -> Result<Vec<(String, String)>, EnvironmentError> {
        self.env_file.as_deref().map_or(Ok(Vec::new()), environment::read)
    }

    /// The PATH that it is given.
    fn path<'a>(&'a self, of_file: &'a [(String, String)]) -> Option<&'a str> {
        let own = |(name, value): &'a (String, String)| (name == "PATH").then_some(value);
        self.env.get("PATH").or_else(|| of_file.iter().rev().find_map(own)).map(String::as_str)
    }

    fn user(&self) -> Result<Option<User>, UserError> {
        self.user.as_deref().map_or(Ok(None), User::find)
    }

    fn explain(&self, error: io::Error) -> ProgramError {
        let command = self.command.clone();
        if self.cwd.is_dir() {
            ProgramError::Spawn { command, error }
        } else {
            ProgramError::Directory { command, cwd: self.cwd.clone() }
        }
    }
}

/// A child that is given no PATH has ours.
#[expect(clippy::disallowed_methods, reason = "the child reads it, not we")]
fn inherited_path() -> Option<String> {
    std::env::var("PATH").ok()
}

fn patience(runtime: &Runtime, term: Option<Duration>) -> Patience {
    let usual = Patience::default();
    let stop = runtime.stop.unwrap_or_default();
    let or = |given: Option<health_spec::config::Seconds>, usual: Duration| given.map_or(usual, |seconds| seconds.0);
    Patience {
        stdin: or(stop.stdin_seconds, usual.stdin),
        term: or(stop.term_seconds, term.unwrap_or(usual.term)),
        kill: or(stop.kill_seconds, usual.kill),
    }
}

/// What [`Program::check`] refuses as well.
fn refused(error: &dyn std::error::Error) -> String {
    format!("{error}; the server's next start fails on this machine, and `run` does not begin")
}

/// An IO error without the number in parentheses.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_owned())
}

#[cfg(test)]
mod tests {
    use health_spec::config::Seconds;
    use health_spec::registry::{RuntimeKind, Stop};

    use super::*;

    fn runtime(command: &str, cwd: Option<&str>) -> Runtime {
        let (command, cwd) = (Some(command.to_owned()), cwd.map(str::to_owned));
        Runtime { kind: RuntimeKind::Process, command, cwd, ..Runtime::default() }
    }

    #[test]
    fn relative_paths_start_at_the_registry_file() {
        for (command, cwd, resolved, directory) in [
            ("python3", None, "python3", "/etc/mcp/"),
            ("./serve", None, "/etc/mcp/./serve", "/etc/mcp/"),
            ("./serve", Some("a"), "/etc/mcp/a/./serve", "/etc/mcp/a"),
            ("/bin/serve", Some("/srv"), "/bin/serve", "/srv"),
        ] {
            let program = Program::of(&runtime(command, cwd), Path::new("/etc/mcp"), None).unwrap();
            assert_eq!((program.command.as_path(), program.cwd.as_path()), (Path::new(resolved), Path::new(directory)));
        }
        assert_eq!(Program::of(&runtime("", None), Path::new("/"), None), None);
    }

    #[test]
    fn what_systemd_says_to_us_is_not_inherited_unless_it_is_given() {
        let mut runtime = runtime("a", None);
        runtime.env.insert("LISTEN_FDS".to_owned(), "3".to_owned());
        let command = Program::of(&runtime, Path::new("/"), None).unwrap().command("token", None).unwrap();
        let changed: BTreeMap<_, _> = command.get_envs().collect();
        let of = |name: &str| changed.get(std::ffi::OsStr::new(name)).copied();
        assert_eq!((of("NOTIFY_SOCKET"), of("WATCHDOG_USEC"), of("PATH")), (Some(None), Some(None), None));
        for ours in ["STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "INVOCATION_ID", "JOURNAL_STREAM", "MAINPID", "LISTEN_PIDFDID"] {
            assert_eq!(of(ours), Some(None), "{ours}");
        }
        assert_eq!((of("LISTEN_FDS"), of(INSTANCE_VARIABLE)), (Some(Some("3".as_ref())), Some(Some("token".as_ref()))));
    }

    #[test]
    fn each_step_of_an_end_has_its_time() {
        let seconds = Duration::from_secs;
        let mut runtime = runtime("a", None);
        let of = |runtime: &Runtime, term| Program::of(runtime, Path::new("/"), term).unwrap().patience;
        assert_eq!(of(&runtime, None), Patience { stdin: seconds(2), term: seconds(5), kill: seconds(10) });
        assert_eq!(of(&runtime, Some(seconds(7))).term, seconds(7));
        assert_eq!(of(&runtime, Some(seconds(30))).whole(), seconds(42));
        runtime.stop = Some(Stop { term_seconds: Some(Seconds(seconds(1))), ..Stop::default() });
        assert_eq!(of(&runtime, Some(seconds(7))), Patience { stdin: seconds(2), term: seconds(1), kill: seconds(10) });
    }
}
