//! Watching many servers on one loopback listener: CPU and memory a check and a server, beside a bare hyper client, and how even the
//! checks are.

use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::answer::{self, Arrivals};
use super::pace::path;
use super::report::{Cell, Measurement};
use super::rig::Rig;
use crate::command;
use crate::interrupt::Interrupt;
use crate::outcome::{Context, Failure, Outcome};
use crate::registry::{Entry, Runtime};
use crate::{proc, workspace};

/// How many servers, and how far apart a server's checks are.
const FLEETS: [(usize, Duration); 2] = [(1_000, Duration::from_secs(1)), (10_000, Duration::from_secs(30))];

/// Of every server (contract, section 3.2): with more, memory does not grow.
const ANSWERS_KEPT: u32 = 10;

const COLUMNS: &[&str] = &[
    "servers",
    "interval",
    "CPU a check",
    "times the bare client",
    "of a core",
    "memory a server",
    "mean gap off by",
    "99th percentile off by",
];

/// Every fleet, for at least two of its intervals.
pub(super) fn measure(window: Duration, interrupt: &Interrupt) -> Outcome<Measurement> {
    command::run(command::cargo().args(["build", "--release", "-p", "xtask"]))?;
    let (address, arrivals) = answer::listen_and_note()?;
    let empty = resident_of(1, address, interrupt)?;
    let mut rows = Vec::new();
    for (servers, interval) in FLEETS {
        rows.push(fleet(servers, interval, window.max(interval * 2), (address, &arrivals, empty), interrupt)?);
    }
    let note = "A fresh connection a check; the bare client (hyper) does the same requests at the same pace in the same seconds and reads the \
                answers alike. Gaps between the checks of one server are measured where they arrive. Memory a server: resident, less \
                that of an orchestrator with one server, after more checks of each than answers are kept."
        .to_owned();
    Ok(Measurement { title: "Watching many servers", note, columns: COLUMNS, rows })
}

fn fleet(
    servers: usize,
    interval: Duration,
    window: Duration,
    (address, arrivals, empty): (SocketAddr, &Arrivals, u64),
    interrupt: &Interrupt,
) -> Outcome<Vec<Cell>> {
    let mut rig = Rig::start(&settings(interval), &entries(servers, address), interrupt)?;
    // Until as many answers of everybody are kept as ever will be.
    rig.leave_alone(interval * ANSWERS_KEPT)?;
    let before = cpu(rig.pid())?;
    let bare = start_bare(servers, address, interval, window)?;
    arrivals.begin();
    rig.leave_alone(window)?;
    let gaps = arrivals.end();
    let after = cpu(rig.pid())?;
    let resident = proc::resident(rig.pid()).unwrap_or_default();
    let bare = Bare::read(&bare.wait_with_output().context("wait for the bare client")?.stdout)?;
    rig.stop()?;
    let ours = after.saturating_sub(before);
    let checks = window.as_secs_f64() / interval.as_secs_f64() * answer::float(servers);
    let a_check = ours.as_secs_f64() / checks;
    let kib = usize::try_from(resident.saturating_sub(empty) / 1_024).unwrap_or_default();
    let a_server = answer::float(kib) / answer::float(servers);
    let (mean, tail) = gaps.off_by(interval);
    Ok(vec![
        Cell::Count(servers as u64),
        Cell::Time(interval),
        Cell::Nanoseconds(a_check * 1e9),
        Cell::Ratio((bare.a_request > 0.0).then(|| a_check / bare.a_request)),
        Cell::Text(format!("{:.1} %", ours.as_secs_f64() / window.as_secs_f64() * 100.0)),
        Cell::Text(format!("{a_server:.1} KiB")),
        Cell::Text(format!("{:.3} %", mean * 100.0)),
        Cell::Time(tail),
    ])
}

fn resident_of(servers: usize, address: SocketAddr, interrupt: &Interrupt) -> Outcome<u64> {
    let mut rig = Rig::start(&settings(Duration::from_secs(1)), &entries(servers, address), interrupt)?;
    rig.leave_alone(Duration::from_secs(3))?;
    let resident = proc::resident(rig.pid()).unwrap_or_default();
    rig.stop()?;
    Ok(resident)
}

fn settings(interval: Duration) -> String {
    format!("health_check:\n  interval_seconds: {}\n", interval.as_secs())
}

fn entries(servers: usize, address: SocketAddr) -> Vec<Entry> {
    let entry = |number| Entry {
        name: format!("s{number:05}"),
        health_url: format!("http://{address}{}?ours", path(number)),
        runtime: Runtime::Nothing,
    };
    (1..=servers).map(entry).collect()
}

fn start_bare(servers: usize, address: SocketAddr, interval: Duration, window: Duration) -> Outcome<Child> {
    let mut client = command::program(workspace::binary("release", "xtask"));
    let numbers = [servers.to_string(), interval.as_millis().to_string(), window.as_secs().to_string()];
    client.args(["bare", &address.to_string()]).args(numbers).stdout(Stdio::piped());
    client.spawn().context("start the bare client")
}

/// What the bare client used.
struct Bare {
    /// Seconds of CPU time.
    a_request: f64,
}

impl Bare {
    fn read(json: &[u8]) -> Outcome<Self> {
        let report: Value = serde_json::from_slice(json).context("read the bare client's report")?;
        let number = |key: &str| report[key].as_f64().ok_or_else(|| Failure::new(format!("the bare client reports no {key}")));
        Ok(Self { a_request: number("cpu_ms")? / 1_000.0 / number("requests")?.max(1.0) })
    }
}

fn cpu(pid: u32) -> Outcome<Duration> {
    proc::cpu_time(pid).ok_or_else(|| Failure::new("the orchestrator's CPU time cannot be read"))
}
