//! `orchestrator run`: puts the parts together, in the order in which failing is cheapest, and takes them apart again.
//!
//! Nothing is started before everything that can be checked has been: the file, the ports, the state directory (`prepare`),
//! then the engines (`start`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use health_endpoint::Health;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alarm::Alarm;
use super::plan::Plan;
use super::reload::Reading;
use super::runtime::Runtimes;
use super::store::{Retention, StoreError};

mod error;
mod prepare;
mod start;

pub use error::ServeError;

/// How long everything may take to end, beside the children.
const DRAIN: Duration = Duration::from_secs(12);

/// How much longer than the most patient child: what is written down about its end takes time too.
const AFTER_THE_LAST: Duration = Duration::from_secs(2);

/// What `run` was asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where the embedded gateway listens, if there is to be one.
    pub gateway: Option<SocketAddr>,
    /// Where everything is kept.
    pub state_directory: PathBuf,
    /// How long what is kept there is kept.
    pub retention: Retention,
    /// The instance's name.
    pub name: String,
    /// The operator token's file, instead of the one in the state directory.
    pub operator_token_file: Option<PathBuf>,
    /// Where everything that the machine is told is written down.
    pub record: Option<PathBuf>,
    /// Listen beyond loopback although anybody may read then.
    pub insecure: bool,
    /// `CHORA_TRACE_ID`.
    pub trace_id: Option<String>,
    /// How the configuration is read, now and again.
    pub reading: Reading,
}

impl Settings {
    fn unusable(&self, source: StoreError) -> ServeError {
        ServeError::State { directory: self.state_directory.clone(), source }
    }
}

/// Runs until `shutdown`. `announce` is called once, with the bound addresses, when everything serves.
pub async fn serve(
    plan: Plan,
    settings: Settings,
    shutdown: CancellationToken,
    announce: impl FnOnce(SocketAddr, Option<SocketAddr>),
) -> Result<(), ServeError> {
    let alarm = Alarm::default();
    alarm.hear_panics();
    let ready = prepare::prepare(&settings).await?;
    let running = start::start(plan, &settings, ready, &alarm).await?;
    announce(running.bound, running.gateway);
    tokio::select! {
        () = shutdown.cancelled() => running.stop().await,
        // A defect of ours. The children live on, and the next start adopts them.
        why = alarm.rung() => Err(ServeError::PartFailed(why)),
    }?;
    alarm.why().map_or(Ok(()), |why| Err(ServeError::PartFailed(why)))
}

/// Everything that runs.
struct Running {
    bound: SocketAddr,
    gateway: Option<SocketAddr>,
    health: Health,
    tasks: TaskTracker,
    /// Ends the driver, the API and the gateway.
    serving: CancellationToken,
    /// Stops the child processes.
    children: CancellationToken,
    runtimes: Arc<Runtimes>,
    driver: JoinHandle<()>,
    journal: std::thread::JoinHandle<()>,
}

impl Running {
    /// The driver hears of it first, so that the end of our own children is not taken for their death. They hear of it at once as well:
    /// whoever stops us may stop them by the same signal.
    async fn stop(self) -> Result<(), ServeError> {
        self.health.set_draining(true);
        let drain = drain(self.runtimes.longest_end());
        self.serving.cancel();
        self.children.cancel();
        let driven = self.driver.await;
        self.tasks.close();
        if tokio::time::timeout(drain, self.tasks.wait()).await.is_err() {
            tracing::warn!("not everything ended within {} s", drain.as_secs());
        }
        driven.map_err(|_| ServeError::DriverFailed)?;
        self.journal.join().map_err(|_| ServeError::JournalPanicked)
    }
}

/// A child that outlives us would be adopted by the next start, and nobody has asked for that.
fn drain(longest_end: Duration) -> Duration {
    DRAIN.max(longest_end.saturating_add(AFTER_THE_LAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_patient_child_is_waited_for() {
        let seconds = Duration::from_secs;
        assert_eq!((drain(Duration::ZERO), drain(seconds(42)), drain(Duration::MAX)), (DRAIN, seconds(44), Duration::MAX));
    }
}
