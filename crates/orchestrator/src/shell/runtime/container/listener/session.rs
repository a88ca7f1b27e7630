//! From a connection to its loss.

use std::time::Duration;

use bollard::{errors::Error, models::EventMessage, query_parameters::EventsOptions};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use health_spec::config::EngineKind;
use jiff::Timestamp;
use tokio::{
    pin,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

use super::{ListenError, Listener, Registered, own_endings::memory};
use crate::machine::ServerId;
use crate::shell::causes::causes;
use crate::shell::runtime::container::{
    address::{Connection, shown},
    engine::Link,
    event::{Act, Happening},
    failure::said_by,
    inspect::{self, InARow},
    ledger::{Ledger, Look},
};
use crate::shell::runtime::{pause::Pause, process::oom::Oom};

/// How often an engine has to list its containers.
const ROUND: Duration = Duration::from_secs(10);

/// How long it may take for that, or for telling how one of them is.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// In nanoseconds. Podman's processes write their events into one log, each when it comes to it: an earlier one may stand behind a later
/// one. What is heard twice is known ([`super::Recent`]).
pub(super) const DISORDER: i64 = 10_000_000_000;

/// 128 + SIGKILL.
const KILLED: i64 = 137;

type Events = BoxStream<'static, Result<EventMessage, Error>>;

/// An engine that is listened to.
struct Session<'a> {
    connection: &'a Connection,
    events: Events,
}

impl Listener {
    /// From a connection to its loss.
    pub(super) async fn session(&mut self, connection: &Connection, pause: &mut Pause) -> ListenError {
        match self.attend(connection, pause).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn attend(&mut self, connection: &Connection, pause: &mut Pause) -> Result<std::convert::Infallible, ListenError> {
        for container in &mut self.containers {
            container.ledger.speaks(connection.kind);
        }
        let was_lost = matches!(&*self.link.borrow(), Link::Lost(_));
        let begins = *self.link.borrow() == Link::Begins;
        let is_set_back = !begins && self.is_set_back(connection).await?;
        let since = match self.since {
            Some(since) if was_lost && !is_set_back => self.catch_up(since, connection).await?,
            Some(since) => since,
            None => {
                let now = answer(connection, inspect::clock(&connection.client)).await?;
                self.clock.tells(now, Instant::now());
                now
            }
        };
        self.since = Some(since);
        if self.began.is_none() {
            self.began = self.since;
            self.remember(since, connection).await?;
        }
        let from = inspect::events_since(self.before(since, connection.kind), ("", vec![]));
        // Where moments come a second time, those of the first time would be told again.
        let from = if self.clock.repeats().is_some() { EventsOptions { since: None, ..from } } else { from };
        let events = connection.client.events(Some(from)).boxed();
        let mut session = Session { connection, events };
        if *self.link.borrow() != Link::Up {
            self.unseen = self.containers.iter().map(|container| container.server).collect();
        }
        self.look_at_the_unseen(&mut session).await?;
        self.gain().await;
        pause.begin_again();
        // Not at once: what has just been looked at may be ahead of its events.
        let mut rounds = interval_at(Instant::now() + ROUND, ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = session.events.next() => self.hear(event, connection).await?,
                Some(request) = self.requests.recv() => self.serve(request, Ok(connection)),
                _ = rounds.tick() => self.go_round(&mut session).await?,
            }
            self.look_at_the_unseen(&mut session).await?;
        }
    }

    /// From when on what has been heard up to `since` is asked for again; what happened before we listened at all is nobody's news.
    fn before(&self, since: i64, kind: EngineKind) -> i64 {
        let disorder = if kind == EngineKind::Podman { DISORDER } else { 0 };
        self.began.map_or(since, |began| since.saturating_sub(disorder).max(began).min(since))
    }

    /// What the engine has told before we listen: by that it is known again, however quiet it is from then on. What came after `since` is news,
    /// before a look hides it.
    async fn remember(&mut self, since: i64, connection: &Connection) -> Result<(), ListenError> {
        for happening in memory(connection).await?.kept {
            if happening.at > since {
                self.learn(happening, connection, true).await;
            } else {
                self.recent.is_new(&happening);
            }
        }
        Ok(())
    }

    /// What nobody listened to, before anything is looked at: that a container runs does not say that it has died meanwhile, and the
    /// stream may tell of it only after the look. From when on events are to be asked for then.
    async fn catch_up(&mut self, since: i64, connection: &Connection) -> Result<i64, ListenError> {
        let ending = self.own_endings_until(connection).await?;
        let asked =
            inspect::events_until_now(&connection.client, connection.kind, self.before(since, connection.kind), ("", vec![]));
        for happening in answer(connection, asked).await?.into_iter().filter_map(Happening::read) {
            let is_its_own = ending.is_some_and(|ending| happening.at <= ending);
            if is_its_own && matches!(happening.act, Act::Kill(_) | Act::Stop) {
                // The stream would tell of it once more.
                self.since = self.since.max(Some(happening.at));
                self.clock.tells(happening.at, Instant::now());
                self.recent.is_new(&happening);
            } else {
                self.learn(happening, connection, true).await;
            }
        }
        Ok(self.since.unwrap_or(since))
    }

    /// An event that comes during a look makes it worthless: it is repeated.
    async fn look_at_the_unseen(&mut self, session: &mut Session<'_>) -> Result<(), ListenError> {
        while let Some(server) = self.unseen.pop_front() {
            while let Some(container) = self.container(server) {
                let seen = container.ledger.seen();
                let look = match self.look(server, session).await? {
                    Ok(look) => look,
                    Err(error) => {
                        self.leave_unseen(server, &error);
                        break;
                    }
                };
                self.unreadable.remove(&server);
                let Some(container) = self.container(server) else { break };
                if container.ledger.seen() == seen {
                    self.compare(server, look.as_ref()).await;
                    break;
                }
            }
        }
        Ok(())
    }

    /// It is tried again in every round; the others are none the worse for it.
    fn leave_unseen(&mut self, server: ServerId, error: &Error) {
        let Some(container) = self.container(server) else { return };
        let (wanted, why) = (container.ledger.wanted().to_owned(), said_by(container.ledger.kind(), causes(error)));
        if self.unreadable.insert(server, why.clone()).as_ref() != Some(&why) {
            tracing::warn!("the engine does not say how container \"{wanted}\" is; until it does, that is not known: {why}");
        }
    }

    /// Looks at a container while listening on. The inner error is about this one alone.
    async fn look(&mut self, server: ServerId, session: &mut Session<'_>) -> Result<Result<Option<Look>, Error>, ListenError> {
        let Some(container) = self.container(server) else { return Ok(Ok(None)) };
        let (wanted, id) = (container.ledger.wanted().to_owned(), container.ledger.id().to_owned());
        let asks_why = container.ledger.asks_why();
        let was_readable = !self.unreadable.contains_key(&server);
        let (client, kind, oom) = (&session.connection.client, session.connection.kind, self.oom.clone());
        let asked = async move {
            let mut look =
                if was_readable { inspect::look(client, &wanted).await? } else { inspect::glance(client, &wanted).await? };
            if look.is_none() && !id.is_empty() && id != wanted {
                // Renamed, while nobody listened.
                look = inspect::look(client, &id).await?;
            }
            if let Some(look) = look.as_mut().filter(|look| asks_why && !look.state.is_alive()) {
                look.stopped = inspect::was_stopped(client, kind, look).await?;
                look.oom_killed |= kind == EngineKind::Podman && is_killed_for_memory(look, look.since, oom.as_ref());
            }
            Ok::<_, Error>(look)
        };
        let look = async move {
            match asked.await {
                Err(error) => inspect::about_it_alone(client, error).await.map(Err),
                Ok(look) => Ok(Ok(look)),
            }
        };
        self.meanwhile(session, look.boxed()).await
    }

    /// One that hangs is found by this; and what no event has told.
    async fn go_round(&mut self, session: &mut Session<'_>) -> Result<(), ListenError> {
        self.unseen.extend(self.unreadable.keys());
        let now = self.clock.now();
        self.unseen.extend(self.containers.iter_mut().filter_map(|it| it.ledger.is_untold(now).then_some(it.server)));
        let (client, kind) = (&session.connection.client, session.connection.kind);
        let list = async move {
            match inspect::list(client).await {
                Err(error) if !inspect::is_passing(&error) => Err(error),
                listed => Ok(listed),
            }
        };
        let listed = match self.meanwhile(session, list.boxed()).await? {
            Ok(listed) => listed,
            Err(error) => {
                if self.unread.are_too_many() {
                    let (kind, why) = (shown(session.connection.kind), said_by(session.connection.kind, causes(&error)));
                    tracing::warn!(
                        "the {kind} engine's lists of containers cannot be read; what no event tells is not seen: {why}"
                    );
                }
                return Ok(());
            }
        };
        self.unread = InARow::default();
        let running = listed.iter().filter(|one| inspect::state(one).is_alive());
        self.volley.lists(running.filter_map(|one| one.id.as_deref()));
        let is_asked =
            |container: &&Registered| container.ledger.action().is_none() && !self.unreadable.contains_key(&container.server);
        for container in self.containers.iter().filter(is_asked) {
            let ledger = &container.ledger;
            let has_the_name = |one: &&_| ledger.is_by_name() && inspect::names(one).any(|name| name == ledger.wanted());
            let has_the_id = |one: &&bollard::models::ContainerSummary| one.id.as_deref() == Some(ledger.id());
            let one = listed.iter().find(has_the_name).or_else(|| listed.iter().find(has_the_id));
            let is_stopping = one.is_some_and(inspect::is_listed_as_stopping);
            let one = one.map(|one| (one.id.as_deref().unwrap_or_default(), inspect::state(one)));
            if is_stopping || has_a_quiet_verdict(ledger, kind) || !ledger.agrees(one) {
                self.unseen.push_back(container.server);
            }
        }
        Ok(())
    }

    /// Asks while listening on.
    async fn meanwhile<T>(&mut self, session: &mut Session<'_>, ask: BoxFuture<'_, Result<T, Error>>) -> Result<T, ListenError> {
        let connection = session.connection;
        let asked = answer(connection, ask);
        pin!(asked);
        loop {
            tokio::select! {
                biased;
                event = session.events.next() => self.hear(event, connection).await?,
                answer = &mut asked => {
                    if answer.is_ok() {
                        self.clock.lives(Instant::now());
                    }
                    return answer;
                }
            }
        }
    }

    pub(super) async fn compare(&mut self, server: ServerId, look: Option<&Look>) {
        let mouth = self.mouth.clone();
        if let Some(container) = self.container(server) {
            let words = container.ledger.compare(look);
            container.say(words, &mouth).await;
        }
    }

    pub(super) async fn hear(
        &mut self,
        event: Option<Result<EventMessage, Error>>,
        connection: &Connection,
    ) -> Result<(), ListenError> {
        let kind = connection.kind;
        // Also with the last thing that it does.
        self.clock.lives(Instant::now());
        let message = event.ok_or_else(|| ListenError::Closed(kind, connection.shown()))?;
        let message = message.map_err(|error| ListenError::Answer(connection.shown(), error))?;
        if let Some(happening) = Happening::read(message) {
            self.mind_the_clock(&happening, connection).await?;
            self.learn(happening, connection, false).await;
        }
        Ok(())
    }

    /// `is_past`: a look follows.
    async fn learn(&mut self, happening: Happening, connection: &Connection, is_past: bool) {
        let kind = connection.kind;
        self.since = self.since.max(Some(happening.at));
        self.clock.tells(happening.at, Instant::now());
        if !self.recent.is_new(&happening) {
            return;
        }
        self.volley.hears(&happening);
        let (mouth, oom) = (self.mouth.clone(), self.oom.clone());
        for container in &mut self.containers {
            if is_past && container.ledger.leaves_to_a_look(&happening) {
                continue;
            }
            let (before, was_unread) = (container.ledger.seen(), container.ledger.is_unread());
            if kind == EngineKind::Podman
                && container.ledger.concerns(&happening)
                && ended_by_memory(&happening, connection, oom.as_ref()).await
            {
                container.ledger.fold(&Happening { act: Act::Oom, ..happening.clone() });
            }
            let words = container.ledger.fold(&happening);
            container.say(words, &mouth).await;
            // What the event does not say: the verdict, and what somebody else's container is made of that has the name now.
            let is_another = container.ledger.is_unread() && !was_unread;
            let is_to_be_seen = happening.act == Act::Health(None) || is_another;
            if is_to_be_seen && container.ledger.seen() != before {
                self.unseen.push_back(container.server);
            }
        }
    }
}

/// Podman tells of a HEALTHCHECK before it knows the verdict, and of one that could not be run at all not even that.
fn has_a_quiet_verdict(ledger: &Ledger, kind: EngineKind) -> bool {
    kind == EngineKind::Podman && ledger.present().is_some_and(|seen| seen.health.is_some())
}

/// Podman has no event for it: a container that was killed is asked, and so is the kernel.
async fn ended_by_memory(happening: &Happening, connection: &Connection, oom: Option<&Oom>) -> bool {
    if happening.act != Act::Die(Some(KILLED)) {
        return false;
    }
    let look = answer(connection, inspect::look(&connection.client, &happening.id)).await;
    let Ok(Some(look)) = look else { return false };
    // One that runs again no longer says when it ended.
    let at = if look.state.is_alive() { happening.at } else { look.since };
    look.oom_killed || is_killed_for_memory(&look, at, oom)
}

/// Where Podman does not say it, as Debian's 4.3: SIGKILL, a limit, and the kernel's count rose.
fn is_killed_for_memory(look: &Look, at: i64, oom: Option<&Oom>) -> bool {
    let at = Timestamp::from_nanosecond(at.into());
    look.exit_code == Some(KILLED) && look.memory_limited && oom.zip(at.ok()).is_some_and(|(oom, at)| oom.has_killed_about(at))
}

pub(super) async fn answer<T>(connection: &Connection, asked: impl Future<Output = Result<T, Error>>) -> Result<T, ListenError> {
    let answer = timeout(PATIENCE, asked).await.map_err(|_| ListenError::Silent(connection.shown()))?;
    answer.map_err(|error| ListenError::Answer(connection.shown(), error))
}
