//! Finds what looks like a secret. It says of what kind and where, never what.

use std::sync::LazyLock;

use regex_lite::{Match, Regex};

use crate::Status;

/// Kinds of secrets and how they look. A key with a value behind it counts; a bare word such as `token` does not.
const PATTERNS: [(&str, &str); 8] = [
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    ("a password in a URL", r"(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@\x22]*:[^\s/@\x22*]{3,}@"),
    ("a bearer token", r"(?i)\bbearer\s+[a-z0-9._~+/-]{16,}"),
    ("a JSON Web Token", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("an access key of a cloud", r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    (
        "an API token",
        r"\b(gh[pousr]_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|glpat-[A-Za-z0-9_-]{16,})",
    ),
    ("a password", r"(?i)(password|passwd|pwd)\\?\x22?\s*[:=]\s*\\?\x22?(?<value>[^\s\x22*,;&]{3,})"),
    (
        "a key or secret",
        r"(?i)(api[_-]?key|access[_-]?key|secret|client[_-]?secret|auth[_-]?token)\\?\x22?\s*[:=]\s*\\?\x22?(?<value>[a-z0-9+/_.-]{8,})",
    ),
];

#[expect(clippy::expect_used, reason = "the patterns are part of the crate, and a test compiles them")]
static COMPILED: LazyLock<Vec<(&str, Regex)>> =
    LazyLock::new(|| PATTERNS.iter().map(|(kind, pattern)| (*kind, Regex::new(pattern).expect("a pattern"))).collect());

/// The first thing in `text` that looks like a secret: its kind, and the byte at which it begins.
pub(super) fn find(text: &str) -> Option<(&'static str, usize)> {
    COMPILED.iter().find_map(|(kind, pattern)| {
        let mut found = pattern.captures_iter(text).filter(|found| !is_status(found.name("value")));
        Some((*kind, found.next()?.get(0)?.start()))
    })
}

/// A component may be called `password`.
fn is_status(value: Option<Match<'_>>) -> bool {
    value.is_some_and(|value| Status::from_word(value.as_str()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_by_their_look() {
        let cases = [
            (r#"{"error":"cannot reach postgres://app:hunter22@db/x"}"#, "a password in a URL"),
            (r#"{"error":"401 for Bearer abcdef0123456789abcdef"}"#, "a bearer token"),
            (r#"{"metadata":{"api_key":"abcdef0123456789"}}"#, "a key or secret"),
            (r#"{"metadata":{"password":"hunter2"}}"#, "a password"),
            (r#"{"error":"login failed: password=hunter2"}"#, "a password"),
            (r#"{"x":"AKIAIOSFODNN7EXAMPLE"}"#, "an access key of a cloud"),
            (r#"{"x":"-----BEGIN RSA PRIVATE KEY-----"}"#, "a private key"),
            (r#"{"x":"ghp_abcdefghijklmnopqrstuvwxyz0123456789"}"#, "an API token"),
            (r#"{"x":"eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2QT4"}"#, "a JSON Web Token"),
        ];
        for (text, kind) in cases {
            assert_eq!(find(text).map(|(kind, _)| kind), Some(kind), "{text}");
        }
    }

    #[test]
    fn what_only_speaks_of_secrets_is_none() {
        let harmless = [
            r#"{"error":"the token has expired"}"#,
            r#"{"checks":{"auth_token":"degraded","password_store":"degraded","password":"down"}}"#,
            r#"{"error":"password: ***"}"#,
            r#"{"error":"cannot reach http://user@db:5432/x"}"#,
            r#"{"metadata":{"region":"eu","commit":"0123456789abcdef0123456789abcdef01234567"}}"#,
            r#"{"error":"cannot reach postgres://app:***@db/x"}"#,
        ];
        for text in harmless {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
