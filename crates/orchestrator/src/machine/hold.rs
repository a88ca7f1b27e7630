//! Why recovery may not run (contract, rule 9).

use health_spec::config::Mode;
use serde::{Deserialize, Serialize};

use super::Mono;
use super::policy::Policy;

/// The reasons, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The policy says never.
    Disabled,
    /// A person does it, or nothing here can.
    Manual,
    /// An operator paused it.
    Paused,
    /// A maintenance window is open.
    Maintenance,
    /// Something that it depends on is not healthy.
    Dependency,
    /// The policy says: only say what would be done.
    Observe,
    /// So much fails at once that the monitor suspects itself.
    Storm,
    /// Its engine cannot be reached.
    Engine,
    /// As many recoveries run as may.
    Concurrency,
    /// The state cannot be written, and it has had its one action since.
    State,
}

impl Reason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Manual => "manual",
            Self::Paused => "paused",
            Self::Maintenance => "maintenance",
            Self::Dependency => "dependency",
            Self::Observe => "observe",
            Self::Storm => "storm",
            Self::Engine => "engine",
            Self::Concurrency => "concurrency",
            Self::State => "state",
        }
    }
}

/// A recovery that may not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Why.
    pub reason: Reason,
    /// Names of what it waits for.
    pub on: Vec<String>,
    /// The attempt's delay has run already, and is not run again.
    pub delay_ran: bool,
}

/// What a server's recovery depends on outside itself.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Names in `depends_on` that are not healthy.
    pub unhealthy: Vec<String>,
    /// Servers whose failing makes the monitor suspect itself; empty while it does not.
    pub storm: Vec<String>,
    /// Others are being asked whether the monitor can see at all; not later than then they have answered.
    pub asking_until: Option<Mono>,
    /// The engine that cannot be reached.
    pub engine_lost: Option<String>,
    /// Others are being recovered, as many as may at the same time.
    pub crowd: Vec<String>,
    /// Since when the state cannot be written.
    pub unwritten_since: Option<Mono>,
}

/// What a server's recovery depends on inside itself.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// An operator has paused it.
    pub paused: bool,
    /// A maintenance window is open.
    pub maintained: bool,
    /// Only checks have decided that it is down.
    pub by_checks: bool,
    /// When its last attempt started.
    pub acted: Option<Mono>,
}

/// The first reason that holds, with the names it waits for.
pub fn reason(policy: &Policy, own: Own, around: &Surroundings) -> Option<(Reason, Vec<String>)> {
    let recovery = &policy.recovery;
    let unwritten = around.unwritten_since.is_some_and(|since| own.acted.is_some_and(|acted| acted >= since));
    let asked = [
        (!recovery.enabled, Reason::Disabled, vec![]),
        (recovery.strategy.is_manual(), Reason::Manual, vec![]),
        (own.paused, Reason::Paused, vec![]),
        (own.maintained, Reason::Maintenance, vec![]),
        (!around.unhealthy.is_empty(), Reason::Dependency, around.unhealthy.clone()),
        (recovery.mode == Mode::Observe, Reason::Observe, vec![]),
        (own.by_checks && !around.storm.is_empty(), Reason::Storm, around.storm.clone()),
        (around.engine_lost.is_some(), Reason::Engine, around.engine_lost.clone().into_iter().collect()),
        (!around.crowd.is_empty(), Reason::Concurrency, around.crowd.clone()),
        (unwritten, Reason::State, vec![]),
    ];
    asked.into_iter().find(|(holds, ..)| *holds).map(|(_, reason, on)| (reason, on))
}

#[cfg(test)]
mod tests {
    use health_spec::config::{File, Strategy};
    use health_spec::registry::ServerEntry;

    use super::*;
    use crate::machine::policy::{Purpose, compile};

    /// Rule 9. Everything holds; then one reason after the other goes.
    #[test]
    fn reasons_are_asked_in_their_order() {
        let servers = vec![ServerEntry { name: "a".to_owned(), ..ServerEntry::default() }];
        let policies = compile(&File { servers, ..File::default() }, Purpose::Simulate).expect("valid");
        let mut policy = policies.into_iter().next().expect("one");
        (policy.recovery.enabled, policy.recovery.strategy, policy.recovery.mode) =
            (false, Strategy::Manual.into(), Mode::Observe);
        let at = Mono::default();
        let mut own = Own { paused: true, maintained: true, by_checks: true, acted: Some(at) };
        let some = || vec!["b".to_owned()];
        let mut around = Surroundings {
            unhealthy: some(),
            storm: some(),
            asking_until: None,
            engine_lost: Some("e".to_owned()),
            crowd: some(),
            unwritten_since: Some(at),
        };
        let mut asked = Vec::new();
        while let Some((reason, _)) = reason(&policy, own, &around) {
            asked.push(reason.as_str());
            match reason {
                Reason::Disabled => policy.recovery.enabled = true,
                Reason::Manual => policy.recovery.strategy = Strategy::Restart.into(),
                Reason::Paused => own.paused = false,
                Reason::Maintenance => own.maintained = false,
                Reason::Dependency => around.unhealthy.clear(),
                Reason::Observe => policy.recovery.mode = Mode::Act,
                Reason::Storm => around.storm.clear(),
                Reason::Engine => around.engine_lost = None,
                Reason::Concurrency => around.crowd.clear(),
                Reason::State => around.unwritten_since = None,
            }
        }
        let order = "disabled manual paused maintenance dependency observe storm engine concurrency state";
        assert_eq!(asked.join(" "), order);
    }
}
