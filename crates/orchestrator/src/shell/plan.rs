//! From a checked file to what is run: policies, targets and runtimes, or every problem with its place.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use health_spec::config::{Engine, File, Mode, Retention, defaults};
use health_spec::registry::{RuntimeKind, ServerEntry};
use serde_json::Value;

use super::config::{Draft, LoadError, Loaded, Problem, draft, located, parse};
use super::evidence::Subject;
use super::evidence::subject::Directories;
use super::hook::{self, Hooks};
use super::maintenance::Maintenance;
use super::probe::Target;
use super::runtime::container::consent::Consent;
use super::runtime::{StartError, Supervised};
use crate::machine::ServerId;
use crate::machine::policy::{Issue, Policy, Purpose, compile, engines, max_concurrent};

mod address;
mod discovered;
mod found;
mod missing;
mod probes;

/// Everything that a configuration asks for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How servers are checked and brought back.
    pub policies: Vec<Policy>,
    /// Where and how they are checked.
    pub targets: Vec<Target>,
    /// Their entries as written, with what may be secret.
    pub registry: Vec<Value>,
    /// Their entries as read.
    pub entries: Vec<ServerEntry>,
    /// What runs them.
    pub supervised: Vec<Supervised>,
    /// What is done around attempts.
    pub hooks: Vec<Hooks>,
    /// Container engines.
    pub engines: Vec<Engine>,
    /// When recovery is held on purpose.
    pub maintenance: Maintenance,
    /// How many recoveries run at once.
    pub max_concurrent: u32,
    /// What is kept for how long.
    pub retention: Retention,
    /// Where the orchestrator listens, if the configuration says so.
    pub listen: Option<SocketAddr>,
    /// Where a gateway in the same process listens, if the configuration says so.
    pub gateway: Option<SocketAddr>,
    /// The files, and where everything stands in them.
    pub loaded: Loaded,
}

/// Environment variables by their names.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What is looked at on this machine, beside the files.
#[derive(Clone, Copy)]
enum Look<'a> {
    /// Nothing.
    No,
    /// What servers and engines name, and is missing: warnings.
    ToRun(Environment<'a>),
    /// The same, but engines' certificates that cannot be used are mistakes. `run` may go on without an engine: it waits for it.
    ToCheck(Environment<'a>),
}

/// Reads and compiles the files, and those of the directories, at `paths`; every problem at once.
pub fn read(paths: &[PathBuf], environment: Environment<'_>, observe: bool) -> Result<Plan, LoadError> {
    compiled(draft(paths, environment)?, || found::engines(environment), observe, Look::ToRun(environment))
}

/// As [`read`], for who only wants to know what is wrong.
pub fn check(paths: &[PathBuf], environment: Environment<'_>) -> Result<Plan, LoadError> {
    compiled(draft(paths, environment)?, || found::engines(environment), false, Look::ToCheck(environment))
}

/// What is asked for without any file: the defaults, and what the environment says.
pub fn nothing(environment: Environment<'_>) -> Result<Plan, LoadError> {
    let draft = Draft::of(parse(Path::new("defaults"), b"servers: []", environment)?);
    compiled(draft, || found::engines(environment), false, Look::No)
}

/// The same while these engines are in use: they stay when the files name none.
pub fn read_again(engines: &[Engine], paths: &[PathBuf], environment: Environment<'_>, observe: bool) -> Result<Plan, LoadError> {
    compiled(draft(paths, environment)?, || engines.to_vec(), observe, Look::ToRun(environment))
}

/// From what is well formed to what is run.
fn compiled(mut draft: Draft, found: impl FnOnce() -> Vec<Engine>, observe: bool, look: Look<'_>) -> Result<Plan, LoadError> {
    address::settle_engines(&mut draft.loaded, found);
    if observe {
        observe_only(&mut draft.loaded.file);
    }
    let file = draft.loaded.file.clone();
    let mut issues = Vec::new();
    let policies = compile(&file, Purpose::Run).unwrap_or_else(|found| {
        issues.extend(found);
        Vec::new()
    });
    let targets = probes::targets(&file.servers, &draft.loaded, &mut issues);
    draft.loaded.warnings.extend(address::odd_endpoints(&file.servers, &draft.loaded));
    draft.loaded.warnings.extend(probes::oddities(&file.servers, &draft.loaded));
    draft.loaded.warnings.extend(odd_version(&draft.loaded));
    address::check_engines(&file.engines, &mut issues);
    discovered::check(&file, &engines(&file), &mut issues);
    let listen = address::listen("orchestrator", file.listen.orchestrator.as_deref(), defaults::LISTEN, &mut issues);
    let gateway = address::listen("gateway", file.listen.gateway.as_deref(), defaults::LISTEN_GATEWAY, &mut issues);
    draft.loaded.warnings.extend(address::one_for_both(&file, listen, gateway, &draft));
    let maintenance = Maintenance::compile(&file, &mut issues);
    let hooks = hook::compile(&file, &|pointer| directory_at(&draft.loaded, pointer), &mut issues);
    let supervised = supervised(&file.servers, &draft.loaded);
    look_around(&mut draft, &supervised, look, &mut issues);
    let loaded = draft.judge(issues)?;
    Ok(Plan {
        policies,
        targets,
        registry: registry(&loaded.raw),
        supervised,
        hooks,
        engines: engines(&file),
        maintenance,
        max_concurrent: max_concurrent(&file),
        retention: file.retention,
        listen,
        gateway,
        entries: file.servers,
        loaded,
    })
}

/// What of this machine is to be known.
fn look_around(draft: &mut Draft, supervised: &[Supervised], look: Look<'_>, issues: &mut Vec<Issue>) {
    let (Look::ToRun(environment) | Look::ToCheck(environment)) = look else { return };
    let mut warnings = missing::warnings(draft, supervised, environment);
    // Those that are found by themselves, such as by `DOCKER_CERT_PATH`, need not be meant.
    let is_named = draft.loaded.raw.get("engines").and_then(Value::as_array).is_some_and(|engines| !engines.is_empty());
    let certificates = if is_named { missing::certificates(&draft.loaded.file.engines) } else { Vec::new() };
    if matches!(look, Look::ToCheck(_)) {
        issues.extend(certificates);
    } else {
        warnings.extend(certificates.into_iter().map(|issue| located(&draft.loaded, issue)));
    }
    draft.loaded.warnings.extend(warnings);
}

/// A version that is not known: what the file means may be something else.
fn odd_version(loaded: &Loaded) -> Option<Problem> {
    let version = loaded.file.version.as_ref()?;
    let text = version.as_str().map_or_else(|| version.to_string(), str::to_owned);
    let message = format!("the version of this format is {text}, and only 1.x is known: its keys are read as those of 1.1");
    let help = Some("write version: \"1.1\", or leave it out".to_owned());
    (text.split('.').next() != Some("1")).then(|| loaded.places.problem("/version", message, help))
}

fn observe_only(file: &mut File) {
    for recovery in file.servers.iter_mut().map(|entry| &mut entry.recovery).chain([&mut file.recovery]) {
        recovery.mode = Some(Mode::Observe);
    }
}

/// What cannot be run as configured, with its places.
pub fn faults(plan: &Plan, error: StartError) -> Vec<Problem> {
    let places = &plan.loaded.places;
    error.faults.into_iter().map(|fault| places.problem(&fault.pointer, fault.text, None)).collect()
}

impl Plan {
    /// What relative paths in the configuration start at: a server's process at its own file's directory, see `supervised`.
    pub fn directory(&self) -> PathBuf {
        directory_of(&self.loaded)
    }

    /// Where the evidence of each server is, in the order of the entries.
    pub fn subjects(&self, state_directory: &Path) -> Vec<Subject> {
        let mut runtimes = vec![None; self.entries.len()];
        for supervised in &self.supervised {
            runtimes[supervised.entry] = Some(&supervised.runtime);
        }
        let registry = self.directory();
        let directories = Directories { state: state_directory, registry: &registry };
        let raw = self.loaded.raw.get("servers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        // Hooks for all servers may say what they were given, too.
        let recovery = self.loaded.raw.get("recovery").unwrap_or(&Value::Null);
        let for_all = directory_at(&self.loaded, "/recovery");
        let one = |(index, entry): (usize, &ServerEntry)| {
            let written = raw.get(index).unwrap_or(&Value::Null);
            let base = probes::base_of(index, &self.loaded);
            Subject::new(&entry.name, runtimes[index], &self.engines, [(written, &*base), (recovery, &*for_all)], directories)
        };
        self.entries.iter().enumerate().map(one).collect()
    }

    /// Every file that was read, and every directory: when one changes, the plan may.
    pub fn watched(&self) -> &[PathBuf] {
        &self.loaded.watched
    }
}

fn directory_of(loaded: &Loaded) -> PathBuf {
    match loaded.paths.first() {
        Some(path) if path.is_dir() => path.clone(),
        Some(path) => parent(path),
        None => PathBuf::from("."),
    }
}

/// Where the file is that `pointer` leads to.
fn directory_at(loaded: &Loaded, pointer: &str) -> PathBuf {
    loaded.places.path(pointer).map_or_else(|| directory_of(loaded), parent)
}

fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

/// The entries as written. What may be a secret is hidden when one is asked for: most never are.
fn registry(raw: &Value) -> Vec<Value> {
    raw.get("servers").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// A relative path of a process starts at the file that names it, which need not be the first one.
fn supervised(entries: &[ServerEntry], loaded: &Loaded) -> Vec<Supervised> {
    let base = directory_of(loaded);
    let one = |(index, entry): (usize, &ServerEntry)| {
        let mut runtime = entry.runtime.clone().filter(|runtime| runtime.kind != RuntimeKind::None)?;
        let own = loaded.places.path(&format!("/servers/{index}/runtime/kind")).map(parent);
        if let Some(own) = own.filter(|own| runtime.kind == RuntimeKind::Process && *own != base) {
            let own = std::path::absolute(&own).unwrap_or(own);
            let below = |path: &str| own.join(path).to_string_lossy().into_owned();
            runtime.env_file = runtime.env_file.as_deref().map(below);
            runtime.cwd = Some(below(runtime.cwd.as_deref().unwrap_or_default()));
        }
        let stop_timeout = runtime.stop_timeout_seconds.map(|timeout| timeout.0);
        Some(Supervised {
            server: ServerId(index),
            entry: index,
            name: entry.name.clone(),
            runtime,
            stop_timeout,
            acting: None,
            replaces: false,
            stopped: false,
            unsettled: false,
            known: false,
            consent: Consent::default(),
        })
    };
    entries.iter().enumerate().filter_map(one).collect()
}

#[cfg(test)]
mod mistakes;

#[cfg(test)]
mod tests {
    use super::*;

    /// Contract, section 2: registries in both forms in use load as they are.
    #[test]
    fn the_ecosystems_registries_load_unchanged() {
        for (form, text) in
            [("flat", include_str!("plan/registries/flat.yaml")), ("wrapped", include_str!("plan/registries/wrapped.yaml"))]
        {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("registry.yaml");
            std::fs::write(&path, text).expect("written");
            let plan = read(&[path], &|_| None, false).unwrap_or_else(|error| panic!("{form}: {error}"));
            assert_eq!(plan.loaded.warnings, [], "{form}");
            let names: Vec<_> = plan.policies.iter().map(|policy| policy.name.as_str()).collect();
            assert_eq!(names, ["mcp-server-taskmgr", "mcp-server-files"], "{form}");
            assert_eq!(plan.supervised.len(), 0, "{form}: nothing of it is started");
            assert!(plan.registry[0]["tools"].is_array(), "{form}: what is not ours is carried along");
        }
    }

    #[tokio::test]
    async fn secret_files_are_looked_for_beside_the_file_that_names_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let paths = ["one", "two"].map(|name| directory.path().join(name).join("registry.yaml"));
        for (path, (name, port)) in paths.iter().zip([("a", 1), ("b", 2)]) {
            let text =
                format!("servers: [{{name: {name}, port: {port}, probes: [{{kind: http, bearer_token_file: bearer}}]}}]\n");
            std::fs::create_dir_all(parent(path)).expect("a directory");
            std::fs::write(path, text).expect("written");
            std::fs::write(parent(path).join("bearer"), format!("the-token-of-{name}")).expect("written");
        }
        let plan = read(&paths, &|_| None, false).unwrap_or_else(|error| panic!("{error}"));
        let now = tokio::time::Instant::now();
        for (subject, expected) in plan.subjects(directory.path()).into_iter().zip(["***, the-token-of-b", "the-token-of-a, ***"])
        {
            let mask = std::sync::Arc::new(subject).mask(now, std::time::Duration::from_secs(30)).await;
            assert_eq!(mask.text("the-token-of-a, the-token-of-b"), expected);
        }
    }
}
