//! What a person asks of a server: the body of `POST /servers/{name}/restart`, `/pause`, `/resume` and `/check` (contract, section 5).

use serde::{Deserialize, Serialize};

use crate::config::Seconds;

/// How long a pause lasts when nobody says how long: one that is forgotten must not last for ever.
pub const PAUSE: Seconds = Seconds::new(60 * 60);

/// The longest pause: a year. Who wants no recovery at all configures `recovery: { enabled: false }`.
pub const LONGEST_PAUSE: Seconds = Seconds::new(366 * 24 * 60 * 60);

/// The body; an empty one is `{}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    /// Who asks, by their own word: the token says only that they may. At most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// `pause`: why, for whoever finds it paused. At most 500 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `pause`: for how long, as a number of seconds or with a unit, such as `2h`. Default [`PAUSE`], at most [`LONGEST_PAUSE`].
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Seconds>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_seconds_or_has_a_unit_and_strange_keys_are_refused() {
        let read = |json: &str| serde_json::from_str::<Asked>(json);
        assert_eq!(read(r#"{"for": "2h"}"#).expect("it reads").lasts, Some(Seconds::new(7_200)));
        assert_eq!(read("{}").expect("it reads"), Asked::default());
        assert!(read(r#"{"until": 3}"#).is_err() && read(r#"{"for": "soon"}"#).is_err());
    }
}
