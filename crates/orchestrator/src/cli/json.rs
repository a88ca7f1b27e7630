//! `--json`: who asks for it, and what an error looks like then.

use std::error::Error;

use super::args::{Client, Command};
use super::{End, Refused, end_of, print};

/// An error, on stdout: whoever asked for JSON gets some.
pub(super) fn say(error: &(dyn Error + 'static)) {
    let code = match (error.downcast_ref::<Refused>(), end_of(error)) {
        (Some(refused), _) => refused.code.as_str(),
        (None, End::Usage) => "usage",
        (None, End::Unreachable) => "unreachable",
        (None, End::Configuration) => "configuration",
        (None, _) => "failure",
    };
    let told = serde_json::json!({ "error": { "code": code, "message": orchestrator::shell::causes::causes(error) } });
    // A stdout that takes nothing: stderr and the exit code say it too.
    let _ = print(&format!("{told}\n"));
}

impl Command {
    /// Whether a program reads the answer.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::CheckConfig(arguments) => arguments.json,
            Self::Discover(arguments) => arguments.json,
            Self::Import(arguments) => arguments.json,
            Self::Simulate(arguments) => arguments.json,
            Self::Replay(arguments) => arguments.json,
            Self::Client(client) => client.wants_json(),
            Self::Run(_) | Self::Schema | Self::Completions(_) => false,
        }
    }
}

impl Client {
    fn wants_json(&self) -> bool {
        match self {
            Self::Status(arguments) => arguments.json,
            Self::Why(arguments) => arguments.json,
            Self::Incidents(arguments) => arguments.json,
            Self::Slo(arguments) => arguments.json,
            Self::Events(arguments) => arguments.json,
            Self::Restart(act) | Self::Check(act) | Self::Resume(act) => act.json,
            Self::Pause(arguments) => arguments.act.json,
            Self::Healthcheck(_) => false,
        }
    }
}
