//! Which phase may follow which. The one table of it: the machine asserts it, the simulation checks it, and
//! `docs/states.md` is printed from it.

use std::fmt::Write as _;

use health_spec::Phase;

/// A step from one phase to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Before.
    pub from: Phase,
    /// Afterwards.
    pub to: Phase,
    /// What leads to it.
    pub when: &'static str,
}

const fn step(from: Phase, to: Phase, when: &'static str) -> Transition {
    Transition { from, to, when }
}

use Phase::{Down, Failed, Healthy, Recovering, Starting, Stopped, Suspect};

/// Every step that there is.
pub const TRANSITIONS: [Transition; 34] = [
    step(Starting, Healthy, "one good answer"),
    step(Starting, Suspect, "a failed check after the start period"),
    step(Starting, Recovering, "it is down, and an attempt is planned"),
    step(Starting, Down, "it is down, and recovery is held"),
    step(Starting, Failed, "it is down, and no attempt is left"),
    step(Starting, Stopped, "somebody stopped it, or it was not running when first seen"),
    step(Healthy, Suspect, "a failed check"),
    step(Healthy, Starting, "it was started again by its engine or by somebody"),
    step(Healthy, Recovering, "it died, or an operator restarts it"),
    step(Healthy, Down, "it died, and recovery is held"),
    step(Healthy, Failed, "it died, and no attempt is left"),
    step(Healthy, Stopped, "somebody stopped it"),
    step(Suspect, Healthy, "one good answer"),
    step(Suspect, Starting, "it was started again by its engine or by somebody"),
    step(Suspect, Recovering, "the failure threshold is reached, or it died; an attempt is planned"),
    step(Suspect, Down, "the failure threshold is reached, or it died; recovery is held"),
    step(Suspect, Failed, "the failure threshold is reached, or it died; no attempt is left"),
    step(Suspect, Stopped, "somebody stopped it"),
    step(Recovering, Healthy, "enough good answers in a row"),
    step(Recovering, Down, "recovery is held"),
    step(Recovering, Failed, "attempts or budget are used up"),
    step(Recovering, Stopped, "somebody stopped it"),
    step(Down, Healthy, "enough good answers in a row"),
    step(Down, Recovering, "the reason of the hold is gone, or an operator restarts it"),
    step(Down, Failed, "the reason of the hold is gone, and no attempt is left"),
    step(Down, Stopped, "somebody stopped it"),
    step(Failed, Healthy, "enough good answers in a row"),
    step(Failed, Recovering, "an operator restarts it"),
    step(Failed, Stopped, "somebody stopped it"),
    step(Stopped, Starting, "its engine or somebody started it"),
    step(Stopped, Healthy, "enough good answers in a row"),
    step(Stopped, Recovering, "it was started unseen and died, or an operator restarts it"),
    step(Stopped, Down, "it was started unseen and died; recovery is held"),
    step(Stopped, Failed, "it was started unseen and died; no attempt is left"),
];

/// Whether `to` may follow `from`. A phase may always stay.
pub fn is_allowed(from: Phase, to: Phase) -> bool {
    from == to || TRANSITIONS.iter().any(|step| (step.from, step.to) == (from, to))
}

/// The table as a page, `docs/states.md`.
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("```mermaid\nstateDiagram-v2\n    [*] --> starting\n");
    for Transition { from, to, .. } in TRANSITIONS {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "    {from} --> {to}");
    }
    page.push_str("```\n\n| from | to | when |\n| --- | --- | --- |\n");
    for Transition { from, to, when } in TRANSITIONS {
        let _ = writeln!(page, "| `{from}` | `{to}` | {when} |");
    }
    page
}

const INTRODUCTION: &str = "\
# A server's phases

What the monitor is doing about a server; rule numbers are those of the contract, section 3.1. `status` is what the world sees; `phase` is this.
The table is printed from `machine::transition`; the machine asserts it, and the simulation checks it after every step.

| phase | what it means | checks |
| --- | --- | --- |
| `starting` | registered, or started again after `stopped`; failures do not count until the start period ends (rule 2) | every `confirm_interval` |
| `healthy` | it answers well | every `interval` |
| `suspect` | a check failed; the status stays until the threshold (rule 3) | every `confirm_interval` |
| `recovering` | it is down, and an attempt is due, running or being verified (rules 4 and 5) | every `confirm_interval`, none while the action runs |
| `down` | it is down, and recovery is held or impossible (rule 9) | every `interval`; for the start period after somebody started it every `confirm_interval` |
| `failed` | attempts or budget are used up: a person is needed (rule 6) | ever more rarely, up to `max_backoff`; for the start period after somebody started it every `confirm_interval` |
| `stopped` | somebody stopped it on purpose (rule 8) | every `interval`; no recovery |

";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_stands_in_the_table_once_and_leads_somewhere() {
        for (index, step) in TRANSITIONS.iter().enumerate() {
            assert_ne!(step.from, step.to);
            let again = TRANSITIONS[index + 1..].iter().any(|other| (other.from, other.to) == (step.from, step.to));
            assert!(!again, "{step:?} stands there twice");
        }
    }

    #[test]
    fn the_page_is_printed_from_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/states.md");
        let page = std::fs::read_to_string(path).expect("docs/states.md");
        assert!(page == self::page(), "docs/states.md should be:\n{}", self::page());
    }
}
