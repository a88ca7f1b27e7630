//! Servers that stay although no container asks for them just now.

use std::collections::BTreeMap;

use super::super::container::Container;
use super::super::wish::key;
use super::{Finding, Ground, Known, Verdict};
use crate::shell::runtime::container::recreate::{LABEL, kept_of};

/// Of what is known, what stays as it is.
pub(super) fn kept(
    findings: &[Finding],
    listings: &BTreeMap<String, Vec<Container>>,
    known: &BTreeMap<String, Known>,
    ground: &Ground<'_>,
) -> BTreeMap<String, Known> {
    let stays = |(name, known): (&String, &Known)| {
        let known = if may_stay(name, known, ground) { one(findings, listings, known, ground)? } else { return None };
        Some((name.clone(), known))
    };
    known.iter().filter_map(stays).collect()
}

/// The registry has neither its name nor its container, and its engine is looked at.
fn may_stay(name: &str, known: &Known, ground: &Ground<'_>) -> bool {
    let claimed = ground.claims.iter().any(|(engine, container, _)| *engine == known.engine && *container == known.container);
    !claimed && !ground.names.contains(name) && ground.engines.iter().any(|engine| engine.name == known.engine)
}

fn one(findings: &[Finding], listings: &BTreeMap<String, Vec<Container>>, known: &Known, ground: &Ground<'_>) -> Option<Known> {
    if !listings.contains_key(&known.engine) {
        return Some(known.clone());
    }
    let ours = || findings.iter().filter(|finding| finding.container.engine == known.engine);
    // One that a recreate of ours keeps is no longer the server, and is back should its successor not do.
    if let Some(it) = ours().find(|finding| finding.container.id == known.id && kept_of(&finding.container.name).is_none()) {
        return follows(&it.verdict).then(|| Known { gone: None, ..known.clone() });
    }
    // Whoever has its name now, and does not ask, is nobody's business: it is let go at once.
    let mut next = ours().filter(|finding| is_next(&finding.container, known)).peekable();
    if next.peek().is_some() {
        return next.all(|finding| follows(&finding.verdict)).then(|| Known { gone: None, ..known.clone() });
    }
    let gone = known.gone.unwrap_or(ground.now);
    (gone + ground.grace > ground.now).then(|| Known { gone: Some(gone), ..known.clone() })
}

/// Whether it has the place of the container that is known, or keeps it.
fn is_next(container: &Container, known: &Known) -> bool {
    let has_replaced_it = container.label(LABEL) == Some(&known.id);
    key(container) == known.key || known.is_there_as(&container.name) || has_replaced_it
}

/// Whether a server stays for a container with this verdict: wrong labels change nothing, and one that waits is waited for.
fn follows(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Wrong(_) | Verdict::Later(_) | Verdict::Replaced | Verdict::Kept)
}
