//! What each single probe of a check found: the evidence behind a verdict.

use serde::{Deserialize, Serialize};

use super::{Outcome, Reason};
use crate::dialect::Reading;
use crate::registry::ProbeKind;

/// One probe of a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Probed {
    /// What kind it was.
    pub kind: ProbeKind,
    /// What it found by itself; `null` when the monitor could not look.
    pub outcome: Option<Outcome>,
    /// Why, unless all is fine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: f32,
    /// How long each phase took.
    #[serde(default)]
    pub phases: Phases,
    /// What the body said, where several probes were made: each learns from its own. It is not shown.
    #[serde(skip)]
    pub reading: Option<Box<Reading>>,
}

impl Probed {
    /// All that is shown of it.
    #[must_use]
    pub fn shown(&self) -> Self {
        let Self { kind, outcome, reason, ref message, took_ms, phases, reading: _ } = *self;
        Self { kind, outcome, reason, message: message.clone(), took_ms, phases, reading: None }
    }
}

/// How long each phase of an exchange took, in milliseconds; what was not reached, or not needed, is left out.
/// The phase in which a check failed has the time until it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Phases {
    /// Finding the name's addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_ms: Option<f32>,
    /// Opening the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<f32>,
    /// Securing it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ms: Option<f32>,
    /// From the request to the answer's head; of several requests, their sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_ms: Option<f32>,
    /// From there to the end of the body; of several requests, their sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_ms: Option<f32>,
}
