//! What an attempt does: one strategy, or a ladder of them (contract, section 2).

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an attempt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Stop it, gracefully then by force, and start it again.
    Restart,
    /// Containers: replace it by a new one of the same configuration. The old one is kept until the new one is well, else put back.
    Recreate,
    /// Run the hook `recovery.repair`, and leave the server itself alone.
    Repair,
    /// Nothing: a person does it.
    Manual,
}

impl Strategy {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Recreate => "recreate",
            Self::Repair => "repair",
            Self::Manual => "manual",
        }
    }
}

/// One strategy for every attempt, or a ladder: one rung an attempt, and the last one again for all that follow.
///
/// Invariant: never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strategies(Vec<Strategy>);

impl Strategies {
    /// A ladder of these rungs; `None` when there is none.
    pub fn of(rungs: Vec<Strategy>) -> Option<Self> {
        (!rungs.is_empty()).then_some(Self(rungs))
    }

    /// What attempt number `attempt` does, counted from 1.
    pub fn rung(&self, attempt: u32) -> Strategy {
        let at = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        self.0[at.min(self.0.len() - 1)]
    }

    /// All rungs, the first one first.
    pub fn rungs(&self) -> &[Strategy] {
        &self.0
    }

    /// Whether an attempt may do this.
    pub fn contains(&self, strategy: Strategy) -> bool {
        self.0.contains(&strategy)
    }

    /// Nothing is ever done.
    pub fn is_manual(&self) -> bool {
        self.0[0] == Strategy::Manual
    }
}

impl From<Strategy> for Strategies {
    fn from(strategy: Strategy) -> Self {
        Self(vec![strategy])
    }
}

/// `restart`, or `repair, restart`.
impl fmt::Display for Strategies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.0.iter().map(|strategy| strategy.as_str()).collect();
        f.write_str(&words.join(", "))
    }
}

/// As it is written: one word, or a list.
impl Serialize for Strategies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0[..] {
            [only] => only.serialize(serializer),
            _ => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Strategies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = Strategies;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("restart, recreate, repair or manual, or a list of them")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Strategies, E> {
        Strategy::deserialize(de::value::StrDeserializer::new(word)).map(Strategies::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Strategies, A::Error> {
        let rungs = Vec::deserialize(de::value::SeqAccessDeserializer::new(list))?;
        Strategies::of(rungs).ok_or_else(|| de::Error::custom("a ladder without rungs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rung_an_attempt_and_the_last_one_again() {
        let ladder: Strategies = serde_json::from_str(r#"["repair", "restart"]"#).expect("a ladder");
        let rungs: Vec<_> = (0..4).map(|attempt| ladder.rung(attempt).as_str()).collect();
        assert_eq!(rungs, ["repair", "repair", "restart", "restart"]);
        assert_eq!(ladder.to_string(), "repair, restart");
    }

    #[test]
    fn they_are_written_as_they_were_read() {
        for json in [r#""recreate""#, r#"["repair","recreate"]"#] {
            let read: Strategies = serde_json::from_str(json).expect(json);
            assert_eq!(serde_json::to_string(&read).expect("JSON"), json);
        }
        for wrong in ["[]", r#""reboot""#, "3", r#"["repair", 1]"#] {
            assert!(serde_json::from_str::<Strategies>(wrong).is_err(), "{wrong}");
        }
    }
}
