//! Probes MCP servers, decides, recovers them and records what happened.
//!
//! Three rooms: [`machine`] decides and is pure; `shell` waits, acts and fails; [`sim`] is the virtual world in
//! which the very same machine is tried. With the feature `shell` off only the first and the last are built.

pub mod machine;
#[cfg(feature = "shell")]
pub mod shell;
#[cfg(feature = "sim")]
pub mod sim;
