//! The program `health-spec` against real servers: the examples of each language, and servers that break rules.

#![expect(clippy::disallowed_methods, reason = "a test gives up after a while, by the clock, and reads its environment")]

mod command;
mod examples;
mod faulty;
mod program;
mod server;
mod standards;
mod tls;
