//! An object behind a secret's name: of its fields, those that only describe stay.

use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

use super::hidden;
use super::open::is_open;

/// What is said of a secret, or of the check of one.
const DESCRIBING: [&str; 34] = [
    "status",
    "state",
    "type",
    "kind",
    "mode",
    "name",
    "level",
    "msg",
    "message",
    "description",
    "title",
    "reason",
    "error",
    "output",
    "time",
    "timestamp",
    "observed_at",
    "observedunit",
    "componenttype",
    "componentid",
    "unit",
    "path",
    "file",
    "provider",
    "source",
    "issuer",
    "version",
    "model",
    "algorithm",
    "alg",
    "created_at",
    "expires_at",
    "updated_at",
    "last_checked",
];

#[expect(clippy::expect_used, reason = "the pattern is part of the program, and a test compiles it")]
static FIELD: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = concat!(
        r"(?<key>[A-Za-z0-9_.-]+)(?<between>[\x22'\\]*\s*(?:=>|:|=)\s*)",
        r"(?<value>\\\x22.*?(?:\\\x22|$)|\x22(?:[^\x22\\]|\\.)*(?:\x22|$)|'[^']*(?:'|$)|\[[^\]]*\]?|[^\s,{}\[\]\x22'\\]+)",
    );
    Regex::new(pattern).expect("a pattern")
});

/// Its name, what stands between, and the object.
pub(super) fn object(found: &Captures<'_>) -> String {
    let (name, between, fields) = (&found[1], &found[2], &found[3]);
    let shown = FIELD.replace_all(fields, |field: &Captures<'_>| {
        let (key, value) = (&field["key"], &field["value"]);
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit() || b".-+".contains(&byte));
        let describes = DESCRIBING.iter().any(|word| word.eq_ignore_ascii_case(key));
        let stays = is_number || describes || is_open(name, "", value, "");
        format!("{key}{}{}", &field["between"], if stays { value.to_owned() } else { hidden(value) })
    });
    format!("{name}{between}{shown}")
}

#[cfg(test)]
mod tests {
    use crate::shell::secrets::Mask;

    #[test]
    fn what_stands_in_an_object_behind_a_secrets_name_is_hidden() {
        for (text, expected) in [
            (r#"{"api_key":{"v":"M04secret","n":2},"b":"c"}"#, r#"{"api_key":{"v":"***","n":2},"b":"c"}"#),
            (
                r#"{"password": {"value": "a \"b", "old": ["c", "d"]}, "e": 1}"#,
                r#"{"password": {"value": "***", "old": [***]}, "e": 1}"#,
            ),
            (r#"{"secret":{"db":{"x":"M04secret"},"y":"z9"}}"#, r#"{"secret":{"db":{"x":"***"},"y":"***"}}"#),
            (r#"{"secret":{"v":"M04sec"#, r#"{"secret":{"v":"***""#),
            ("{'secret': {'v': 'M04secret'}}", "{'secret': {'v': '***'}}"),
        ] {
            assert_eq!(Mask::default().text(text), expected);
        }
    }

    #[test]
    fn what_only_describes_stays() {
        for text in [
            r#"{"checks":{"token":{"status":"ok","message":"valid until noon","age":12}}}"#,
            r#"{"auth":{"mode":"none"}}"#,
            r#"{"tokenizer":{"dir":"bert"},"primary_key":{"column":"id"}}"#,
            r#"{"secret":{},"token":{"v":null}}"#,
        ] {
            assert_eq!(Mask::default().text(text), text);
        }
    }
}
