//! Plausible mistakes, each one replacement in one file of the machine.

/// A mistake.
pub(super) struct Mutant {
    /// What is broken.
    pub(super) name: &'static str,
    /// Below `machine`.
    pub(super) file: &'static str,
    /// Stands there exactly once.
    pub(super) from: &'static str,
    /// Stands there instead.
    pub(super) to: &'static str,
}

const fn mutant(name: &'static str, file: &'static str, from: &'static str, to: &'static str) -> Mutant {
    Mutant { name, file, from, to }
}

/// All of them.
pub(super) const MUTANTS: [Mutant; 36] = [
    mutant(
        "down one failure late",
        "server/check.rs",
        "self.state.failures >= self.policy.failure_threshold",
        "self.state.failures > self.policy.failure_threshold",
    ),
    mutant(
        "well one answer early",
        "server/check.rs",
        "self.state.successes >= self.policy.success_threshold",
        "self.state.successes + 1 >= self.policy.success_threshold",
    ),
    mutant(
        "attempt counter never starts over",
        "server/check.rs",
        "if up_for >= self.policy.recovery.reset_after {",
        "if up_for >= self.policy.recovery.reset_after && false {",
    ),
    mutant(
        "a failure does not end the row of good answers",
        "server/check.rs",
        "        self.state.successes = 0;\n        self.state.failures =",
        "        self.state.failures =",
    ),
    mutant(
        "results of checks that nobody waits for are taken",
        "server/check.rs",
        "self.flight.take_if(|flight| flight.serial == serial) else { return };",
        "self.flight.take_if(|flight| flight.serial >= serial) else { return };",
    ),
    mutant(
        "a storm holds nothing",
        "hold.rs",
        "own.by_checks && !around.storm.is_empty()",
        "false && own.by_checks && !around.storm.is_empty()",
    ),
    mutant("one failing witness of four is a storm", "storm.rs", "failing.len() * 2 >= of", "failing.len() * 4 >= of"),
    mutant(
        "every held server is a canary",
        "storm.rs",
        "(Some(doubt), _) if doubt.canary != Some(id) =>",
        "(Some(doubt), _) if doubt.canary.is_none() =>",
    ),
    mutant(
        "the budget's window is ignored",
        "server/recovery.rs",
        "if self.state.spent.len() >= most as usize { Err(Exhausted::Budget) } else { Ok(delay) }",
        "if self.state.spent.len() > most as usize { Err(Exhausted::Budget) } else { Ok(delay) }",
    ),
    mutant(
        "attempts of long ago count for the budget",
        "server/recovery.rs",
        "self.state.spent.retain(|at| turn.now.since(*at) < window);",
        "let _ = window;",
    ),
    mutant(
        "a dependency is asked before a pause",
        "hold.rs",
        "(own.paused, Reason::Paused, vec![]),",
        "(!around.unhealthy.is_empty(), Reason::Dependency, around.unhealthy.clone()),\n        (own.paused, Reason::Paused, vec![]),",
    ),
    mutant(
        "a start begins no new grace",
        "server/word.rs",
        "self.enter(Phase::Starting);\n        self.state.grace_until = turn.now.after(self.policy.start_period);",
        "self.enter(Phase::Starting);",
    ),
    mutant(
        "one recovery too many at once",
        "fleet.rs",
        "others().count() >= self.limits.recoveries",
        "others().count() > self.limits.recoveries",
    ),
    mutant(
        "a delay runs again after a release",
        "server/recovery.rs",
        "self.plan_after(turn, delay_ran);",
        "self.plan_after(turn, delay_ran && false);",
    ),
    mutant(
        "an incident is left open by a stop",
        "server/word.rs",
        "self.say(turn, EventKind::ServerStopped { reason: stop.as_str().to_owned() });\n        self.state.incident = None;",
        "self.say(turn, EventKind::ServerStopped { reason: stop.as_str().to_owned() });",
    ),
    mutant(
        "an open attempt is repeated after a crash",
        "server/beginning.rs",
        "memory.recovery = Recovery::Verifying { until, attempt, cut_off, untouched };",
        "let _ = (until, attempt, cut_off, untouched);\n            memory.recovery = Recovery::Waiting { due: now, delay: std::time::Duration::ZERO };",
    ),
    mutant(
        "a check may run during an action",
        "server/recovery.rs",
        "        self.drop_check();\n        self.enter(Phase::Recovering);\n        self.state.held = None;",
        "        self.enter(Phase::Recovering);\n        self.state.held = None;",
    ),
    mutant(
        "the wrong moment wakes the fleet",
        "server.rs",
        "[dying, paused, recovery, self.state.next_check]",
        "[dying, paused, recovery, self.state.next_check.map(|at| at.after(Duration::from_secs(2)))]",
    ),
    mutant(
        "answers from before speak for what came after",
        "fleet/weather.rs",
        "if next.as_ref().is_none_or(|next| !next.about.contains(&id)) {",
        "if true || next.as_ref().is_none_or(|next| !next.about.contains(&id)) {",
    ),
    mutant(
        "after a storm everybody goes on at once",
        "storm/ebb.rs",
        "filter(|ebb| ebb.released.len() < most)",
        "filter(|ebb| ebb.released.len() < most.saturating_mul(1_000))",
    ),
    mutant(
        "a server that asks to be left alone is not",
        "server/pace.rs",
        "self.state.alone_until.map_or(wanted, |until| until.max(wanted))",
        "wanted",
    ),
    mutant("a restart that another one replaces has no end", "server/word.rs", "        self.supersede(turn);\n", ""),
    mutant(
        "a death that is told again starts what was stopped",
        "server/word.rs",
        "if again && !was_no_stop && self.is_judged_dead() {",
        "if again && !was_no_stop && self.is_judged_dead() && false {",
    ),
    mutant("a death is said as often as it is told", "server/word.rs", "        if !again {\n", "        if true {\n"),
    mutant(
        "a start that is not ours leaves the counter",
        "server/word.rs",
        "(Phase::Recovering, Recovery::Waiting { .. }) => {\n                self.state.attempts = 0;",
        "(Phase::Recovering, Recovery::Waiting { .. }) => {",
    ),
    mutant("a paused server is restarted", "hold.rs", "(own.paused, Reason::Paused", "(false && own.paused, Reason::Paused"),
    mutant("a status changes to itself", "server.rs", "if self.state.status == status {", "if false {"),
    mutant(
        "two incidents have one number",
        "server.rs",
        "*turn.incidents += 1;",
        "*turn.incidents += u64::from(*turn.incidents == 0);",
    ),
    mutant("checks do not wait for room", "server.rs", "            if turn.room {\n", "            if turn.room || true {\n"),
    mutant("the disk is never waited for", "hold.rs", "(unwritten, Reason::State", "(false && unwritten, Reason::State"),
    mutant("an attempt fails while nobody can look", "server/recovery.rs", "if self.state.is_blind {", "if false {"),
    mutant(
        "a monitor that begins again asks nobody",
        "fleet/beginning.rs",
        "fleet.doubt_what_was_planned(now, &mut effects);",
        "",
    ),
    mutant(
        "a start that nobody told of is forgotten by a crash",
        "server/word.rs",
        "turn.effects.push(Effect::Remember(turn.id));\n        self.forget_signal();",
        "self.forget_signal();",
    ),
    mutant(
        "what was stopped meanwhile is touched",
        "server/ending.rs",
        "if *serial == ticket.serial && *stage == Stage::Prepares =>",
        "if *serial == ticket.serial && *stage != Stage::Begun =>",
    ),
    mutant(
        "what may be being stopped is touched",
        "server/ending.rs",
        "if !matches!(self.state.recovery, Recovery::Acting { attempt: Attempt::Operator, .. }) {",
        "if false {",
    ),
    mutant(
        "a window that was open is forgotten",
        "fleet/beginning.rs",
        "fleet.open_windows(&beginning.maintenance, now, &mut effects);",
        "",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A rule that has moved takes its mutant with it.
    #[test]
    fn every_mutant_finds_its_text_once() {
        let folder = crate::workspace::root().join("crates/orchestrator/src/machine");
        let found = |mutant: &Mutant| {
            std::fs::read_to_string(folder.join(mutant.file)).map_or(0, |text| text.matches(mutant.from).count())
        };
        let lost: Vec<_> = MUTANTS.iter().filter(|mutant| found(mutant) != 1).map(|mutant| mutant.name).collect();
        assert!(lost.is_empty(), "these do not find their text exactly once: {lost:?}");
    }
}
