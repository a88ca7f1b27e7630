//! Starts real servers, and waits until they listen.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Met only by what never happens.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server in a process of its own; it ends with this.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts `command`, which listens on `port`.
    pub(crate) fn start(command: &mut Command, port: u16) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("it starts");
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        server.wait_until_it_listens();
        server
    }

    pub(crate) fn health_url(&self) -> String {
        format!("http://{}/health", self.address)
    }

    fn wait_until_it_listens(&mut self) {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none() && Instant::now() < end, "it does not listen on {}: {ended:?}", self.address);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the repository").to_owned()
}

/// An interpreter that `cargo xtask test` has installed.
pub(crate) fn installed(variable: &str, usual: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(|| root().join(usual), PathBuf::from);
    assert!(path.exists(), "{} is not there: run `cargo xtask test`, which installs it", path.display());
    path
}

/// A program of the workspace, built like this test. Where everything has just been built (`cargo xtask test`), it is there.
pub(crate) fn built(package: &str) -> PathBuf {
    let profile = std::env::current_exe().expect("this test").ancestors().nth(2).expect("target/PROFILE").to_owned();
    let program = profile.join(package);
    if std::env::var_os("MCP_HEALTH_TEST_BUILT").is_none() || !program.exists() {
        let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
        cargo.args(["build", "--quiet", "--package", package, "--target-dir"]).arg(profile.parent().expect("target"));
        assert!(cargo.current_dir(root()).status().expect("cargo runs").success(), "{package} does not build");
    }
    program
}

/// A server in this process that sends what `answer` makes of a request's head, and closes. It lives as long as the test.
pub(crate) fn scripted(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/health", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        thread::scope(|scope| {
            for stream in listener.incoming().flatten() {
                scope.spawn(|| serve(stream, &answer));
            }
        });
    });
    url
}

fn serve(mut stream: TcpStream, answer: &impl Fn(&str) -> Vec<u8>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
    // The peer may have gone.
    let _ = stream.write_all(&answer(&head));
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = reader.read(&mut [0]);
}

/// `HTTP/1.1 STATUS` with these headers and this body.
pub(crate) fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}
