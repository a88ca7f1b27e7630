//! Hides secrets in what others have written: log lines, answers, errors.
//!
//! What looks like a secret is one: a line that is masked too much is a nuisance, one that is masked too little is a leak. Besides
//! what shows by its form, the very values are known that a registry entry gives to its server, or names files for.

use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

/// What stands where a secret was.
pub const MASK: &str = "***";

/// Values shorter than this, in bytes, are too common to be searched for.
const SHORTEST_VALUE: usize = 6;

/// Parts of names that say that the value is a secret.
macro_rules! words {
    () => {
        "password|passwd|passphrase|passcode|pwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|client[_-]?key\
         |encryption[_-]?key|signing[_-]?key|credential|signature"
    };
}

/// The same at the end of a name, behind another word: `DB_PASS`, `OPENAI_KEY`.
macro_rules! last_words {
    () => {
        "[a-z0-9][_-](?:key|pass|pat)"
    };
}

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

/// What a check finds.
const STATUSES: [&str; 9] = ["ok", "degraded", "down", "healthy", "unhealthy", "pass", "warn", "fail", "up"];

/// Forms that show by themselves: what each has in it in small letters, the form, and what takes its place. In this order.
const FORMS: [(&str, &str, &str); 12] = [
    ("-----begin ", r"(?s)-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|$)", "-----BEGIN ***-----"),
    (
        "authorization",
        r"(?i)(\b(?:proxy-)?authorization\b[\x22'\\]*\s*[:=]\s*[\x22'\\]*\[?\s*[\x22'\\]*)[^\x22'\r\n\\]+",
        "${1}***",
    ),
    ("cookie", r"(?i)(\b(?:set-)?cookie\b[\x22'\\]*\s*[:=]\s*[\x22'\\]*\[?\s*[\x22'\\]*)[^\x22'\r\n\\]+", "${1}***"),
    // A password with a slash in it; what is a number up to there is a port.
    (
        "://",
        r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@\[]*):[^\s/@\x22'<>]*[^\s/@0-9\x22'<>][^\s/@\x22'<>]*/[^\s@\x22'<>]*@",
        "${1}:***@",
    ),
    ("://", r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/]+@", "${1}:***@"),
    ("://", r"(?i)(\b[a-z][a-z0-9+.-]*://)[^\s/:@]{12,}@", "${1}***@"),
    // Whoever knows these addresses may write there.
    ("hooks.slack.com", r"(?i)(\bhooks\.slack\.com/[a-z]+/)[^\s\x22'<>\\]+", "${1}***"),
    ("api.telegram.org", r"(?i)(\bapi\.telegram\.org/(?:file/)?bot[0-9]*)(?::|%3a)[a-z0-9_-]+", "${1}:***"),
    ("-", concat!(r"(?i)((?:^|[\s\x22'=\[,(])--?[a-z0-9_-]*(?:", words!(), r")\s+)[^\s\x22'-][^\s\x22',\]]*"), "${1}***"),
    // The same as a list of words.
    (
        "-",
        concat!(
            r"(?i)((?:^|[\s\x22'=\[,(\\])--?[a-z0-9_-]*(?:",
            words!(),
            r")[\x22'\\]+\s*,\s*[\x22'\\]+)[^\s\x22'\\-][^\x22'\\]*"
        ),
        "${1}***",
    ),
    // A name and its value, each behind a name of its own.
    (
        "value",
        concat!(
            r"(?i)(\x22(?:name|key)\\?\x22\s*:\s*\\?\x22[^\x22\\]*(?:",
            words!(),
            "|",
            last_words!(),
            r")[^\x22\\]*\\?\x22\s*,\s*",
            r"\\?\x22value\\?\x22\s*:\s*\\?\x22)(?:[^\x22\\]|\\.)*",
        ),
        "${1}***",
    ),
    (
        "value",
        concat!(
            r"(?i)(\x22value\x22\s*:\s*\x22)(?:[^\x22\\]|\\.)*(\x22\s*,\s*\x22(?:name|key)\x22\s*:\s*\x22[^\x22\\]*(?:",
            words!(),
            "|",
            last_words!(),
            r"))",
        ),
        "${1}***${2}",
    ),
];

/// Keys and tokens whose makers have given them a form.
const KNOWN: &str = concat!(
    r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}",
    r"|\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{16}\b",
    r"|\bAIza[A-Za-z0-9_-]{30,}",
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_[A-Za-z0-9_]{20,}",
    r"|\b(?:sk|pk|rk)[-_](?:proj-|ant-|live_|test_|svcacct-|or-)?[A-Za-z0-9_-]{16,}",
    r"|\bglpat-[A-Za-z0-9_-]{16,}|\bhf_[A-Za-z0-9]{16,}|\bxox[abeoprs]-[A-Za-z0-9-]{8,}|\bnpm_[A-Za-z0-9]{20,}",
    r"|\bpypi-[A-Za-z0-9_-]{16,}|\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|\bdop_v1_[a-f0-9]{32,}|\bya29\.[A-Za-z0-9_-]{16,}",
);

/// Credentials after the name of their scheme.
const SCHEME: &str = r"(?i)\b(bearer|basic|digest|token)(\s+)([a-z0-9._~+/=-]{8,})";

/// `name=value`, `name: value`, `"name": "value"`, `"name": ["value"]`, `name%3Dvalue` and `--name value`, where the name says that the
/// value is a secret.
const NAMED: &str = concat!(
    r"(?i)(?<name>[a-z0-9_.-]*(?:",
    words!(),
    r")[a-z0-9_.-]*",
    r"|\b[a-z0-9_.-]*",
    last_words!(),
    r"\b",
    r"|\b(?:key|auth|sig|pass|pat|sid|session|sessionid|pin)\b)",
    r"(?<between>[\x22'\\]*\s*(?::=|=>|->|=|:|%3d|%3a)\s*|[\x22']?\s+(?:is|was)\s+|\s+[\x22'])",
    r"(?<value>\\\x22.*?(?:\\\x22|$)|[bru]{0,2}\x22(?:[^\x22\\]|\\.)*(?:\x22|$)|[bru]{0,2}'[^']*(?:'|$)|\[[^\]]*\]?",
    r"|[^\s&;,\x22'<>)\]}]+)",
);

/// What colours the words on a terminal, as it is or as it is written in JSON.
const COLOUR: &str = r"(?:\x1b|\\u001[bB]|\\x1[bB]|\\u\{1b\})\[[0-9;]*[A-Za-z]";

#[expect(clippy::expect_used, reason = "the patterns are part of the program, and a test compiles them")]
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern")
}

static FORMED: LazyLock<Vec<(&str, Regex, &str)>> =
    LazyLock::new(|| FORMS.iter().map(|(has, pattern, instead)| (*has, compiled(pattern), *instead)).collect());
static COLOURS: LazyLock<Regex> = LazyLock::new(|| compiled(COLOUR));
static KNOWN_FORM: LazyLock<Regex> = LazyLock::new(|| compiled(KNOWN));
static SCHEME_FORM: LazyLock<Regex> = LazyLock::new(|| compiled(SCHEME));
static NAMED_FORM: LazyLock<Regex> = LazyLock::new(|| compiled(NAMED));
static KEY_MATERIAL: LazyLock<Regex> = LazyLock::new(|| compiled(r"^\s*[A-Za-z0-9+/]{40,}={0,2}\s*$"));
static HEXADECIMAL: LazyLock<Regex> = LazyLock::new(|| compiled(r"^\s*[0-9a-fA-F]+\s*$"));

/// Hides secrets, of which some are known.
#[derive(Clone, Default)]
pub struct Mask {
    /// The longest first, so that none is found within another.
    values: Vec<String>,
}

impl Mask {
    /// Hides these too.
    pub fn of(values: impl IntoIterator<Item = String>) -> Self {
        let trimmed = values.into_iter().map(|value| value.trim().to_owned());
        let mut values: Vec<_> = trimmed.filter(|value| value.len() >= SHORTEST_VALUE && !is_common(value)).collect();
        values.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        values.dedup();
        Self { values }
    }

    /// These, and more of them.
    #[must_use]
    pub fn and(&self, more: impl IntoIterator<Item = String>) -> Self {
        Self::of(self.values.iter().cloned().chain(more))
    }

    /// Whether a word, such as the name of a check, has nothing in it that any form could fit; most have nothing.
    pub fn is_plain(&self, word: &str) -> bool {
        // The shortest form of a key has eleven characters, with numbers or capitals among them.
        let is_word = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let is_short = word.len() <= 10 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte));
        (is_word && word.len() <= 64 || is_short) && !self.values.iter().any(|value| word.contains(value))
    }

    /// One text, which may have several lines. Its colours go where they would hide a secret.
    pub fn text(&self, text: &str) -> String {
        if text.contains('[') && COLOURS.is_match(text) {
            let plain = COLOURS.replace_all(text, "");
            let masked = self.hidden(&plain);
            if masked != plain {
                return masked;
            }
        }
        self.hidden(text)
    }

    fn hidden(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for value in &self.values {
            if masked.contains(value) {
                masked = masked.replace(value, MASK);
            }
        }
        // To look for what there can be costs little, and most texts have none of it.
        let small = masked.to_ascii_lowercase();
        for (_, pattern, instead) in FORMED.iter().filter(|(has, ..)| small.contains(has)) {
            masked = replaced(pattern, &masked, instead);
        }
        masked = SCHEME_FORM.replace_all(&masked, credentials).into_owned();
        masked = replaced(&KNOWN_FORM, &masked, MASK);
        NAMED_FORM.replace_all(&masked, hidden).into_owned()
    }

    /// Lines of a log, in order; a key may stand on several of them.
    pub fn lines<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut masked: Vec<String> = Vec::new();
        let mut inside = false;
        for line in lines {
            let begins = line.contains("-----BEGIN ");
            let ends = line.contains("-----END ");
            if ends && !inside && !begins {
                // It began before the first line that was read.
                masked.iter_mut().rev().take_while(|line| KEY_MATERIAL.is_match(line)).for_each(|line| MASK.clone_into(line));
            }
            masked.push(if inside || ends || is_key_material(line) { MASK.to_owned() } else { self.text(line) });
            inside = (inside || begins) && !ends;
        }
        masked
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} values)", self.values.len())
    }
}

fn replaced(pattern: &Regex, text: &str, instead: &str) -> String {
    pattern.replace_all(text, instead).into_owned()
}

/// A word of a sentence ("token validation") has neither digits nor capitals in it.
fn credentials(found: &Captures<'_>) -> String {
    let (scheme, space, value) = (&found[1], &found[2], &found[3]);
    let is_word = value.chars().skip(1).all(|character| !character.is_ascii_digit() && !character.is_ascii_uppercase());
    format!("{scheme}{space}{}", if is_word { value } else { MASK })
}

/// The value goes, its quotes stay. A number of tokens is no secret.
fn hidden(found: &Captures<'_>) -> String {
    let part = |name: &str| found.name(name).map_or("", |part| part.as_str());
    let (name, between, value) = (part("name"), part("between"), part("value"));
    let small = name.to_ascii_lowercase().replace('-', "_");
    let is_number = |byte: u8| byte.is_ascii_digit() || b"[], ".contains(&byte);
    let counts = small.ends_with("tokens") && value.bytes().all(is_number);
    let is_empty = value.starts_with('[') && value.bytes().all(|byte| b"[] \r\n\t".contains(&byte));
    let is_open = OPEN_KEYS.iter().any(|open| small.ends_with(open));
    // The name of a check, and what it has found.
    let is_status = STATUSES.contains(&value.trim_matches(['"', '\\', '\'']));
    if counts || is_empty || is_open || is_status || ["null", "true", "false", "none", "value", MASK].contains(&value) {
        return format!("{name}{between}{value}");
    }
    if value.starts_with('[') {
        return format!("{name}{between}[{MASK}]");
    }
    // Python's b'...'.
    let bare = value.trim_start_matches(['b', 'r', 'u', 'B', 'R', 'U']);
    let quote = ["\\\"", "\"", "'"].into_iter().find(|quote| bare.starts_with(quote));
    let prefix = quote.map_or("", |_| &value[..value.len() - bare.len()]);
    let quote = quote.unwrap_or_default();
    format!("{name}{between}{prefix}{quote}{MASK}{quote}")
}

/// A whole line of base64, as in the middle of a key. Digests are hexadecimal.
fn is_key_material(line: &str) -> bool {
    let length = line.trim().len();
    (length == 64 || length == 76) && KEY_MATERIAL.is_match(line) && !HEXADECIMAL.is_match(line)
}

/// Values that are in many environments and hide nothing.
fn is_common(value: &str) -> bool {
    const WORDS: [&str; 8] = ["production", "development", "staging", "localhost", "127.0.0.1", "0.0.0.0", "disabled", "enabled"];
    WORDS.contains(&value.to_ascii_lowercase().as_str()) || value == MASK
}

#[cfg(test)]
mod tests;
