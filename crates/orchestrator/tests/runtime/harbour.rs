//! Containers of one test in an engine of the machine.

use std::{fs, path::Path, process::Command, sync::OnceLock};

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use health_spec::{
    config::EngineKind,
    registry::{Runtime, RuntimeKind},
};

use crate::{bench::runtime, quay::Quay};

/// The whole content of the image: it stays, exits with a code, or eats memory once `/gate/open` is there.
const PROGRAM: &str = r#"
fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    if let Some(code) = what.strip_prefix("exit=") {
        std::process::exit(code.parse().unwrap());
    }
    while what == "eat" && !std::path::Path::new("/gate/open").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut eaten = Vec::new();
    while what == "eat" {
        eaten.push(vec![1_u8; 1 << 20]);
    }
    loop {
        std::thread::park();
    }
}
"#;

/// What one test has in the engine.
pub(crate) struct Harbour(Quay);

impl Harbour {
    /// With Docker.
    pub(crate) fn new() -> Self {
        Self::with(EngineKind::Docker)
    }

    pub(crate) fn with(kind: EngineKind) -> Self {
        Self(Quay::new(kind, archive()))
    }

    /// The full name of a container of this test.
    pub(crate) fn name(&self, name: &str) -> String {
        self.0.name(name)
    }

    /// A server that is this container.
    pub(crate) fn server(&self, name: &str) -> Runtime {
        let mut server = runtime(match self.0.kind {
            EngineKind::Docker => RuntimeKind::Docker,
            EngineKind::Podman => RuntimeKind::Podman,
        });
        server.container = Some(self.name(name));
        server
    }

    /// A container that runs, and ends at once when asked to.
    pub(crate) fn run(&self, name: &str) -> Runtime {
        self.create(name, "stay", HostConfig::default());
        self.start(name);
        self.server(name)
    }

    /// A container that does not run yet.
    pub(crate) fn create(&self, name: &str, what: &str, host_config: HostConfig) -> Runtime {
        let body = ContainerCreateBody {
            entrypoint: Some(vec!["/hold".to_owned(), what.to_owned()]),
            // The program has no handler for SIGTERM, and as pid 1 would ignore it.
            stop_signal: Some("SIGKILL".to_owned()),
            network_disabled: Some(true),
            host_config: Some(host_config),
            ..ContainerCreateBody::default()
        };
        self.0.create(name, body);
        self.server(name)
    }

    /// A directory of ours inside a container.
    pub(crate) fn mount(source: &Path, target: &str) -> Vec<Mount> {
        vec![Mount {
            target: Some(target.to_owned()),
            source: Some(source.to_str().unwrap().to_owned()),
            typ: Some(MountType::BIND),
            ..Mount::default()
        }]
    }

    pub(crate) fn start(&self, name: &str) {
        self.0.start(name);
    }

    pub(crate) fn kill(&self, name: &str) {
        self.0.kill(name);
    }

    pub(crate) fn stop(&self, name: &str) {
        self.0.stop(name, None);
    }

    pub(crate) fn pause(&self, name: &str) {
        self.0.pause(name);
    }

    pub(crate) fn unpause(&self, name: &str) {
        self.0.unpause(name);
    }

    pub(crate) fn restart(&self, name: &str) {
        self.0.restart(name);
    }

    pub(crate) fn rename(&self, name: &str, to: &str) {
        self.0.rename(name, to);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.0.remove(name);
    }

    pub(crate) fn is_running(&self, name: &str) -> bool {
        self.0.state(name).running.unwrap()
    }
}

/// A file system with one static program in it.
fn archive() -> &'static [u8] {
    static ARCHIVE: OnceLock<Vec<u8>> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        compile(directory.path());
        let tar = Command::new("tar").args(["-cf", "-", "hold"]).current_dir(directory.path()).output().unwrap();
        tar.stdout
    })
}

fn compile(directory: &Path) {
    fs::write(directory.join("hold.rs"), PROGRAM).unwrap();
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(compiler)
        .args(["-C", "target-feature=+crt-static", "-C", "opt-level=s", "-o", "hold", "hold.rs"])
        .current_dir(directory)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "rustc has to link statically (`apt-get install libc6-dev`): {complaint}");
}
