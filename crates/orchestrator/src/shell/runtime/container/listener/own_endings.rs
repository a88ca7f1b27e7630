//! Which endings are the own doing of a Docker engine that was killed: it makes them when it begins anew.

use health_spec::config::EngineKind;

use super::{ListenError, Listener, session::answer};
use crate::shell::runtime::container::{
    address::Connection,
    event::Act,
    inspect::{self, Memory},
};

/// In nanoseconds. So long an engine that begins may take to end what runs: containers have 10 s to end, unless they ask for more.
const OWN_ENDINGS: i64 = 15_000_000_000;

impl Listener {
    /// A Docker engine that was killed ends what still runs when it begins anew, before it starts anything, and calls that stops. Until when
    /// those are its own; `None`: it is the same engine, as far as can be known.
    pub(super) async fn own_endings_until(&self, connection: &Connection) -> Result<Option<i64>, ListenError> {
        let Memory { kept, is_full, oldest } = memory(connection).await?;
        let Some(first) = kept.first().filter(|_| self.recent.is_of_another_than(&kept)) else { return Ok(None) };
        // What it has told first may be forgotten by now, also by the engine that is known.
        let is_later = || self.since.is_some_and(|since| first.at > since);
        // Another engine knows nothing of the time before it was lost.
        let knows_before = oldest.zip(self.clock.last_life()).is_some_and(|(oldest, alive)| oldest <= alive);
        if is_full && (knows_before || !is_later() || !self.has_ended_all(connection).await?) {
            return Ok(None);
        }
        let until = first.at.saturating_add(OWN_ENDINGS);
        let started = kept.iter().find(|happening| matches!(happening.act, Act::Start | Act::Create));
        Ok(Some(started.map_or(until, |started| started.at.min(until))))
    }

    /// Whether nobody who is known to have run lives on: no life outlasts the beginning of another engine. Of nobody nothing is known.
    async fn has_ended_all(&self, connection: &Connection) -> Result<bool, ListenError> {
        let mut has_ended = false;
        for ledger in self.containers.iter().map(|container| &container.ledger).filter(|ledger| ledger.is_alive()) {
            let asked = async {
                match inspect::look(&connection.client, ledger.id()).await {
                    Err(error) => inspect::about_it_alone(&connection.client, error).await.map(|_| None),
                    Ok(look) => Ok(Some(look)),
                }
            };
            let Some(look) = answer(connection, asked).await? else { continue };
            if look.is_some_and(|look| ledger.lives_on(&look)) {
                return Ok(false);
            }
            has_ended = true;
        }
        Ok(has_ended)
    }
}

/// What a Docker engine has kept. Podman keeps its events in a file.
pub(super) async fn memory(connection: &Connection) -> Result<Memory, ListenError> {
    match connection.kind {
        EngineKind::Docker => answer(connection, inspect::memory(&connection.client)).await,
        EngineKind::Podman => Ok(Memory::default()),
    }
}
