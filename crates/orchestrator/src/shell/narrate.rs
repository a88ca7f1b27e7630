//! One log line an event, for whoever reads the daemon's own log. Completed checks are not worth a line.

use std::fmt::Write;

use health_spec::{Event, EventKind};
use serde_json::Value;

/// Says what happened.
pub fn narrate(event: &Event) {
    let server = event.server_name.as_deref().unwrap_or("-");
    let (name, detail) = (event.kind.name(), detail(&event.kind));
    match &event.kind {
        EventKind::HealthCheckCompleted { .. } => {}
        EventKind::ServerDown { .. }
        | EventKind::RecoveryFailed { .. }
        | EventKind::RecoveryExhausted { .. }
        | EventKind::ContainerDied { .. }
        | EventKind::ConfigRejected { .. }
        | EventKind::MonitorImpaired { .. } => tracing::warn!("{server}: {name}{detail}"),
        _ => tracing::info!("{server}: {name}{detail}"),
    }
}

/// The fields that go with the event, as ` key=value`.
pub fn detail(kind: &EventKind) -> String {
    let Ok(Value::Object(fields)) = serde_json::to_value(kind) else { return String::new() };
    let told = fields.iter().filter(|(key, value)| *key != "event_type" && !value.is_null());
    told.fold(String::new(), |mut line, (key, value)| {
        // Writing to a string cannot fail.
        let _ = match value {
            Value::String(text) => write!(line, " {key}={text:?}"),
            other => write!(line, " {key}={other}"),
        };
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_fields_and_cannot_be_broken_by_them() {
        let kind = EventKind::RecoveryFailed { attempt: 2, error: "action: no\nsuch".into(), recovery_successful: false };
        assert_eq!(detail(&kind), r#" attempt=2 error="action: no\nsuch" recovery_successful=false"#);
    }
}
