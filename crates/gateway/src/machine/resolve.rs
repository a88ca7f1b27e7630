//! Which server an id names: its name, or `source/name` (contract, section 6).

use health_spec::ServerView;

use super::filter;
use super::view::View;

/// Why an id names no one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// No such server.
    Unknown,
    /// Several sources have one: their full ids.
    Ambiguous(Vec<String>),
}

/// The server that `id` names.
pub(crate) fn resolve<'a>(view: &'a View, id: &str) -> Result<&'a ServerView, Unresolved> {
    let mut found = Vec::new();
    for source in view.sources() {
        let name = source.name();
        found.extend(
            source.servers().iter().filter(|server| filter::is(id, &name, &server.name)).map(|server| (name.clone(), &**server)),
        );
    }
    match found.as_slice() {
        [] => Err(Unresolved::Unknown),
        [(_, server)] => Ok(server),
        several => {
            Err(Unresolved::Ambiguous(several.iter().map(|(source, server)| format!("{source}/{}", server.name)).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::sample;
    use crate::machine::state::State;
    use crate::source::Frame;

    #[test]
    fn both_forms_resolve_when_unambiguous() {
        let mut state = State::new(vec![None, None], sample::at());
        state.fold(0, sample::snapshot(1, &["a", "b"]), sample::at());
        let Frame::Snapshot(mut other) = sample::snapshot(1, &["b", "c"]) else { panic!("a snapshot") };
        other.source = "t".into();
        state.fold(1, Frame::Snapshot(other), sample::at());
        for (id, expected) in [
            ("a", Ok("a")),
            ("s/a", Ok("a")),
            ("t/b", Ok("b")),
            ("c", Ok("c")),
            ("b", Err(Unresolved::Ambiguous(vec!["s/b".into(), "t/b".into()]))),
            ("t/a", Err(Unresolved::Unknown)),
            ("", Err(Unresolved::Unknown)),
        ] {
            assert_eq!(resolve(&state.view, id).map(|server| server.name.as_str()), expected, "{id}");
        }
        assert_eq!((state.view.label(0, "a"), state.view.label(1, "b")), ("a".into(), "t/b".into()));
    }
}
