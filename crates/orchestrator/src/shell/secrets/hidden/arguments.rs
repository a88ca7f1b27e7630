//! A program's arguments: `--token X`, `--token=X` and `TOKEN=X` are named, so that X is a secret whatever stands in it.

use serde_json::Value;

use super::{HIDDEN, masked};
use crate::shell::secrets::{Mask, is_secret};

/// All of them, in order.
pub(super) fn hide_arguments(arguments: &mut [Value], mask: &Mask) {
    let mut flag: Option<String> = None;
    for argument in arguments {
        let Some(text) = argument.as_str().map(str::to_owned) else { continue };
        let shown = match (flag.take(), text.split_once('=').filter(|(name, _)| is_name(name))) {
            // Another flag is no value, unless it is a value that begins like one.
            (Some(flag), _) if !text.starts_with("--") => value_of(&flag, &text, mask),
            (_, Some((name, value))) => format!("{name}={}", value_of(name, value, mask)),
            _ => masked(&text, mask),
        };
        flag = Some(text).filter(|text| text.starts_with('-') && is_name(text));
        *argument = shown.into();
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it))
}

/// A flag's name, and nothing else: `-c`, `-ec`, `--all`. Whatever is longer or has a number in it may be a flag with its value: `-phunter2`.
pub(super) fn is_flag(text: &str) -> bool {
    let is_shell = ["-ec", "-lc", "-xc", "-ic", "-euc", "-exc"].contains(&text);
    let is_short = text.len() == 2 && text.starts_with('-') && text.ends_with(|it: char| it.is_ascii_alphabetic());
    let name = text.strip_prefix("--").filter(|name| name.starts_with(|it: char| it.is_ascii_lowercase()));
    is_shell || is_short || name.is_some_and(|name| name.bytes().all(|it| it.is_ascii_lowercase() || it == b'-'))
}

/// The value, unless its name says that it is a secret: then the mask would hide at least the beginning of it.
fn value_of(name: &str, value: &str, mask: &Mask) -> String {
    let named = format!("{name}={value}");
    let own = format!("{name}={}", mask.text(value));
    let is_named = is_secret(name.trim_start_matches('-')) && !name.ends_with("tokens") && !value.contains('/');
    if mask.text(&named) == own && !is_named { masked(value, mask) } else { HIDDEN.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(mut arguments: Value) -> Value {
        hide_arguments(arguments.as_array_mut().expect("a list"), &Mask::of(["a-known-value".to_owned()]));
        arguments
    }

    #[test]
    fn a_flag_is_told_from_one_with_its_value() {
        for flag in ["-c", "-ec", "-u", "--key", "--dry-run"] {
            assert!(is_flag(flag), "{flag}");
        }
        for other in ["-", "--", "-pX", "-phunter2", "--key=x", "--key2", "--Key", "c", "", "-\u{fc}", "---"] {
            assert!(!is_flag(other), "{other}");
        }
    }

    #[test]
    fn what_a_secrets_name_announces_is_hidden_and_nothing_else() {
        for (written, expected) in [
            (json!(["--token", "ab,cd ef"]), json!(["--token", "***"])),
            (json!(["--key", "ab", "-v"]), json!(["--key", "***", "-v"])),
            (json!(["--token=ab,cd ef", "x"]), json!(["--token=***", "x"])),
            (json!(["--token", "-ab"]), json!(["--token", "***"])),
            (json!(["--token", "--verbose", "x"]), json!(["--token", "--verbose", "x"])),
            (json!(["API_KEY=abc", "MODE=fast"]), json!(["API_KEY=***", "MODE=fast"])),
            (json!(["--max-tokens", "4096", "--max-tokens=4096"]), json!(["--max-tokens", "4096", "--max-tokens=4096"])),
            (
                json!(["--url", "http://me:pw@h:1/mcp", "http://me@h/?token=a"]),
                json!(["--url", "http://***@h:1/mcp", "http://***@h/?token=***"]),
            ),
            (
                json!(["--webhook", "https://hooks.slack.com/services/T0/B0/abc", "--to=https://api.telegram.org/bot1:abc/send"]),
                json!(["--webhook", "https://hooks.slack.com/services/***", "--to=https://api.telegram.org/bot1:***/send"]),
            ),
            (
                json!(["https://discord.com/api/webhooks/123/abc-_9?wait=1"]),
                json!(["https://discord.com/api/webhooks/123/***?wait=1"]),
            ),
            (json!(["-m", "server", "--port", "8082", "/srv/a"]), json!(["-m", "server", "--port", "8082", "/srv/a"])),
            (json!(["a-known-value", "ghp_0123456789abcdefghij"]), json!(["***", "***"])),
            (json!(["-c", "export PASSWORD=abc; run"]), json!(["-c", "export PASSWORD=***; run"])),
            (json!(["--header", "Authorization: Bearer 0123456789"]), json!(["--header", "Authorization: ***"])),
        ] {
            assert_eq!(shown(written.clone()), expected, "{written}");
        }
    }
}
