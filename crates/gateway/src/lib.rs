//! Aggregates, streams and shows the health of MCP servers.

pub mod source;
