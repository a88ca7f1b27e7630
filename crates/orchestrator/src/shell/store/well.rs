//! What a server and its surroundings were made of when it last became well.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// By dotted name: `image.digest`, `registry.endpoint`. The part before the first dot says who told.
pub type Facts = BTreeMap<String, String>;

/// The facts of a server when it last became well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Well {
    /// When that was.
    pub at: Timestamp,
    /// What was so.
    pub facts: Facts,
}
