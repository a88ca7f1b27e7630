//! A real browser without a window, driven through chromedriver.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{free_port, until};

/// Nothing but the page: no services of its vendor, no profile of a user.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,720",
];

/// One page of one browser.
pub(crate) struct Browser {
    scheduler: tokio::runtime::Runtime,
    client: Option<Client>,
    driver: Child,
    profile: TempDir,
}

impl Browser {
    /// Opens this page.
    pub(crate) fn open(url: &str) -> Self {
        let (driver, driver_url) = start_driver();
        let profile = tempfile::tempdir().expect("a directory");
        let scheduler = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a scheduler");
        let mut browser = Self { scheduler, client: None, driver, profile };
        let client = browser.scheduler.block_on(async {
            let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
            builder.capabilities(capabilities(&browser.profile)).connect(&driver_url).await.expect("a browser")
        });
        browser.client = Some(client);
        browser.wait(async |client| client.goto(url).await.expect("a page"));
        browser
    }

    /// What this expression is on the page.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = format!("return {expression};");
        self.wait(async |client| client.execute(&script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}")))
    }

    /// Runs a statement on the page.
    pub(crate) fn run(&self, statement: &str) {
        self.value(&format!("(() => {{ {statement} }})()"));
    }

    /// Until this expression is true.
    pub(crate) fn wait_until(&self, expression: &str) {
        until(expression, || (self.value(expression) == true).then_some(()));
    }

    fn wait<T>(&self, work: impl AsyncFnOnce(&Client) -> T) -> T {
        self.scheduler.block_on(work(self.client.as_ref().expect("open")))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let _ = self.scheduler.block_on(client.close());
        }
        let _ = self.driver.kill().and_then(|()| self.driver.wait());
        for pid in processes_with(&self.profile.path().to_string_lossy()) {
            // It may have ended meanwhile.
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
        }
    }
}

fn start_driver() -> (Child, String) {
    let port = free_port();
    let mut command = Command::new(program("MCP_HEALTH_TEST_CHROMEDRIVER", "chromedriver"));
    command.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut driver = command.spawn().expect("chromedriver starts");
    let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines().map_while(Result::ok);
    lines.find(|line| line.contains("started successfully")).expect("chromedriver says that it has started");
    // Read on, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    (driver, format!("http://127.0.0.1:{port}"))
}

fn capabilities(profile: &TempDir) -> Capabilities {
    let profile = format!("--user-data-dir={}", profile.path().display());
    let flags: Vec<_> = FLAGS.into_iter().chain([profile.as_str()]).collect();
    let options = json!({"binary": program("MCP_HEALTH_TEST_CHROMIUM", "chromium"), "args": flags});
    [("goog:chromeOptions".to_owned(), options)].into_iter().collect()
}

/// Named by `cargo xtask test`, else where Debian has it.
fn program(variable: &str, name: &str) -> PathBuf {
    let named = std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    let program = named.unwrap_or_else(|| PathBuf::from("/usr/bin").join(name));
    assert!(program.exists(), "no {name} at {}: run `cargo xtask test`, which installs it", program.display());
    program
}

/// Those that have this in their command line.
fn processes_with(text: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let pids = entries.filter_map(|entry| Some((entry.path(), entry.file_name().to_str()?.parse().ok()?)));
    let is_one =
        |path: &PathBuf| std::fs::read(path.join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(text));
    pids.filter(|(path, _)| is_one(path)).map(|(_, pid)| pid).collect()
}
