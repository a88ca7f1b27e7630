//! Listens to one systemd, as long as units of it are registered: what happens to them reaches the inbox in order.
//!
//! Restarts go through here as well, so that their end is told from everything else by the order of the messages. When
//! the bus or systemd is lost, everything is subscribed to anew and every unit is compared.

mod ending;

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use tokio::{
    pin,
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use zbus::{Message, ObjectPath, OwnedObjectPath, OwnedVariant, message::Type};

use super::{
    UnitError,
    bus::{self, Bus, BusError, IN_THE_WAY, MANAGER, PROPERTIES, SERVICE, Session, UNIT},
    status::Life,
    unit::Unit,
};
use crate::{
    machine::{Input, ServerId, Word, input::EngineId},
    shell::{
        causes::causes,
        runtime::{pause::Pause, reporter::Mouth},
    },
};

/// To whoever waits for a restart.
type Answer = oneshot::Sender<Result<(), UnitError>>;

/// What is asked of the listener.
#[derive(Debug)]
pub enum Request {
    /// It is registered from now on; it was found on another connection.
    Watch(Box<Watched>),
    /// Restart its unit, and say how that went.
    Restart(ServerId, Answer),
    /// Say so if somebody is stopping its unit, then answer.
    TellOfStop(ServerId, oneshot::Sender<()>),
    /// It is no longer registered: what happens to it is nobody's business.
    Forget(ServerId),
}

/// A registered unit.
#[derive(Debug)]
pub struct Watched {
    /// Whose it is.
    pub server: ServerId,
    /// What is known about it.
    pub unit: Unit,
    /// Who waits for a restart of it.
    pub asked: Option<Asked>,
}

/// A restart under way.
#[derive(Debug)]
pub struct Asked {
    answer: Answer,
    until: Instant,
    /// Jobs that ended before it was known which one is ours, with their results.
    ended: Vec<(String, String)>,
}

/// Listens to one systemd.
#[derive(Debug)]
pub struct Listener {
    /// As what it can be lost.
    pub engine: EngineId,
    /// Where it is.
    pub bus: Bus,
    /// Its registered units.
    pub units: Vec<Watched>,
    /// Where to report.
    pub mouth: Mouth,
    /// From restarts.
    pub requests: mpsc::Receiver<Request>,
}

/// What an answer that is still to come will be about.
#[derive(Clone, Debug)]
enum Awaited {
    Restart(ServerId),
    JobType(ServerId, String),
}

type Open = HashMap<NonZeroU32, Awaited>;

impl Listener {
    /// Listens until cancelled, or until nobody is left who can ask.
    pub async fn run(mut self, session: Session) {
        let cancel = self.mouth.cancel().clone();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.listen(session) => {}
        }
    }

    async fn listen(&mut self, mut session: Session) {
        for at in 0..self.units.len() {
            let words = self.units[at].unit.begin();
            self.say(at, words).await;
        }
        while let Some(error) = self.hear_all(&mut session).await {
            let error = causes(&error);
            self.interrupt();
            self.nobody_knows(&error);
            self.mouth.say(Input::EngineLost(self.engine, error.clone())).await;
            let reached = self.reach_again(error).await;
            // Or, without units, nobody waits for it any more: the next one on this bus begins anew.
            self.mouth.say(Input::EngineBack(self.engine)).await;
            let Some(reached) = reached else { return };
            session = reached;
        }
    }

    /// `None`: nobody needs it any more.
    async fn reach_again(&mut self, mut error: String) -> Option<Session> {
        let mut pause = Pause::default();
        while self.refuse_for(pause.next(), &error).await {
            match self.compared().await {
                Ok(session) => return Some(session),
                Err(again) => {
                    error = causes(&again);
                    self.nobody_knows(&error);
                }
            }
        }
        None
    }

    /// A new connection, with every unit compared.
    async fn compared(&mut self) -> Result<Session, BusError> {
        let mut session = Session::open(&self.bus).await?;
        for at in 0..self.units.len() {
            self.compare(at, &mut session).await?;
        }
        Ok(session)
    }

    async fn compare(&mut self, at: usize, session: &mut Session) -> Result<(), BusError> {
        let path = session.load(self.units[at].unit.name()).await?;
        let look = session.look(&path).await?;
        let words = self.units[at].unit.compare(path, look);
        // It may be no news for the machine; but a probe is to see it.
        let status = self.units[at].unit.status();
        let word = if status.life() == Life::Up { Word::Running } else { Word::NotRunning(status.death()) };
        self.mouth.last_words().note(self.units[at].server, &word);
        self.say(at, words).await;
        Ok(())
    }

    /// What the jobs do that were found.
    async fn ask_for_types(&self, at: usize, session: &Session, open: &mut Open) -> Result<(), BusError> {
        for job in self.units[at].unit.jobs() {
            let serial = session.ask_for_type(job).await?;
            open.insert(serial, Awaited::JobType(self.units[at].server, job.to_owned()));
        }
        Ok(())
    }

    /// From a connection to its loss. `None`: nobody needs it any more.
    async fn hear_all(&mut self, session: &mut Session) -> Option<BusError> {
        let mut open = Open::new();
        for at in 0..self.units.len() {
            if let Err(error) = self.ask_for_types(at, session, &mut open).await {
                return Some(error);
            }
        }
        loop {
            let due = self.units.iter().filter_map(|watched| Some(watched.asked.as_ref()?.until)).min();
            let give_up = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let heard = tokio::select! {
                message = session.next() => match message {
                    Ok(message) => self.hear(&message, session, &mut open).await,
                    Err(error) => Err(error),
                },
                request = self.requests.recv() => self.serve(request?, session, &mut open).await,
                () = give_up => {
                    self.give_up().await;
                    Ok(())
                }
            };
            if let Err(error) = heard {
                return Some(error);
            }
        }
    }

    async fn hear(&mut self, message: &Message, session: &Session, open: &mut Open) -> Result<(), BusError> {
        let header = message.header();
        if let Some(awaited) = header.reply_serial().and_then(|serial| open.remove(&serial)) {
            self.answered(message, awaited).await;
            return Ok(());
        }
        let (Some(interface), Some(member)) = (header.interface(), header.member()) else { return Ok(()) };
        match (interface.as_str(), member.as_str()) {
            (PROPERTIES, "PropertiesChanged") => self.changed(message).await,
            (MANAGER, "JobNew") => self.job_begins(message, session, open).await?,
            (MANAGER, "JobRemoved") => self.job_ends(message).await,
            _ => {}
        }
        Ok(())
    }

    async fn answered(&mut self, answer: &Message, awaited: Awaited) {
        let (Awaited::Restart(server) | Awaited::JobType(server, _)) = &awaited;
        let Some(at) = self.units.iter().position(|watched| watched.server == *server) else { return };
        let failed = answer.message_type() == Type::Error;
        match awaited {
            Awaited::Restart(_) if failed => self.refused(at, &bus::error(answer)).await,
            Awaited::Restart(_) => {
                let Ok(job) = answer.body().deserialize::<OwnedObjectPath>() else { return };
                self.units[at].unit.acts_as(job.as_str());
                let ended = self.units[at].asked.as_mut().map(|asked| std::mem::take(&mut asked.ended)).unwrap_or_default();
                if let Some((_, result)) = ended.into_iter().find(|(ended, _)| ended == job.as_str()) {
                    self.job_ended(at, &result).await;
                }
            }
            Awaited::JobType(_, job) => {
                let body = answer.body();
                if let Ok(kind) = body.deserialize::<OwnedVariant>()
                    && let Ok(kind) = String::try_from(kind)
                {
                    let words = self.units[at].unit.job_is(&job, &kind);
                    self.say(at, words).await;
                }
            }
        }
    }

    async fn refused(&mut self, at: usize, error: &BusError) {
        let unit = self.units[at].unit.name().to_owned();
        let error = match error {
            BusError::Answer { name, text } if name == IN_THE_WAY => {
                return self.finish(at, Err(UnitError::InTheWay { unit, error: text.clone() })).await;
            }
            BusError::Answer { name, text } if is_forbidden(name) => {
                format!("{text}; this user may not: run the orchestrator as root, or allow it by a polkit rule")
            }
            error => causes(error),
        };
        self.finish(at, Err(UnitError::Refused { unit, error })).await;
    }

    async fn changed(&mut self, message: &Message) {
        let header = message.header();
        let Some(path) = header.path() else { return };
        let about = |watched: &Watched| watched.unit.path() == path.as_str() && !watched.unit.knows(message.recv_position());
        let Some(at) = self.units.iter().position(about) else { return };
        let body = message.body();
        let Ok((interface, values, _)) = body.deserialize::<(&str, HashMap<String, OwnedVariant>, Vec<&str>)>() else { return };
        let mut status = self.units[at].unit.status().clone();
        status.change(&values);
        match interface {
            // First the service's, then the unit's: only then it is whole.
            SERVICE => self.units[at].unit.prepare(status),
            UNIT => {
                let words = self.units[at].unit.changed(status);
                self.say(at, words).await;
            }
            _ => {}
        }
    }

    async fn job_begins(&mut self, message: &Message, session: &Session, open: &mut Open) -> Result<(), BusError> {
        let body = message.body();
        let Ok((_, job, name)) = body.deserialize::<(u32, ObjectPath<'_>, &str)>() else { return Ok(()) };
        let Some(at) = self.at(name, message) else { return Ok(()) };
        if self.units[at].unit.job_begins(job.as_str()) {
            let serial = session.ask_for_type(job.as_str()).await?;
            open.insert(serial, Awaited::JobType(self.units[at].server, job.as_str().to_owned()));
        }
        Ok(())
    }

    async fn job_ends(&mut self, message: &Message) {
        let body = message.body();
        let Ok((_, job, name, result)) = body.deserialize::<(u32, ObjectPath<'_>, &str, &str)>() else { return };
        let Some(at) = self.at(name, message) else { return };
        if self.units[at].unit.is_ours(job.as_str()) {
            return self.job_ended(at, result).await;
        }
        if let Some(asked) = &mut self.units[at].asked {
            asked.ended.push((job.as_str().to_owned(), result.to_owned()));
        }
        let words = self.units[at].unit.job_ends(job.as_str(), result);
        self.say(at, words).await;
    }

    /// The unit of that name that a signal is news for.
    fn at(&self, name: &str, message: &Message) -> Option<usize> {
        let is_it = |unit: &Unit| unit.status().id == name && !unit.knows(message.recv_position());
        self.units.iter().position(|watched| is_it(&watched.unit))
    }

    async fn serve(&mut self, request: Request, session: &mut Session, open: &mut Open) -> Result<(), BusError> {
        match request {
            Request::Watch(watched) => {
                self.units.push(*watched);
                self.compare(self.units.len() - 1, session).await?;
                self.ask_for_types(self.units.len() - 1, session, open).await
            }
            Request::Restart(server, answer) => self.restart(server, answer, session, open).await,
            Request::TellOfStop(server, answer) => {
                self.tell_of_stop(server).await;
                // Whoever asked may be gone.
                let _ = answer.send(());
                Ok(())
            }
            Request::Forget(server) => {
                self.forget(server);
                Ok(())
            }
        }
    }

    async fn restart(&mut self, server: ServerId, answer: Answer, session: &Session, open: &mut Open) -> Result<(), BusError> {
        let stopped = self.tell_of_stop(server).await;
        let Some(watched) = self.units.iter_mut().find(|watched| watched.server == server) else {
            // It may have gone while this waited. Whoever asked may be gone as well.
            let _ = answer.send(Err(UnitError::Forgotten));
            return Ok(());
        };
        if stopped {
            let _ = answer.send(Err(UnitError::BeingStopped(watched.unit.name().to_owned())));
            return Ok(());
        }
        watched.asked = Some(Asked { answer, until: Instant::now() + watched.unit.status().patience, ended: Vec::new() });
        watched.unit.act();
        let serial = session.restart(watched.unit.name()).await?;
        open.insert(serial, Awaited::Restart(server));
        Ok(())
    }

    /// Says so if somebody is stopping it, and whether that is so: it may take longer than was told before.
    async fn tell_of_stop(&self, server: ServerId) -> bool {
        let unit = self.units.iter().find(|watched| watched.server == server);
        let Some(patience) = unit.and_then(|watched| watched.unit.is_being_stopped()) else { return false };
        self.mouth.about(server).say(Word::AskedToEnd(Some(patience))).await;
        true
    }

    fn forget(&mut self, server: ServerId) {
        let forgotten = self.units.extract_if(.., |watched| watched.server == server);
        for asked in forgotten.filter_map(|watched| watched.asked) {
            let _ = asked.answer.send(Err(UnitError::Forgotten));
        }
    }

    /// While systemd is lost, what was said last holds no longer.
    fn nobody_knows(&self, error: &str) {
        self.units.iter().for_each(|watched| self.mouth.last_words().is_unknown(watched.server, error.to_owned()));
    }

    /// While systemd is lost nothing can be restarted. Returns whether anybody still needs it.
    async fn refuse_for(&mut self, pause: Duration, error: &str) -> bool {
        let end = sleep_until(Instant::now() + pause);
        pin!(end);
        loop {
            let request = tokio::select! {
                () = &mut end => return true,
                request = self.requests.recv() => request,
            };
            match request {
                None => return false,
                Some(Request::Watch(watched)) => {
                    self.mouth.last_words().is_unknown(watched.server, error.to_owned());
                    self.units.push(*watched);
                }
                Some(Request::Restart(_, answer)) => drop(answer.send(Err(UnitError::Lost(error.to_owned())))),
                // Nobody knows.
                Some(Request::TellOfStop(..)) => {}
                Some(Request::Forget(server)) => self.forget(server),
            }
        }
    }

    async fn say(&self, at: usize, words: Vec<Word>) {
        for word in words {
            self.mouth.about(self.units[at].server).say(word).await;
        }
    }
}

fn is_forbidden(error: &str) -> bool {
    error.ends_with(".AccessDenied") || error.ends_with(".InteractiveAuthorizationRequired") || error.ends_with(".AuthFailed")
}
