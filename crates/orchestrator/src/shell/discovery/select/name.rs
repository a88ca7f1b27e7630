//! One name, one server: who has it when several containers want it.

use std::collections::BTreeMap;

use super::super::container::Container;
use super::super::labels::Fault;
use super::super::wish::{Wish, key};
use super::{Finding, Ground, Known, Verdict};

/// A name that somebody else has.
pub(super) fn taken(name: &str, by: &str) -> Fault {
    Fault {
        label: String::new(),
        found: None,
        message: format!("the name `{name}` is taken {by}"),
        help: "give it another one with the label mcp.health.name".to_owned(),
    }
}

/// Of several that are the same, the newest counts. Of several others, whoever has the name keeps it; else the oldest has it.
pub(super) fn settle(
    findings: &mut [Finding],
    wishes: &mut Vec<(usize, Wish)>,
    known: &BTreeMap<String, Known>,
    ground: &Ground<'_>,
) {
    let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, wish) in wishes.iter() {
        by_name.entry(wish.name.clone()).or_default().push(*at);
    }
    for (name, mut rivals) in by_name.into_iter().filter(|(_, rivals)| rivals.len() > 1) {
        let holder = known.get(&name).map(|known| known.key.as_str());
        rivals.sort_by_key(|at| age(&findings[*at].container));
        let keeps = rivals.iter().find(|at| Some(key(&findings[**at].container).as_str()) == holder);
        let first = key(&findings[*keeps.unwrap_or(&rivals[0])].container);
        let newest = rivals.iter().rev().find(|at| key(&findings[**at].container) == first).copied();
        for at in rivals.into_iter().filter(|at| Some(*at) != newest) {
            let same = key(&findings[at].container) == first;
            let winner = newest.map(|newest| shown(&findings[newest].container, ground)).unwrap_or_default();
            findings[at].verdict =
                if same { Verdict::Replaced } else { Verdict::Wrong(vec![taken(&name, &format!("by container {winner}"))]) };
        }
        wishes.retain(|(at, wish)| wish.name != name || Some(*at) == newest);
    }
}

/// Whoever has a name keeps it while it is only away: another one is refused until that is given up.
pub(super) fn hold(
    findings: &mut [Finding],
    wishes: &mut Vec<(usize, Wish)>,
    kept: &BTreeMap<String, Known>,
    ground: &Ground<'_>,
) {
    wishes.retain(|(at, wish)| {
        let finding = &mut findings[*at];
        let Some(known) = kept.get(&wish.name).filter(|known| known.key != key(&finding.container)) else { return true };
        let (winner, gone) = (named(&known.container, &known.engine, ground), known.gone.is_some());
        let until = if gone { ", which was removed and may be created again" } else { "" };
        finding.verdict = Verdict::Wrong(vec![taken(&wish.name, &format!("by container {winner}{until}"))]);
        false
    });
}

fn age(container: &Container) -> (i64, String) {
    (container.created, container.id.clone())
}

fn shown(container: &Container, ground: &Ground<'_>) -> String {
    named(&container.name, &container.engine, ground)
}

fn named(name: &str, engine: &str, ground: &Ground<'_>) -> String {
    if ground.engines.len() > 1 { format!("{name} of engine {engine}") } else { name.to_owned() }
}
