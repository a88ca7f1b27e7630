//! What was said already: once about each, until it is gone.

use std::collections::{BTreeMap, BTreeSet};

/// What something is said about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// An engine, by name.
    Engine(String),
    /// A container, by its engine's name and its own.
    Container(String, String),
    /// A server, by name.
    Server(String),
}

/// Texts, by what they are about.
#[derive(Debug, Default)]
pub(super) struct Said(BTreeMap<About, BTreeSet<String>>);

impl Said {
    /// Notes it. `false`: it was said before.
    pub(super) fn is_new(&mut self, about: About, text: &str) -> bool {
        self.0.entry(about).or_default().insert(text.to_owned())
    }

    /// What is said about others is forgotten.
    pub(super) fn only(&mut self, is_there: impl Fn(&About) -> bool) {
        self.0.retain(|about, _| is_there(about));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_until_it_is_gone() {
        let mut said = Said::default();
        let container = |name: &str| About::Container("local".to_owned(), name.to_owned());
        for (name, text, is_new) in [("a", "x", true), ("a", "x", false), ("a", "y", true), ("b", "x", true)] {
            assert_eq!(said.is_new(container(name), text), is_new, "{name} {text}");
        }
        said.only(|about| *about == container("b"));
        assert_eq!(said.0.len(), 1);
        assert!(said.is_new(container("a"), "x") && !said.is_new(container("b"), "x"));
    }
}
