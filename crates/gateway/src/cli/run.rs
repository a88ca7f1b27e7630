//! `gateway run`.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use gateway::source::Source;
use gateway::{BindError, Settings, bind};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{BAD_CONFIGURATION, FAILURE, fail, logs, note};

/// What can be typed.
const EXAMPLES: &str = "Examples:
  gateway run
  gateway run --orchestrator http://10.0.0.5:8090 --orchestrator http://10.0.0.6:8090
  gateway run --listen 127.0.0.1:9000 --log-format json

Then open http://127.0.0.1:8080 in a browser.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Run {
    /// An orchestrator's address; may be given several times
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8090")]
    orchestrator: Vec<String>,
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Listen beyond this machine although everybody there can read everything
    #[arg(long)]
    insecure: bool,
    /// How log lines look
    #[arg(long, value_enum, default_value_t)]
    log_format: logs::Format,
}

impl Run {
    /// Until SIGINT or SIGTERM.
    pub(super) async fn run(self) -> ExitCode {
        logs::start(self.log_format);
        let sources = self.orchestrator.into_iter().map(Source::Http).collect();
        let gateway = match bind(Settings { insecure: self.insecure, ..Settings::new(self.listen, sources) }).await {
            Ok(gateway) => gateway,
            Err(error @ BindError::Listen { .. }) => return fail(&error, FAILURE),
            Err(error) => return fail(&error, BAD_CONFIGURATION),
        };
        note(&format!("gateway: serving on http://{}", gateway.address()));
        let shutdown = CancellationToken::new();
        let served = tokio::select! {
            served = gateway.serve(shutdown.clone()) => served,
            () = cancel_on_signal(shutdown.clone()) => Ok(()),
        };
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error, FAILURE),
        }
    }
}

/// The first signal asks for a shutdown; this never ends, so that the shutdown can.
async fn cancel_on_signal(shutdown: CancellationToken) {
    wait_for_signal().await;
    shutdown.cancel();
    std::future::pending::<()>().await;
}

async fn wait_for_signal() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
