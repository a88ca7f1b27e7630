//! The values that are known to be secrets, and where they stand in a text: as they are, in part, or as JSON and URLs write them.

use std::ops::Range;

use super::MASK;
use super::written::{Plain, of_json, of_url};

/// Values shorter than this, in bytes, are too common to be searched for.
const SHORTEST_VALUE: usize = 6;

/// A text that was cut has no more than a part of a long value in it: longer ones are searched for in pieces, too. What is left of a piece
/// where a text was cut is shorter than what is dropped there.
const LONG_VALUE: usize = 128;

/// So long is a piece.
const PIECE_BYTES: usize = 64;

/// A piece with fewer different bytes, such as a line of dashes, says nothing.
const TELLING_BYTES: usize = 6;

/// Values that are searched for.
#[derive(Clone, Default)]
pub(super) struct Known {
    /// Of letters and digits, which are written everywhere as they are.
    plain: Vec<String>,
    /// With characters that are written in other ways, too.
    escaped: Vec<String>,
}

impl Known {
    pub(super) fn of(values: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<String> = values.into_iter().flat_map(|value| searched_for(&value)).collect();
        all.sort_unstable();
        all.dedup();
        let (plain, escaped) = all.into_iter().partition(|value| value.bytes().all(is_never_escaped));
        Self { plain, escaped }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &String> {
        self.plain.iter().chain(&self.escaped)
    }

    pub(super) fn len(&self) -> usize {
        self.plain.len() + self.escaped.len()
    }

    /// The text without them.
    pub(super) fn hidden(&self, text: &str) -> String {
        let mut found: Vec<Range<usize>> = standing(&self.plain, text).chain(standing(&self.escaped, text)).collect();
        if !self.escaped.is_empty() {
            self.find_escaped(text, &mut found);
        }
        without(text, found)
    }

    /// A URL may stand in JSON, and JSON in JSON.
    fn find_escaped(&self, text: &str, found: &mut Vec<Range<usize>>) {
        let json = of_json(text);
        let url = of_url(text);
        let within = json.as_ref().into_iter().flat_map(|json| [json.then(of_json), json.then(of_url)]).flatten();
        let within: Vec<Plain> = within.collect();
        for plain in json.iter().chain(&url).chain(&within) {
            found.extend(standing(&self.escaped, plain.text()).map(|range| plain.source(range)));
        }
    }
}

/// Where any of the values stands. Most cannot stand there at all, which costs less to see than to look for each.
fn standing<'a>(values: &'a [String], text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let pairs = Pairs::of(text);
    let there_may_be = values.iter().filter(move |value| pairs.may_have(value));
    there_may_be.flat_map(|value| text.match_indices(value.as_str()).map(|(at, found)| at..at + found.len()))
}

/// Which two bytes follow one another somewhere in a text: a bit each.
struct Pairs(Vec<u64>);

impl Pairs {
    fn of(text: &str) -> Self {
        let mut bits = vec![0; (1 << 16) / 64];
        for (at, bit) in text.as_bytes().windows(2).map(Self::place) {
            bits[at] |= bit;
        }
        Self(bits)
    }

    /// False where one of its pairs is not there; a few tell.
    fn may_have(&self, value: &str) -> bool {
        value.as_bytes().windows(2).take(8).map(Self::place).all(|(at, bit)| self.0[at] & bit != 0)
    }

    fn place(pair: &[u8]) -> (usize, u64) {
        let number = usize::from(pair[0]) << 8 | usize::from(pair[1]);
        (number / 64, 1 << (number % 64))
    }
}

/// What overlaps is hidden as one.
fn without(text: &str, mut found: Vec<Range<usize>>) -> String {
    found.sort_unstable_by_key(|range| range.start);
    let (mut masked, mut at) = (String::with_capacity(text.len()), 0);
    let mut ranges = found.into_iter().peekable();
    while let Some(mut range) = ranges.next() {
        while let Some(next) = ranges.next_if(|next| next.start <= range.end) {
            range.end = range.end.max(next.end);
        }
        masked.push_str(&text[at..range.start]);
        masked.push_str(MASK);
        at = range.end;
    }
    masked + &text[at..]
}

/// A value, each line of it, and what else stands for it.
fn searched_for(value: &str) -> Vec<String> {
    // One that is escaped where it is written may be used as it was meant.
    let meant = [of_json(value), of_url(value)].into_iter().flatten().collect::<Vec<_>>();
    let written = std::iter::once(value).chain(meant.iter().map(Plain::text));
    let trimmed = written.flat_map(parts).map(str::trim);
    let mut all: Vec<String> =
        trimmed.filter(|value| value.len() >= SHORTEST_VALUE && !is_common(value)).map(str::to_owned).collect();
    // A form writes blanks in its own way.
    let form: Vec<String> = all.iter().filter(|value| value.contains(' ')).map(|value| value.replace(' ', "+")).collect();
    let long: Vec<String> = all.iter().filter(|value| value.len() > LONG_VALUE).flat_map(|value| pieces(value)).collect();
    all.extend(form.into_iter().chain(long));
    all
}

/// The whole, and its lines. A certificate is no secret, nor is what stands around one; nor are the first line of a key and its last.
fn parts(value: &str) -> Vec<&str> {
    let has_lines = value.trim().contains('\n');
    let (is_block, is_private) = (value.contains("-----BEGIN "), value.contains("PRIVATE KEY"));
    let whole = (!is_block || is_private && !has_lines).then_some(value);
    let describes = value.contains("-----BEGIN CERTIFICATE") || value.contains("PUBLIC KEY-----");
    let mut within = None;
    let counts = |line: &&str| {
        let line = line.trim_start();
        if line.starts_with("-----BEGIN ") {
            within = Some(line.contains("PRIVATE KEY"));
        } else if line.starts_with("-----END ") {
            within = None;
        } else {
            return within.unwrap_or(!describes);
        }
        false
    };
    let lines = value.lines().filter(|_| has_lines).filter(counts);
    whole.into_iter().chain(lines).collect()
}

/// Whole ones, in order, but for what is left at the end.
fn pieces(value: &str) -> impl Iterator<Item = String> {
    let mut rest = value;
    let pieces = std::iter::from_fn(move || {
        let end = (PIECE_BYTES..=rest.len()).find(|at| rest.is_char_boundary(*at))?;
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    });
    pieces.filter(|piece| tells(piece)).map(str::to_owned)
}

fn tells(piece: &str) -> bool {
    let mut seen: Vec<u8> = piece.bytes().collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len() >= TELLING_BYTES
}

/// What neither JSON nor a URL writes otherwise.
fn is_never_escaped(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

/// Values that are in many environments and hide nothing.
fn is_common(value: &str) -> bool {
    const WORDS: [&str; 8] = ["production", "development", "staging", "localhost", "127.0.0.1", "0.0.0.0", "disabled", "enabled"];
    WORDS.contains(&value.to_ascii_lowercase().as_str()) || value == MASK
}
