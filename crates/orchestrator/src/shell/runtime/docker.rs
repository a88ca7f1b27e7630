//! Servers of `kind: docker`: containers of an engine, listened to and restarted.
//!
//! The engine's events say what happens; nothing is polled. No container is touched that is not registered, and none
//! is stopped when the orchestrator ends.

pub mod address;
pub mod event;
pub mod inspect;
pub mod ledger;
pub mod listener;
pub mod restart;

use std::time::Duration;

use bollard::Docker;
use health_spec::config::Engine;
use tokio::sync::{mpsc, watch};

use self::{
    address::Address,
    ledger::Ledger,
    listener::{Listener, Recent, Registered},
    restart::Container,
};
use super::{Fault, Supervised, reporter::Mouth};
use crate::machine::{ServerId, input::EngineId};
use crate::shell::causes::causes;

/// Docker's own default.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// An engine that answers, with its registered containers.
#[derive(Debug)]
pub struct Ready {
    /// Listens to it.
    pub listener: Listener,
    /// The first connection.
    pub client: Docker,
    /// How to restart what it runs.
    pub containers: Vec<(ServerId, Container)>,
}

/// Looks at one engine and at the containers of these servers there. Every fault at once; nothing is changed.
pub async fn ready(id: EngineId, engine: &Engine, servers: &[&Supervised], mouth: &Mouth) -> Result<Ready, Vec<Fault>> {
    let unreachable = |text: String| vec![Fault { pointer: format!("/engines/{}/address", id.0), text }];
    let address = Address::parse(&engine.address).map_err(|error| unreachable(causes(&error)))?;
    let advise = |error: String| unreachable(format!("{error}; is it running? may this user open the socket?"));
    let client = address.connect().await.map_err(|error| advise(causes(&error)))?;
    let since = inspect::clock(&client).await.map_err(|error| advise(causes(&error)))?;
    let (send, requests) = mpsc::channel(servers.len().max(1));
    let (mut registered, mut containers, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for supervised in servers {
        match find(&client, &engine.name, supervised).await {
            Ok((wanted, mut ledger)) => {
                let (progress, watched) = watch::channel(None);
                let (server, patience) = (supervised.server, supervised.stop_timeout.unwrap_or(STOP_TIMEOUT));
                if supervised.acting {
                    ledger.resume(since.saturating_add(nanoseconds(patience + restart::EVENTS_PATIENCE)));
                }
                registered.push(Registered { server, ledger, progress });
                containers.push((server, Container { server, wanted, patience, requests: send.clone(), progress: watched }));
            }
            Err(text) => faults.push(supervised.fault("/container", text)),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let listener = Listener {
        engine: id,
        address,
        containers: registered,
        mouth: mouth.clone(),
        requests,
        since,
        recent: Recent::default(),
    };
    Ok(Ready { listener, client, containers })
}

/// Finds a server's container. The error is a sentence for people.
async fn find(client: &Docker, engine: &str, supervised: &Supervised) -> Result<(String, Ledger), String> {
    let wanted = supervised.runtime.container.clone().unwrap_or_default();
    if wanted.is_empty() {
        return Err(format!("server {}: `kind: docker` needs a `container`", supervised.name));
    }
    // What Docker itself allows; anything else would be another request.
    if !wanted.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) {
        return Err(format!("\"{wanted}\" is no name of a container"));
    }
    match inspect::look(client, &wanted).await {
        Ok(Some(look)) => Ok((wanted.clone(), Ledger::new(&wanted, &look))),
        Ok(None) => Err(format!("engine {engine} has no container \"{wanted}\"{}", meant(client, &wanted).await)),
        Err(error) => Err(format!("cannot look at container \"{wanted}\": {}", causes(&error))),
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

async fn meant(client: &Docker, wanted: &str) -> String {
    let names = inspect::similar(client, wanted).await.unwrap_or_default();
    if names.is_empty() {
        return "; create it first, `docker ps -a` lists those that there are".to_owned();
    }
    format!("; did you mean {}?", names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" or "))
}
