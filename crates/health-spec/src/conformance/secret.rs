//! Finds what looks like a secret. It says of what kind and where, never what.
//!
//! It looks at every text of a body as it is meant, without its escapes. Where it is not sure it says nothing: a gate that cries
//! wolf is switched off.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::Value;

use crate::Status;

/// Kinds of secrets that show by themselves.
const PATTERNS: [(&str, &str); 7] = [
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    ("a password in a URL", r"(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@]*:(?<value>[^\s/@]{3,})@"),
    ("credentials", r"(?i)\b(bearer|basic)\s+(?<value>[a-z0-9._~+/=-]{16,})"),
    ("a JSON Web Token", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("an access key of a cloud", r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{35}\b"),
    (
        "an API token",
        r"\b(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|sk-(proj-|ant-)?[A-Za-z0-9]{20,}|sk_live_[A-Za-z0-9]{16,}|hf_[A-Za-z0-9]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|glpat-[A-Za-z0-9_-]{16,})",
    ),
    (
        "a password",
        r"(?i)\b(password|passwd|passphrase|pwd|secret|api_?key|access_?key|private_?key|access_?token|refresh_?token|auth_?token)\s*=\s*(?<value>[^\s&;,]{3,})",
    ),
];

/// Names of fields whose text is a secret, unless it plainly is none; without case, `-` and `_`.
const NAMES: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "clientsecret",
    "secretkey",
    "apikey",
    "accesskey",
    "privatekey",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "bearertoken",
];

#[expect(clippy::expect_used, reason = "the patterns are part of the crate, and a test compiles them")]
static COMPILED: LazyLock<Vec<(&str, Regex)>> =
    LazyLock::new(|| PATTERNS.iter().map(|(kind, pattern)| (*kind, Regex::new(pattern).expect("a pattern"))).collect());

/// The first thing in a body that looks like a secret: its kind, and where it is.
pub(super) fn find(body: &[u8]) -> Option<(&'static str, String)> {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => in_value(&value, ""),
        Err(_) => in_text(&String::from_utf8_lossy(body)).map(|kind| (kind, "the body".to_owned())),
    }
}

/// The depth is `serde_json`'s own limit at most.
fn in_value(value: &Value, path: &str) -> Option<(&'static str, String)> {
    match value {
        Value::String(text) => in_text(text).map(|kind| (kind, path.to_owned())),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| in_value(item, &format!("{path}/{index}"))),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| in_field(name, value, &format!("{path}/{name}"))),
        _ => None,
    }
}

fn in_field(name: &str, value: &Value, path: &str) -> Option<(&'static str, String)> {
    let plain: String = name.to_ascii_lowercase().chars().filter(|c| !matches!(c, '-' | '_')).collect();
    let named = NAMES.contains(&plain.as_str());
    match value {
        Value::String(text) if named && is_secret(text) => Some(("a password or key", path.to_owned())),
        _ => in_text(name).map(|kind| (kind, path.to_owned())).or_else(|| in_value(value, path)),
    }
}

fn in_text(text: &str) -> Option<&'static str> {
    COMPILED.iter().find_map(|(kind, pattern)| {
        let real = |found: regex_lite::Captures<'_>| found.name("value").is_none_or(|value| is_secret(value.as_str()));
        pattern.captures_iter(text).any(real).then_some(*kind)
    })
}

/// Not a status, a mask, a path or a remark about a secret.
fn is_secret(text: &str) -> bool {
    let remarks = [
        "configured",
        "required",
        "missing",
        "unset",
        "none",
        "null",
        "true",
        "false",
        "redacted",
        "hidden",
        "expired",
        "invalid",
    ];
    let bare = text.trim_matches(['[', ']', '<', '>', '(', ')', '"', '\'']);
    let masked = bare.chars().all(|c| matches!(c, '*' | 'x' | 'X' | '.' | '\u{2022}'));
    let remark = Status::from_word(bare).is_some() || remarks.contains(&bare.to_ascii_lowercase().as_str());
    bare.chars().count() >= 5
        && !masked
        && !remark
        && !bare.contains('*')
        && !text.contains(char::is_whitespace)
        && !bare.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_by_their_look_and_by_their_name() {
        let cases = [
            (r#"{"error":"cannot reach postgres://app:hunter22@db/x"}"#, "a password in a URL", "/error"),
            (r#"{"error":"cannot reach postgres:\/\/app:hunter22@db\/x"}"#, "a password in a URL", "/error"),
            (r#"{"error":"401 for Bearer abcdef0123456789abcdef"}"#, "credentials", "/error"),
            (r#"{"error":"Authorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l"}"#, "credentials", "/error"),
            (r#"{"metadata":{"api_key":"abcdef0123456789"}}"#, "a password or key", "/metadata/api_key"),
            (r#"{"metadata":{"db":[{"pass\u0077ord":"hunter2"}]}}"#, "a password or key", "/metadata/db/0/password"),
            (r#"{"error":"login failed: password=hunter2"}"#, "a password", "/error"),
            (r#"{"x":"AKIAIOSFODNN7EXAMPLE"}"#, "an access key of a cloud", "/x"),
            (r#"{"x":"-----BEGIN RSA PRIVATE KEY-----"}"#, "a private key", "/x"),
            (r#"{"x":"ghp_abcdefghijklmnopqrstuvwxyz0123456789"}"#, "an API token", "/x"),
            (r#"{"x":"eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2QT4"}"#, "a JSON Web Token", "/x"),
            ("not JSON: password=hunter2", "a password", "the body"),
        ];
        for (text, kind, place) in cases {
            assert_eq!(find(text.as_bytes()), Some((kind, place.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_only_speaks_of_secrets_is_none() {
        let harmless = [
            r#"{"error":"the token has expired"}"#,
            r#"{"checks":{"auth_token":"degraded","password_store":"degraded","password":"down","secret":"ok"}}"#,
            r#"{"error":"password: ***"}"#,
            r#"{"error":"password: required"}"#,
            r#"{"error":"missing secret: database_url is not set"}"#,
            r#"{"error":"cannot reach http://user@db:5432/x"}"#,
            r#"{"metadata":{"region":"eu","commit":"0123456789abcdef0123456789abcdef01234567"}}"#,
            r#"{"error":"cannot reach postgres://app:***@db/x"}"#,
            r#"{"error":"cannot reach postgres://app:xxxxx@db/x"}"#,
            r#"{"metadata":{"password":null,"passwd":false,"pwd":"/srv/app","api_key":"configured","secret":"[REDACTED]"}}"#,
            r#"{"metadata":{"model":"sk-tokenizer-base-uncased-v2"}}"#,
        ];
        for text in harmless {
            assert_eq!(find(text.as_bytes()), None, "{text}");
        }
    }
}
