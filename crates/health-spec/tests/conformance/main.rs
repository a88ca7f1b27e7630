//! The program `health-spec` against real servers: the examples of each language, and servers that break rules.

mod command;
mod examples;
mod faulty;
mod program;
mod server;
mod standards;
mod tls;
