//! What is named as a secret is, and is none: counts, states, and words that only begin alike.

use super::MASK;
use super::forms::SECRET_NAME;

/// Names behind which something ends in such a word, and nothing is secret.
const OPEN_KEYS: [&str; 10] = [
    "primary_key",
    "foreign_key",
    "public_key",
    "host_key",
    "sort_key",
    "partition_key",
    "cache_key",
    "routing_key",
    "unique_key",
    "object_key",
];

/// Words in which another one is found.
const OTHER_WORDS: [&str; 7] =
    ["secretary", "secretaries", "secretariat", "passwordless", "tokenizers", "tokenizer", "tokenization"];

/// What a check finds, and what is said of a secret that is not there or not right.
const STATES: [&str; 41] = [
    "ok",
    "degraded",
    "down",
    "healthy",
    "unhealthy",
    "pass",
    "passed",
    "warn",
    "fail",
    "failed",
    "up",
    "required",
    "optional",
    "missing",
    "absent",
    "present",
    "empty",
    "unset",
    "set",
    "not",
    "no",
    "valid",
    "invalid",
    "incorrect",
    "wrong",
    "malformed",
    "expired",
    "revoked",
    "rejected",
    "refused",
    "denied",
    "unknown",
    "unsupported",
    "enabled",
    "disabled",
    "too",
    "null",
    "true",
    "false",
    "none",
    "value",
];

/// The end of a name that says how many, how long or until when.
const MEASURES: [&str; 17] = [
    "tokens",
    "_count",
    "_counts",
    "_length",
    "_len",
    "_size",
    "_total",
    "_ttl",
    "_age",
    "_used",
    "_limit",
    "_remaining",
    "_seconds",
    "_expiry",
    "_expires",
    "_expires_in",
    "_expires_at",
];

/// What follows a number that counts.
const COUNTED: [&str; 8] = ["remaining", "left", "used", "available", "of", "per", "failed", "passed"];

/// More digits than this are a code that somebody has been sent.
const COUNT_DIGITS: usize = 3;

/// Whether a value says nothing, whoever looks at it. `between` stands between it and its name, `after` follows it.
pub(super) fn is_open(name: &str, between: &str, value: &str, after: &str) -> bool {
    let small = name.to_ascii_lowercase().replace('-', "_");
    let is_empty =
        value.bytes().all(|byte| b"[{(|>+- \r\n\t".contains(&byte)) || value.bytes().all(|byte| b"[] \r\n\t".contains(&byte));
    is_empty
        || value == MASK
        || is_other(name)
        || OPEN_KEYS.iter().any(|open| small.ends_with(open))
        || is_state(value)
        || counts(name, value)
        || counts_something(&small, value, after)
        || is_key(between, value)
        || small == "key" && names_a_value(between, after)
}

/// Whether a value is a number, and its name says of what.
pub(super) fn counts(name: &str, value: &str) -> bool {
    let small = name.to_ascii_lowercase().replace('-', "_");
    MEASURES.iter().any(|measure| small.ends_with(measure))
        && value.bytes().all(|byte| byte.is_ascii_digit() || b"[], ".contains(&byte))
}

/// `secretary: Bob`.
fn is_other(name: &str) -> bool {
    let small = name.to_ascii_lowercase();
    let rest = OTHER_WORDS.iter().fold(small.clone(), |name, word| name.replace(word, "_"));
    rest != small && !SECRET_NAME.is_match(&rest)
}

fn is_state(value: &str) -> bool {
    let word = value.trim_matches(['"', '\\', '\'', '.', '!']);
    STATES.iter().any(|state| state.eq_ignore_ascii_case(word))
}

/// `pass=1 fail=0`, `token: 5 remaining`, `killed by sig=9`.
fn counts_something(name: &str, value: &str, after: &str) -> bool {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let next = after.trim_start_matches([' ', '/']).split(|it: char| !it.is_ascii_alphabetic()).next().unwrap_or_default();
    let is_counted = COUNTED.contains(&next) && name.ends_with("token");
    is_number && (is_counted || ["pass", "sig"].contains(&name) && value.len() <= COUNT_DIGITS)
}

/// `auth: token: x`, and in YAML what stands below a name.
fn is_key(between: &str, value: &str) -> bool {
    let Some(key) = value.strip_suffix(':') else { return false };
    let is_word = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic() || b"_-".contains(&byte));
    is_word && (between.contains('\n') || SECRET_NAME.is_match(key))
}

/// `key="LogLevel" value="debug"`, and the same as a list of JSON's members.
fn names_a_value(between: &str, after: &str) -> bool {
    let after = after.trim_start();
    let next = after.strip_prefix(',').map_or(after, |next| next.trim_start().trim_start_matches(['"', '\\']));
    let behind = next.strip_prefix("value").map(|behind| behind.trim_start_matches(['"', '\\', ' ']));
    between.contains([':', '=']) && behind.is_some_and(|behind| behind.starts_with([':', '=']))
}
