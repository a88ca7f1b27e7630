//! One event, one line for people: time, server, what happened, how long it took.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::event::Event;

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Bad,
    Busy,
    Good,
    Note,
}

/// Writes lines, coloured or not.
pub(crate) struct Printer {
    colour: bool,
}

impl Printer {
    /// Colour on a terminal, unless `NO_COLOR` asks for none.
    pub(crate) fn new() -> Self {
        use std::io::IsTerminal;
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: std::io::stdout().is_terminal() && !unwanted }
    }

    /// Prints the event if it is worth a line. `death` is what was last said about the end of its process.
    pub(crate) fn print(&self, event: &Event, death: Option<&str>) {
        let Some((tone, what)) = describe(event, death) else { return };
        let time = event.at.to_zoned(TimeZone::system()).strftime("%H:%M:%S");
        let text = format!("{time}  {:<11} {what}", event.server);
        println!("{}", if self.colour { coloured(tone, &text) } else { text });
    }
}

fn coloured(tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Bad => 31,
        Tone::Busy => 33,
        Tone::Good => 32,
        Tone::Note => 36,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

fn describe(event: &Event, death: Option<&str>) -> Option<(Tone, String)> {
    let reason = event.text("reason");
    Some(match event.kind.as_str() {
        "server_down" => {
            let how = death.filter(|_| reason == "container_died").map_or_else(String::new, |death| format!(" ({death})"));
            (Tone::Bad, format!("down: {}{how}, detected in {}", reason.replace('_', " "), took(event, "detection_ms")))
        }
        "recovery_started" => {
            let attempt = event.number("attempt").unwrap_or_default();
            (Tone::Busy, format!("{}: attempt {attempt}, after a delay of {}", event.text("strategy"), took(event, "delay_ms")))
        }
        "recovery_successful" => {
            let attempts = event.number("attempts").unwrap_or_default();
            let plural = if attempts == 1 { "" } else { "s" };
            (Tone::Good, format!("recovered in {}, {attempts} attempt{plural}", took(event, "recovery_ms")))
        }
        "server_recovered" => (Tone::Good, format!("came back by itself in {}", took(event, "recovery_ms"))),
        "recovery_failed" => (Tone::Bad, format!("attempt {} failed: {}", event.number("attempt")?, event.text("error"))),
        "recovery_superseded" => (Tone::Note, "another restart takes its place".to_owned()),
        "recovery_exhausted" => (Tone::Bad, format!("given up ({reason}): a person is needed")),
        "recovery_held" => (Tone::Note, format!("recovery is held: {reason}")),
        "recovery_released" => (Tone::Note, format!("recovery goes on: {reason} is over")),
        "server_stopped" => (Tone::Note, format!("stopped on purpose ({reason})")),
        "server_started" => (Tone::Good, format!("runs again ({reason})")),
        "server_restarted" => (Tone::Note, format!("restarted by somebody else ({reason})")),
        "server_paused" => (Tone::Note, "paused by an operator".to_owned()),
        "server_resumed" => (Tone::Note, "resumed by an operator".to_owned()),
        "monitor_impaired" => (Tone::Bad, format!("the monitor cannot look: {reason} ({})", event.text("error"))),
        "status_changed" if event.text("status") == "degraded" => (Tone::Busy, "degraded: shown, not restarted".to_owned()),
        _ => return None,
    })
}

/// What a `container_died` says about the end.
pub(crate) fn death(event: &Event) -> String {
    if event.flag("oom_killed") {
        return "out of memory".to_owned();
    }
    match (event.number("signal"), event.number("exit_code")) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => event.text("error").to_owned(),
    }
}

/// `12 ms`, `3.4 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

fn took(event: &Event, key: &str) -> String {
    event.duration(key).map_or_else(|| "an unknown time".to_owned(), seconds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(mut body: serde_json::Value) -> Event {
        body["seq"] = 1.into();
        body["timestamp"] = "2026-01-02T03:04:05.000Z".into();
        body["server_name"] = "a".into();
        Event::read(body).expect("an event")
    }

    fn text(body: serde_json::Value, death: Option<&str>) -> Option<String> {
        describe(&event(body), death).map(|(_, text)| text)
    }

    #[test]
    fn a_death_is_told_with_its_cause_and_its_time() {
        let down = json!({"event_type": "server_down", "reason": "container_died", "detection_ms": 12});
        assert_eq!(text(down, Some("signal 9")).as_deref(), Some("down: container died (signal 9), detected in 12 ms"));
        let slow = json!({"event_type": "server_down", "reason": "3_consecutive_failures", "detection_ms": 2010});
        assert_eq!(text(slow, Some("signal 9")).as_deref(), Some("down: 3 consecutive failures, detected in 2.0 s"));
    }

    #[test]
    fn a_recovery_is_told_with_its_attempts() {
        let back = json!({"event_type": "recovery_successful", "attempts": 2, "recovery_ms": 4200});
        assert_eq!(text(back, None).as_deref(), Some("recovered in 4.2 s, 2 attempts"));
    }

    #[test]
    fn checks_and_unknown_events_are_not_worth_a_line() {
        assert_eq!(text(json!({"event_type": "health_check_completed", "status": "ok"}), None), None);
        assert_eq!(text(json!({"event_type": "server_teleported"}), None), None);
    }

    #[test]
    fn the_cause_of_a_death_is_its_signal_else_its_code() {
        assert_eq!(death(&event(json!({"event_type": "container_died", "signal": 9, "exit_code": 137}))), "signal 9");
        assert_eq!(death(&event(json!({"event_type": "container_died", "exit_code": 101}))), "exit code 101");
    }
}
