//! What a configuration names and this machine does not have: programs, directories, users, files of variables, engines' certificates.
//!
//! Warnings and no mistakes: a file may be checked on another machine than the one that it is for. Of what `run` does not start without,
//! the warning says so. Certificates are mistakes where nothing is to be run.

use health_spec::config::{Engine, EngineTls};
use health_spec::registry::{ProbeTls, Runtime};

use super::{Environment, directory_at, directory_of};
use crate::machine::policy::Issue;
use crate::shell::config::{Draft, Problem};
use crate::shell::hook;
use crate::shell::probe::tls::{Roots, Secured};
use crate::shell::runtime::Supervised;
use crate::shell::runtime::process::program::{Missing, Program};

/// A warning for everything that is missing; of what is broken nothing is said.
pub(super) fn warnings(draft: &Draft, supervised: &[Supervised], environment: Environment<'_>) -> Vec<Problem> {
    let path = environment("PATH");
    let mut found = of_servers(draft, supervised, path.as_deref());
    found.extend(of_hooks(draft, path.as_deref()));
    // That it cannot be there at all is a mistake of its own, and a zero byte is nothing to print.
    found.retain(|(_, missing)| !missing.text.contains('\0'));
    let places = &draft.loaded.places;
    let located = |(pointer, missing): (String, Missing)| places.problem(&pointer, missing.text, Some(missing.help.to_owned()));
    found.into_iter().map(located).collect()
}

fn of_servers(draft: &Draft, supervised: &[Supervised], path: Option<&str>) -> Vec<(String, Missing)> {
    let directory = directory_of(&draft.loaded);
    let mut found = Vec::new();
    for supervised in supervised.iter().filter(|supervised| supervised.is_process()) {
        let program = Program::of(&supervised.runtime, &directory, None);
        let pointer = |key: &str| format!("/servers/{}/runtime/{key}", supervised.entry);
        let is_sure =
            |missing: &Missing| rests_on(missing.key, &supervised.runtime).iter().all(|key| draft.spares(&pointer(key)));
        let missing = program.map(|program| program.missing(path)).unwrap_or_default();
        found.extend(missing.into_iter().filter(is_sure).map(|missing| (pointer(missing.key), missing)));
    }
    found
}

/// The keys that say where what this one names is looked for.
fn rests_on(key: &'static str, runtime: &Runtime) -> &'static [&'static str] {
    let is_path = runtime.command.as_ref().is_some_and(|command| command.contains('/'));
    match key {
        "command" if is_path => &["command", "cwd"],
        "command" => &["command", "env", "env_file"],
        "cwd" => &["cwd"],
        "user" => &["user"],
        "env_file" => &["env_file"],
        _ => &[],
    }
}

fn of_hooks(draft: &Draft, path: Option<&str>) -> Vec<(String, Missing)> {
    let missing = hook::missing(&draft.loaded.file, &|pointer| directory_at(&draft.loaded, pointer), path);
    missing.into_iter().filter(|(pointer, _)| draft.spares(pointer)).collect()
}

/// Files of engines that are not there, cannot be used, or do not fit together.
pub(super) fn certificates(engines: &[Engine]) -> Vec<Issue> {
    let roots = Roots::default();
    let one = |(index, engine): (usize, &Engine)| {
        let tls = engine.tls.as_ref()?;
        let mistake = Secured::written(&as_of_probes(tls), "localhost", ".".as_ref(), &roots).err()?;
        let pointer = format!("/engines/{index}/tls{}", mistake.key);
        Some(Issue { pointer, message: mistake.message, help: mistake.help.to_owned() })
    };
    // Half of a pair is no matter of this machine, and said elsewhere.
    let is_whole =
        |(_, engine): &(usize, &Engine)| engine.tls.as_ref().is_some_and(|tls| tls.cert_file.is_some() == tls.key_file.is_some());
    engines.iter().enumerate().filter(is_whole).filter_map(one).collect()
}

fn as_of_probes(tls: &EngineTls) -> ProbeTls {
    let EngineTls { ca_file, cert_file, key_file } = tls.clone();
    ProbeTls { ca_file, cert_file, key_file, server_name: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_belongs_to_another_certificate_is_seen() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["one", "other"] {
            let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
            std::fs::write(directory.path().join(format!("{name}.pem")), made.cert.pem()).expect("written");
            std::fs::write(directory.path().join(format!("{name}.key")), made.signing_key.serialize_pem()).expect("written");
        }
        let at = |name: &str| Some(directory.path().join(name).to_string_lossy().into_owned());
        let engine = |key: &str| Engine {
            name: "far".to_owned(),
            kind: health_spec::config::EngineKind::Docker,
            address: "tcp://far:2376".to_owned(),
            tls: Some(EngineTls { ca_file: at("one.pem"), cert_file: at("one.pem"), key_file: at(key) }),
        };
        let found = certificates(&[engine("one.key"), engine("other.key")]);
        let found: Vec<_> = found.iter().map(|issue| (issue.pointer.as_str(), issue.message.as_str())).collect();
        assert!(matches!(found[..], [("/engines/1/tls", message)] if message.contains("cannot be used")), "{found:?}");
    }
}
