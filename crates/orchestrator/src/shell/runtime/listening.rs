//! One listener an engine, and one a bus.

use std::sync::PoisonError;

use tokio::sync::mpsc;

use super::Runtimes;
use super::container::{Ready, engine::Engine, listener::Registered, restart::Container};
use super::systemd::{self, listener::Request};

impl Runtimes {
    /// The engine of this container.
    pub(super) fn engine_of(&self, container: &Container) -> Option<Engine> {
        let engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        engines.values().find(|engine| engine.requests.same_channel(&container.requests)).cloned()
    }

    /// One listener an engine, from its first server on. A new one has its containers from the beginning: nobody may read yet what it says of
    /// them, so nobody must wait until it has taken them in. The second part is what one that runs already has to be told.
    pub(super) fn listened_to(&self, mut ready: Ready) -> (Vec<Container>, Option<(Engine, Vec<Registered>)>) {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = engines.get(&ready.id).cloned() {
            let (registered, containers) = ready.containers(&engine);
            return (containers, Some((engine, registered)));
        }
        let (engine, mut listener, connection) = ready.listener(&self.mouth, &self.places.oom);
        engines.insert(ready.id, engine.clone());
        let (registered, containers) = ready.containers(&engine);
        listener.containers = registered;
        self.spawn(listener.run(connection));
        (containers, None)
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
