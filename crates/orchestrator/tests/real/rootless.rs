//! A Podman of an ordinary user: the service, its containers and their storage are his, and nothing of it is root's.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use health_spec::config::{Engine, EngineKind};
use tempfile::TempDir;

use crate::dock::as_root;
use crate::harness::{Orchestrator, QUICK, until};
use crate::pier::Pier;

/// Who it belongs to where the tests are root's: nobody, on every Linux.
const NOBODY: &str = "65534";

/// As the tests' other Podman has them.
const SETTINGS: &str = r#"[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"#;

/// The service; what it has left goes with it.
struct Rootless {
    place: TempDir,
    service: Child,
}

impl Rootless {
    fn start() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let at = |name: &str| place.path().join(name);
        std::fs::create_dir(at("xdg")).expect("a directory");
        std::fs::set_permissions(at("xdg"), PermissionsExt::from_mode(0o700)).expect("closed");
        std::fs::write(at("containers.conf"), SETTINGS).expect("written");
        let log = File::create(at("log")).expect("a log");
        let is_root = File::open("/proc/self").and_then(|us| us.metadata()).expect("/proc").uid() == 0;
        let mut podman = if is_root {
            let owner = format!("{NOBODY}:{NOBODY}");
            assert!(Command::new("chown").args(["-R", &owner]).arg(place.path()).status().expect("chown runs").success());
            let mut setpriv = Command::new("setpriv");
            setpriv.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "podman"]);
            setpriv
        } else {
            Command::new("podman")
        };
        podman.env("HOME", place.path()).env("XDG_RUNTIME_DIR", at("xdg")).env("CONTAINERS_CONF", at("containers.conf"));
        podman.arg("--root").arg(at("root")).arg("--runroot").arg(at("run"));
        // It needs no more of the machine than a user has everywhere: one id, and files.
        podman.args(["--storage-driver", "vfs", "--storage-opt", "vfs.ignore_chown_errors=true", "system", "service", "-t", "0"]);
        podman.arg(format!("unix://{}", at("podman.sock").display())).current_dir(place.path());
        podman.stdin(Stdio::null()).stdout(log.try_clone().expect("the same log")).stderr(log);
        let service = podman.spawn().expect("Debian's packages podman and uidmap are installed");
        let rootless = Self { place, service };
        until(&format!("Podman answers; {} says why not", rootless.at("log").display()), || {
            std::os::unix::net::UnixStream::connect(rootless.at("podman.sock")).ok()
        });
        rootless
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn engine(&self) -> Engine {
        let address = format!("unix://{}", self.at("podman.sock").display());
        Engine { name: "rootless".to_owned(), kind: EngineKind::Podman, address, tls: None }
    }
}

impl Drop for Rootless {
    fn drop(&mut self) {
        // Whoever keeps its namespace is not its child.
        let pause = std::fs::read_to_string(self.at("xdg/libpod/tmp/pause.pid")).unwrap_or_default();
        for pid in [self.service.id().to_string(), pause.trim().to_owned()].iter().filter(|pid| !pid.is_empty()) {
            let _ = Command::new("kill").args(["-TERM", pid]).stderr(Stdio::null()).status();
        }
        let _ = self.service.wait();
        let _ = as_root("rm").args(["-rf", "--one-file-system"]).arg(self.place.path()).status();
    }
}

/// Whose process that is.
fn owner(pid: i64) -> u32 {
    std::fs::metadata(Path::new("/proc").join(pid.to_string())).expect("it runs").uid()
}

#[test]
fn one_that_is_killed_is_restarted_and_one_that_is_stopped_is_left_so() {
    let rootless = Rootless::start();
    let engine = rootless.engine();
    let pier = Pier::at(&engine);
    let container = pier.run("calculator");
    assert_ne!(owner(container.state().pid.expect("a pid")), 0, "nothing of it is root's");
    let registry = format!(
        "{QUICK}engines: [{{name: rootless, kind: podman, address: \"{}\"}}]\nservers:\n{}",
        engine.address,
        container.entry_in("rootless")
    );
    let orchestrator = Orchestrator::start_with(&registry);
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    orchestrator.hears_its_engines();

    container.kill();
    events.wait_for("calculator", "recovery_successful");
    assert!(container.answers());
    container.stop(10);
    events.wait_for("calculator", "server_stopped");
    container.start();
    events.wait_for("calculator", "server_started");
}
