//! Registries for the commands to run: written by hand here, so that they also show what one looks like.

use std::fmt::{self, Display, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use crate::outcome::{Context, Outcome};

/// One server of the registry.
pub(crate) struct Entry {
    /// Unique.
    pub(crate) name: String,
    /// Its `health_url`.
    pub(crate) health_url: String,
    /// How it is restarted.
    pub(crate) runtime: Runtime,
}

/// How a server is restarted.
pub(crate) enum Runtime {
    /// The orchestrator's own child.
    Process {
        /// An absolute path.
        command: PathBuf,
        /// What it is called with.
        args: Vec<String>,
    },
    /// A container of the local engine.
    Docker {
        /// Its name.
        container: String,
    },
    /// It is only watched.
    Nothing,
}

/// Writes a registry; `settings` are the YAML sections beside `servers`.
pub(crate) fn write(file: &Path, settings: &str, servers: &[Entry]) -> Outcome {
    let none = if servers.is_empty() { " []" } else { "" };
    let mut text = format!("version: \"1.1\"\n{settings}servers:{none}\n");
    for server in servers {
        let _infallible = write!(text, "{server}");
    }
    std::fs::write(file, text).context(format_args!("write {}", file.display()))
}

/// Addresses on loopback that nobody listens on, all different.
pub(crate) fn free_addresses(count: usize) -> Outcome<Vec<SocketAddr>> {
    let listeners = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<Vec<_>, _>>();
    let listeners = listeners.context("find free ports")?;
    listeners.iter().map(|listener| listener.local_addr().context("find free ports")).collect()
}

/// Whether somebody could listen there now.
pub(crate) fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

impl Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  - name: {}", quoted(&self.name))?;
        writeln!(f, "    health_url: {}", quoted(&self.health_url))?;
        match &self.runtime {
            Runtime::Process { command, args } => {
                let args = args.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ");
                let command = quoted(&command.to_string_lossy());
                writeln!(f, "    runtime: {{ kind: process, command: {command}, args: [{args}] }}")
            }
            Runtime::Docker { container } => writeln!(f, "    runtime: {{ kind: docker, container: {} }}", quoted(container)),
            Runtime::Nothing => Ok(()),
        }
    }
}

/// A JSON string is a YAML string too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_item_of_the_list() {
        let runtime = Runtime::Process { command: "/x y/sample".into(), args: vec!["--listen".into(), "127.0.0.1:1".into()] };
        let entry = Entry { name: "a".into(), health_url: "http://127.0.0.1:1/health".into(), runtime };
        let expected = "  - name: \"a\"\n    health_url: \"http://127.0.0.1:1/health\"\n    \
                        runtime: { kind: process, command: \"/x y/sample\", args: [\"--listen\", \"127.0.0.1:1\"] }\n";
        assert_eq!(entry.to_string(), expected);
    }

    #[test]
    fn free_addresses_differ() {
        let mut addresses = free_addresses(5).expect("five ports are free");
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 5);
    }
}
