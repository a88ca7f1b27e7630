//! The demo's five servers.

use std::net::SocketAddr;

use crate::registry::{Entry, Runtime};
use crate::workspace;

/// Their names, as `--break` takes them.
pub(crate) const NAMES: [&str; 5] = ["calculator", "search", "weather", "translator", "notes"];

/// One of them.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
}

impl Member {
    /// How it is told to misbehave by itself.
    fn habits(&self) -> &'static [&'static str] {
        match self.name {
            "translator" => &["--degraded"],
            "notes" => &["--crash-every", "45"],
            _ => &[],
        }
    }

    /// What a reader of the list should know about it.
    pub(crate) fn remark(&self) -> &'static str {
        match self.name {
            "translator" => "reports degraded: shown, never restarted",
            "notes" => "crashes every 45 s",
            _ => "well",
        }
    }

    /// Its line in the registry: a child process of the orchestrator.
    pub(crate) fn entry(&self) -> Entry {
        let mut args = ["--listen", &self.address.to_string(), "--name", self.name].map(str::to_owned).to_vec();
        args.extend(self.habits().iter().map(|&word| word.to_owned()));
        Entry {
            name: self.name.to_owned(),
            health_url: format!("http://{}/health", self.address),
            runtime: Runtime::Process { command: workspace::binary("debug", "sample-server"), args },
        }
    }
}
