//! Servers of `kind: systemd`: units of a service manager, listened to over D-Bus and restarted by it.
//!
//! The manager's signals say what happens; nothing is polled. A unit is never stopped when the orchestrator ends, and
//! none is touched that is not registered. What the manager itself does (`Restart=`) goes first and is counted.

pub mod bus;
pub mod listener;
pub mod status;
pub mod unit;

use thiserror::Error;
use tokio::sync::mpsc;

use self::{
    bus::{Bus, BusError, Session},
    listener::{Listener, Request, Watched},
    unit::Unit,
};
use super::{Fault, Supervised, reporter::Mouth};
use crate::machine::{ServerId, input::EngineId};
use crate::shell::causes::causes;

/// A restart did not come to its end.
#[derive(Debug, Error)]
pub enum UnitError {
    /// The manager cannot be reached.
    #[error("systemd cannot be reached: {0}")]
    Lost(String),
    /// It was lost meanwhile.
    #[error("systemd was lost during the restart; what became of it is seen when it is back")]
    Interrupted,
    /// It refused.
    #[error("systemd refused to restart {unit}: {error}")]
    Refused {
        /// Which unit.
        unit: String,
        /// In its words, with what to do where that is known.
        error: String,
    },
    /// Somebody else's job is ending it, and whoever stops it does not want it started.
    #[error("somebody is stopping or restarting {0}: it is left alone until that has ended")]
    BeingStopped(String),
    /// A job of somebody else has been queued meanwhile, for it or for what it needs.
    #[error("systemd does not restart {unit} against a job of somebody else: {error}")]
    InTheWay {
        /// Which unit.
        unit: String,
        /// In its words.
        error: String,
    },
    /// The job ended otherwise than it should.
    #[error("{0}")]
    Job(String),
    /// Nobody watches the unit any more.
    #[error("the server is no longer registered")]
    Forgotten,
}

impl UnitError {
    /// Nothing was done to the unit, for certain.
    pub(super) fn is_untouched(&self) -> bool {
        match self {
            Self::BeingStopped(_) | Self::InTheWay { .. } => true,
            Self::Lost(_) | Self::Interrupted | Self::Refused { .. } | Self::Job(_) | Self::Forgotten => false,
        }
    }
}

/// Requests that may wait for a listener.
const REQUESTS: usize = 64;

/// A manager that answers, with units that are to be watched.
#[derive(Debug)]
pub struct Ready {
    /// Where it is.
    pub bus: Bus,
    /// The connection on which they were found.
    session: Session,
    /// Never empty.
    units: Vec<Watched>,
}

impl Ready {
    /// Whose units they are.
    pub fn servers(&self) -> Vec<ServerId> {
        self.units.iter().map(|watched| watched.server).collect()
    }

    /// A listener for the bus, when there is none yet; it is to be run with the connection. It ends when nobody can ask it any more.
    pub fn listener(self, mouth: &Mouth) -> (mpsc::Sender<Request>, Listener, Session) {
        let Self { bus, session, units } = self;
        let (asks, requests) = mpsc::channel(REQUESTS);
        let engine = EngineId::of_bus(bus.written());
        (asks, Listener { engine, bus, units, mouth: mouth.clone(), requests }, session)
    }

    /// What is to be told to the listener that there is.
    pub fn units(self) -> Vec<Watched> {
        self.units
    }
}

/// Looks at the units of these servers on one bus. Every fault at once; nothing is changed.
pub async fn ready(bus: &str, servers: &[&Supervised]) -> Result<Ready, Vec<Fault>> {
    let key =
        |key: &'static str| move |text: String| servers.iter().map(|server| server.fault(key, text.clone())).collect::<Vec<_>>();
    let bus = Bus::new(bus);
    let mut session = Session::open(&bus)
        .await
        .map_err(|error| key("/bus")(format!("{}; is it running? may this user use it?", causes(&error))))?;
    let (mut units, mut faults) = (Vec::<Watched>::new(), Vec::new());
    for supervised in servers {
        let name = supervised.runtime.unit.clone().unwrap_or_default();
        match find(&mut session, &name).await {
            Ok(unit) => match units.iter().find(|other| other.unit.path() == unit.path()) {
                Some(other) => {
                    faults.push(supervised.fault("/unit", format!("{name} is the same unit as {}", other.unit.name())));
                }
                None => units.push(Watched { server: supervised.server, unit, asked: None }),
            },
            Err(text) => faults.push(supervised.fault("/unit", text)),
        }
    }
    if faults.is_empty() { Ok(Ready { bus, session, units }) } else { Err(faults) }
}

/// Finds a server's unit. The error is a sentence for people.
async fn find(session: &mut Session, name: &str) -> Result<Unit, String> {
    let failed = |error: BusError| format!("cannot look at {name}: {}", causes(&error));
    let path = session.load(name).await.map_err(failed)?;
    let look = session.look(&path).await.map_err(failed)?;
    let advice = match look.status.load.as_str() {
        "loaded" => return Ok(Unit::new(name, path, look)),
        "not-found" => "there is no such unit; `systemctl list-unit-files` shows those that there are".to_owned(),
        "masked" => format!("it is masked, so that nobody can start it; `systemctl unmask {name}` undoes that"),
        "bad-setting" | "error" => format!("its file is wrong; `systemctl status {name}` says where"),
        other => format!("systemd has not loaded it: {other}"),
    };
    Err(format!("{name} cannot be watched: {advice}"))
}
