//! How long a start takes, with nothing on disk and after SIGKILL: until it serves, and until every server is known.
//!
//! The moments are those of the program's own words and of its API, seen from outside.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::answer;
use super::pace::path;
use super::report::{Cell, Measurement};
use crate::api::Client;
use crate::interrupt::Interrupt;
use crate::orchestrator::{Orchestrator, Setup};
use crate::outcome::{Failure, Outcome};
use crate::registry::{self, Entry, Runtime};
use crate::{proc, workspace};

/// The fleet that start-up is designed for.
const SERVERS: usize = 1_000;
/// How often each start is measured.
const ROUNDS: usize = 5;
/// No start takes longer.
const DEADLINE: Duration = Duration::from_secs(60);
const COLUMNS: &[&str] = &["1,000 servers", "n", "serves, p50", "serves, max", "all known, p50", "all known, max"];

/// Starts of a release orchestrator.
pub(super) fn measure(interrupt: &Interrupt) -> Outcome<Measurement> {
    let address = answer::listen()?;
    let mut fresh = Vec::new();
    let mut again = Vec::new();
    for _ in 0..ROUNDS {
        let folder = workspace::fresh_folder("bench")?;
        let registry = folder.join("registry.yaml");
        registry::write(&registry, "", &entries(address))?;
        let start = Start { folder: &folder, registry: &registry, interrupt };
        fresh.push(start.until_known()?);
        again.push(start.until_known()?);
    }
    let note =
        "From the start of the process until `/health` answers, and until every server has a status. The first row begins with \
                nothing and checks everybody, at most 500 a second; the second goes on where the first was killed."
            .to_owned();
    let rows = vec![row("from nothing", &mut fresh), row("after SIGKILL", &mut again)];
    Ok(Measurement { title: "Start-up", note, columns: COLUMNS, rows })
}

fn entries(address: SocketAddr) -> Vec<Entry> {
    let entry = |number| Entry {
        name: format!("s{number:04}"),
        health_url: format!("http://{address}{}", path(number)),
        runtime: Runtime::Nothing,
    };
    (1..=SERVERS).map(entry).collect()
}

/// Until it serves, and until all are known.
type Times = (Duration, Duration);

struct Start<'a> {
    folder: &'a Path,
    registry: &'a Path,
    interrupt: &'a Interrupt,
}

struct Running {
    client: Client,
    api: String,
}

impl Start<'_> {
    /// Measures a start, and kills what was started.
    fn until_known(&self) -> Outcome<Times> {
        let address = registry::free_addresses(1)?[0];
        let program = workspace::binary("release", "orchestrator");
        let setup = Setup { program: &program, registry: self.registry, state: self.folder, api: address, dashboard: None };
        let running = Running { client: Client::new(Duration::from_secs(10)), api: format!("http://{address}") };
        let began = Instant::now();
        let orchestrator = Orchestrator::start(&setup)?;
        let serves = self.wait(began, || running.client.answers(&format!("{}/health", running.api)))?;
        let known = self.wait(began, || running.all_are_known())?;
        proc::signal(orchestrator.pid(), Signal::KILL);
        drop(orchestrator);
        Ok((serves, known))
    }

    fn wait(&self, began: Instant, mut is_so: impl FnMut() -> bool) -> Outcome<Duration> {
        while !is_so() {
            if began.elapsed() > DEADLINE || !self.interrupt.pause(Duration::from_millis(5)) {
                return Err(Failure::new("the orchestrator did not start in time, or was interrupted"));
            }
        }
        Ok(began.elapsed())
    }
}

impl Running {
    fn all_are_known(&self) -> bool {
        self.client.json(&format!("{}/servers", self.api)).is_ok_and(|snapshot| {
            snapshot["servers"].as_array().is_some_and(|views| views.iter().all(|view| view["status"] == "ok"))
        })
    }
}

fn row(what: &str, times: &mut [Times]) -> Vec<Cell> {
    let mut of = |pick: fn(&Times) -> Duration| {
        times.sort_by_key(pick);
        let (middle, last) = (times.len() / 2, times.len() - 1);
        [Cell::Time(pick(&times[middle])), Cell::Time(pick(&times[last]))]
    };
    let [serves, slowest] = of(|times| times.0);
    let [known, last] = of(|times| times.1);
    vec![Cell::Text(what.to_owned()), Cell::Count(times.len() as u64), serves, slowest, known, last]
}
