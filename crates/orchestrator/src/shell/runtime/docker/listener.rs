//! Listens to one engine, and never stops: what happens to its containers reaches the inbox in order.
//!
//! Nothing is lost between a look and the events: events are asked for from a moment before the look. When the
//! stream breaks, they are asked for from the last one seen, and every container is compared.

use std::{collections::VecDeque, time::Duration};

use bollard::{Docker, errors::Error, models::EventMessage, query_parameters::EventsOptions};
use futures_util::{StreamExt, stream::BoxStream};
use thiserror::Error;
use tokio::{
    pin,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    address::{Address, ConnectError},
    event::{ACTIONS, Happening},
    inspect,
    ledger::{Action, Ledger, Look},
};
use crate::{
    machine::{Input, ServerId, input::EngineId},
    shell::{causes::causes, runtime::reporter::Mouth},
};

/// Between two attempts to reach a lost engine: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// Docker keeps this many events to be asked for; more cannot come twice.
const KEPT_EVENTS: usize = 256;

/// Why a stream of events is over.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The engine cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It does not answer as it should.
    #[error("the Docker engine does not answer")]
    Answer(#[from] Error),
    /// It closed the stream, as one does that shuts down.
    #[error("the Docker engine closed the stream of events")]
    Closed,
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
}

/// What a restart asks of the listener.
#[derive(Debug)]
pub enum Request {
    /// A restart begins: what comes now may be ours. The answer is how to reach the engine, or why it cannot be reached.
    Begin(ServerId, oneshot::Sender<Result<Docker, String>>),
    /// It has ended; `complete` when no event of it is still to come.
    End(ServerId, bool, oneshot::Sender<()>),
    /// It is no longer registered: what happens to it is nobody's business.
    Forget(ServerId),
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
    /// From restarts.
    pub requests: mpsc::Receiver<Request>,
    /// From when on events are asked for, in nanoseconds since 1970 by the engine's clock.
    pub since: i64,
    /// The last events, which may be sent again.
    pub recent: Recent,
}

/// The last events by time, container and kind.
#[derive(Debug, Default)]
pub struct Recent(VecDeque<Happening>);

type Events = BoxStream<'static, Result<EventMessage, Error>>;

impl Listener {
    /// Listens until cancelled.
    pub async fn run(mut self, client: Docker) {
        let cancel = self.mouth.cancel().clone();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.listen(client) => {}
        }
    }

    async fn listen(&mut self, client: Docker) {
        let mut client = Ok(client);
        let (mut lost, mut pause) = (false, FIRST_PAUSE);
        loop {
            let error = match client {
                Ok(client) => self.session(&client, &mut lost, &mut pause).await,
                Err(error) => ListenError::Connect(error),
            };
            let error = causes(&error);
            if !lost {
                self.mouth.say(Input::EngineLost(self.engine, error.clone())).await;
            }
            lost = true;
            self.refuse_for(pause, &error).await;
            pause = (pause * 2).min(LAST_PAUSE);
            client = self.address.connect().await;
        }
    }

    /// From a connection to its loss.
    async fn session(&mut self, client: &Docker, lost: &mut bool, pause: &mut Duration) -> ListenError {
        let mut events = self.subscribe(client);
        if let Err(error) = self.compare_all(client, &mut events).await {
            return error;
        }
        if std::mem::take(lost) {
            self.mouth.say(Input::EngineBack(self.engine)).await;
        }
        *pause = FIRST_PAUSE;
        loop {
            tokio::select! {
                event = events.next() => {
                    if let Err(error) = self.hear(event).await {
                        return error;
                    }
                }
                Some(request) = self.requests.recv() => self.serve(request, Ok(client)),
            }
        }
    }

    fn subscribe(&self, client: &Docker) -> Events {
        let filters = [("type", vec!["container"]), ("event", ACTIONS.to_vec())];
        let filters = filters.map(|(key, values)| (key.to_owned(), values.into_iter().map(str::to_owned).collect()));
        let since = format!("{}.{:09}", self.since / 1_000_000_000, self.since % 1_000_000_000);
        let options = EventsOptions { since: Some(since), until: None, filters: Some(filters.into()) };
        client.events(Some(options)).boxed()
    }

    /// An event that comes during a look makes it worthless: it is repeated.
    async fn compare_all(&mut self, client: &Docker, events: &mut Events) -> Result<(), ListenError> {
        for at in 0..self.containers.len() {
            loop {
                let seen = self.containers[at].ledger.seen();
                let look = self.look(at, client, events).await?;
                if self.containers[at].ledger.seen() == seen {
                    self.compare(at, look).await;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Looks at a container while listening on.
    async fn look(&mut self, at: usize, client: &Docker, events: &mut Events) -> Result<Option<Look>, ListenError> {
        let wanted = self.containers[at].ledger.wanted().to_owned();
        let look = inspect::look(client, &wanted);
        pin!(look);
        loop {
            tokio::select! {
                biased;
                event = events.next() => self.hear(event).await?,
                look = &mut look => return Ok(look?),
            }
        }
    }

    async fn compare(&mut self, at: usize, look: Option<Look>) {
        let Registered { server, ledger, progress } = &mut self.containers[at];
        if let Some(word) = ledger.compare(look.as_ref()) {
            self.mouth.about(*server).say(word).await;
        }
        progress.send_replace(ledger.action());
    }

    async fn hear(&mut self, event: Option<Result<EventMessage, Error>>) -> Result<(), ListenError> {
        let message = event.ok_or(ListenError::Closed)??;
        let Some(happening) = Happening::read(message) else { return Ok(()) };
        self.since = happening.at;
        if !self.recent.is_new(&happening) {
            return Ok(());
        }
        for Registered { server, ledger, progress } in &mut self.containers {
            // First the report, then the progress: whoever waits for that may count on the report being in the inbox.
            if let Some(word) = ledger.fold(&happening) {
                self.mouth.about(*server).say(word).await;
            }
            if *progress.borrow() != ledger.action() {
                progress.send_replace(ledger.action());
            }
        }
        Ok(())
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
    fn serve(&mut self, request: Request, client: Result<&Docker, &str>) {
        let (Request::Begin(server, _) | Request::End(server, ..) | Request::Forget(server)) = request;
        let Some(container) = self.containers.iter_mut().find(|container| container.server == server) else { return };
        match request {
            Request::Forget(_) => self.containers.retain(|container| container.server != server),
            Request::Begin(_, answer) => {
                if client.is_ok() {
                    container.ledger.begin();
                }
                container.progress.send_replace(container.ledger.action());
                let _ = answer.send(client.cloned().map_err(str::to_owned));
            }
            Request::End(_, complete, answer) => {
                container.ledger.end(complete);
                let _ = answer.send(());
            }
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
}
