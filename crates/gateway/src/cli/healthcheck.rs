//! `gateway healthcheck`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use gateway::{HealthcheckError, healthcheck};
use health_spec::Status;

use super::{FAILURE, UNREACHABLE, USAGE, fail};

/// What can be typed.
const EXAMPLES: &str = "Exit codes: 0 it serves (ok or degraded), 1 it is down, 2 the URL is no address, 69 it cannot be reached.

Example, in a Dockerfile:
  HEALTHCHECK CMD gateway healthcheck";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Healthcheck {
    /// The gateway's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

impl Healthcheck {
    /// Prints the status.
    pub(super) async fn run(self) -> ExitCode {
        match healthcheck(&self.url).await {
            Ok(status) => {
                // A reader that has gone away is no failure.
                let _ = writeln!(std::io::stdout(), "{}", status.as_str());
                if status == Status::Down { ExitCode::from(FAILURE) } else { ExitCode::SUCCESS }
            }
            Err(error @ HealthcheckError::Address(_)) => fail(&error, USAGE),
            Err(error @ HealthcheckError::Unreachable { .. }) => fail(&error, UNREACHABLE),
            Err(error) => fail(&error, FAILURE),
        }
    }
}
