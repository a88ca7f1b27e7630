//! A server that something runs, and what may be wrong with that.

use std::time::Duration;

use health_spec::registry::{Runtime, RuntimeKind};
use jiff::Timestamp;
use thiserror::Error;

use super::container::consent::Consent;
use crate::machine::ServerId;

/// A server and what runs it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that an earlier run may have left")]
pub struct Supervised {
    /// Its place in the fleet.
    pub server: ServerId,
    /// Its place in the registry.
    pub entry: usize,
    /// Its unique name.
    pub name: String,
    /// What runs it.
    pub runtime: Runtime,
    /// How long it may take to end once it was asked to, before it is killed. Default: 5 s for a process, 10 s for a container.
    pub stop_timeout: Option<Duration>,
    /// An earlier run of ours has begun a restart and did not see its end.
    pub acting: Option<Acting>,
    /// Meanwhile somebody has stopped it.
    pub stopped: bool,
    /// An earlier run of ours has recreated it, or begun to, and what it has replaced may still be there.
    pub unsettled: bool,
    /// An earlier run of ours has watched it, or it was just discovered: what cannot be found now is waited for.
    pub known: bool,
    /// It has the place of another one: that it runs is a start.
    pub replaces: bool,
    /// What its container has to have to be touched, beside its name.
    pub consent: Consent,
}

/// A restart whose end an earlier run of ours did not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acting {
    /// When it was allowed to touch the server, by our clock. `None`: that run did not write it down.
    pub since: Option<Timestamp>,
    /// It was a repair, which replaces nothing: that whoever ran before it still runs does not mean that nothing was done.
    pub repairs: bool,
}

impl Supervised {
    /// One that runs this, and of which nothing else is known.
    #[cfg(test)]
    pub(crate) fn plain(name: &str, runtime: Runtime) -> Self {
        Self {
            server: ServerId(0),
            entry: 0,
            name: name.to_owned(),
            runtime,
            stop_timeout: None,
            acting: None,
            stopped: false,
            unsettled: false,
            known: false,
            replaces: false,
            consent: Consent::default(),
        }
    }

    /// Whether it is a child of ours.
    pub fn is_process(&self) -> bool {
        self.runtime.kind == RuntimeKind::Process
    }

    /// Whether `other` starts a process with something else: what only its end and its log depend on is no such thing.
    pub fn is_started_otherwise(&self, other: &Self) -> bool {
        let started = |runtime: &Runtime| Runtime { stop: None, on_crash: None, log: None, ..runtime.clone() };
        started(&self.runtime) != started(&other.runtime)
    }

    /// Whether both are one container of one engine.
    pub fn is_the_same_container(&self, other: &Self) -> bool {
        let place = |runtime: &Runtime| (runtime.kind, runtime.engine.clone(), runtime.container.clone());
        self.runtime.container.is_some() && place(&self.runtime) == place(&other.runtime)
    }

    /// Something is wrong at a key of its runtime.
    pub(super) fn fault(&self, key: &str, text: String) -> Fault {
        Fault { pointer: format!("/servers/{}/runtime{key}", self.entry), text }
    }
}

/// What cannot be run as configured: everything at once.
#[derive(Debug, Error)]
#[error("{}", .faults.iter().map(|fault| fault.text.as_str()).collect::<Vec<_>>().join("; "))]
pub struct StartError {
    /// Never empty.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where in the configuration, as a JSON pointer; `/servers/N` is the server with `ServerId(N)`.
    pub pointer: String,
    /// A sentence for people.
    pub text: String,
}
