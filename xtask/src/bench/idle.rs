//! What watching costs while nothing happens: CPU time and memory, beside a bare client at the same pace.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::answer;
use super::pace::{INTERVAL, path};
use super::report::{Cell, Measurement};
use super::rig::Rig;
use crate::command;
use crate::interrupt::Interrupt;
use crate::outcome::{Context, Failure, Outcome};
use crate::registry::{Entry, Runtime};
use crate::{proc, workspace};

/// A few and many.
const FLEETS: [usize; 2] = [5, 1000];
const COLUMNS: &[&str] = &["servers", "program", "CPU time", "resident", "CPU, times the bare client"];

/// Both fleets.
pub(super) fn measure(window: Duration, interrupt: &Interrupt) -> Outcome<Measurement> {
    // In release like what it is compared with.
    command::run(command::cargo().args(["build", "--release", "-p", "xtask"]))?;
    let address = answer::listen()?;
    let mut rows = Vec::new();
    for servers in FLEETS {
        rows.extend(fleet(servers, address, window, interrupt)?);
    }
    let note = format!(
        "Checks {} s apart, a fresh connection each, over {} s. The bare client does the same requests at the same pace and in the \
         same seconds, and reads nothing out of the answers. The kernel counts CPU time in steps of 10 ms.",
        INTERVAL.as_secs(),
        window.as_secs()
    );
    Ok(Measurement { title: "Watching while nothing happens", note, columns: COLUMNS, rows })
}

fn fleet(servers: usize, address: SocketAddr, window: Duration, interrupt: &Interrupt) -> Outcome<[Vec<Cell>; 2]> {
    let settings = format!("health_check:\n  interval_seconds: {}\n", INTERVAL.as_secs());
    let mut rig = Rig::start(&settings, &entries(servers, address), interrupt)?;
    rig.leave_alone(Duration::from_secs(5))?;
    let before = cost(rig.pid())?;
    let client = start_client(servers, address, window)?;
    rig.leave_alone(window)?;
    let after = cost(rig.pid())?;
    let output = client.wait_with_output().context("wait for the bare client")?;
    rig.stop()?;
    let bare = Cost::read(&output.stdout)?;
    let ours = Cost { cpu: after.cpu.saturating_sub(before.cpu), resident: after.resident };
    let ratio = (!bare.cpu.is_zero()).then(|| ours.cpu.as_secs_f64() / bare.cpu.as_secs_f64());
    Ok([ours.row(servers, "orchestrator", Cell::Ratio(ratio)), bare.row(servers, "bare client", Cell::Text(String::new()))])
}

fn entries(servers: usize, address: SocketAddr) -> Vec<Entry> {
    let entry = |number| Entry {
        name: format!("s{number:04}"),
        health_url: format!("http://{address}{}", path(number)),
        runtime: Runtime::Nothing,
    };
    (1..=servers).map(entry).collect()
}

fn start_client(servers: usize, address: SocketAddr, window: Duration) -> Outcome<std::process::Child> {
    let mut client = command::program(workspace::binary("release", "xtask"));
    client.args(["pace", &address.to_string(), &servers.to_string(), &window.as_secs().to_string()]);
    client.stdout(Stdio::piped()).spawn().context("start the bare client")
}

/// What a process has used.
struct Cost {
    cpu: Duration,
    resident: u64,
}

impl Cost {
    /// From the bare client's own report.
    fn read(json: &[u8]) -> Outcome<Self> {
        let report: Value = serde_json::from_slice(json).context("read the bare client's report")?;
        let number = |key: &str| report[key].as_u64().ok_or_else(|| Failure::new(format!("the bare client reports no {key}")));
        Ok(Self { cpu: Duration::from_millis(number("cpu_ms")?), resident: number("resident_bytes")? })
    }

    fn row(&self, servers: usize, program: &str, ratio: Cell) -> Vec<Cell> {
        let program = Cell::Text(program.to_owned());
        vec![Cell::Count(servers as u64), program, Cell::Time(self.cpu), Cell::Bytes(self.resident), ratio]
    }
}

fn cost(pid: u32) -> Outcome<Cost> {
    let cpu = proc::cpu_time(pid).ok_or_else(|| Failure::new("the orchestrator's CPU time cannot be read"))?;
    Ok(Cost { cpu, resident: proc::resident(pid).unwrap_or_default() })
}
