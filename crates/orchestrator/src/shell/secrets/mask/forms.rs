//! The forms in which secrets stand in a text: what each looks like, and what of it stays.

use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

use super::MASK;
use super::object::object;
use super::open::counts;

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

/// A name that says so, as a whole.
macro_rules! names {
    () => {
        concat!(
            "[a-z0-9_.-]*(?:",
            words!(),
            r")[a-z0-9_.-]*|\b[a-z0-9_.-]*",
            last_words!(),
            r"\b|\b(?:key|auth|sig|pass|pat|sid|session|sessionid|pin)\b"
        )
    };
}

/// Between a flag and its value, which are two words of a line or of a list.
macro_rules! gap {
    () => {
        r"(?:\s+|[\x22'\\]+\s*,\s*[\x22'\\]+)"
    };
}

/// Somebody is asked for a secret.
macro_rules! prompt {
    () => {
        concat!(
            r"(?:(?:\b(?:enter|retype|confirm|repeat)\b|\[sudo\])[^:\r\n]*\b(?:password|passphrase|passcode|pin|secret|token)\b|(?:^|\n)\s*password\x20for\b)",
            r"[^:\r\n]*:"
        )
    };
}

/// Programs whose `-p` has the password right behind it.
const PASSWORD_BEHIND_P: &str = concat!(
    r"((?i:(?:^|[^a-z0-9_.-])(?:mysql(?:dump|admin|import|check|show|pump|binlog|slap)?|mariadb(?:-[a-z]+)?|sshpass|7z[ar]?)(?:\.exe)?)",
    r"(?:[\s\x22'\\][^\r\n|;&]*?)??[\s\x22',\[]-p)(\x22[^\x22]*\x22?|'[^']*'?|[^\s\x22'\\]+)"
);

/// Programs to which the password is a word of its own.
const PASSWORD_OF_PROGRAM: &str = concat!(
    r"((?i:(?:^|[^a-z0-9_.-])(?:(?:sshpass|mongo[a-z]*|(?:docker|podman|registry)\s+login)(?:[\s\x22'\\][^\r\n|;&]*?)??[\s\x22',\[]-p",
    r"|redis-cli(?:[\s\x22'\\][^\r\n|;&]*?)??[\s\x22',\[]-a|ldap[a-z]+(?:[\s\x22'\\][^\r\n|;&]*?)??[\s\x22',\[]-w))",
    gap!(),
    r"[\x22']?)[^\s\x22'\\-][^\s\x22'\\]*"
);

/// `-u user:password`; curl takes it without a space as well.
const USER: &str = concat!(
    r"(?i)((?:(?:^|[\s\x22'\[,(])(?:-u|--(?:proxy-)?user)(?:=|",
    gap!(),
    r")|\bcurl\b[^\r\n|;]*?\s-u)[\x22']?([^\s:\x22'\\/+-][^\s:\x22'\\/]*|)):([^\s\x22'\\]+)"
);

/// `<password>x</password>`, also with its brackets escaped; what is cut off has no end.
const ELEMENT: &str = concat!(
    r"(?is)((?:<|\\u003c|&lt;)(?:[a-z0-9_-]+:)?([a-z0-9_.-]*(?:",
    words!(),
    r")[a-z0-9_.-]*)(?:\s[^<>]*)?(?:>|\\u003e|&gt;)\s*)",
    r"(?:<!\[CDATA\[.*?(?:\]\]>|$)|([^\s<][^<]*?)(\s*(?:</|<\\/|\\u003c/|&lt;/))|[^\s<>]+(\s[^<]*)?$)",
);

/// An object behind a secret's name: `"api_key": {"v": "x"}`; what is cut off has no end.
const OBJECT: &str = concat!("(?i)(", names!(), r")([\x22'\\]*\s*(?::=|=>|=|:)\s*)(\{(?:[^{}]|\{[^{}]*\}?)*\}?)");

/// What a client answers to a challenge of this scheme, or is challenged with.
const DIGEST: &str = concat!(
    r"(?i)(\bdigest\s+)([a-z]+\s*=\s*(?:\\*\x22[^\x22\\]*(?:\\*\x22|$)|[^\s,\x22'\\]+)",
    r"(?:\s*,\s*[a-z]+\s*=\s*(?:\\*\x22[^\x22\\]*(?:\\*\x22|$)|[^\s,\x22'\\]+))*)"
);

/// A form that shows by itself.
pub(super) struct Form {
    /// One of these is in it, in small letters.
    has: &'static [&'static str],
    pattern: &'static str,
    instead: Instead,
}

enum Instead {
    Text(&'static str),
    Of(fn(&Captures<'_>) -> String),
}

const fn form(has: &'static [&'static str], pattern: &'static str, instead: &'static str) -> Form {
    Form { has, pattern, instead: Instead::Text(instead) }
}

const fn judged(has: &'static [&'static str], pattern: &'static str, instead: fn(&Captures<'_>) -> String) -> Form {
    Form { has, pattern, instead: Instead::Of(instead) }
}

/// In this order.
const FORMS: [Form; 23] = [
    form(&["-----begin "], r"(?s)-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|$)", "-----BEGIN ***-----"),
    judged(&["digest"], DIGEST, digest),
    form(
        &["authorization"],
        r"(?i)(\b(?:proxy-)?authorization\b[\x22'\\]*\s*[:=]\s*[\x22'\\]*\[?\s*[\x22'\\]*)[^\x22'\r\n\\]+",
        "${1}***",
    ),
    form(&["cookie"], r"(?i)(\b(?:set-)?cookie\b[\x22'\\]*\s*[:=]\s*[\x22'\\]*\[?\s*[\x22'\\]*)[^\x22'\r\n\\]+", "${1}***"),
    form(
        &["enter", "retype", "confirm", "repeat", "[sudo]", "password for"],
        concat!(r"(?i)(", prompt!(), r"\s*)[^\s\x22'][^\r\n]*"),
        "${1}***",
    ),
    // A password with a slash in it; what is a number up to there is a port.
    form(
        &["://"],
        r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@\[]*):[^\s/@\x22'<>]*[^\s/@0-9\x22'<>][^\s/@\x22'<>]*/[^\s@\x22'<>]*@",
        "${1}:***@",
    ),
    form(&["://"], r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/]+@", "${1}:***@"),
    form(&["://"], r"(?i)(\b[a-z][a-z0-9+.-]*://)[^\s/:@]{12,}@", "${1}***@"),
    // Whoever knows these addresses may write there.
    form(&["hooks.slack.com"], r"(?i)(\bhooks\.slack\.com/[a-z]+/)[^\s\x22'<>\\]+", "${1}***"),
    form(&["/api/webhooks/"], r"(?i)(/api/webhooks/[0-9]+/)[a-z0-9_-]+", "${1}***"),
    form(&["api.telegram.org"], r"(?i)(\bapi\.telegram\.org/(?:file/)?bot[0-9]*)(?::|%3a)[a-z0-9_-]+", "${1}:***"),
    form(&["-"], concat!(r"(?i)((?:^|[\s\x22'=\[,(])--?[a-z0-9_-]*(?:", words!(), r")\s+)[^\s\x22'-][^\s\x22',\]]*"), "${1}***"),
    // The same as a list of words.
    form(
        &["-"],
        concat!(
            r"(?i)((?:^|[\s\x22'=\[,(\\])--?[a-z0-9_-]*(?:",
            words!(),
            r")[\x22'\\]+\s*,\s*[\x22'\\]+)[^\s\x22'\\-][^\x22'\\]*"
        ),
        "${1}***",
    ),
    judged(&["-u", "--user", "--proxy-user"], USER, user),
    judged(&["mysql", "mariadb", "sshpass", "7z"], PASSWORD_BEHIND_P, password_or_port),
    form(&["sshpass", "mongo", "login", "redis-cli", "ldap"], PASSWORD_OF_PROGRAM, "${1}***"),
    // A name and its value, each behind a name of its own.
    form(
        &["value"],
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
    form(
        &["value"],
        concat!(
            r"(?i)(\x22value\x22\s*:\s*\x22)(?:[^\x22\\]|\\.)*(\x22\s*,\s*\x22(?:name|key)\x22\s*:\s*\x22[^\x22\\]*(?:",
            words!(),
            "|",
            last_words!(),
            r"))",
        ),
        "${1}***${2}",
    ),
    // The same as attributes, and as lines of YAML.
    form(
        &["value"],
        concat!(
            r"(?i)(\b(?:name|key|id)\s*=\s*\\?[\x22'][^\x22'\\]*(?:",
            words!(),
            "|",
            last_words!(),
            r")[^\x22'\\]*\\?[\x22'](?:\s+[a-z:]+=\\?[\x22'][^\x22'\\]*\\?[\x22'])*\s+value\s*=\s*\\?[\x22'])[^\x22'\\]*",
        ),
        "${1}***",
    ),
    form(
        &["value"],
        concat!(
            r"(?i)(\bvalue\s*=\s*\\?[\x22'])[^\x22'\\]*(\\?[\x22']\s+(?:name|key|id)\s*=\s*\\?[\x22'][^\x22'\\]*(?:",
            words!(),
            "|",
            last_words!(),
            r"))",
        ),
        "${1}***${2}",
    ),
    form(
        &["value"],
        concat!(
            r"(?i)(\b(?:name|key):[\x20\t]*[\x22']?[^\s\x22']*(?:",
            words!(),
            "|",
            last_words!(),
            r")[^\s\x22']*[\x22']?[\x20\t]*\r?\n\s*value:[\x20\t]*)[^\s][^\r\n]*",
        ),
        "${1}***",
    ),
    judged(&["<", "\\u003c", "&lt;"], ELEMENT, element),
    judged(&[":{", ": {", "={", "= {", ">{", "> {"], OBJECT, object),
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

/// `name=value`, `name: value`, `"name": "value"`, `"name": ["value"]`, `name%3Dvalue`, `--name value` and in YAML a list or a block
/// below its name, where the name says that the value is a secret.
const NAMED: &str = concat!(
    "(?i)(?<name>",
    names!(),
    ")",
    r"(?<between>[\x22'\\]*\s*(?::=|=>|->|=|:|%3d|%3a)\s*(?:[|>][+-]?\s+|-\s+)?|[\x22']?\s+(?:is|was)\s+|\s+[\x22'])",
    r"(?<value>\\\x22.*?(?:\\\x22|$)|[bru]{0,2}\x22(?:[^\x22\\]|\\.)*(?:\x22|$)|[bru]{0,2}'[^']*(?:'|$)|\[[^\]]*\]?",
    r"|[^\s&;,\x22'<>)\]}]+)",
);

/// The end of a line behind which, on the next one, a secret may stand.
const UNFINISHED: &str = concat!(
    "(?i)(?:(?:",
    names!(),
    r")[\x22'\\]*\s*(?::=|=>|->|=|:)\s*(?:\[|[|>][+-]?)?",
    r"|(?:^|[\s\x22'=\[,(])--?[a-z0-9_-]*(?:",
    words!(),
    r")[\x22'\\]*\s*,?",
    r"|\b(?:name|key)[\x22'\\]*\s*:\s*[\x22'\\]*[^\s\x22']*(?:",
    words!(),
    "|",
    last_words!(),
    r")[^\s\x22']*\s*,?|",
    prompt!(),
    r")[\x22'\\]*\s*,?\s*$",
);

/// What colours the words on a terminal, as it is or as it is written in JSON.
const COLOUR: &str = r"(?:\x1b|\\u001[bB]|\\x1[bB]|\\u\{1b\})\[[0-9;]*[A-Za-z]";

#[expect(clippy::expect_used, reason = "the patterns are part of the program, and a test compiles them")]
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern")
}

static FORMED: LazyLock<Vec<(Form, Regex)>> =
    LazyLock::new(|| FORMS.into_iter().map(|form| (compiled(form.pattern), form)).map(|(regex, form)| (form, regex)).collect());
pub(super) static COLOURS: LazyLock<Regex> = LazyLock::new(|| compiled(COLOUR));
pub(super) static KNOWN_FORM: LazyLock<Regex> = LazyLock::new(|| compiled(KNOWN));
pub(super) static SCHEME_FORM: LazyLock<Regex> = LazyLock::new(|| compiled(SCHEME));
pub(super) static NAMED_FORM: LazyLock<Regex> = LazyLock::new(|| compiled(NAMED));
pub(super) static UNFINISHED_LINE: LazyLock<Regex> = LazyLock::new(|| compiled(UNFINISHED));
pub(super) static SECRET_NAME: LazyLock<Regex> = LazyLock::new(|| compiled(concat!("(?i)^(?:", names!(), ")$")));
pub(super) static KEY_MATERIAL: LazyLock<Regex> = LazyLock::new(|| compiled(r"^\s*[A-Za-z0-9+/]{40,}={0,2}\s*$"));
pub(super) static HEXADECIMAL: LazyLock<Regex> = LazyLock::new(|| compiled(r"^\s*[0-9a-fA-F]+\s*$"));

/// The text without what shows by its form.
pub(super) fn formless(text: String) -> String {
    // To look for what there can be costs little, and most texts have none of it.
    let small = text.to_ascii_lowercase();
    let found = FORMED.iter().filter(|(form, _)| form.has.iter().any(|has| small.contains(has)));
    found.fold(text, |text, (form, pattern)| match form.instead {
        Instead::Text(instead) => pattern.replace_all(&text, instead).into_owned(),
        Instead::Of(instead) => pattern.replace_all(&text, instead).into_owned(),
    })
}

/// A challenge has no secret in it, an answer has.
fn digest(found: &Captures<'_>) -> String {
    let is_answer = found[2].to_ascii_lowercase().contains("response");
    if is_answer { format!("{}{MASK}", &found[1]) } else { found[0].to_owned() }
}

/// `1000:1000` are a user's number and a group's; what goes on with two slashes is a URL.
fn user(found: &Captures<'_>) -> String {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let (before, name, password) = (&found[1], &found[2], &found[3]);
    let stays = is_number(name) && is_number(password) || password.starts_with("//") || password == MASK;
    if stays { found[0].to_owned() } else { format!("{before}:{MASK}") }
}

/// `-p127.0.0.1:3306:3306/tcp` publishes a port.
fn password_or_port(found: &Captures<'_>) -> String {
    let (before, value) = (&found[1], &found[2]);
    let ports = value.trim_end_matches("/tcp").trim_end_matches("/udp");
    let is_port = ports.contains(':') && ports.bytes().all(|byte| byte.is_ascii_digit() || b".:-".contains(&byte));
    let quote = ["\"", "'"].into_iter().find(|quote| value.starts_with(quote)).unwrap_or_default();
    if is_port { found[0].to_owned() } else { format!("{before}{quote}{MASK}{quote}") }
}

/// A name in angle brackets with a blank behind it stands for a value, unless it is closed: that is how usages are written.
fn element(found: &Captures<'_>) -> String {
    let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
    let is_cut = found.get(3).is_none() && !found[0].contains("<![");
    let is_usage = is_cut && part(1).ends_with(char::is_whitespace);
    if is_usage || counts(part(2), part(3)) { found[0].to_owned() } else { format!("{}{MASK}{}{}", part(1), part(4), part(5)) }
}
