//! What one test has in an engine of the machine, Docker or Podman: an image and containers made of it.
//!
//! Everything is labelled `mcp-health-test=1`, has a name that nobody else has, and is removed however the test ends.

use std::future::Future;

use health_spec::config::{Engine, EngineKind};

use bollard::{
    Docker, body_full,
    models::{ContainerCreateBody, ContainerState},
    query_parameters::{
        CreateContainerOptions, CreateImageOptions, ListContainersOptions, RemoveContainerOptions, RemoveImageOptions,
        StartContainerOptions, StopContainerOptions,
    },
};
use futures_util::TryStreamExt;

/// Docker's own.
pub(crate) const SOCKET: &str = "/var/run/docker.sock";

/// The label that names the test that a container belongs to.
pub(crate) const PLACE: &str = "mcp-health-test-place";

const MISSING: &str = "these tests need a Docker engine at /var/run/docker.sock that this user may open: \
                       run `cargo xtask test`, which starts one; or `apt-get install docker.io iptables`, start `dockerd`";

const NO_PODMAN: &str = "these tests need a Podman engine at the address in MCP_HEALTH_TEST_PODMAN: run `cargo xtask test`, which \
                         starts one; or start `podman system service -t 0 unix:///tmp/podman.sock` and name that";

/// Where the engine of this kind is.
#[expect(clippy::disallowed_methods, reason = "a test finds the engines that were started for it in its environment")]
pub(crate) fn engine(kind: EngineKind) -> Engine {
    let address = match kind {
        EngineKind::Docker => format!("unix://{SOCKET}"),
        EngineKind::Podman => std::env::var("MCP_HEALTH_TEST_PODMAN").expect(NO_PODMAN),
    };
    Engine { name: kind.as_str().to_owned(), kind, address, tls: None }
}

/// Without a systemd Podman looks at a container's HEALTHCHECK when it is asked to, and only then. Its answer.
pub(crate) fn ask_podman_to_check(container: &str) -> std::io::Result<String> {
    use std::io::{Read, Write};
    let socket = engine(EngineKind::Podman).address;
    let mut stream = std::os::unix::net::UnixStream::connect(socket.trim_start_matches("unix://"))?;
    write!(stream, "GET /v4.0.0/libpod/containers/{container}/healthcheck HTTP/1.0\r\nHost: podman\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// One test's place in the engine.
pub(crate) struct Quay {
    pub(crate) kind: EngineKind,
    pub(crate) client: Docker,
    /// The image's name, what the names of containers begin with, and what [`PLACE`] is for them.
    pub(crate) prefix: String,
    pub(crate) scheduler: tokio::runtime::Runtime,
}

impl Quay {
    /// With an image of this file system, a tar archive.
    pub(crate) fn new(kind: EngineKind, archive: &[u8]) -> Self {
        Self::at(&engine(kind), archive)
    }

    /// The same, in another engine.
    pub(crate) fn at(engine: &Engine, archive: &[u8]) -> Self {
        let kind = engine.kind;
        let missing = if kind == EngineKind::Docker { MISSING } else { NO_PODMAN };
        let scheduler = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a scheduler");
        let client = scheduler.block_on(async {
            let client = Docker::connect_with_unix(&engine.address, 60, bollard::API_DEFAULT_VERSION).expect(missing);
            client.negotiate_version().await.expect(missing)
        });
        let prefix = format!("mcp-health-test-{}", uuid::Uuid::new_v4().simple());
        let quay = Self { kind, client, prefix, scheduler };
        quay.import_image(archive);
        quay
    }

    /// The full name of a container of this test.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// A container of the image that does not run yet.
    pub(crate) fn create(&self, name: &str, body: ContainerCreateBody) {
        let options = CreateContainerOptions { name: Some(self.name(name)), ..CreateContainerOptions::default() };
        let mut labels = body.labels.unwrap_or_default();
        labels
            .extend([("mcp-health-test", "1"), (PLACE, &self.prefix)].map(|(label, value)| (label.to_owned(), value.to_owned())));
        let body = ContainerCreateBody { image: Some(self.prefix.clone()), labels: Some(labels), ..body };
        self.wait(self.client.create_container(Some(options), body));
    }

    pub(crate) fn start(&self, name: &str) {
        self.wait(self.client.start_container(&self.name(name), None::<StartContainerOptions>));
    }

    pub(crate) fn kill(&self, name: &str) {
        self.wait(self.client.kill_container(&self.name(name), None));
    }

    /// As `docker stop -t`; without patience for as long as the engine's default.
    pub(crate) fn stop(&self, name: &str, patience: Option<i32>) {
        self.wait(self.client.stop_container(&self.name(name), Some(StopContainerOptions { t: patience, signal: None })));
    }

    pub(crate) fn pause(&self, name: &str) {
        self.wait(self.client.pause_container(&self.name(name)));
    }

    pub(crate) fn unpause(&self, name: &str) {
        self.wait(self.client.unpause_container(&self.name(name)));
    }

    /// As `docker restart`.
    pub(crate) fn restart(&self, name: &str) {
        self.wait(self.client.restart_container(&self.name(name), None));
    }

    pub(crate) fn rename(&self, name: &str, to: &str) {
        let options = bollard::query_parameters::RenameContainerOptions { name: self.name(to) };
        self.wait(self.client.rename_container(&self.name(name), options));
    }

    pub(crate) fn remove(&self, name: &str) {
        let options = RemoveContainerOptions { force: true, ..RemoveContainerOptions::default() };
        self.wait(self.client.remove_container(&self.name(name), Some(options)));
    }

    pub(crate) fn state(&self, name: &str) -> ContainerState {
        self.wait(self.client.inspect_container(&self.name(name), None)).state.expect("a state")
    }

    pub(crate) fn wait<T>(&self, work: impl Future<Output = Result<T, bollard::errors::Error>>) -> T {
        self.scheduler.block_on(work).expect("the engine does it")
    }

    /// Another image under the same name.
    pub(crate) fn import_image(&self, archive: &[u8]) {
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(self.prefix.clone()),
            tag: Some("latest".to_owned()),
            changes: vec!["LABEL mcp-health-test=1".to_owned()],
            ..CreateImageOptions::default()
        };
        let body = body_full(archive.to_vec().into());
        self.wait(self.client.create_image(Some(options), Some(body), None).try_collect::<Vec<_>>());
    }
}

impl Drop for Quay {
    fn drop(&mut self) {
        let all = ListContainersOptions { all: true, ..ListContainersOptions::default() };
        let _ = self.scheduler.block_on(async {
            let remove = RemoveContainerOptions { force: true, ..RemoveContainerOptions::default() };
            // Podman removes none whose network another one uses: that one has gone the second time.
            for _ in 0..2 {
                for container in self.client.list_containers(Some(all.clone())).await? {
                    if container.names.unwrap_or_default().iter().any(|name| name.contains(&self.prefix)) {
                        let _ = self.client.remove_container(&container.id.unwrap_or_default(), Some(remove.clone())).await;
                    }
                }
            }
            self.client.remove_image(&self.prefix, None::<RemoveImageOptions>, None).await
        });
    }
}
