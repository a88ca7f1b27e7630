//! What a reading in another dialect does not carry.

use serde::{Deserialize, Serialize};

/// The most losses that are listed for one answer: enough to see what is the matter, whatever the body.
pub const MAX_LOSSES: usize = 32;

/// One thing that was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Where it is, or would be, as a JSON pointer.
    pub path: String,
    /// In what way.
    pub kind: LossKind,
}

/// In what way something was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// v1.0 requires it, and the answer does not say it.
    Missing,
    /// It is there, but not in a form that is understood.
    Unreadable,
    /// It is there, and v1.0 has no place for it.
    Ignored,
}

impl LossKind {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::Ignored => "ignored",
        }
    }
}

/// Adds one, unless the list is full.
pub(super) fn note(lost: &mut Vec<Loss>, steps: &[&str], kind: LossKind) {
    if lost.len() < MAX_LOSSES {
        lost.push(Loss { path: pointer(steps), kind });
    }
}

/// A JSON pointer (RFC 6901).
fn pointer(steps: &[&str]) -> String {
    let escaped = steps.iter().map(|step| step.replace('~', "~0").replace('/', "~1"));
    escaped.fold(String::new(), |pointer, step| pointer + "/" + &step)
}
