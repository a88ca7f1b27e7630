//! Cursors: where a client is in the logs of all sources. Opaque to clients (contract, section 6.1).
//!
//! The text is `1`, then `.source.epoch.seq` for each source. It needs no escaping in a URL or in JSON.

use std::fmt::Write as _;
use std::sync::Arc;

/// The version of the form below.
const VERSION: &str = "1";

/// Longer than any cursor of a sensible fleet.
const MAX_BYTES: usize = 8 * 1024;

/// The last event of one source that a client has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The source's name.
    pub(crate) source: Arc<str>,
    /// The life of its log.
    pub(crate) epoch: Arc<str>,
    /// The event's number.
    pub(crate) seq: u64,
}

/// A place in every source's log, in the order of the sources; `None` until a source has been heard.
pub(crate) type Places = [Option<Place>];

/// The text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: use one exactly as it came in an event")]
pub(crate) struct Malformed;

/// The text of `places`.
pub(crate) fn encode(places: &Places) -> String {
    let mut text = VERSION.to_owned();
    for place in places.iter().flatten() {
        text.push('.');
        escape(&place.source, &mut text);
        text.push('.');
        escape(&place.epoch, &mut text);
        text.push('.');
        text.push_str(&place.seq.to_string());
    }
    text
}

/// The places that `text` names.
pub(crate) fn decode(text: &str) -> Result<Vec<Place>, Malformed> {
    if text.len() > MAX_BYTES {
        return Err(Malformed);
    }
    let mut parts = text.split('.');
    if parts.next() != Some(VERSION) {
        return Err(Malformed);
    }
    let mut places = Vec::new();
    while let Some(source) = parts.next() {
        let (Some(epoch), Some(seq)) = (parts.next(), parts.next()) else { return Err(Malformed) };
        places.push(Place { source: unescape(source)?.into(), epoch: unescape(epoch)?.into(), seq: number(seq)? });
    }
    Ok(places)
}

/// Only the form that [`encode`] writes: no sign, no leading zero.
fn number(text: &str) -> Result<u64, Malformed> {
    let seq: u64 = text.parse().map_err(|_| Malformed)?;
    if seq.to_string() == text { Ok(seq) } else { Err(Malformed) }
}

fn escape(word: &str, text: &mut String) {
    for byte in word.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "~{byte:02x}");
        }
    }
}

fn unescape(word: &str) -> Result<String, Malformed> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'~' => hex(rest.next())? * 16 + hex(rest.next())?,
            b'-' | b'_' => byte,
            _ if byte.is_ascii_alphanumeric() => byte,
            _ => return Err(Malformed),
        });
    }
    String::from_utf8(bytes).map_err(|_| Malformed)
}

fn hex(digit: Option<u8>) -> Result<u8, Malformed> {
    match digit {
        Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
        Some(digit @ b'a'..=b'f') => Ok(digit - b'a' + 10),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(source: &str, epoch: &str, seq: u64) -> Place {
        Place { source: source.into(), epoch: epoch.into(), seq }
    }

    #[test]
    fn it_names_epoch_and_seq_of_every_source_heard() {
        let places = [Some(place("local", "e1", 7)), None, Some(place("a/b.c", "", 0))];
        assert_eq!(encode(&places), "1.local.e1.7.a~2fb~2ec..0");
        assert_eq!(encode(&[]), "1");
    }

    #[test]
    fn what_is_no_cursor_is_malformed() {
        for text in
            ["", "2", "nonsense", "1.", "1.a", "1.a.b", "1.a.b.c", "1.a.b.-1", "1.a.b.01", "1.~2.b.1", "1.a b.c.1", "1.~ff.b.1"]
        {
            assert_eq!(decode(text), Err(Malformed), "{text}");
        }
        assert_eq!(decode(&format!("1.{}.b.1", "a".repeat(MAX_BYTES))), Err(Malformed));
    }

    proptest! {
        #[test]
        fn it_reads_back(places in prop::collection::vec((".{0,12}", ".{0,12}", any::<u64>()), 0..5)) {
            let places: Vec<_> = places.iter().map(|(source, epoch, seq)| place(source, epoch, *seq)).collect();
            let text = encode(&places.iter().cloned().map(Some).collect::<Vec<_>>());
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)));
            prop_assert_eq!(decode(&text), Ok(places));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = decode(&text);
        }
    }
}
