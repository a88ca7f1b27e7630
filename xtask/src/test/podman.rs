//! The tests' own Podman: a service with its own settings, storage and socket, which is stopped and removed afterwards.
//!
//! One that `MCP_HEALTH_TEST_PODMAN` names is used as it is, and never stopped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::packages::Rights;
use crate::command;
use crate::outcome::{Context, Failure, Outcome};

/// Where the tests find it.
pub(super) const VARIABLE: &str = "MCP_HEALTH_TEST_PODMAN";

/// How long it may take to answer, and to stop.
const DEADLINE: Duration = Duration::from_secs(60);

/// Without these limits containers need more rights than root has in many places; `runc` and `cgroupfs` do without systemd.
const SETTINGS: &str = r#"[containers]
default_ulimits = ["nofile=10000:10000", "nproc=10000:10000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"#;

/// The service, for as long as this lives.
pub(super) struct Podman {
    /// Its address.
    pub(super) address: String,
    own: Option<Own>,
}

struct Own {
    service: Child,
    rights: Rights,
    folder: PathBuf,
}

/// Finds one or starts one.
pub(super) fn provide() -> Outcome<Podman> {
    if let Some(address) = std::env::var(VARIABLE).ok().filter(|address| !address.is_empty()) {
        return Ok(Podman { address, own: None });
    }
    let rights = Rights::found().ok_or_else(|| {
        Failure::new(format!("starting Podman needs root; start `podman system service` and name its socket in {VARIABLE}"))
    })?;
    // A socket's path may have 107 bytes.
    let folder = std::env::temp_dir().join(format!("mcp-health-podman-{}", std::process::id()));
    fs::create_dir_all(&folder).context(format_args!("make {}", folder.display()))?;
    // What root opens in there is for nobody else.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).context(format_args!("close {}", folder.display()))?;
    fs::write(folder.join("containers.conf"), SETTINGS).context("write containers.conf")?;
    let socket = folder.join("podman.sock");
    let address = format!("unix://{}", socket.display());
    eprintln!("xtask: starting Podman at {address}");
    let log = fs::File::create(folder.join("log")).context("write Podman's log")?;
    let mut service = podman(rights, &folder);
    service.args(["system", "service", "-t", "0", &address]).stdin(Stdio::null());
    // Whoever watches a container leaves a file `oom` where the service was started.
    service.current_dir(&folder);
    service.stdout(log.try_clone().context("share the log file")?).stderr(log);
    let service = service.spawn().context("start podman")?;
    let started = Podman { address, own: Some(Own { service, rights, folder }) };
    started.wait_for_answer(&socket)?;
    Ok(started)
}

/// Podman with settings and storage of the tests' own.
fn podman(rights: Rights, folder: &Path) -> Command {
    let mut podman = rights.program("env");
    podman.arg(format!("CONTAINERS_CONF={}", folder.join("containers.conf").display())).arg("podman");
    podman.arg("--root").arg(folder.join("root")).arg("--runroot").arg(folder.join("run"));
    podman
}

impl Podman {
    /// Stops it if it is ours.
    pub(super) fn stop(mut self) {
        self.end();
    }

    fn wait_for_answer(&self, socket: &Path) -> Outcome {
        let Some(own) = &self.own else { return Ok(()) };
        let end = Instant::now() + DEADLINE;
        // Root's socket in a folder of ours.
        let open = || command::succeeds(own.rights.program("chmod").arg("666").arg(socket).stderr(Stdio::null()));
        while !(socket.exists() && open() && UnixStream::connect(socket).is_ok()) {
            if Instant::now() > end {
                let log = fs::read_to_string(own.folder.join("log")).unwrap_or_default();
                return Err(Failure::new(format!("Podman does not answer at {}:\n{log}", self.address)));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn end(&mut self) {
        let Some(Own { mut service, rights, folder }) = self.own.take() else { return };
        // What tests that were killed have left.
        command::succeeds(podman(rights, &folder).args(["rm", "--force", "--all"]).stdout(Stdio::null()));
        command::succeeds(rights.program("sh").args(["-c", &format!("kill -TERM {}", service.id())]));
        let end = Instant::now() + DEADLINE;
        while matches!(service.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(100));
        }
        command::succeeds(podman(rights, &folder).args(["unmount", "--all"]).stdout(Stdio::null()));
        command::succeeds(rights.program("umount").arg(folder.join("root/overlay")).stderr(Stdio::null()));
        command::succeeds(rights.program("rm").args(["-rf", "--one-file-system"]).arg(&folder));
    }
}

impl Drop for Podman {
    /// On every early return too.
    fn drop(&mut self) {
        self.end();
    }
}
