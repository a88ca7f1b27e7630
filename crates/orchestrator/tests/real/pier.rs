//! Sample servers in containers: a static binary in an empty image, each on a port of this machine.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bollard::body_full;
use bollard::models::{
    ContainerCreateBody, ContainerState, EventMessage, HostConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{EventsOptions, ListContainersOptions, RemoveContainerOptions, UploadToContainerOptions};
use futures_util::StreamExt;

use crate::harness::{free_port, target, until};
use crate::quay::Quay;
use health_spec::config::{Engine, EngineKind};

/// The port inside.
const INSIDE: &str = "8082/tcp";

/// When an engine is asked again for its events.
const RETRY: Duration = Duration::from_millis(100);

/// Containers of one test.
pub(crate) struct Pier(pub(crate) Quay);

/// One of them: a sample server.
pub(crate) struct Container<'a> {
    quay: &'a Quay,
    name: String,
    pub(crate) port: u16,
    body: ContainerCreateBody,
    events: Arc<Mutex<Vec<String>>>,
}

/// What is unusual about a container.
#[derive(Clone, Default)]
pub(crate) struct Habits {
    /// What `docker stop` sends instead of SIGTERM.
    pub(crate) stop_signal: Option<&'static str>,
    /// The engine's own restart policy.
    pub(crate) restart: Option<RestartPolicyNameEnum>,
    /// Bytes of memory that it may have.
    pub(crate) memory: Option<i64>,
    /// `NAME=value`.
    pub(crate) environment: &'static [&'static str],
    /// A port that it publishes for another one, which shares its network.
    pub(crate) publishes: Option<u16>,
    /// Whose network it shares, and the port there.
    pub(crate) network_of: Option<(String, u16)>,
    /// It has the machine's network, as those of Podman have.
    pub(crate) on_host: bool,
    /// It has a network of its own, as those of Docker have.
    pub(crate) bridged: bool,
}

impl Pier {
    /// With Docker.
    pub(crate) fn new() -> Self {
        Self::with(EngineKind::Docker)
    }

    pub(crate) fn with(kind: EngineKind) -> Self {
        Self(Quay::new(kind, archive()))
    }

    /// With an engine of the test's own.
    pub(crate) fn at(engine: &Engine) -> Self {
        Self(Quay::at(engine, archive()))
    }

    /// A sample server that answers.
    pub(crate) fn run(&self, name: &str) -> Container<'_> {
        self.run_with(name, Habits::default())
    }

    pub(crate) fn run_with(&self, name: &str, habits: Habits) -> Container<'_> {
        self.run_labelled(name, habits, &[])
    }

    /// One with these labels; `{port}` in a value is its port.
    pub(crate) fn run_labelled(&self, name: &str, habits: Habits, labels: &[(&str, &str)]) -> Container<'_> {
        self.run_changed(name, habits, labels, |_| {})
    }

    /// One that is created otherwise than usual.
    #[expect(clippy::needless_pass_by_value, reason = "written where it is asked for")]
    pub(crate) fn run_changed(
        &self,
        name: &str,
        habits: Habits,
        labels: &[(&str, &str)],
        change: impl FnOnce(&mut ContainerCreateBody),
    ) -> Container<'_> {
        let port = habits.network_of.as_ref().map_or_else(free_port, |(_, port)| *port);
        // Podman's networks take time, and a Podman without root has none everywhere.
        let shares = (self.0.kind == EngineKind::Podman && !habits.bridged) || habits.on_host || habits.network_of.is_some();
        let place = match &habits.network_of {
            Some(_) => format!("0.0.0.0:{port}"),
            None if shares => format!("127.0.0.1:{port}"),
            None => "0.0.0.0:8082".to_owned(),
        };
        let network = habits.network_of.as_ref().map_or_else(|| "host".to_owned(), |(leader, _)| format!("container:{leader}"));
        let bound = |port: u16| PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(port.to_string()) };
        let more = habits.publishes.map(|port| (format!("{port}/tcp"), Some(vec![bound(port)])));
        let bindings = [(INSIDE.to_owned(), Some(vec![bound(port)]))].into_iter().chain(more);
        let words = ["/sample-server", "--listen", &place, "--name", name];
        let mut body = ContainerCreateBody {
            entrypoint: Some(words.map(str::to_owned).to_vec()),
            exposed_ports: (!shares).then(|| bindings.clone().map(|(port, _)| port).collect()),
            stop_signal: habits.stop_signal.map(str::to_owned),
            labels: Some(
                labels.iter().map(|(label, value)| ((*label).to_owned(), value.replace("{port}", &port.to_string()))).collect(),
            ),
            env: Some(habits.environment.iter().map(|&pair| pair.to_owned()).collect()),
            host_config: Some(HostConfig {
                port_bindings: (!shares).then(|| bindings.collect()),
                network_mode: shares.then_some(network),
                memory: habits.memory,
                // Without it the limit would only begin to swap.
                memory_swap: habits.memory,
                restart_policy: Some(RestartPolicy { name: habits.restart, maximum_retry_count: None }),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        change(&mut body);
        self.0.create(name, body.clone());
        let container = Container { quay: &self.0, name: name.to_owned(), port, body, events: self.listen(name) };
        container.start();
        until("the container answers", || container.answers().then_some(()));
        container.forget_events();
        container
    }

    /// As an operator does it: another container of that name, of another image, that runs this.
    pub(crate) fn replace(&self, name: &str, words: &[&str]) {
        self.0.stop(name, Some(1));
        self.0.wait(self.0.client.remove_container(&self.0.name(name), None::<RemoveContainerOptions>));
        self.0.import_image(archive());
        let words = words.iter().map(|&word| word.to_owned()).collect();
        self.0.create(name, ContainerCreateBody { entrypoint: Some(words), ..ContainerCreateBody::default() });
        self.0.start(name);
    }

    /// As `docker pull` does it when there is a newer one: their name is another image's from now on.
    pub(crate) fn pull_another(&self) {
        self.0.import_image(archive());
    }

    /// What the engine says about a container, from its creation on, as it comes; also after the engine was away.
    fn listen(&self, name: &str) -> Arc<Mutex<Vec<String>>> {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let filters = Some([("container".to_owned(), vec![self.0.name(name)])].into());
        let (client, keep) = (self.0.client.clone(), Arc::clone(&heard));
        self.0.scheduler.spawn(async move {
            let (mut since, mut told) = (0, HashSet::new());
            loop {
                let options = EventsOptions { since: Some(since.to_string()), until: None, filters: filters.clone() };
                let mut events = client.events(Some(options));
                while let Some(Ok(event)) = events.next().await {
                    let EventMessage { action: Some(action), time_nano: Some(at), .. } = event else { continue };
                    since = at / 1_000_000_000;
                    if told.insert((at, action.clone())) {
                        keep.lock().expect("not poisoned").push(action);
                    }
                }
                // An engine that is away is not to be asked without end.
                tokio::time::sleep(RETRY).await;
            }
        });
        until("the engine tells", || heard.lock().expect("not poisoned").iter().any(|it| it == "create").then_some(()));
        heard
    }
}

impl Container<'_> {
    /// Its entry in a registry.
    pub(crate) fn entry(&self) -> String {
        let Self { name, port, .. } = self;
        let (container, kind) = (self.quay.name(name), self.quay.kind.as_str());
        format!("  - name: {name}\n    port: {port}\n    runtime: {{kind: {kind}, container: {container}}}\n")
    }

    /// The same, where several engines could have it.
    pub(crate) fn entry_in(&self, engine: &str) -> String {
        self.entry().replace("}\n", &format!(", engine: {engine}}}\n"))
    }

    pub(crate) fn pause(&self) {
        self.quay.pause(&self.name);
    }

    pub(crate) fn unpause(&self) {
        self.quay.unpause(&self.name);
    }

    /// `docker restart`.
    pub(crate) fn restart(&self) {
        self.quay.restart(&self.name);
    }

    /// From now on it is called so.
    pub(crate) fn forget_name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// `docker rename`.
    pub(crate) fn rename(&self, to: &str) {
        self.quay.rename(&self.name, to);
    }

    /// `docker rm -f`.
    pub(crate) fn remove(&self) {
        self.quay.remove(&self.name);
    }

    /// Its name in the engine.
    pub(crate) fn full_name(&self) -> String {
        self.quay.name(&self.name)
    }

    /// The id of whoever has its name; empty while nobody has.
    pub(crate) fn id(&self) -> String {
        let found = self.quay.scheduler.block_on(self.quay.client.inspect_container(&self.full_name(), None));
        found.ok().and_then(|found| found.id).unwrap_or_default()
    }

    /// A label of whoever has its name.
    pub(crate) fn label(&self, name: &str) -> Option<String> {
        let found = self.quay.wait(self.quay.client.inspect_container(&self.full_name(), None));
        found.config.and_then(|config| config.labels).and_then(|labels| labels.get(name).cloned())
    }

    /// What its engine does by itself when it ends.
    pub(crate) fn restart_policy(&self) -> Option<RestartPolicyNameEnum> {
        let found = self.quay.wait(self.quay.client.inspect_container(&self.full_name(), None));
        found.host_config.and_then(|host| host.restart_policy).and_then(|policy| policy.name)
    }

    /// The names of the containers that it has replaced.
    pub(crate) fn kept(&self) -> Vec<String> {
        let options = ListContainersOptions { all: true, ..ListContainersOptions::default() };
        let found = self.quay.wait(self.quay.client.list_containers(Some(options)));
        let names = found.into_iter().flat_map(|container| container.names.unwrap_or_default());
        names.filter(|name| name.contains(&format!("{}-mcp-health-old-", self.full_name()))).collect()
    }

    /// Where it answers.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Puts this tar archive into its file system, where it stays until it is created anew.
    pub(crate) fn put(&self, archive: Vec<u8>) {
        let options = UploadToContainerOptions { path: "/".to_owned(), ..UploadToContainerOptions::default() };
        self.quay.wait(self.quay.client.upload_to_container(&self.full_name(), Some(options), body_full(archive.into())));
    }

    /// `POST /break/{how}`. One that crashes does not answer.
    pub(crate) fn break_by(&self, how: &str) {
        let answer = ureq::post(&format!("http://127.0.0.1:{}/break/{how}", self.port)).send_empty();
        assert!(answer.is_ok() || how == "crash", "{answer:?}");
    }

    pub(crate) fn start(&self) {
        self.quay.start(&self.name);
    }

    /// Another one of the same name, with the same settings and, beside its own, these labels.
    pub(crate) fn create_again(&self, labels: &[(&str, &str)]) {
        self.create_only(labels);
        self.start();
    }

    /// The same, which nobody starts.
    pub(crate) fn create_only(&self, labels: &[(&str, &str)]) {
        let mut body = self.body.clone();
        let more = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
        body.labels.get_or_insert_default().extend(more);
        self.quay.create(&self.name, body);
    }

    pub(crate) fn kill(&self) {
        self.quay.kill(&self.name);
    }

    /// `docker stop -t SECONDS`.
    pub(crate) fn stop(&self, patience: i32) {
        self.quay.stop(&self.name, Some(patience));
    }

    pub(crate) fn state(&self) -> ContainerState {
        self.quay.state(&self.name)
    }

    /// What tells one life of it from another.
    pub(crate) fn life(&self) -> (Option<String>, Option<i64>) {
        let state = self.state();
        (state.started_at, state.pid)
    }

    /// How often the engine has restarted it by its own policy.
    pub(crate) fn engine_restarts(&self) -> i64 {
        let found = self.quay.wait(self.quay.client.inspect_container(&self.quay.name(&self.name), None));
        found.restart_count.expect("a count")
    }

    /// How often the engine said this since the container first answered.
    pub(crate) fn count(&self, action: &str) -> usize {
        self.events.lock().expect("not poisoned").iter().filter(|it| *it == action).count()
    }

    pub(crate) fn wait_for(&self, action: &str) {
        until(&format!("the engine says {action}"), || (self.count(action) > 0).then_some(()));
    }

    pub(crate) fn answers(&self) -> bool {
        ureq::get(&format!("http://127.0.0.1:{}/health", self.port)).call().is_ok()
    }

    fn forget_events(&self) {
        self.wait_for("start");
        self.events.lock().expect("not poisoned").clear();
    }
}

/// A file system with the sample server in it.
fn archive() -> &'static [u8] {
    static ARCHIVE: OnceLock<Vec<u8>> = OnceLock::new();
    ARCHIVE.get_or_init(|| archive_of(&static_server()))
}

/// A tar archive of one file, without its folders.
pub(crate) fn archive_of(file: &Path) -> Vec<u8> {
    let (folder, file) = (file.parent().expect("a folder"), file.file_name().expect("a name"));
    let tar = Command::new("tar").arg("-cf-").arg("-C").arg(folder).arg(file).output().expect("tar runs");
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    tar.stdout
}

/// `cargo xtask test` builds it; else it is built here, in the same place. Cargo's own lock lets one build at a time.
pub(crate) fn static_server() -> PathBuf {
    std::env::var_os("MCP_HEALTH_TEST_STATIC_SERVER").map_or_else(build_static_server, PathBuf::from)
}

fn build_static_server() -> PathBuf {
    let (triple, folder) = (host_triple(), target().join("static"));
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    cargo.args(["build", "--quiet", "-p", "sample-server", "--target", &triple, "--target-dir"]).arg(&folder);
    cargo.env("RUSTFLAGS", "-C target-feature=+crt-static").current_dir(env!("CARGO_MANIFEST_DIR"));
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the static sample server does not build: `apt-get install libc6-dev`");
    folder.join(triple).join("debug/sample-server")
}

fn host_triple() -> String {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let output = Command::new(compiler).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host").to_owned()
}
