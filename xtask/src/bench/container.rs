//! A sample server in a container made from nothing, removed when it is no longer needed.

use std::fs;
use std::net::SocketAddr;

use crate::command::{self, program};
use crate::outcome::{Context, Outcome};
use crate::{registry, test, workspace};

/// Everything made here carries it.
const LABEL: &str = "mcp-health-test=1";

/// One that runs.
pub(super) struct Container {
    name: String,
    address: SocketAddr,
}

impl Container {
    /// Builds the image and starts it.
    pub(super) fn start() -> Outcome<Self> {
        let name = format!("mcp-health-bench-{}", std::process::id());
        let container = Self { name, address: registry::free_addresses(1)?[0] };
        container.build()?;
        let publish = format!("{}:8000", container.address);
        let words = ["run", "--detach", "--label", LABEL, "--name", &container.name, "--publish", &publish, &container.name];
        command::run(program("docker").args(words))?;
        Ok(container)
    }

    /// Its name, and that of its image.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where its port is published.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its main process, as the host sees it.
    pub(super) fn pid(&self) -> Outcome<u32> {
        let said = command::capture(program("docker").args(["inspect", "--format", "{{.State.Pid}}", &self.name]))?;
        said.trim().parse().context(format_args!("read the pid of {}", self.name))
    }

    fn build(&self) -> Outcome {
        let server = test::build_static_server()?;
        let context = workspace::fresh_folder("bench")?;
        fs::copy(&server, context.join("sample-server")).context(format_args!("copy {}", server.display()))?;
        let recipe =
            "FROM scratch\nCOPY sample-server /sample-server\nENTRYPOINT [\"/sample-server\", \"--listen\", \"0.0.0.0:8000\"]\n";
        fs::write(context.join("Dockerfile"), recipe).context("write the Dockerfile")?;
        command::run(program("docker").args(["build", "--quiet", "--label", LABEL, "--tag", &self.name]).arg(&context))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        for words in [["rm", "--force", &self.name], ["rmi", "--force", &self.name]] {
            command::succeeds(program("docker").args(words));
        }
    }
}
