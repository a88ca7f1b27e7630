//! `orchestrator restart`, `check`, `pause` and `resume`: what acts, with the operator token.

use std::error::Error;
use std::path::Path;

use health_spec::ServerView;
use health_spec::asked::{Asked, LONGEST_PAUSE};
use health_spec::config::Seconds;
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

/// How long a pause may last.
pub(crate) fn pause_length(text: &str) -> Result<Seconds, String> {
    let lasts = duration(text)?;
    if lasts.0.is_zero() || lasts > LONGEST_PAUSE {
        return Err(format!("it must be more than 0 and at most {} days", LONGEST_PAUSE.0.as_secs() / 86_400));
    }
    Ok(lasts)
}

/// `2h`, `90s`, or a number of seconds.
fn duration(text: &str) -> Result<Seconds, String> {
    let number = text.parse::<f64>().ok();
    let value = number.map_or_else(|| serde_json::Value::from(text), serde_json::Value::from);
    serde_json::from_value(value)
        .map_err(|_| "write a number of seconds, or one with a unit, such as 90s, 30m, 2h or 1d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_the_registry() {
        assert_eq!(duration("2h"), Ok(Seconds::new(7_200)));
        assert_eq!(duration("90"), Ok(Seconds::new(90)));
        assert!(duration("soon").is_err() && duration("-1").is_err() && duration("NaN").is_err());
        assert_eq!(pause_length("366d"), Ok(LONGEST_PAUSE));
        assert!(pause_length("0").is_err() && pause_length("367d").is_err());
    }
}
