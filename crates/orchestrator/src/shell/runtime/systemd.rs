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
    /// The job ended otherwise than it should.
    #[error("{0}")]
    Job(String),
}

/// A manager that answers, with its registered units.
#[derive(Debug)]
pub struct Ready {
    /// Listens to it.
    pub listener: Listener,
    /// The first connection.
    pub session: Session,
    /// Whom to tell to restart these.
    pub requests: mpsc::Sender<Request>,
    /// Which.
    pub servers: Vec<ServerId>,
}

/// Looks at the units of these servers on one bus. Every fault at once; nothing is changed.
pub async fn ready(bus: &str, servers: &[&Supervised], mouth: &Mouth) -> Result<Ready, Vec<Fault>> {
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
    if !faults.is_empty() {
        return Err(faults);
    }
    let (requests, inbox) = mpsc::channel(servers.len().max(1));
    let engine = EngineId::of_bus(bus.written());
    let listener = Listener { engine, bus, units, mouth: mouth.clone(), requests: inbox };
    Ok(Ready { listener, session, requests, servers: servers.iter().map(|server| server.server).collect() })
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
