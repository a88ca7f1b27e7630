//! What the values of options have to look like.

use health_spec::asked::LONGEST_PAUSE;
use health_spec::config::Seconds;
use orchestrator::shell::client;

/// `--url`.
pub(super) fn address(text: &str) -> Result<String, String> {
    client::authority(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// How long a pause may last.
pub(super) fn pause_length(text: &str) -> Result<Seconds, String> {
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
