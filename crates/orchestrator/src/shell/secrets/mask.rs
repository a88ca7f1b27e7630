//! Hides secrets in what others have written: log lines, answers, errors.
//!
//! What looks like a secret is one: a line that is masked too much is a nuisance, one that is masked too little is a leak. Besides
//! what shows by its form, the very values are known that a registry entry gives to its server, or names files for.

mod forms;
mod known;
mod object;
mod open;
mod written;

use regex_lite::{Captures, Regex};

use forms::{COLOURS, HEXADECIMAL, KEY_MATERIAL, KNOWN_FORM, NAMED_FORM, SCHEME_FORM, UNFINISHED_LINE, formless};
use known::Known;
use open::is_open;

/// What stands where a secret was.
pub const MASK: &str = "***";

/// More of a line is no name.
const NAME_BYTES: usize = 256;

/// Hides secrets, of which some are known.
#[derive(Clone, Default)]
pub struct Mask {
    values: Known,
}

impl Mask {
    /// Hides these too, and of those with several lines each line.
    pub fn of(values: impl IntoIterator<Item = String>) -> Self {
        Self { values: Known::of(values) }
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
        (is_word && word.len() <= 64 || is_short) && !self.values.iter().any(|value| word.contains(value.as_str()))
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
        let mut masked = formless(self.values.hidden(text));
        masked = SCHEME_FORM.replace_all(&masked, credentials).into_owned();
        nameless(&replaced(&KNOWN_FORM, &masked, MASK))
    }

    /// Lines of a log, in order; a key may stand on several of them, and a value below its name.
    pub fn lines<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut masked: Vec<String> = Vec::new();
        let mut inside = false;
        let mut announced = Announced::default();
        for line in lines {
            let begins = line.contains("-----BEGIN ");
            let ends = line.contains("-----END ");
            if ends && !inside && !begins {
                // It began before the first line that was read.
                masked.iter_mut().rev().take_while(|line| KEY_MATERIAL.is_match(line)).for_each(|line| MASK.clone_into(line));
            }
            let is_key = inside || ends || is_key_material(line);
            masked.push(if is_key { MASK.to_owned() } else { self.line(announced.before(line), line) });
            announced.follow(line);
            inside = (inside || begins) && !ends;
        }
        masked
    }

    /// One line, and what was said right before it.
    fn line(&self, before: &str, line: &str) -> String {
        if before.is_empty() {
            return self.text(line);
        }
        let masked = self.text(&format!("{before}\n{line}"));
        match masked.strip_prefix(&self.text(before)).and_then(|rest| rest.strip_prefix('\n')) {
            Some(line) => line.to_owned(),
            // What is hidden begins before this line: it is a part of it.
            None => MASK.to_owned(),
        }
    }
}

/// A name at the end of a line, whose value is to follow.
#[derive(Default)]
struct Announced<'a> {
    name: &'a str,
    is_list: bool,
}

impl<'a> Announced<'a> {
    /// What of it belongs to this line.
    fn before(&self, line: &str) -> &'a str {
        let goes_on = !self.is_list || self.name.trim_end().ends_with('[') || is_item(line);
        if goes_on { self.name } else { "" }
    }

    fn follow(&mut self, line: &'a str) {
        let line = line.trim_end();
        let end = end_of(line);
        if UNFINISHED_LINE.is_match(end) {
            *self = Self { name: end, is_list: false };
        } else if line.trim_start().is_empty() {
            // The value is still to come.
        } else if self.name.ends_with('[') && !line.contains(']') || !self.name.is_empty() && is_item(line) {
            self.is_list = true;
        } else {
            *self = Self::default();
        }
    }
}

/// As much of it as a name takes.
fn end_of(line: &str) -> &str {
    let from = line.len().saturating_sub(NAME_BYTES);
    let from = (from..=line.len()).find(|at| line.is_char_boundary(*at));
    &line[from.unwrap_or(line.len())..]
}

/// Of a list in YAML.
fn is_item(line: &str) -> bool {
    line.trim_start().starts_with("- ")
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

/// The text without the values whose names say that they are secrets.
fn nameless(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = NAMED_FORM.captures_at(text, at) {
        let part = |name: &str| found.name(name).map_or("", |part| part.as_str());
        let (name, between, value) = (part("name"), part("between"), part("value"));
        let (begin, end) = found.get(0).map_or((at, text.len()), |whole| (whole.start(), whole.end()));
        // What is no secret may be the name of the next one.
        let stays = is_open(name, between, value, &text[end..]);
        let next = if stays { end - value.len() } else { end };
        masked.push_str(&text[at..begin]);
        masked.push_str(name);
        masked.push_str(between);
        if !stays {
            masked.push_str(&hidden(value));
        }
        at = next;
    }
    masked + &text[at..]
}

/// The value goes, its quotes stay.
fn hidden(value: &str) -> String {
    if value.starts_with('[') {
        return format!("[{MASK}]");
    }
    // Python's b'...'.
    let bare = value.trim_start_matches(['b', 'r', 'u', 'B', 'R', 'U']);
    let quote = ["\\\"", "\"", "'"].into_iter().find(|quote| bare.starts_with(quote));
    let prefix = quote.map_or("", |_| &value[..value.len() - bare.len()]);
    let quote = quote.unwrap_or_default();
    format!("{prefix}{quote}{MASK}{quote}")
}

/// A whole line of base64, as in the middle of a key. Digests are hexadecimal.
fn is_key_material(line: &str) -> bool {
    let length = line.trim().len();
    (length == 64 || length == 76) && KEY_MATERIAL.is_match(line) && !HEXADECIMAL.is_match(line)
}

#[cfg(test)]
pub(in crate::shell) mod tests;
