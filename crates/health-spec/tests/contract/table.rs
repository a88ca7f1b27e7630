//! The table of the contract's section 1, written down a second time: what is a v1.0 health response.
//!
//! It shares no code with the crate, so that type, schema and table can disagree.

use serde_json::Value;

/// Whether the table accepts `body`.
pub(crate) fn accepts(body: &Value) -> bool {
    let Some(fields) = body.as_object() else { return false };
    let required = |name: &str, rule: fn(&Value) -> bool| fields.get(name).is_some_and(rule);
    let optional = |name: &str, rule: fn(&Value) -> bool| fields.get(name).is_none_or(rule);
    required("status", is_status)
        && required("timestamp", is_date_time)
        && required("uptime_seconds", is_whole_and_not_negative)
        && optional("last_check", is_date_time)
        && optional("version", Value::is_string)
        && optional("checks", are_checks)
        && optional("error", Value::is_string)
        && optional("metadata", Value::is_object)
}

fn is_status(value: &Value) -> bool {
    matches!(value.as_str(), Some("ok" | "degraded" | "down"))
}

fn is_whole_and_not_negative(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number >= 0.0 && number.fract() == 0.0)
}

fn are_checks(value: &Value) -> bool {
    let held = |name: &str| !name.is_empty() && name.chars().all(|c| matches!(c, 'a'..='z' | '_'));
    value.as_object().is_some_and(|checks| checks.iter().all(|(name, status)| !held(name) || is_status(status)))
}

/// RFC 3339's grammar, with the ranges of its section 5.7.
fn is_date_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| date_time(text).is_some_and(|valid| valid))
}

fn date_time(text: &str) -> Option<bool> {
    let (date, time) = text.split_once(['T', 't'])?;
    let (year, month, day) = numbers::<3>(date, '-', [4, 2, 2])?.into();
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone_at);
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let (hour, minute, second) = numbers::<3>(whole, ':', [2, 2, 2])?.into();
    let offset = if matches!(zone, "Z" | "z") {
        0
    } else {
        let [hours, minutes] = numbers::<2>(&zone[1..], ':', [2, 2])?;
        if hours > 23 || minutes > 59 {
            return None;
        }
        (hours * 60 + minutes) * if zone.starts_with('-') { -1 } else { 1 }
    };
    let leap_year = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = [31, if leap_year { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let last_day = *usize::try_from(month).ok().and_then(|month| days.get(month.checked_sub(1)?))?;
    let leap_second = second == 60 && (hour * 60 + minute - offset).rem_euclid(1440) == 1439;
    let digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    Some(digits && (1..=last_day).contains(&day) && hour < 24 && minute < 60 && (second < 60 || leap_second))
}

fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i32; N]> {
    let parts: Vec<&str> = text.split(separator).collect();
    let fits = |(part, width): (&&str, &usize)| part.len() == *width && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() != N || !parts.iter().zip(&widths).all(fits) {
        return None;
    }
    parts.iter().map(|part| part.parse().ok()).collect::<Option<Vec<_>>>()?.try_into().ok()
}
