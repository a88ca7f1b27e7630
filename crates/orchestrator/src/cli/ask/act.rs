//! `orchestrator restart`, `check`, `pause` and `resume`: what acts, with the operator token.

use health_spec::ServerView;
use health_spec::asked::Asked;
use health_spec::config::Seconds;
use orchestrator::shell::client::Question;

use super::super::args::{Act, Pause};
use super::super::{End, Outcome, environment, print};
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
    let token = token(&arguments.operator)?;
    let path = format!("/servers/{}/{action}", encoded(&arguments.name));
    let asked = Asked { by: environment("USER"), ..asked };
    let body = serde_json::to_vec(&asked)?;
    let body = answer(&arguments.daemon.url, &path, Question::post(&token, &body))?;
    if arguments.json {
        print_raw(&body)?;
    } else {
        let view: ServerView = serde_json::from_slice(&body)?;
        print(&format!("{} {}\n", printable(&view.name), said(&view)))?;
    }
    Ok(End::Fine)
}

/// `2h`, `90s`, or a number of seconds.
pub(crate) fn duration(text: &str) -> Result<Seconds, String> {
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
    }
}
