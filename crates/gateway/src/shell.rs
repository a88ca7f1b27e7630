//! What the gateway does: it follows sources, listens, answers and streams. It decides nothing.

mod api;
mod client;
mod clock;
pub(crate) mod healthcheck;
mod hub;
mod own_health;
pub(crate) mod serve;
mod source;
mod stream;
