//! Bytes of strangers as text that can be shown: nothing steers a terminal, nothing is endless.

use std::fmt::Write;

pub mod ending;

/// The most of one line, in bytes.
pub const LINE_BYTES: usize = 512;

/// So much of what a stranger says in one breath is looked at: four times what is shown, since hiding secrets makes it shorter.
const LOOKED_AT_BYTES: usize = 2 * 1024;

/// As much of a message as anybody looks at. Of what it says in more than that nothing is ever copied, searched or kept.
pub fn looked_at(text: &str) -> String {
    beginning(text, LOOKED_AT_BYTES).to_owned()
}

/// Bytes as text: what is no UTF-8 becomes `\xNN`.
pub fn decoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Control characters become escapes such as `\n` and `\u{1b}`, those that turn the direction of text too.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// At most so many bytes, and how many are missing.
pub fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let kept = beginning(text, most);
    format!("{kept}… (+{} bytes)", text.len() - kept.len())
}

/// The whole characters in the first so many bytes.
pub fn beginning(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        for (bytes, expected) in [
            (&b"plain"[..], "plain"),
            (b"\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            (b"a\tb\r\nc", "a\\tb\\r\\nc"),
            (b"\xff\xfe\x00", "\\xff\\xfe\\u{0}"),
            ("grün ✓".as_bytes(), "grün ✓"),
            ("\u{202e}txet".as_bytes(), "\\u{202e}txet"),
        ] {
            assert_eq!(escaped(&decoded(bytes)), expected);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("üüü", 3), "ü… (+4 bytes)");
        assert_eq!(cut(&"x".repeat(600), 512), format!("{}… (+88 bytes)", "x".repeat(512)));
    }
}
