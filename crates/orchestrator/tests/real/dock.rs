//! A Docker engine of a test's own, which can be ended and started again: its own daemon, storage and socket.
//!
//! Its containerd is its own too and lives on, as where a service manager runs both. Its containers have the machine's network. It has a bridge
//! for itself, which nobody uses: one that is to have none removes `docker0`, which is the machine's own engine's.

use std::fs::{File, read_dir, read_to_string};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use health_spec::config::{Engine, EngineKind};
use tempfile::TempDir;

use crate::harness::until;

/// Its name in a registry.
const NAME: &str = "dock";

/// How long each of its programs has for its end when the test is over.
const LAST_ORDERS: Duration = Duration::from_secs(20);

/// The engine; what it has left goes with it.
pub(crate) struct Dock {
    place: TempDir,
    bridge: String,
    containerd: Child,
    dockerd: Child,
}

impl Dock {
    /// One that answers.
    pub(crate) fn start() -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let bridge = bridge();
        let containerd = containerd(place.path());
        until("containerd serves", || place.path().join("containerd.sock").exists().then_some(()));
        let dockerd = dockerd(place.path(), &bridge);
        let dock = Self { place, bridge, containerd, dockerd };
        dock.is_there();
        dock
    }

    pub(crate) fn engine(&self) -> Engine {
        let address = format!("unix://{}", self.socket().display());
        Engine { name: NAME.to_owned(), kind: EngineKind::Docker, address, tls: None }
    }

    /// Sends the daemon this signal, `TERM` or `KILL`, and does not wait for what comes of it.
    pub(crate) fn signal(&self, name: &str) {
        let pid = read_to_string(self.place.path().join("dockerd.pid")).expect("its pid");
        signal_as_root(pid.trim(), name);
    }

    /// Starts another daemon over the same storage once the one before has ended, and does not wait until it answers.
    pub(crate) fn begin_again(&mut self) {
        self.dockerd.wait().expect("it has ended");
        // One that was killed has left it, and its number may be somebody else's by now.
        let _ = as_root("rm").arg("-f").arg(self.place.path().join("dockerd.pid")).status();
        self.dockerd = dockerd(self.place.path(), &self.bridge);
    }

    /// The same, and it answers.
    pub(crate) fn come_back(&mut self) {
        self.begin_again();
        self.is_there();
    }

    /// Whether its daemon has ended.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.dockerd.try_wait().is_ok_and(|ended| ended.is_some())
    }

    pub(crate) fn answers(&self) -> bool {
        ping(&self.socket()).is_ok_and(|said| said.starts_with("HTTP/1.0 200"))
    }

    fn is_there(&self) {
        until(&format!("dockerd answers; {} says why not", self.place.path().join("log").display()), || {
            self.answers().then_some(())
        });
    }

    fn socket(&self) -> PathBuf {
        self.place.path().join("docker.sock")
    }
}

impl Drop for Dock {
    /// Whatever state a failed test has left it in.
    fn drop(&mut self) {
        let place = self.place.path();
        let pid = read_to_string(place.join("dockerd.pid")).unwrap_or_default();
        end(&mut self.dockerd, pid.trim());
        for shim in processes_of(place) {
            for pid in children_of(&shim).into_iter().chain([shim]) {
                let _ = as_root("kill").args(["-KILL", &pid]).stderr(Stdio::null()).status();
            }
        }
        let pid = read_to_string(place.join("containerd.pid")).unwrap_or_default();
        end(&mut self.containerd, pid.trim());
        let _ = as_root("ip").args(["link", "delete", &self.bridge]).status();
        let mounts = read_to_string("/proc/mounts").unwrap_or_default();
        let mounts = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for mount in mounts.filter(|mount| Path::new(mount).starts_with(place)).collect::<Vec<_>>().into_iter().rev() {
            let _ = as_root("umount").args(["-l", mount]).stderr(Stdio::null()).status();
        }
        let _ = as_root("rm").args(["-rf", "--one-file-system"]).arg(place).status();
    }
}

/// As root, which engines and network namespaces need.
pub(crate) fn as_root(program: &str) -> Command {
    if user().0 == 0 {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", program]);
    sudo
}

/// A process that may be root's.
pub(crate) fn signal_as_root(pid: &str, name: &str) {
    let status = as_root("kill").args([format!("-{name}"), pid.to_owned()]).status().expect("kill runs");
    assert!(status.success(), "kill -{name} {pid}");
}

/// Our user and group.
fn user() -> (u32, u32) {
    let us = std::fs::metadata("/proc/self").expect("/proc");
    (us.uid(), us.gid())
}

/// A bridge that nobody else has.
fn bridge() -> String {
    let id = uuid::Uuid::new_v4();
    let [a, b, c, d, ..] = *id.as_bytes();
    let name = format!("mcph-{a:02x}{b:02x}{c:02x}{d:02x}");
    let address = format!("10.{}.{}.{}/29", 200 + a % 50, b, c & 0xf8 | 1);
    for words in [
        &["link", "add", &name, "type", "bridge"][..],
        &["address", "add", &address, "dev", &name],
        &["link", "set", &name, "up"],
    ] {
        let status = as_root("ip").args(words).status().expect("Debian's package iproute2 is installed");
        assert!(status.success(), "ip {words:?}");
    }
    name
}

/// `containerd` writes no file with its pid: the shell that becomes it does.
fn containerd(place: &Path) -> Child {
    let at = |name: &str| place.join(name).display().to_string();
    let text = format!(
        "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
        at("containerd/root"),
        at("containerd/state"),
        at("containerd.sock")
    );
    std::fs::write(place.join("containerd.toml"), text).expect("written");
    let script = "echo $$ > containerd.pid; exec containerd --config containerd.toml";
    spawn(as_root("sh").args(["-c", script]), place)
}

fn dockerd(place: &Path, bridge: &str) -> Child {
    let mut dockerd = as_root("dockerd");
    dockerd
        .arg("--containerd")
        .arg(place.join("containerd.sock"))
        .arg("--host")
        .arg(format!("unix://{}/docker.sock", place.display()));
    dockerd.arg("--data-root").arg(place.join("data")).arg("--exec-root").arg(place.join("exec"));
    dockerd.arg("--pidfile").arg(place.join("dockerd.pid")).arg(format!("--bridge={bridge}"));
    dockerd.args(["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]);
    // The machine's own settings are not for this one.
    let settings = place.join("daemon.json");
    std::fs::write(&settings, "{}").expect("written");
    dockerd.arg("--config-file").arg(settings);
    dockerd.arg(format!("--group={}", user().1));
    spawn(&mut dockerd, place)
}

fn spawn(command: &mut Command, place: &Path) -> Child {
    let log = File::options().append(true).create(true).open(place.join("log")).expect("a log");
    command.current_dir(place).stdin(Stdio::null()).stdout(log.try_clone().expect("the same log")).stderr(log);
    command.spawn().expect("Debian's package docker.io is installed, which brings containerd")
}

fn ping(socket: &Path) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Ends a daemon in an orderly way, or else in the other.
fn end(daemon: &mut Child, pid: &str) {
    for signal in ["-TERM", "-KILL"] {
        if !matches!(daemon.try_wait(), Ok(None)) {
            return;
        }
        // Once: at the third one the daemon would leave everything as it is.
        let _ = as_root("kill").args([signal, pid]).stderr(Stdio::null()).status();
        let end = Instant::now() + LAST_ORDERS;
        while matches!(daemon.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// The processes between containerd and its containers.
fn processes_of(place: &Path) -> Vec<String> {
    let address = place.join("containerd.sock").display().to_string();
    let processes = read_dir("/proc").into_iter().flatten().flatten();
    let is_shim = |line: &[u8]| {
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        words.first().is_some_and(|it| it.ends_with(b"containerd-shim-runc-v2")) && words.contains(&address.as_bytes())
    };
    let shims = processes.filter(|entry| std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| is_shim(&line)));
    shims.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn children_of(pid: &str) -> Vec<String> {
    let tasks = read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| read_to_string(task.path().join("children")).ok());
    children.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}
