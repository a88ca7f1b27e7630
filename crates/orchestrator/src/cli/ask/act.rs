//! `orchestrator restart`, `check`, `pause` and `resume`: what acts, with the operator token.

use std::error::Error;
use std::path::Path;

use health_spec::ServerView;
use health_spec::asked::Asked;
use orchestrator::shell::client::Question;

use super::super::args::{Act, Pause};
use super::super::{End, Outcome, Refused, environment, print};
use super::{answer, encoded, print_raw, printable, token};

pub(super) fn restart(arguments: &Act) -> Outcome {
    let said = |_: &ServerView| "is being restarted; `orchestrator status` shows how it goes".to_owned();
    post(arguments, "restart", Asked::default(), said)
}

pub(super) fn check(arguments: &Act) -> Outcome {
    post(arguments, "check", Asked::default(), |_| "is being checked; `orchestrator why` shows what is found".to_owned())
}

pub(super) fn resume(arguments: &Act) -> Outcome {
    post(arguments, "resume", Asked::default(), |_| "is no longer paused".to_owned())
}

pub(super) fn pause(arguments: &Pause) -> Outcome {
    let asked = Asked { lasts: arguments.lasts, reason: arguments.reason.clone(), ..Asked::default() };
    let said = |view: &ServerView| {
        let until = view.paused.as_ref().and_then(|paused| paused.until);
        let until = until.map(|until| format!(" until {until:.0}")).unwrap_or_default();
        format!("is paused{until}: it is watched, and not recovered; `orchestrator resume` ends that")
    };
    post(&arguments.act, "pause", asked, said)
}

fn post(arguments: &Act, action: &str, asked: Asked, said: impl Fn(&ServerView) -> String) -> Outcome {
    let (token, file) = token(&arguments.operator)?;
    let path = format!("/servers/{}/{action}", encoded(&arguments.name));
    let asked = Asked { by: environment("USER"), ..asked };
    let body = serde_json::to_vec(&asked)?;
    let body = answer(&arguments.daemon.url, &path, Question::post(&token, &body))
        .map_err(|error| with_the_file(error, &file, &arguments.daemon.url))?;
    if arguments.json {
        print_raw(&body)?;
    } else {
        let view: ServerView = serde_json::from_slice(&body)?;
        print(&format!("{} {}\n", printable(&view.name), said(&view)))?;
    }
    Ok(End::Fine)
}

/// A token that is refused is another daemon's: whose it is, the file's place tells.
fn with_the_file(error: Box<dyn Error>, file: &Path, url: &str) -> Box<dyn Error> {
    match error.downcast::<Refused>() {
        Ok(refused) if refused.code == "operator_token_needed" => {
            let Refused { code, message } = *refused;
            let file = file.display();
            let message = format!(
                "{url} refuses the token in {file}: {message}; name that directory with --state-dir, or that file with --operator-token-file"
            );
            Refused { code, message }.into()
        }
        Ok(refused) => refused,
        Err(error) => error,
    }
}
