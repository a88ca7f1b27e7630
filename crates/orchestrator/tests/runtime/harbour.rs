//! Containers of one test in an engine of the machine.

use std::{fs, path::Path, process::Command, sync::OnceLock};

use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig, Mount, MountType, RestartPolicy, RestartPolicyNameEnum};
use bollard::query_parameters::{RemoveImageOptions, TagImageOptions};
use health_spec::{
    config::EngineKind,
    registry::{Runtime, RuntimeKind},
};

use crate::{
    bench::runtime,
    quay::{self, Quay},
};

/// Of Docker's HEALTHCHECK, in nanoseconds.
const CHECK_INTERVAL: i64 = 200_000_000;

/// The whole content of the image: it stays, exits with a code, checks that `/gate/ill` is not there, eats memory once `/gate/open` is, or ends
/// with exit code 3 whenever `/gate/end` is.
const PROGRAM: &str = r#"
fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    if let Some(code) = what.strip_prefix("exit=") {
        std::process::exit(code.parse().unwrap());
    }
    if what == "check" {
        std::process::exit(i32::from(std::path::Path::new("/gate/ill").exists()));
    }
    while what == "eat" && !std::path::Path::new("/gate/open").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    while what == "end" {
        if std::fs::remove_file("/gate/end").is_ok() {
            std::process::exit(3);
        }
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

    /// One that does not end when it is asked to.
    pub(crate) fn run_deaf(&self, name: &str) -> Runtime {
        self.0.create(name, ContainerCreateBody { stop_signal: None, ..Self::body("stay", HostConfig::default()) });
        self.start(name);
        self.server(name)
    }

    /// One that its engine starts again whenever it ends, which it does as soon as there is a file `end` in this directory.
    pub(crate) fn run_returning(&self, name: &str, gate: &Path) -> Runtime {
        let policy = RestartPolicy { name: Some(RestartPolicyNameEnum::ALWAYS), maximum_retry_count: None };
        let mounts = Some(Self::mount(gate, "/gate"));
        self.create(name, "end", HostConfig { restart_policy: Some(policy), mounts, ..HostConfig::default() });
        self.start(name);
        self.server(name)
    }

    /// The same as [`Self::run`], with these labels.
    pub(crate) fn run_labelled(&self, name: &str, labels: &[(&str, &str)]) -> Runtime {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
        self.0.create(name, ContainerCreateBody { labels: Some(labels.collect()), ..Self::body("stay", HostConfig::default()) });
        self.start(name);
        self.server(name)
    }

    /// The same with a HEALTHCHECK that looks into this directory.
    pub(crate) fn run_checked(&self, name: &str, gate: &Path) -> Runtime {
        let check = HealthConfig {
            test: Some(["CMD", "/hold", "check"].map(str::to_owned).to_vec()),
            interval: Some(CHECK_INTERVAL),
            retries: Some(1),
            ..HealthConfig::default()
        };
        let host_config = HostConfig { mounts: Some(Self::mount(gate, "/gate")), ..HostConfig::default() };
        self.0.create(name, ContainerCreateBody { healthcheck: Some(check), ..Self::body("stay", host_config) });
        self.start(name);
        self.server(name)
    }

    /// Podman checks when it is asked to.
    pub(crate) fn check(&self, name: &str) {
        if self.0.kind == EngineKind::Podman {
            let answer = quay::ask_podman_to_check(&self.name(name)).unwrap();
            assert!(answer.contains(" 200 "), "{answer}");
        }
    }

    /// A container that does not run yet.
    pub(crate) fn create(&self, name: &str, what: &str, host_config: HostConfig) -> Runtime {
        self.0.create(name, Self::body(what, host_config));
        self.server(name)
    }

    fn body(what: &str, host_config: HostConfig) -> ContainerCreateBody {
        ContainerCreateBody {
            entrypoint: Some(vec!["/hold".to_owned(), what.to_owned()]),
            // The program has no handler for SIGTERM, and as pid 1 would ignore it.
            stop_signal: Some("SIGKILL".to_owned()),
            network_disabled: Some(true),
            host_config: Some(host_config),
            ..ContainerCreateBody::default()
        }
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

    /// It is killed if it takes longer.
    pub(crate) fn stop_within(&self, name: &str, seconds: i32) {
        self.0.stop(name, Some(seconds));
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

    pub(crate) fn started_at(&self, name: &str) -> Option<String> {
        self.0.state(name).started_at
    }

    pub(crate) fn id(&self, name: &str) -> String {
        self.0.wait(self.0.client.inspect_container(&self.name(name), None)).id.unwrap()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.0.scheduler.block_on(self.0.client.inspect_container(&self.name(name), None)).is_ok()
    }

    pub(crate) fn restart_policy(&self, name: &str) -> Option<RestartPolicyNameEnum> {
        let found = self.0.wait(self.0.client.inspect_container(&self.name(name), None));
        found.host_config?.restart_policy?.name
    }

    /// Nothing can be created any more.
    pub(crate) fn hide_image(&self) {
        self.call_image(&self.0.prefix, &format!("{}-hidden", self.0.prefix));
    }

    pub(crate) fn show_image(&self) {
        self.call_image(&format!("{}-hidden", self.0.prefix), &self.0.prefix);
    }

    fn call_image(&self, from: &str, to: &str) {
        let options = TagImageOptions { repo: Some(to.to_owned()), tag: Some("latest".to_owned()) };
        self.0.wait(self.0.client.tag_image(from, Some(options)));
        self.0.wait(self.0.client.remove_image(from, None::<RemoveImageOptions>, None));
    }

    /// Whether its engine has started it once by its own policy. For a moment Podman has a word for its state that Docker has not.
    pub(crate) fn is_back(&self, name: &str) -> bool {
        let found = self.0.scheduler.block_on(self.0.client.inspect_container(&self.name(name), None));
        found.is_ok_and(|found| found.restart_count == Some(1) && found.state.and_then(|state| state.running) == Some(true))
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
