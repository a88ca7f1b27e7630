//! What an action on a container says when it errs: which container of which engine, why, and what to do about it.

use bollard::errors::Error;
use health_spec::config::EngineKind;
use thiserror::Error as ThisError;

use super::{
    address::shown,
    recreate::{RecreateError, STOP},
    restart::{Container, RestartError},
};
use crate::shell::causes::causes;

/// What to do when a call is forbidden: engines forbid hardly anything themselves.
pub(super) const FILTERED: &str =
    "a proxy in front of the engine refuses this call: docs/operations/socket.md lists what has to pass";

/// What a proxy answers for people is no words for one line.
const PAGE: &str = ": <";

/// An action on a container erred.
#[derive(Debug, ThisError)]
#[error("container \"{container}\" of engine \"{}\": {}{}", .at.name, said_by(.at.kind, plain(causes(.error))), self.hint())]
pub struct Failure {
    container: String,
    at: Place,
    error: RecreateError,
}

/// The engine of a container.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name in the configuration.
    pub name: String,
    /// What it is, as far as is known: Podman may listen where Docker usually does.
    pub kind: EngineKind,
}

impl Container {
    /// Says which one it is about.
    pub fn failure(&self, error: impl Into<RecreateError>) -> Box<Failure> {
        Box::new(Failure { container: self.wanted.clone(), at: self.engine.clone(), error: error.into() })
    }
}

impl Failure {
    /// Nothing was done to the container, for certain: it was not even asked for, or the engine refused to begin.
    pub fn is_untouched(&self) -> bool {
        let refuses = |error: &Error| matches!(error, Error::DockerResponseServerError { status_code: 400..500, .. });
        match &self.error {
            RecreateError::Restart(RestartError::Refused(error)) => refuses(error),
            RecreateError::Refused { step, source } => *step == STOP && refuses(source),
            RecreateError::Restart(RestartError::ShuttingDown)
            | RecreateError::Taken { .. }
            | RecreateError::Stopped
            | RecreateError::Gone(_) => false,
            RecreateError::AutoRemoved
            | RecreateError::ById
            | RecreateError::Stranger { .. }
            | RecreateError::StillKept { .. }
            | RecreateError::Restart(_) => true,
        }
    }

    /// Empty where the error says itself what to do, or nothing is to be done.
    fn hint(&self) -> String {
        let (command, container) = (self.at.kind.as_str(), &self.container);
        let exists = format!("; `{command} ps -a` lists those that there are");
        let asked = match &self.error {
            RecreateError::Gone(_) | RecreateError::Restart(RestartError::Gone) => return exists,
            RecreateError::Restart(RestartError::Refused(error) | RestartError::Unseen(error)) => error,
            RecreateError::Refused { source, .. } => source,
            _ => return String::new(),
        };
        let status = if let Error::DockerResponseServerError { status_code, .. } = asked { Some(*status_code) } else { None };
        match status {
            Some(403) => format!("; {FILTERED}"),
            Some(404) if matches!(self.error, RecreateError::Restart(_)) => exists,
            Some(500..) => format!("; `{command} logs {container}` and `{command} inspect {container}` tell more"),
            _ => format!("; `{command} inspect {container}` shows how it is now"),
        }
    }
}

/// As this engine has said it: whoever asks calls each of them Docker.
pub fn said_by(kind: EngineKind, why: String) -> String {
    match kind {
        EngineKind::Docker => why,
        EngineKind::Podman => why.replace("Docker responded with", &format!("{} responded with", shown(kind))),
    }
}

/// Without a page of HTML.
pub(super) fn plain(mut why: String) -> String {
    if let Some(at) = why.find(PAGE) {
        why.truncate(at);
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an engine answers.
    fn answer(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError { status_code, message: message.to_owned() }
    }

    fn said(kind: EngineKind, error: RecreateError) -> String {
        let at = Place { name: "local".to_owned(), kind };
        Failure { container: "notes".to_owned(), at, error }.to_string()
    }

    #[test]
    fn what_was_not_begun_has_done_nothing() {
        let at = Place { name: "local".to_owned(), kind: EngineKind::Docker };
        let is_untouched = |error| Failure { container: "notes".to_owned(), at: at.clone(), error }.is_untouched();
        let step = |step, status_code| RecreateError::Refused { step, source: answer(status_code, "no") };
        let restart = |status_code| RecreateError::Restart(RestartError::Refused(answer(status_code, "no")));
        assert!(is_untouched(RecreateError::AutoRemoved) && is_untouched(RecreateError::ById));
        assert!(is_untouched(step(STOP, 403)) && is_untouched(restart(403)));
        assert!(!is_untouched(step(STOP, 500)) && !is_untouched(restart(500)), "it may have ended by now");
        assert!(!is_untouched(step("create the new container", 403)) && !is_untouched(RecreateError::Stopped));
    }

    #[test]
    fn an_error_says_which_container_of_which_engine_and_what_to_do() {
        let restart = |error| RecreateError::Restart(RestartError::Refused(error));
        let step = |error| RecreateError::Refused { step: "stop the container", source: error };
        let page = "<html><body>\n<h1>403 Forbidden</h1></body></html>";
        let cases = [
            (restart(answer(403, page)), "the engine did not restart it: Podman responded with status code 403", FILTERED),
            (
                step(answer(403, "no")),
                "the engine did not stop the container: Podman responded with status code 403: no",
                FILTERED,
            ),
            (
                restart(answer(404, "No such container")),
                "the engine did not restart it: Podman responded with status code 404: No such container",
                "`podman ps -a` lists those that there are",
            ),
            (
                step(answer(404, "No such image")),
                "the engine did not stop the container: Podman responded with status code 404: No such image",
                "`podman inspect notes` shows how it is now",
            ),
            (
                restart(answer(409, "marked for removal")),
                "the engine did not restart it: Podman responded with status code 409: marked for removal",
                "`podman inspect notes` shows how it is now",
            ),
            (
                restart(answer(500, "port is already allocated")),
                "the engine did not restart it: Podman responded with status code 500: port is already allocated",
                "`podman logs notes` and `podman inspect notes` tell more",
            ),
            (
                restart(Error::RequestTimeoutError),
                "the engine did not restart it: Timeout error",
                "`podman inspect notes` shows how it is now",
            ),
            (RestartError::Gone.into(), "there is none of this name", "`podman ps -a` lists those that there are"),
        ];
        for (error, why, hint) in cases {
            assert_eq!(said(EngineKind::Podman, error), format!("container \"notes\" of engine \"local\": {why}; {hint}"));
        }
        let docker = said(EngineKind::Docker, restart(answer(500, "it failed")));
        assert!(docker.contains("Docker responded with status code 500"), "{docker}");
        assert!(docker.ends_with("`docker logs notes` and `docker inspect notes` tell more"), "{docker}");
        let enough = said(EngineKind::Docker, RecreateError::Stopped);
        assert_eq!(enough, "container \"notes\" of engine \"local\": somebody stopped it meanwhile");
    }
}
