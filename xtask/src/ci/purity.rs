//! The purity gate: what decides depends on nothing that waits or fails, and what others embed depends on little.

use crate::command;
use crate::outcome::{Failure, Outcome};
use crate::test;

/// A way to build a package, and what it must not reach then.
struct Gate {
    package: &'static str,
    features: &'static [&'static str],
    banned: &'static [&'static str],
}

const GATES: [Gate; 3] = [
    Gate {
        package: "orchestrator",
        features: &["--no-default-features", "--features", "sim"],
        banned: &["axum", "bollard", "hyper", "tokio"],
    },
    Gate { package: "health-spec", features: &[], banned: &["clap", "hyper", "jsonschema", "rustls", "schemars", "tokio"] },
    Gate { package: "health-endpoint", features: &["--no-default-features"], banned: &["axum", "hyper", "rmcp", "rustix"] },
];

/// Looks at the dependencies, then builds what nobody else builds like this, and runs the pure tests.
pub(super) fn check() -> Outcome {
    for gate in &GATES {
        gate.check()?;
    }
    test::purity_gate()
}

impl Gate {
    fn check(&self) -> Outcome {
        let tree = ["tree", "-p", self.package, "-e", "normal", "--prefix", "none"];
        let found = banned(&command::capture(command::cargo().args(tree).args(self.features))?, self.banned);
        if !found.is_empty() {
            let words = [&tree[..], self.features].concat().join(" ");
            return Err(Failure::new(format!("{} depends on {}; see `cargo {words}`", self.package, found.join(", "))));
        }
        command::run(command::cargo().args(["check", "-p", self.package]).args(self.features))
    }
}

/// The banned packages of a `cargo tree`, one a line, name first.
fn banned(tree: &str, banned: &[&'static str]) -> Vec<&'static str> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next()).collect::<Vec<_>>();
    banned.iter().copied().filter(|package| names.contains(package)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_count() {
        let banned = |tree| banned(tree, &["hyper", "tokio"]);
        assert_eq!(banned("orchestrator v0.1.0 (x)\ntokio v1.54.0\nhyper-util v0.1.21\n"), ["tokio"]);
        assert!(banned("orchestrator v0.1.0\nserde v1.0.229\n").is_empty());
    }
}
