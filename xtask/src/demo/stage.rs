//! Where a demo plays: a fresh folder, free ports, the registry, and what is said about them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use super::cast::{Member, NAMES};
use crate::orchestrator::{Orchestrator, Setup};
use crate::outcome::{Failure, Outcome};
use crate::{proc, registry, workspace};

/// Short times, so that a viewer need not wait; enough attempts, so that the flaky server is never given up.
const SETTINGS: &str = "\
health_check:
  interval_seconds: 2
  timeout_seconds: 1
  confirm_interval_seconds: 0.5
  start_period_seconds: 5
  success_threshold: 2
recovery:
  strategy: restart
  backoff: { schedule: [1, 2, 5, 5, 5, 5, 5, 5, 5, 5] }
  verify_timeout_seconds: 10
  reset_after_seconds: 10
  budget: { attempts: 200, window_seconds: 3600 }
";

/// The default ports (contract, sections 5 and 6).
const DASHBOARD_PORT: u16 = 8080;
const API_PORT: u16 = 8090;

/// Everything that has an address.
pub(crate) struct Stage {
    folder: PathBuf,
    dashboard: SocketAddr,
    api: SocketAddr,
    pub(crate) cast: Vec<Member>,
}

impl Stage {
    /// Finds places for everybody and writes the registry.
    pub(crate) fn set(listen: Option<SocketAddr>) -> Outcome<Self> {
        let dashboard = match listen {
            Some(address) if !registry::is_free(address) => return Err(Failure::new(format!("{address} is taken"))),
            Some(address) => address,
            None => default_or_free(DASHBOARD_PORT, "the dashboard")?,
        };
        let api = default_or_free(API_PORT, "the orchestrator's API")?;
        let addresses = registry::free_addresses(NAMES.len())?;
        let cast = NAMES.into_iter().zip(addresses).map(|(name, address)| Member { name, address }).collect::<Vec<_>>();
        let folder = workspace::fresh_folder("demo")?;
        let stage = Self { folder, dashboard, api, cast };
        registry::write(&stage.registry(), SETTINGS, &stage.cast.iter().map(Member::entry).collect::<Vec<_>>())?;
        Ok(stage)
    }

    /// One process: orchestrator and dashboard. It starts the servers itself.
    pub(crate) fn start(&self) -> Outcome<Orchestrator> {
        Orchestrator::start(&Setup {
            program: &workspace::binary("debug", "orchestrator"),
            registry: &self.registry(),
            state: &self.folder,
            api: self.api,
            dashboard: Some(self.dashboard),
        })
    }

    fn registry(&self) -> PathBuf {
        self.folder.join("registry.yaml")
    }

    /// The dashboard's page.
    pub(crate) fn dashboard_url(&self) -> String {
        format!("http://{}/", self.dashboard)
    }

    /// The orchestrator's API, without a slash at the end.
    pub(crate) fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    /// What to look at and what to try.
    pub(crate) fn announce(&self, log: &Path) {
        let (gateway, api) = (format!("http://{}", self.dashboard), self.api_url());
        println!("\nDashboard   {gateway}/\n");
        for member in &self.cast {
            println!("  {:<11} http://{}/mcp   {}", member.name, member.address, member.remark());
        }
        let first = &self.cast[0];
        println!("\nTry");
        println!("  kill -9 $(pgrep -f 'sample-server --listen {}')", first.address);
        println!("  curl -X POST http://{}/break/hang        # or crash, or down", first.address);
        println!("  curl {gateway}/health/ecosystem");
        println!("  curl -N -H 'Accept: text/event-stream' {gateway}/health/stream");
        println!("  curl '{api}/events?since=0&limit=20'");
        println!("\nEvent log   {}", self.folder.join("health-events.jsonl").display());
        println!("Registry    {}", self.registry().display());
        println!("Program log {}\n", log.display());
    }

    /// Kills sample servers of this demo that outlived the orchestrator. How many there were.
    pub(crate) fn remove_leftovers(&self) -> usize {
        let program = workspace::binary("debug", "sample-server");
        let left = self.cast.iter().flat_map(|member| proc::find(&program, &member.address.to_string())).collect::<Vec<_>>();
        for &pid in &left {
            proc::signal(pid, Signal::KILL);
        }
        left.len()
    }
}

fn default_or_free(port: u16, whose: &str) -> Outcome<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if registry::is_free(usual) {
        return Ok(usual);
    }
    let address = registry::free_addresses(1)?[0];
    println!("{usual} is taken: {whose} listens on {address} instead");
    Ok(address)
}
