//! From text to a value: JSON, JSON with comments and trailing commas as editors write it, or YAML.

use serde_json::Value;

/// Reads it in whichever form it is.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let text = text.trim_start_matches('\u{feff}');
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    if text.trim_start().starts_with(['{', '[', '/']) {
        let bare = without_comments(text);
        return serde_json::from_str(&bare).map_err(|error| format!("this is not valid JSON: {error}"));
    }
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| match error.without_snippet() {
        serde_saphyr::Error::MultipleDocuments { .. } => {
            "it holds several YAML documents; import each from a file of its own".to_owned()
        }
        error => format!("this is not valid YAML: {error}"),
    })
}

/// Comments and commas before a closing bracket become blanks, so that line and column stay what they are.
fn without_comments(text: &str) -> String {
    let mut bare: Vec<char> = text.chars().collect();
    let (mut at, mut comma) = (0, None);
    while at < bare.len() {
        let end = match (bare[at], bare.get(at + 1)) {
            ('"', _) => end_of_string(&bare, at),
            ('/', Some('/')) => blank(&mut bare, at, |rest| rest.iter().position(|c| *c == '\n')),
            ('/', Some('*')) => {
                blank(&mut bare, at, |rest| rest.windows(2).skip(1).position(|pair| pair == ['*', '/']).map(|end| end + 3))
            }
            _ => at + 1,
        };
        match bare[at] {
            ',' => comma = Some(at),
            ']' | '}' => {
                if let Some(comma) = comma.take() {
                    bare[comma] = ' ';
                }
            }
            c if !c.is_whitespace() => comma = None,
            _ => {}
        }
        at = end;
    }
    bare.into_iter().collect()
}

fn end_of_string(text: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn blank(text: &mut [char], from: usize, end: impl Fn(&[char]) -> Option<usize>) -> usize {
    let end = end(&text[from..]).map_or(text.len(), |length| from + length);
    for c in text[from..end].iter_mut().filter(|c| **c != '\n') {
        *c = ' ';
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn json_as_editors_write_it() {
        let text = "// servers\n{ \"a\": [1, 2, /* three */ ], \"url\": \"http://x//y, }\\\"\", }\n/* end";
        assert_eq!(parse(text), Ok(json!({ "a": [1, 2], "url": "http://x//y, }\"" })));
        assert_eq!(parse("a: [1]"), Ok(json!({ "a": [1] })));
        assert_eq!(
            parse("{ \"a\": 1,\n /**/ \"b\": , }"),
            Err("this is not valid JSON: expected value at line 2 column 14".to_owned())
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(text in r#"[/*"\\,{}\[\]a\n: -]{0,60}"#) {
            let _ = parse(&text);
        }
    }
}
