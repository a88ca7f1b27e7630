//! Servers of `kind: docker` and `kind: podman`: containers of an engine, listened to and restarted.
//!
//! The engine's events say what happens. No container is touched that is not registered, and none is stopped when the orchestrator
//! ends. One [`listener`] an engine tells all of its servers' news; everybody else asks the engine through it.

pub mod address;
mod answer;
pub mod consent;
pub mod engine;
pub mod event;
pub mod failure;
pub mod inspect;
pub mod ledger;
pub mod listener;
pub mod patience;
pub mod recreate;
pub mod restart;
pub mod tls;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bollard::Docker;
use health_spec::config;
use tokio::sync::{mpsc, watch};

use self::{
    address::{Address, ConnectError, Connection},
    consent::Consent,
    engine::{Engine, Link},
    failure::{Place, plain},
    inspect::InARow,
    ledger::{Ledger, Look, means},
    listener::{Listener, Recent, Registered, clock::EngineClock, volley::Volley},
    restart::Container,
};
use super::{Fault, Supervised, process::oom::Oom, reporter::Mouth};
use crate::machine::{ServerId, input::EngineId};
use crate::shell::causes::causes;

/// Requests that may wait for a listener.
const REQUESTS: usize = 64;

/// An engine, with containers of it that are to be watched.
#[derive(Debug)]
pub struct Ready {
    /// Which one.
    pub id: EngineId,
    /// Its name in the configuration.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// A first connection, or why there is none.
    connection: Result<Connection, ConnectError>,
    since: Option<i64>,
    wanted: Vec<Wanted>,
}

/// A container that is to be watched.
#[derive(Debug)]
struct Wanted {
    server: ServerId,
    name: String,
    patience: Option<Duration>,
    /// A recreate of an earlier run was cut short.
    interrupted: bool,
    /// One of an earlier run is not settled.
    unsettled: bool,
    consent: Consent,
    ledger: Ledger,
}

/// Looks at one engine and at the containers of these servers there. Every fault at once; nothing is changed.
///
/// An engine that is out of reach, and a container that is not there, are no faults when the servers have been known before: the monitor
/// of everything else does not stay away for that.
///
/// `followed`: the containers that other servers have, by name or id. None belongs to two servers.
pub async fn ready(
    id: EngineId,
    engine: &config::Engine,
    servers: &[&Supervised],
    followed: Vec<String>,
) -> Result<Ready, Vec<Fault>> {
    let at_address = |text: String| vec![Fault { pointer: format!("/engines/{}/address", id.0), text }];
    let address = Address::of(engine).map_err(|error| at_address(causes(&error)))?;
    let name = engine.name.clone();
    match Box::pin(meet(&address, &name, servers, followed)).await {
        Ok((connection, since, wanted)) => Ok(Ready { id, name, address, connection: Ok(connection), since, wanted }),
        Err(Unready::Faults(faults)) => Err(faults),
        Err(Unready::Lost(error)) if servers.iter().all(|server| server.known) => {
            let clock = EngineClock::default();
            let open =
                |server: &Supervised| Some(patience::open(server.acting?, patience::told_within(server.stop_timeout), &clock));
            let unfound = |server: &&Supervised| wanted(server, Ledger::new(&name_of(server), None), open(server));
            let wanted = servers.iter().map(unfound).collect();
            Ok(Ready { id, name, address, connection: Err(error), since: None, wanted })
        }
        Err(Unready::Lost(error)) => Err(at_address(address.with_advice(plain(causes(&error))))),
    }
}

/// How long an engine whose servers are all known from before keeps everything else from beginning.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// Why an engine and its containers are not as they should be.
enum Unready {
    Lost(ConnectError),
    Faults(Vec<Fault>),
}

type Met = (Connection, Option<i64>, Vec<Wanted>);

async fn meet(address: &Address, engine: &str, servers: &[&Supervised], mut followed: Vec<String>) -> Result<Met, Unready> {
    let is_needed = servers.iter().any(|server| !server.known);
    let connected = if is_needed { address.connect().await } else { address.connect_within(FIRST_LOOK).await };
    let connection = connected.map_err(Unready::Lost)?;
    // Before events are asked for: these would be somebody else's.
    for unsettled in servers.iter().filter(|supervised| supervised.unsettled && supervised.acting.is_some()) {
        let (name, starts) = (name_of(unsettled), !unsettled.stopped);
        if let Err(error) = Box::pin(recreate::tidy(&connection.client, &name, starts, &unsettled.consent)).await {
            tracing::error!("the recreate of `{name}` that a crash has cut short is not undone yet: {}", causes(&error));
        }
    }
    let since = inspect::clock(&connection.client).await;
    let since = since.map_err(|source| Unready::Lost(address.unreachable(source)))?;
    let clock = EngineClock::of(Some(since));
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for supervised in servers {
        let name = name_of(supervised);
        let found = find(&connection.client, engine, supervised).await;
        match found.and_then(|look| unless_followed(look, &name, &followed)) {
            Ok(look) => {
                let (ledger, ours) = (Ledger::new(&name, look.as_ref()), supervised.stop_timeout);
                followed.extend(look.map(|look| look.id));
                let open = match supervised.acting {
                    None => None,
                    Some(acting) => {
                        let told_within = patience::told_of(&connection.client, &name, ours).await;
                        Some(patience::open(acting, told_within, &clock))
                    }
                };
                all.push(wanted(supervised, ledger, open));
            }
            Err(Unfound::Fault(text)) => faults.push(supervised.fault("/container", text)),
            Err(Unfound::Lost(source)) => return Err(Unready::Lost(address.unreachable(source))),
        }
    }
    if faults.is_empty() { Ok((connection, Some(since), all)) } else { Err(Unready::Faults(faults)) }
}

/// `open`: when an earlier run has begun what it did not see the end of, and when the events of that have come for certain.
fn wanted(supervised: &Supervised, mut ledger: Ledger, open: Option<(i64, i64)>) -> Wanted {
    if let Some(open) = open {
        ledger.resume(open, supervised.unsettled);
    }
    if supervised.replaces {
        ledger.replace();
    }
    let (unsettled, interrupted) = (supervised.unsettled, supervised.acting.is_some() && supervised.unsettled);
    let (patience, consent) = (supervised.stop_timeout, supervised.consent.clone());
    Wanted { server: supervised.server, name: name_of(supervised), patience, interrupted, unsettled, consent, ledger }
}

/// Why a container cannot be watched.
enum Unfound {
    /// A sentence for people.
    Fault(String),
    /// Its engine does not answer any more.
    Lost(bollard::errors::Error),
}

/// Finds a server's container. `None`: it is waited for.
async fn find(client: &Docker, engine: &str, supervised: &Supervised) -> Result<Option<Look>, Unfound> {
    let wanted = name_of(supervised);
    if wanted.is_empty() {
        return Err(Unfound::Fault(format!("server {}: a container runtime needs a `container`", supervised.name)));
    }
    // What Docker itself allows; anything else would be another request.
    if !wanted.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) {
        return Err(Unfound::Fault(format!("\"{wanted}\" is no name of a container")));
    }
    match inspect::look(client, &wanted).await {
        Ok(None) if !supervised.known => {
            let meant = meant(client, &wanted).await;
            Err(Unfound::Fault(format!("engine {engine} has no container \"{wanted}\"{meant}")))
        }
        Ok(look) => Ok(look),
        // The listener says so, and tries again.
        Err(error) => inspect::about_it_alone(client, error).await.map(|_| None).map_err(Unfound::Lost),
    }
}

/// One container has a name and an id: under both it would be restarted twice.
fn unless_followed(look: Option<Look>, wanted: &str, followed: &[String]) -> Result<Option<Look>, Unfound> {
    let Some(Look { name, id, .. }) = &look else { return Ok(look) };
    match followed.iter().find(|other| means(other, name, id)) {
        None => Ok(look),
        Some(_) => Err(Unfound::Fault(format!(
            "the container \"{wanted}\" belongs to another server already: its name is \"{name}\", and its id begins with {}",
            &id[..id.len().min(12)]
        ))),
    }
}

fn name_of(supervised: &Supervised) -> String {
    supervised.runtime.container.clone().unwrap_or_default()
}

async fn meant(client: &Docker, wanted: &str) -> String {
    let names = inspect::similar(client, wanted).await.unwrap_or_default();
    if names.is_empty() {
        return "; create it first, `docker ps -a` or `podman ps -a` lists those that there are".to_owned();
    }
    format!("; did you mean {}?", names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" or "))
}

impl Ready {
    /// The same engine, with those of the containers that are of these servers. `None`: none is.
    pub fn take_out(&mut self, is_wanted: &dyn Fn(ServerId) -> bool) -> Option<Self> {
        let wanted: Vec<_> = self.wanted.extract_if(.., |wanted| is_wanted(wanted.server)).collect();
        if wanted.is_empty() {
            return None;
        }
        let connection = match &self.connection {
            Ok(connection) => Ok(connection.clone()),
            Err(_) => self.take_connection(),
        };
        Some(Self { id: self.id, name: self.name.clone(), address: self.address.clone(), connection, since: self.since, wanted })
    }

    /// Whoever comes second tries for himself.
    fn take_connection(&mut self) -> Result<Connection, ConnectError> {
        let nobody = ConnectError::Silent { kind: "container", address: String::new(), patience: FIRST_LOOK };
        std::mem::replace(&mut self.connection, Err(nobody))
    }

    /// A listener for the engine, when there is none yet; it is to be run with the first connection.
    pub fn listener(&mut self, mouth: &Mouth, oom: &Oom) -> (Engine, Listener, Result<Connection, ConnectError>) {
        let (requests, asked) = mpsc::channel(REQUESTS);
        let (link, linked) = watch::channel(Link::Begins);
        let listener = Listener {
            engine: self.id,
            address: self.address.clone(),
            containers: Vec::new(),
            mouth: mouth.clone(),
            oom: self.address.is_near().then(|| oom.clone()),
            requests: asked,
            link,
            since: self.since,
            clock: EngineClock::of(self.since),
            began: None,
            recent: Recent::default(),
            volley: Volley::default(),
            unseen: VecDeque::new(),
            unread: InARow::default(),
            unreadable: BTreeMap::new(),
        };
        let connection = self.take_connection();
        (Engine { name: self.name.clone(), requests, link: linked }, listener, connection)
    }

    /// What is to be told to the listener, and what its servers are restarted with.
    pub fn containers(self, engine: &Engine) -> (Vec<Registered>, Vec<Container>) {
        let at = Place { name: engine.name.clone(), kind: self.address.kind() };
        let one = |Wanted { server, name: wanted, patience, interrupted, unsettled, consent, ledger }: Wanted| {
            let (progress, progressed) = watch::channel(None);
            let (seen, saw) = watch::channel(None);
            let registered = Registered { server, ledger, progress, seen };
            let (requests, engine) = (engine.requests.clone(), at.clone());
            let container = Container {
                server,
                wanted,
                patience,
                interrupted,
                unsettled,
                consent,
                engine,
                requests,
                progress: progressed,
                seen: saw,
            };
            (registered, container)
        };
        self.wanted.into_iter().map(one).unzip()
    }
}
