//! Timestamps on the wire: RFC 3339, UTC, milliseconds.

pub mod rfc3339;

/// Reads HTTP's date, `Sun, 06 Nov 1994 08:49:37 GMT`; anything else is no date.
pub fn http_date(value: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::parse(value).ok().map(|zoned| zoned.timestamp())
}

/// Serialises a timestamp with exactly three fractional digits, so that lines sort and align.
pub mod millis {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    /// `2026-01-02T03:04:05.678Z`.
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{at:.3}"))
    }

    /// Any RFC 3339 timestamp with an offset.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer)
    }
}

/// [`millis`] for optional timestamps; `None` is `null`.
pub mod millis_option {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    /// `null`, or as [`super::millis::serialize`].
    pub fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => super::millis::serialize(at, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// `null`, or any RFC 3339 timestamp with an offset.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Option::<Timestamp>::deserialize(deserializer)
    }
}
