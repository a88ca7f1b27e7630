//! What a text means that JSON, a program's source or a URL has escaped, and where each of its characters stands.

use std::ops::Range;

/// A text without its escapes.
pub(super) struct Plain {
    text: String,
    /// Where each byte came from, and at last where the end did.
    from: Vec<usize>,
}

/// What an escape stands for, and how long it is.
type Escape = fn(&str) -> Option<(String, usize)>;

/// Without those that begin with a backslash; `None`: there is none.
pub(super) fn of_json(text: &str) -> Option<Plain> {
    Plain::of(text, '\\', backslash)
}

/// Without those that begin with a percent sign.
pub(super) fn of_url(text: &str) -> Option<Plain> {
    Plain::of(text, '%', percent)
}

impl Plain {
    fn of(text: &str, sign: char, escape: Escape) -> Option<Self> {
        let mut plain = Self { text: String::with_capacity(text.len()), from: Vec::with_capacity(text.len() + 1) };
        let (mut at, mut any) = (0, false);
        while let Some(next) = text[at..].find(sign) {
            plain.push(&text[at..at + next], at..at + next);
            at += next;
            let found = escape(&text[at..]);
            any |= found.is_some();
            let (meant, length) = found.unwrap_or_else(|| (sign.to_string(), 1));
            plain.push(&meant, std::iter::repeat_n(at, meant.len()));
            at += length;
        }
        plain.push(&text[at..], at..=text.len());
        any.then_some(plain)
    }

    fn push(&mut self, text: &str, from: impl IntoIterator<Item = usize>) {
        self.text.push_str(text);
        self.from.extend(from);
    }

    /// Without what is escaped once more.
    pub(super) fn then(&self, of: fn(&str) -> Option<Self>) -> Option<Self> {
        let Self { text, from } = of(&self.text)?;
        Some(Self { text, from: from.into_iter().map(|at| self.from[at]).collect() })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where a part of it stood.
    pub(super) fn source(&self, part: Range<usize>) -> Range<usize> {
        self.from[part.start]..self.from[part.end]
    }
}

/// Also of other languages, and JSON's own for what lies beyond 16 bits.
fn backslash(text: &str) -> Option<(String, usize)> {
    let meant = match text.as_bytes().get(1)? {
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        escaped @ (b'"' | b'\\' | b'/' | b'\'') => char::from(*escaped),
        b'u' => return unicode(text),
        _ => return None,
    };
    Some((meant.to_string(), 2))
}

fn unicode(text: &str) -> Option<(String, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        digits.bytes().all(|it| it.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let first = unit(0)?;
    if let Ok(meant) = String::from_utf16(&[first]) {
        return Some((meant, 6));
    }
    Some((String::from_utf16(&[first, unit(6)?]).ok()?, 12))
}

/// One character, of up to four bytes.
fn percent(text: &str) -> Option<(String, usize)> {
    let mut bytes = Vec::new();
    for at in (0..12).step_by(3) {
        let digits = text.get(at..)?.strip_prefix('%')?.get(..2)?;
        if !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        if let Ok(meant) = std::str::from_utf8(&bytes) {
            return Some((meant.to_owned(), at + 3));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_mean_what_was_written_and_each_stands_where_it_stood() {
        let json = of_json(r#"a\"b\/\u00e9\ud83d\ude00\\n\x"#).expect("escapes");
        assert_eq!(json.text(), "a\"b/é😀\\n\\x");
        let at = json.text().find('😀').expect("it is there");
        assert_eq!(json.source(at..at + 4), 12..24);
        assert_eq!(json.source(0..json.text().len()), 0..29);
        let url = of_url("a%2Fb%c3%a9%zz%").expect("escapes");
        assert_eq!(url.text(), "a/bé%zz%");
        assert_eq!(url.source(1..2), 1..4);
        assert_eq!(json.then(of_url).map(|plain| plain.text), None);
        assert_eq!(of_json(r"\\u0022").and_then(|json| json.then(of_json)).map(|plain| plain.text), Some("\"".to_owned()));
        assert!(of_json(r"\x \ud83d \u00e").is_none() && of_url("100 %").is_none() && of_json("plain").is_none());
    }
}
