//! What can happen to a server, and to an engine.

/// One way to break it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// The way to an engine is closed for a while.
    EngineCut,
    /// An engine ends, its containers with it, and is started again.
    EngineRestart,
}

impl Blow {
    /// Each kind.
    pub(crate) const ALL: [Self; 11] = [
        Self::Kill,
        Self::Crash,
        Self::Hang,
        Self::Down,
        Self::Freeze,
        Self::Stop,
        Self::Pause,
        Self::Memory,
        Self::Cut,
        Self::EngineCut,
        Self::EngineRestart,
    ];

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

    /// What an engine suffers, and its servers with it.
    pub(crate) fn is_an_engines(self) -> bool {
        matches!(self, Self::EngineCut | Self::EngineRestart)
    }

    /// Somebody's wish: no failure that is mended by a restart.
    pub(crate) fn is_wanted(self) -> bool {
        matches!(self, Self::Stop | Self::Pause)
    }

    /// Whether it ends the server: then there is an exit code or a signal.
    pub(crate) fn is_a_death(self) -> bool {
        matches!(self, Self::Kill | Self::Crash | Self::Memory)
    }

    /// Whether it leads to an incident. The others may: an engine that is away tells late of what is wanted, and one that ends may tell all
    /// the same that it stops its containers.
    pub(crate) fn is_a_failure(self) -> bool {
        !self.is_wanted() && !self.is_an_engines()
    }
}
