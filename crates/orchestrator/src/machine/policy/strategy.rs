//! Whether what an attempt is to do can be done: strategies that fit what runs the server, and hooks that are complete.
//!
//! A ladder in the file's own section is for all servers: what does not fit one of them is left out there.

use health_spec::config::{self, Hook, Strategies, Strategy, defaults};
use health_spec::registry::{RuntimeKind, ServerEntry};

use super::Purpose;
use super::merge::{SHORTEST, Section};
use super::runtime::NO_ZERO;

/// Whether something runs the server that can restart it. `simulate` scripts that.
pub(super) fn is_restartable(entry: &ServerEntry, purpose: Purpose) -> bool {
    purpose == Purpose::Simulate || kind(entry) != RuntimeKind::None
}

fn kind(entry: &ServerEntry) -> RuntimeKind {
    entry.runtime.as_ref().map_or(RuntimeKind::None, |runtime| runtime.kind)
}

/// Why this strategy cannot be carried out for this server, and what to do about that.
fn misfit(strategy: Strategy, entry: &ServerEntry, purpose: Purpose) -> Option<(&'static str, &'static str)> {
    let has_container = kind(entry).engine().is_some();
    match strategy {
        Strategy::Restart | Strategy::Recreate if !is_restartable(entry, purpose) => {
            Some(("this server has no runtime that could do it", "give it a `runtime`; or `repair` with a hook, or `manual`"))
        }
        Strategy::Recreate if purpose == Purpose::Run && !has_container => Some((
            "only containers can be recreated",
            "`restart`, which starts a process anew with everything that is configured",
        )),
        _ => None,
    }
}

/// One of the hooks of a section.
type Key = fn(&config::Recovery) -> Option<Hook>;

fn key(recovery: &config::Recovery) -> Option<Strategies> {
    recovery.strategy.clone()
}

impl Section<'_> {
    /// What an attempt does.
    pub(super) fn strategy(&mut self, entry: &ServerEntry, purpose: Purpose) -> Strategies {
        let wanted = self.recovery(key).unwrap_or(defaults::STRATEGY.into());
        if wanted.rungs().len() > 1 && wanted.contains(Strategy::Manual) {
            let pointer = self.recovery_pointer("strategy", &key);
            let message = "`manual` stands in a ladder".to_owned();
            self.issue(pointer, message, "leave it out: when the attempts are used up, a person is needed anyway");
            return wanted;
        }
        let possible = self.possible(&wanted, entry, purpose);
        if possible.contains(Strategy::Repair) && self.recovery(|recovery| recovery.repair.clone()).is_none() {
            let pointer = self.recovery_pointer("strategy", &key);
            self.issue(
                pointer,
                "`repair` has no hook to run".to_owned(),
                "add `repair: {command: [...]}` or `repair: {url: ...}`",
            );
        }
        if entry.recovery.repair.is_some() && !possible.contains(Strategy::Repair) {
            let message = format!("the hook `repair` is never run: the strategy is {possible}");
            let help = "add it to `strategy`, such as [repair, restart], or remove the hook";
            self.issue(format!("/servers/{}/recovery/repair", self.index), message, help);
        }
        possible
    }

    /// The rungs that fit the server. What its own entry asks for has to fit.
    fn possible(&mut self, wanted: &Strategies, entry: &ServerEntry, purpose: Purpose) -> Strategies {
        let fits = |strategy: &Strategy| misfit(*strategy, entry, purpose).is_none();
        if let Some(possible) = Strategies::of(wanted.rungs().iter().copied().filter(fits).collect())
            && (entry.recovery.strategy.is_none() || possible == *wanted)
        {
            return possible;
        }
        if entry.recovery.strategy.is_none() && kind(entry) == RuntimeKind::None {
            return Strategy::Manual.into();
        }
        let pointer = self.recovery_pointer("strategy", &key);
        for (at, strategy) in wanted.rungs().iter().enumerate() {
            let Some((why, help)) = misfit(*strategy, entry, purpose) else { continue };
            let pointer = if wanted.rungs().len() > 1 { format!("{pointer}/{at}") } else { pointer.clone() };
            self.issue(pointer, format!("`{}` cannot be carried out for `{}`: {why}", strategy.as_str(), entry.name), help);
        }
        wanted.clone()
    }

    /// Each hook is a command or a request, and complete.
    pub(super) fn hooks(&mut self) {
        let keys: [(&str, Key); 3] = [
            ("repair", |recovery| recovery.repair.clone()),
            ("before", |recovery| recovery.before.clone()),
            ("after", |recovery| recovery.after.clone()),
        ];
        for (name, key) in keys {
            if let Some(hook) = self.recovery(key) {
                let pointer = self.recovery_pointer(name, &key);
                self.hook(&pointer, &hook);
            }
        }
    }

    fn hook(&mut self, pointer: &str, hook: &Hook) {
        let program = hook.command.as_ref().map(|command| command.first().is_some_and(|program| !program.is_empty()));
        match (program, &hook.url) {
            (None, None) => {
                let help = "add `command: [program, argument]` or `url: http://...`";
                self.issue(pointer.to_owned(), "this hook has nothing to run".to_owned(), help);
            }
            (Some(_), Some(_)) => {
                self.issue(format!("{pointer}/url"), "`url` stands beside `command`".to_owned(), "a hook is one of the two");
            }
            (Some(false), None) => {
                self.issue(format!("{pointer}/command"), "`command` has no program".to_owned(), "[program, argument, ...]");
            }
            _ => {}
        }
        let arguments = hook.command.iter().flatten().enumerate();
        for (at, _) in arguments.filter(|(_, argument)| argument.contains('\0')) {
            self.issue(format!("{pointer}/command/{at}"), NO_ZERO.0.to_owned(), NO_ZERO.1);
        }
        let of_requests = [
            ("method", hook.method.is_some()),
            ("headers", !hook.headers.is_empty()),
            ("body", hook.body.is_some()),
            ("tls", hook.tls.is_some()),
        ];
        for (key, _) in of_requests.into_iter().filter(|(_, is_given)| *is_given && hook.command.is_some()) {
            let message = format!("`{key}` belongs to a request, and this hook is a command");
            self.issue(format!("{pointer}/{key}"), message, "remove it, or give a `url` instead of the command");
        }
        if hook.timeout_seconds.is_some_and(|timeout| timeout.0 < SHORTEST) {
            let message = "timeout_seconds is too short for anything to run".to_owned();
            self.issue(format!("{pointer}/timeout_seconds"), message, "at least 0.01 seconds");
        }
    }
}
