//! The purity gate: with the feature `shell` off, nothing that waits or fails is even a dependency.

use crate::command;
use crate::outcome::{Failure, Outcome};
use crate::test;

/// What the pure core must not reach.
const IMPURE: [&str; 4] = ["axum", "bollard", "hyper", "tokio"];

/// Looks at the dependencies, then runs the tests without them.
pub(super) fn check() -> Outcome {
    let words = ["tree", "-p", "orchestrator", "--no-default-features", "--features", "sim", "-e", "normal", "--prefix", "none"];
    let found = impure(&command::capture(command::cargo().args(words))?);
    if !found.is_empty() {
        return Err(Failure::new(format!(
            "the pure orchestrator depends on {}; see `cargo {}`",
            found.join(", "),
            words.join(" ")
        )));
    }
    test::purity_gate()
}

/// The forbidden packages of a `cargo tree`, one a line, name first.
fn impure(tree: &str) -> Vec<&'static str> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next()).collect::<Vec<_>>();
    IMPURE.into_iter().filter(|package| names.contains(package)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_count() {
        assert_eq!(impure("orchestrator v0.1.0 (x)\ntokio v1.54.0\nhyper-util v0.1.21\n"), ["tokio"]);
        assert!(impure("orchestrator v0.1.0\nserde v1.0.229\n").is_empty());
    }
}
