//! What is watched because of labels, on disk: an engine that is silent when we start, or a container that does not run, is no reason to forget a
//! server.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::select::Known;

/// In the state directory.
const FILE: &str = "discovered.json";

/// The file, and what it holds.
#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    written: String,
}

impl Memory {
    /// Reads it. One that cannot be read is as good as none: labels are looked at anyway.
    pub(super) fn open(state_directory: &Path) -> (Self, BTreeMap<String, Known>) {
        let path = state_directory.join(FILE);
        let written = std::fs::read_to_string(&path).unwrap_or_else(|error| {
            if error.kind() != ErrorKind::NotFound {
                tracing::warn!(%error, "{} cannot be read; what was discovered before is discovered anew", path.display());
            }
            String::new()
        });
        let known = serde_json::from_str(&written).unwrap_or_default();
        (Self { path, written }, known)
    }

    /// Writes it, if it is another one; whole or not at all.
    pub(super) fn keep(&mut self, known: &BTreeMap<String, Known>) {
        let Ok(text) = serde_json::to_string_pretty(known) else { return };
        if text == self.written || (known.is_empty() && self.written.is_empty()) {
            return;
        }
        let fresh = self.path.with_extension("json.fresh");
        let written = std::fs::write(&fresh, &text).and_then(|()| std::fs::rename(&fresh, &self.path));
        match written {
            Ok(()) => self.written = text,
            Err(error) => tracing::warn!(%error, "{} cannot be written", self.path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again_and_damage_is_as_good_as_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let known = Known {
            key: "local/container/a".into(),
            id: "1".into(),
            container: "a".into(),
            engine: "local".into(),
            entry: serde_json::json!({ "name": "a" }),
            gone: None,
        };
        let known = BTreeMap::from([("a".to_owned(), known)]);
        Memory::open(directory.path()).0.keep(&known);
        assert_eq!(Memory::open(directory.path()).1, known);
        std::fs::write(directory.path().join(FILE), "{").expect("written");
        assert!(Memory::open(directory.path()).1.is_empty());
    }
}
