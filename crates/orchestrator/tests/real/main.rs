//! The whole system on real parts: the built binaries, real MCP servers, real sockets, real containers, a real browser.
//!
//! What a machine lacks is installed by `cargo xtask test`, or named in the failure; nothing is skipped.
#![cfg(feature = "gateway")]
#![expect(clippy::disallowed_methods, reason = "a test gives up after a while, by the clock, and reads its environment")]

mod bad_input;
mod bridged;
mod browser;
#[path = "../engine/bus.rs"]
#[expect(dead_code, reason = "the tests of the runtimes use the rest")]
mod bus;
mod chaos;
mod commands;
mod containers;
mod crash;
mod dashboard;
mod discover;
mod disk;
mod dock;
mod docker;
mod engines;
mod evidence;
mod far;
mod fastmcp;
mod gate;
mod harness;
mod healthcheck;
mod hooks;
mod hostile;
mod limits;
mod mcp;
mod pier;
mod process;
#[path = "../engine/quay.rs"]
mod quay;
mod record;
mod recorder;
mod recreate;
mod recreated;
mod reload;
mod restart;
mod rights;
#[path = "../engine/root.rs"]
#[expect(dead_code, reason = "tests of the runtimes want to be alone")]
mod root;
mod rootless;
mod roots;
mod siege;
mod simulate;
mod socket;
#[path = "../engine/strait.rs"]
#[expect(dead_code, reason = "the tests of the runtimes make it silent")]
mod strait;
mod systemd;
#[path = "../engine/tls.rs"]
mod tls;
mod told;
mod two_processes;
#[path = "../engine/variants.rs"]
mod variants;
mod wire;
