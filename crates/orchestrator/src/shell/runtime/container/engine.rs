//! One engine: the one place from which it is listened to, for all of its servers.

use tokio::sync::{mpsc, watch};

use super::listener::{Registered, Request};

/// How an engine is reached and asked, by everybody but its listener.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Its name in the configuration.
    pub name: String,
    /// To its listener.
    pub requests: mpsc::Sender<Request>,
    /// Whether it is listened to.
    pub link: watch::Receiver<Link>,
}

/// Whether an engine is listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// It has not been asked yet.
    Begins,
    /// It is, and all of its containers have been looked at.
    Up,
    /// It cannot be reached, for this reason.
    Lost(String),
}

impl Engine {
    /// From now on these containers are listened to. The listener has ended when it cannot be told.
    pub async fn watch(&self, containers: Vec<Registered>) {
        for registered in containers {
            let _ = self.requests.send(Request::Watch(Box::new(registered))).await;
        }
    }
}
