//! Containers that ask to be watched, by their labels (contract, section 2).

use std::collections::HashMap;

/// The opt-in: nothing without it, or a registry entry, is ever touched.
pub const ENABLE: &str = "mcp.health.enable";

/// Whether these labels ask for it.
pub fn asks<S: std::hash::BuildHasher>(labels: &HashMap<String, String, S>) -> bool {
    labels.get(ENABLE).is_some_and(|value| value == "true")
}
