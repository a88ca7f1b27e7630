//! One listener an engine, and one a bus.

use std::sync::PoisonError;

use tokio::sync::mpsc;

use super::Runtimes;
use super::container::{
    Ready,
    address::{ConnectError, Connection},
    engine::Engine,
    listener::Listener,
    restart::Container,
};
use super::systemd::{self, listener::Request};

/// A listener that is to be run, with its first connection or why there is none.
type Begun = (Listener, Result<Connection, ConnectError>);

impl Runtimes {
    /// The engine of this container.
    pub(super) fn engine_of(&self, container: &Container) -> Option<Engine> {
        let engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        engines.values().find(|engine| engine.requests.same_channel(&container.requests)).cloned()
    }

    /// One listener an engine, from its first server on: the second one is to be run if there was none.
    pub(super) fn listened_to(&self, ready: &mut Ready) -> (Engine, Option<Begun>) {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = engines.get(&ready.id) {
            return (engine.clone(), None);
        }
        let (engine, listener, connection) = ready.listener(&self.mouth, &self.places.oom);
        engines.insert(ready.id, engine.clone());
        (engine, Some((listener, connection)))
    }

    /// One listener a bus, as long as servers have units there: with the last of them goes what it is asked with, and then it ends.
    pub(super) async fn heard_on(&self, ready: systemd::Ready) -> mpsc::Sender<Request> {
        let bus = ready.bus.written().to_owned();
        let heard = self.buses.lock().unwrap_or_else(PoisonError::into_inner).get(&bus).and_then(mpsc::WeakSender::upgrade);
        let Some(requests) = heard else {
            let (requests, listener, session) = ready.listener(&self.mouth);
            self.spawn(listener.run(session));
            self.buses.lock().unwrap_or_else(PoisonError::into_inner).insert(bus, requests.downgrade());
            return requests;
        };
        for watched in ready.units() {
            // The listener has ended when it cannot be told.
            let _ = requests.send(Request::Watch(Box::new(watched))).await;
        }
        requests
    }
}
