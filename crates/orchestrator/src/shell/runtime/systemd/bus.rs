//! A connection to a message bus, and the systemd on it.
//!
//! Answers and signals are read from one stream, in the order in which systemd sent them: so it is known of each signal
//! whether a look at its unit has seen it already. What does not come from systemd itself is not believed: any user of the
//! machine can send a signal.

use std::{
    collections::{HashMap, VecDeque},
    num::NonZeroU32,
    time::Duration,
};

use futures_util::StreamExt;
use serde::Serialize;
use thiserror::Error;
use zbus::{Connection, DynamicType, Message, MessageStream, OwnedObjectPath, OwnedVariant, connection, message::Type};

use super::status::{Look, Status};

/// What systemd is called on a bus.
pub const SYSTEMD: &str = "org.freedesktop.systemd1";
/// The interface of the manager.
pub const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// The interface that tells of changes.
pub const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// The interface of every unit.
pub const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// The interface of a service.
pub const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// A restart would cancel a job of somebody else.
pub const IN_THE_WAY: &str = "org.freedesktop.systemd1.TransactionIsDestructive";

/// Where the manager is.
pub const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const DBUS: &str = "org.freedesktop.DBus";
const DBUS_PATH: &str = "/org/freedesktop/DBus";

/// How long an answer may take: systemd works on one thing at a time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Messages that wait while we are busy; the bus keeps more.
const QUEUE: usize = 1_024;

/// The bus, or systemd on it, does not do what it should.
#[derive(Debug, Error)]
pub enum BusError {
    /// It cannot be reached.
    #[error("cannot reach the {bus}")]
    Connect {
        /// Which one.
        bus: String,
        /// Why.
        source: zbus::Error,
    },
    /// There is no systemd on it.
    #[error("there is no systemd on the {bus}")]
    NoSystemd {
        /// Which one.
        bus: String,
    },
    /// It answered with an error.
    #[error("{text}")]
    Answer {
        /// The error's name on the bus.
        name: String,
        /// Its words.
        text: String,
    },
    /// It does not answer.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Slow,
    /// It closed the connection.
    #[error("the bus closed the connection")]
    Closed,
    /// systemd left the bus, as it does when it is executed anew.
    #[error("systemd has left the bus")]
    Left,
    /// A message cannot be sent, or not be understood.
    #[error("D-Bus")]
    Message(#[from] zbus::Error),
}

/// Which bus.
#[derive(Clone, Debug)]
pub struct Bus(String);

impl Bus {
    /// `system`, `user`, or a D-Bus address.
    pub fn new(written: &str) -> Self {
        Self(written.to_owned())
    }

    /// As in the configuration.
    pub fn written(&self) -> &str {
        &self.0
    }

    fn name(&self) -> String {
        match self.0.as_str() {
            "system" => "system bus".to_owned(),
            "user" => "user's bus".to_owned(),
            address => format!("bus at {address}"),
        }
    }

    /// Whose units are this machine's for certain. One that is given by its address may lead anywhere.
    pub fn is_of_this_machine(&self) -> bool {
        matches!(self.0.as_str(), "system" | "user")
    }

    /// Connects.
    pub async fn connect(&self) -> Result<Connection, BusError> {
        let builder = match self.0.as_str() {
            "system" => connection::Builder::system(),
            "user" => connection::Builder::session(),
            address => connection::Builder::address(address),
        };
        let queue = std::num::NonZeroUsize::new(QUEUE).unwrap_or(std::num::NonZeroUsize::MIN);
        builder.max_queued(queue).build().await.map_err(|source| BusError::Connect { bus: self.name(), source })
    }
}

/// A connection on which systemd tells what it does.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    messages: MessageStream,
    /// Came while an answer was waited for.
    kept: VecDeque<Message>,
    /// The only name that is believed.
    owner: String,
}

impl Session {
    /// Connects, and asks systemd to tell what it does.
    pub async fn open(bus: &Bus) -> Result<Self, BusError> {
        let connection = tokio::time::timeout(PATIENCE, bus.connect()).await.map_err(|_| BusError::Slow)??;
        let messages = MessageStream::from(&connection);
        let mut session = Self { connection, messages, kept: VecDeque::new(), owner: String::new() };
        for member in ["JobNew", "JobRemoved"] {
            session.listen_to(&format!("sender='{SYSTEMD}',interface='{MANAGER}',member='{member}'")).await?;
        }
        // Of all units at once: a bus allows a connection so many rules and no more, 512 as a rule, and units come and go.
        for half in [UNIT, SERVICE] {
            let changes = format!("interface='{PROPERTIES}',member='PropertiesChanged',arg0='{half}'");
            session.listen_to(&format!("sender='{SYSTEMD}',path_namespace='{MANAGER_PATH}/unit',{changes}")).await?;
        }
        session.listen_to(&format!("sender='{DBUS}',member='NameOwnerChanged',arg0='{SYSTEMD}'")).await?;
        let owner = session.ask(DBUS, DBUS_PATH, DBUS, "GetNameOwner", &SYSTEMD).await;
        session.owner = owner.map_err(|_| BusError::NoSystemd { bus: bus.name() })?.body().deserialize()?;
        session.ask(SYSTEMD, MANAGER_PATH, MANAGER, "Subscribe", &()).await?;
        Ok(session)
    }

    async fn listen_to(&mut self, rule: &str) -> Result<(), BusError> {
        self.ask(DBUS, DBUS_PATH, DBUS, "AddMatch", &format!("type='signal',{rule}")).await.map(drop)
    }

    /// A unit's path; it is loaded as long as somebody is interested.
    pub async fn load(&mut self, name: &str) -> Result<String, BusError> {
        let answer = self.ask(SYSTEMD, MANAGER_PATH, MANAGER, "LoadUnit", &name).await?;
        let path: OwnedObjectPath = answer.body().deserialize()?;
        Ok(path.as_str().to_owned())
    }

    /// How a unit is now.
    pub async fn look(&mut self, path: &str) -> Result<Look, BusError> {
        let mut status = Status::default();
        let mut as_of = None;
        // It may end between the two answers. Then it is looked at as one that still runs, and that it has ended is heard afterwards: with
        // its result, which would be missing in the other order.
        for interface in [UNIT, SERVICE] {
            let answer = self.ask(SYSTEMD, path, PROPERTIES, "GetAll", &interface).await?;
            as_of.get_or_insert(answer.recv_position());
            let values: HashMap<String, OwnedVariant> = answer.body().deserialize()?;
            status.change(&values);
        }
        Ok(Look { status, as_of: as_of.unwrap_or_default() })
    }

    /// What a job does: `stop`, `start`, `restart` and so on. The answer comes among the messages.
    pub async fn ask_for_type(&self, job: &str) -> Result<NonZeroU32, BusError> {
        self.send(SYSTEMD, job, PROPERTIES, "Get", &("org.freedesktop.systemd1.Job", "JobType")).await
    }

    /// Asks for a restart; the job's path comes among the messages. With the mode `fail` systemd looks itself, at that moment, whether a job of
    /// somebody else is queued that a restart would cancel, as a stop is; then it answers with [`IN_THE_WAY`].
    pub async fn restart(&self, name: &str) -> Result<NonZeroU32, BusError> {
        self.send(SYSTEMD, MANAGER_PATH, MANAGER, "RestartUnit", &(name, "fail")).await
    }

    /// The next signal of systemd, or an answer.
    pub async fn next(&mut self) -> Result<Message, BusError> {
        loop {
            let message = match self.kept.pop_front() {
                Some(message) => message,
                None => self.read().await?,
            };
            if self.is_loss(&message) {
                return Err(BusError::Left);
            }
            if self.is_believed(&message) {
                return Ok::<_, BusError>(message);
            }
        }
    }

    async fn read(&mut self) -> Result<Message, BusError> {
        self.messages.next().await.ok_or(BusError::Closed)?.map_err(|_| BusError::Closed)
    }

    /// systemd's own words, and the bus' own that something of ours has not reached it: only the bus has that name.
    fn is_believed(&self, message: &Message) -> bool {
        let header = message.header();
        let is_refusal = message.message_type() == Type::Error;
        header.sender().is_some_and(|sender| sender.as_str() == self.owner || (is_refusal && sender.as_str() == DBUS))
    }

    fn is_loss(&self, message: &Message) -> bool {
        let header = message.header();
        let from_bus = header.sender().is_some_and(|sender| sender.as_str() == DBUS);
        if !from_bus || header.member().is_none_or(|member| member.as_str() != "NameOwnerChanged") {
            return false;
        }
        let body = message.body();
        body.deserialize::<(&str, &str, &str)>().is_ok_and(|(name, _, new)| name == SYSTEMD && new != self.owner)
    }

    /// What comes meanwhile is kept for [`Self::next`].
    async fn ask<B: Serialize + DynamicType>(
        &mut self,
        to: &str,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
    ) -> Result<Message, BusError> {
        let serial = self.send(to, path, interface, method, body).await?;
        let answer = async {
            loop {
                let message = self.read().await?;
                if message.header().reply_serial() == Some(serial) {
                    return Ok::<_, BusError>(message);
                }
                self.kept.push_back(message);
            }
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await.map_err(|_| BusError::Slow)??;
        if answer.message_type() == Type::Error { Err(error(&answer)) } else { Ok(answer) }
    }

    async fn send<B: Serialize + DynamicType>(
        &self,
        to: &str,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
    ) -> Result<NonZeroU32, BusError> {
        let message = Message::method_call(path, method).destination(to).interface(interface);
        let message = match self.connection.unique_name() {
            Some(name) => message.sender(name.clone()),
            None => message,
        };
        let message = message.build(body)?;
        self.connection.send(&message).await?;
        Ok(message.primary_header().serial_num())
    }
}

/// An answer that is an error.
pub fn error(answer: &Message) -> BusError {
    let name = answer.header().error_name().map_or_else(String::new, |name| name.as_str().to_owned());
    let body = answer.body();
    let text = body.deserialize::<String>().unwrap_or_else(|_| name.clone());
    BusError::Answer { name, text }
}
