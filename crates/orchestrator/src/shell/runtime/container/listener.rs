//! Listens to one engine, and never stops: what happens to its containers reaches the inbox in order.
//!
//! Nothing is lost between a look and the events: events are asked for from a moment before the look. When the
//! stream breaks, those since the last one are read first, for a look does not tell of a death that is over; then every container is compared. Every few seconds the engine has to list its
//! containers, so that one that hangs without closing anything is found; what the list says otherwise is looked at.

pub mod clock;
mod own_endings;
mod session;
mod set_back;
pub mod volley;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bollard::errors::Error;
use health_spec::config::EngineKind;
use thiserror::Error;
use tokio::{
    pin,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use self::clock::EngineClock;
pub use self::session::PATIENCE;
use self::volley::Volley;
use super::{
    address::{Address, ConnectError, Connection},
    engine::Link,
    event::Happening,
    failure::{plain, said_by},
    inspect::{InARow, KEPT_EVENTS},
    ledger::{Action, Ledger, Seen},
    patience::Until,
};
use crate::{
    machine::{Input, ServerId, Word, input::EngineId},
    shell::{
        causes::causes,
        runtime::{pause::Pause, process::oom::Oom, reporter::Mouth},
    },
};

/// A stream of Podman's that ends sooner after the last one is no hiccup.
const STEADY: Duration = Duration::from_secs(1);

/// Why a stream of events is over.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The engine cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It does not answer as it should.
    #[error("the {0} does not answer as it should")]
    Answer(String, #[source] Error),
    /// It does not answer at all.
    #[error("the {engine} has not answered for {} s", PATIENCE.as_secs(), engine = .0)]
    Silent(String),
    /// It closed the stream, as one does that shuts down.
    #[error("the {1} closed the stream of events")]
    Closed(EngineKind, String),
}

/// A registered container.
#[derive(Debug)]
pub struct Registered {
    /// Whose it is.
    pub server: ServerId,
    /// What is known about it.
    pub ledger: Ledger,
    /// How far a restart of ours is, for whoever waits for it.
    pub progress: watch::Sender<Option<Action>>,
    /// What is known about it, for whoever asks; `None` while the engine cannot be reached.
    pub seen: watch::Sender<Option<Seen>>,
}

/// What others ask of the listener.
#[derive(Debug)]
pub enum Request {
    /// It is registered from now on.
    Watch(Box<Registered>),
    /// A restart begins: what comes now may be ours. The answer is how to reach the container, or why that cannot be.
    Begin(ServerId, Does, oneshot::Sender<Result<Reach, String>>),
    /// The same, and nothing begins.
    Reach(ServerId, oneshot::Sender<Result<Reach, String>>),
    /// It has ended; events of it may still come until then. `None`: they have come.
    End(ServerId, Option<Until>, oneshot::Sender<()>),
    /// It is no longer registered: what happens to it is nobody's business.
    Forget(ServerId),
}

/// What an action does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// It stops and starts a container, and removes none.
    Restart,
    /// It puts one in another's place: one of them goes.
    Replace,
}

/// How to reach a container.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Its engine.
    pub connection: Connection,
    /// Its id, whatever its name is now; empty when there has been none of its name.
    pub id: String,
}

/// Listens to one engine.
#[derive(Debug)]
pub struct Listener {
    /// Which one.
    pub engine: EngineId,
    /// Where it is.
    pub address: Address,
    /// Its registered containers.
    pub containers: Vec<Registered>,
    /// Where to report.
    pub mouth: Mouth,
    /// Whom the kernel kills on this machine, if that is the engine's.
    pub oom: Option<Oom>,
    /// From restarts.
    pub requests: mpsc::Receiver<Request>,
    /// Whether it is listened to, for whoever asks.
    pub link: watch::Sender<Link>,
    /// From when on events are asked for, in nanoseconds since 1970 by the engine's clock. `None`: it has not been asked.
    pub since: Option<i64>,
    /// The first such moment.
    pub began: Option<i64>,
    /// What time it is there.
    pub clock: EngineClock,
    /// The last events, which may be sent again.
    pub recent: Recent,
    /// Whom it has asked to end last.
    pub volley: Volley,
    /// Servers whose containers are to be looked at.
    pub unseen: VecDeque<ServerId>,
    /// Lists that could not be read.
    pub unread: InARow,
    /// Those of which the engine does not say how they are, and its words.
    pub unreadable: BTreeMap<ServerId, String>,
}

/// The last events by time, container and kind. Docker keeps as many to be asked for: more cannot come twice.
#[derive(Debug, Default)]
pub struct Recent(VecDeque<Happening>);

impl Listener {
    /// Listens until cancelled; begins with this connection, or without one.
    pub async fn run(mut self, first: Result<Connection, ConnectError>) {
        let cancel = self.mouth.cancel().clone();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.listen(first) => {}
        }
    }

    async fn listen(&mut self, mut connection: Result<Connection, ConnectError>) {
        let (mut pause, mut hiccup) = (Pause::default(), None::<Instant>);
        loop {
            let error = match connection {
                Ok(connection) => self.session(&connection, &mut pause).await,
                Err(error) => ListenError::Connect(error),
            };
            if is_hiccup(&error) && hiccup.is_none_or(|last| last.elapsed() > STEADY) {
                hiccup = Some(Instant::now());
                connection = self.address.connect().await;
                if connection.is_ok() {
                    continue;
                }
            }
            let error = self.address.with_advice(said_by(self.address.kind(), plain(causes(&error))));
            self.lose(&error).await;
            self.refuse_for(pause.next(), &error).await;
            connection = self.address.connect().await;
        }
    }

    async fn lose(&mut self, error: &str) {
        let was_lost = matches!(&*self.link.borrow(), Link::Lost(_));
        self.link.send_replace(Link::Lost(error.to_owned()));
        if was_lost {
            return;
        }
        let at = self.clock.last_life().or(self.since).unwrap_or_default();
        let running = self.containers.iter().map(|container| &container.ledger).filter(|ledger| ledger.is_alive());
        let own_end = self.volley.own_end(at, running.map(Ledger::id));
        for Registered { ledger, seen, .. } in &mut self.containers {
            ledger.lost(at, own_end);
            seen.send_replace(None);
        }
        self.mouth.say(Input::EngineLost(self.engine, error.to_owned())).await;
    }

    /// Every container has been looked at.
    async fn gain(&mut self) {
        let was_lost = matches!(&*self.link.borrow(), Link::Lost(_));
        if was_lost {
            self.mouth.say(Input::EngineBack(self.engine)).await;
        }
        self.link.send_replace(Link::Up);
    }

    /// While the engine is lost nothing can be restarted.
    async fn refuse_for(&mut self, pause: Duration, error: &str) {
        let end = sleep_until(Instant::now() + pause);
        pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                Some(request) = self.requests.recv() => self.serve(request, Err(error)),
            }
        }
    }

    /// Whoever asked may be gone.
    fn serve(&mut self, request: Request, connection: Result<&Connection, &str>) {
        match request {
            Request::Watch(mut registered) => {
                if let Ok(connection) = connection {
                    registered.ledger.speaks(connection.kind);
                }
                if let Some(to) = self.clock.repeats() {
                    registered.ledger.set_back(to, 0);
                }
                self.unseen.push_back(registered.server);
                self.containers.push(*registered);
            }
            Request::Forget(server) => {
                self.containers.retain(|container| container.server != server);
                self.unreadable.remove(&server);
            }
            Request::Begin(server, does, answer) => {
                let _ = answer.send(self.begin(server, does, connection));
            }
            Request::Reach(server, answer) => {
                let _ = answer.send(self.reach(server, connection));
            }
            Request::End(server, until, answer) => {
                let until = until.map(|until| until.by(&self.clock));
                if let Some(container) = self.container(server) {
                    container.ledger.end(until);
                }
                let _ = answer.send(());
            }
        }
    }

    fn begin(&mut self, server: ServerId, does: Does, connection: Result<&Connection, &str>) -> Result<Reach, String> {
        let reach = self.reach(server, connection)?;
        if let Some(container) = self.container(server) {
            container.ledger.begin(does == Does::Replace);
            container.progress.send_replace(container.ledger.action());
        }
        Ok(reach)
    }

    fn reach(&mut self, server: ServerId, connection: Result<&Connection, &str>) -> Result<Reach, String> {
        let connection = connection?.clone();
        let why = self.unreadable.get(&server).cloned();
        let ledger = &self.container(server).ok_or("the server is no longer registered")?.ledger;
        match why.filter(|_| ledger.id().is_empty()) {
            Some(why) => Err(format!("the engine does not say how container \"{}\" is: {why}", ledger.wanted())),
            None => Ok(Reach { connection, id: ledger.id().to_owned() }),
        }
    }

    fn container(&mut self, server: ServerId) -> Option<&mut Registered> {
        self.containers.iter_mut().find(|container| container.server == server)
    }
}

/// Podman's service ends a stream of events when it reads a line of its log that is just being written. It goes on, and what it has told
/// since can be asked for: there is nothing to be looked at.
fn is_hiccup(error: &ListenError) -> bool {
    matches!(error, ListenError::Closed(EngineKind::Podman, _))
}

impl Registered {
    /// First the reports, then the progress: whoever waits for that may count on the reports being in the inbox.
    async fn say(&mut self, words: Vec<Word>, mouth: &Mouth) {
        for word in words {
            mouth.about(self.server).say(word).await;
        }
        if *self.progress.borrow() != self.ledger.action() {
            self.progress.send_replace(self.ledger.action());
        }
        if *self.seen.borrow() != self.ledger.present() {
            self.seen.send_replace(self.ledger.present());
        }
    }
}

impl Recent {
    fn is_new(&mut self, happening: &Happening) -> bool {
        if self.0.contains(happening) {
            return false;
        }
        if self.0.len() == KEPT_EVENTS {
            self.0.pop_front();
        }
        self.0.push_back(happening.clone());
        true
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an engine that has kept these has told nothing of what is known.
    fn is_of_another_than(&self, kept: &[Happening]) -> bool {
        !self.is_empty() && !kept.iter().any(|happening| self.0.contains(happening))
    }
}

#[cfg(test)]
mod tests;
