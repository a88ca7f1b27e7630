//! Recreates containers, settles that, and finds who shares their network.

use std::sync::{Arc, PoisonError};

use super::container::restart::Container;
use super::{ActionError, Handle, Runtimes};
use crate::machine::{ServerId, input::EngineId};

/// A container that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name in the registry, or its id there.
    pub container: String,
    /// Where it was looked for.
    pub engine: String,
}

impl Runtimes {
    /// Replaces a container by a new one of the same configuration, and keeps the old one until [`Self::settle`]. Returns when that has
    /// ended. Dropping the future does not stop it.
    pub async fn recreate(&self, server: ServerId) -> Result<(), ActionError> {
        let Handle::Container(container, _) = self.handle(server).ok_or(ActionError::Unmanaged)? else {
            return Err(ActionError::NoContainer);
        };
        let mut container = container.lock_owned().await;
        let recreated = self.spawn(async move { container.recreate().await.map_err(|error| container.failure(error)) });
        Ok(recreated.await.map_err(|_| ActionError::ShuttingDown)??)
    }

    /// Whatever an earlier recreate has left is cleared away. It is to be done before the server is touched: a crash of ours in the middle
    /// of it must not be taken for one in the middle of a recreate.
    pub async fn make_room(&self, server: ServerId) -> Result<(), ActionError> {
        let Some(Handle::Container(container, _)) = self.handle(server) else { return Ok(()) };
        let container = container.lock_owned().await;
        let made = self.spawn(async move { container.make_room().await.map_err(|error| container.failure(error)) });
        Ok(made.await.map_err(|_| ActionError::ShuttingDown)??)
    }

    /// What a recreate has replaced is removed (`keep`), or put back and, if so wanted, started. Nothing, where nothing was replaced.
    pub async fn settle(&self, server: ServerId, keep: bool, start: bool) -> Result<(), ActionError> {
        let Some(container) = self.container_to_settle(server).await? else { return Ok(()) };
        let mut container = container.lock_owned().await;
        let settled = self.spawn(async move {
            let settled = if keep { container.keep().await } else { container.put_back(start).await };
            settled.map_err(|error| container.failure(error))
        });
        Ok(settled.await.map_err(|_| ActionError::ShuttingDown)??)
    }

    /// The name of the container that this server's has replaced, while it is kept. Waits for nobody's action.
    pub async fn kept(&self, server: ServerId) -> Result<Option<String>, ActionError> {
        let Some(Handle::Container(_, container)) = self.handle(server) else { return Ok(None) };
        Ok(container.kept().await.map_err(|error| container.failure(error))?)
    }

    /// The container of this server that a restart would look for in vain. `None`: there is one, or one that it has replaced, or that cannot
    /// be told. Waits for nobody's action.
    pub async fn missing(&self, server: ServerId) -> Option<Missing> {
        let Some(Handle::Container(_, container)) = self.handle(server) else { return None };
        if !container.is_nowhere().await {
            return None;
        }
        Some(Missing { container: container.wanted.clone(), engine: self.engine_of(&container)?.name })
    }

    fn containers(&self) -> Vec<Arc<Container>> {
        let handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        let container = |handle: &Handle| match handle {
            Handle::Container(_, container) => Some(Arc::clone(container)),
            Handle::Process(..) | Handle::Unit(_) => None,
        };
        handles.values().filter_map(container).collect()
    }

    /// The containers of this engine that servers have, by name or id; without those of servers that are about to go.
    pub(super) fn followed(&self, engine: EngineId, gone: &[ServerId]) -> Vec<String> {
        let engine = self.engines.lock().unwrap_or_else(PoisonError::into_inner).get(&engine).cloned();
        let Some(engine) = engine else { return Vec::new() };
        let mut containers = self.containers();
        containers.retain(|it| it.requests.same_channel(&engine.requests) && !gone.contains(&it.server));
        containers.iter().map(|container| container.wanted.clone()).collect()
    }

    /// The other registered containers of its engine that have no network of their own, and use this one's. Waits for nobody's action.
    pub async fn followers(&self, server: ServerId) -> Vec<ServerId> {
        let Some(Handle::Container(_, container)) = self.handle(server) else { return Vec::new() };
        let mut others = self.containers();
        others.retain(|other| other.server != server && other.requests.same_channel(&container.requests));
        let sharing = container.sharing(others.iter().map(|other| other.wanted.clone()).collect()).await;
        others.iter().filter(|other| sharing.contains(&other.wanted)).map(|other| other.server).collect()
    }
}
