//! RFC 3339 to the letter: what JSON Schema's `date-time` accepts, no more and no less.
//!
//! General parsers take more (a space for the `T`, no seconds, a zone in brackets) and less (ten digits of a
//! second). A contract cannot: type and schema would disagree.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

/// The earliest moment with four digits of a year.
const YEAR_0: Timestamp = Timestamp::constant(-62_167_219_200, 0);

/// What a message says is allowed.
pub const ALLOWED: &str = "an RFC 3339 date and time with an offset, such as \"2026-01-02T03:04:05Z\"";

/// Reads `2026-01-02T03:04:05.678Z`; `None` for anything that is not RFC 3339.
///
/// Digits beyond nanoseconds are cut off, a leap second is the second before it, and a moment outside of what can be
/// written again (before the year 0 in UTC, or the last day of 9999) is the nearest that can.
pub fn parse(text: &str) -> Option<Timestamp> {
    let (moment, rest) = text.as_bytes().split_at_checked(19)?;
    let fraction = rest.strip_prefix(b".").map(|rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let zone = rest.get(fraction.map_or(0, |digits| digits + 1)..)?;
    let offset = offset(zone)?;
    let nanos = match fraction {
        None => 0,
        Some(0) => return None,
        Some(digits) => nanoseconds(&rest[1..=digits.min(9)]),
    };
    let second = number(moment, 17, 2)?;
    let local = local(moment, second.min(59), nanos)?;
    (second < 60 || (second == 60 && ends_a_utc_day(local, offset))).then(|| instant(local, offset))
}

/// `0000-01-01T00:00:00` with the given second and nanoseconds.
fn local(moment: &[u8], second: i16, nanos: i32) -> Option<DateTime> {
    let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, byte)| moment[at] != byte) || !matches!(moment[10], b'T' | b't') {
        return None;
    }
    let two = |at| number(moment, at, 2).and_then(|number| i8::try_from(number).ok());
    let (year, month, day) = (number(moment, 0, 4)?, two(5)?, two(8)?);
    DateTime::new(year, month, day, two(11)?, two(14)?, i8::try_from(second).ok()?, nanos).ok()
}

/// Seconds east of UTC: `Z`, `+02:00`.
fn offset(zone: &[u8]) -> Option<i32> {
    let sign = match zone {
        b"Z" | b"z" => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(zone, 1, 2)?, number(zone, 4, 2)?);
    (hours < 24 && minutes < 60).then(|| sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60))
}

fn instant(local: DateTime, offset: i32) -> Timestamp {
    let instant = Offset::from_seconds(offset).and_then(|offset| offset.to_timestamp(local));
    instant.unwrap_or(Timestamp::MAX).max(YEAR_0)
}

/// The only place of a leap second.
fn ends_a_utc_day(local: DateTime, offset: i32) -> bool {
    let second_of_day = i32::from(local.hour()) * 3600 + i32::from(local.minute()) * 60 + i32::from(local.second());
    (second_of_day - offset).rem_euclid(86_400) == 86_399
}

/// Up to nine digits behind the point.
fn nanoseconds(digits: &[u8]) -> i32 {
    (0..9).fold(0, |nanos, at| nanos * 10 + digits.get(at).map_or(0, |digit| i32::from(digit - b'0')))
}

/// At most four digits.
fn number(bytes: &[u8], at: usize, digits: usize) -> Option<i16> {
    bytes[at..at + digits].iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i16::from(byte - b'0')))
}

/// For `#[serde(with)]`: written in milliseconds, read to the letter.
pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    super::millis::serialize(at, serializer)
}

/// For `#[serde(with)]`: written in milliseconds, read to the letter.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    deserializer.deserialize_str(Text)
}

/// [`deserialize`] for a field that may be absent, but not `null`.
pub fn deserialize_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    deserialize(deserializer).map(Some)
}

struct Text;

impl Visitor<'_> for Text {
    type Value = Timestamp;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(ALLOWED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_grammar_allows_is_read() {
        let cases = [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02t03:04:05z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05.678+02:00", "2026-01-02T01:04:05.678Z"),
            ("2026-01-02T03:04:05-23:59", "2026-01-03T03:03:05Z"),
            ("2026-01-02T03:04:05.1234567890123Z", "2026-01-02T03:04:05.123456789Z"),
            ("2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
            ("2017-01-01T01:59:60+02:00", "2016-12-31T23:59:59Z"),
            ("0000-01-01T00:00:00+23:59", "0000-01-01T00:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Some(expected.parse().expect(expected)), "{text}");
        }
        assert_eq!(parse("9999-12-31T23:59:59Z"), Some(Timestamp::MAX));
    }

    #[test]
    fn what_it_does_not_allow_is_not() {
        let wrong = [
            "",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-01-02 03:04:05Z",
            "2026-01-02T03:04Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05,5Z",
            "2026-01-02T03:04:05+0200",
            "2026-01-02T03:04:05+02",
            "2026-01-02T03:04:05+24:00",
            "2026-01-02T03:04:05+01:60",
            "2026-01-02T03:04:05Z[UTC]",
            "2026-01-02T24:00:00Z",
            "2026-01-02T03:60:00Z",
            "2026-01-02T03:04:60Z",
            "2016-12-31T23:59:61Z",
            "2026-02-29T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "20260102T030405Z",
            "+002026-01-02T03:04:05Z",
            "2026-01-02T03:04:0\u{0665}Z",
            " 2026-01-02T03:04:05Z",
        ];
        for text in wrong {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
