//! The runtimes against real child processes, a real Docker engine, a real Podman, and a stand-in for systemd on a real message bus.
#![cfg(feature = "shell")]
#![expect(clippy::disallowed_methods, reason = "a test gives up after a while, by the clock")]
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod begin;
mod bench;
#[path = "../engine/bus.rs"]
mod bus;
mod consent;
mod docker;
mod far;
mod harbour;
mod healthcheck;
mod podman;
mod process;
#[path = "../engine/quay.rs"]
mod quay;
mod recreate;
mod resubscribe;
#[path = "../engine/root.rs"]
mod root;
#[path = "../engine/sham.rs"]
mod sham;
#[path = "../engine/strait.rs"]
#[expect(dead_code, reason = "the real tests ask what was asked for")]
mod strait;
mod systemd;
#[path = "../engine/tls.rs"]
#[expect(dead_code, reason = "the real tests are asked for nothing")]
mod tls;
