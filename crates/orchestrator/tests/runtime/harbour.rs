//! Containers of one test in the machine's Docker engine. Everything is labelled `mcp-health-test=1` and removed.

use std::{fs, future::Future, path::Path, process::Command, sync::OnceLock};

use bollard::{
    Docker, body_full,
    models::{ContainerCreateBody, HostConfig, Mount, MountType},
    query_parameters::{
        CreateContainerOptions, CreateImageOptions, RemoveContainerOptions, RemoveImageOptions, StartContainerOptions,
        StopContainerOptions,
    },
};
use futures_util::TryStreamExt;
use health_spec::registry::{Runtime, RuntimeKind};

use crate::bench::runtime;

/// Docker's own.
pub(crate) const SOCKET: &str = "/var/run/docker.sock";

const MISSING: &str = "these tests need a Docker engine at /var/run/docker.sock that this user may open: \
                       `apt-get install docker.io iptables`, start `dockerd`, join the group `docker`";

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
pub(crate) struct Harbour {
    client: Docker,
    /// Unique; the image's name, and what the names of containers begin with.
    prefix: String,
    scheduler: tokio::runtime::Runtime,
}

impl Harbour {
    pub(crate) fn new() -> Self {
        let scheduler = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = scheduler.block_on(async {
            let client = Docker::connect_with_unix(SOCKET, 60, bollard::API_DEFAULT_VERSION).expect(MISSING);
            client.negotiate_version().await.expect(MISSING)
        });
        let prefix = format!("mcp-health-test-{}", uuid::Uuid::new_v4().simple());
        let harbour = Self { client, prefix, scheduler };
        harbour.import_image();
        harbour
    }

    /// The full name of a container of this test.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// A server that is this container.
    pub(crate) fn server(&self, name: &str) -> Runtime {
        let mut server = runtime(RuntimeKind::Docker);
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
        let options = CreateContainerOptions { name: Some(self.name(name)), ..CreateContainerOptions::default() };
        let body = ContainerCreateBody {
            image: Some(self.prefix.clone()),
            entrypoint: Some(vec!["/hold".to_owned(), what.to_owned()]),
            // The program has no handler for SIGTERM, and as pid 1 would ignore it.
            stop_signal: Some("SIGKILL".to_owned()),
            labels: Some([("mcp-health-test".to_owned(), "1".to_owned())].into()),
            network_disabled: Some(true),
            host_config: Some(host_config),
            ..ContainerCreateBody::default()
        };
        self.wait(self.client.create_container(Some(options), body));
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
        self.wait(self.client.start_container(&self.name(name), None::<StartContainerOptions>));
    }

    pub(crate) fn kill(&self, name: &str) {
        self.wait(self.client.kill_container(&self.name(name), None));
    }

    pub(crate) fn stop(&self, name: &str) {
        self.wait(self.client.stop_container(&self.name(name), None::<StopContainerOptions>));
    }

    pub(crate) fn pause(&self, name: &str) {
        self.wait(self.client.pause_container(&self.name(name)));
    }

    pub(crate) fn remove(&self, name: &str) {
        let options = RemoveContainerOptions { force: true, ..RemoveContainerOptions::default() };
        self.wait(self.client.remove_container(&self.name(name), Some(options)));
    }

    pub(crate) fn is_running(&self, name: &str) -> bool {
        let found = self.wait(self.client.inspect_container(&self.name(name), None));
        found.state.unwrap().running.unwrap()
    }

    fn import_image(&self) {
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(self.prefix.clone()),
            tag: Some("latest".to_owned()),
            changes: vec!["LABEL mcp-health-test=1".to_owned()],
            ..CreateImageOptions::default()
        };
        let body = body_full(archive().to_vec().into());
        self.wait(self.client.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>());
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, bollard::errors::Error>>) -> T {
        self.scheduler.block_on(work).unwrap()
    }
}

impl Drop for Harbour {
    fn drop(&mut self) {
        let all = bollard::query_parameters::ListContainersOptions { all: true, ..Default::default() };
        let _ = self.scheduler.block_on(async {
            let remove = RemoveContainerOptions { force: true, ..RemoveContainerOptions::default() };
            for container in self.client.list_containers(Some(all)).await? {
                if container.names.unwrap_or_default().iter().any(|name| name.contains(&self.prefix)) {
                    self.client.remove_container(&container.id.unwrap_or_default(), Some(remove.clone())).await?;
                }
            }
            self.client.remove_image(&self.prefix, None::<RemoveImageOptions>, None).await
        });
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
