//! What can happen to a server.

/// One way to break it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// SIGKILL, from outside.
    Kill,
    /// It aborts.
    Crash,
    /// It accepts connections and never answers.
    Hang,
    /// It says that it is down.
    Down,
    /// SIGSTOP to a process: it is there, and does nothing.
    Freeze,
    /// An operator stops the container, and starts it again later.
    Stop,
    /// An operator pauses the container, and ends the pause later.
    Pause,
    /// It takes more memory than it may have.
    Memory,
    /// Its network is cut, by `iptables` in its namespace.
    Cut,
}

impl Blow {
    /// The sample server's word for it: `POST /break/WORD`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Down => "down",
            Self::Memory => "memory",
            other => panic!("{other:?} comes from outside"),
        }
    }

    /// Whether somebody has to undo it: then it is no failure that is mended by a restart.
    pub(crate) fn wants_undoing(self) -> bool {
        matches!(self, Self::Stop | Self::Pause)
    }
}
