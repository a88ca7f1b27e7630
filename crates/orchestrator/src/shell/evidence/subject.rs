//! Where the evidence of a server is: what runs it, and what must not be shown of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use health_spec::config::Engine;
use health_spec::incident::DetectedBy;
use health_spec::registry::{Runtime, RuntimeKind};
use serde_json::Value;

use super::facts::digest;
use crate::machine::policy::engine_of;
use crate::shell::runtime::process::places::Places;

/// The most that is read of a file with a secret in it.
const SECRET_FILE_BYTES: u64 = 4 * 1024;

/// One server, as evidence needs it.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// What runs it.
    pub source: Source,
    secrets: Box<[Secret]>,
}

/// What runs a server.
#[derive(Clone, Debug, Default)]
pub enum Source {
    /// Nothing that we know of.
    #[default]
    None,
    /// A container.
    Container {
        /// Its engine.
        engine: Box<Engine>,
        /// `docker` or `podman`.
        kind: &'static str,
        /// Its name or id.
        container: String,
    },
    /// A child process of ours.
    Process(Box<ProcessSource>),
    /// A unit of systemd.
    Unit {
        /// Its name.
        unit: String,
        /// Of the user's manager.
        user: bool,
    },
}

/// A child process of ours.
#[derive(Clone, Debug)]
pub struct ProcessSource {
    /// The program, as it is configured.
    pub command: String,
    /// Tells one list of arguments from another; they may hold secrets.
    pub arguments: String,
    /// Tells one environment from another.
    pub environment: String,
    /// The names in it.
    pub names: Vec<String>,
    /// A file with more of it.
    pub environment_file: Option<PathBuf>,
    /// Its log.
    pub log: PathBuf,
    /// What is known of the process itself.
    pub record: PathBuf,
}

#[derive(Clone)]
enum Secret {
    Value(Box<str>),
    File(PathBuf),
    /// Of `NAME=value` lines.
    Environment(PathBuf),
}

/// What the places of files start at.
#[derive(Clone, Copy, Debug)]
pub struct Directories<'a> {
    /// Where records and logs are kept.
    pub state: &'a Path,
    /// What relative paths in the registry start at.
    pub registry: &'a Path,
}

impl Subject {
    /// A server of this name; `written` is all that was written for it, such as its entry in the registry.
    pub fn new<'a>(
        name: &str,
        runtime: Option<&Runtime>,
        engines: &[Engine],
        written: impl IntoIterator<Item = &'a Value>,
        directories: Directories<'_>,
    ) -> Self {
        let mut secrets = Vec::new();
        written.into_iter().for_each(|written| collect(written, directories.registry, &mut secrets));
        let source = runtime.map_or(Source::None, |runtime| source(name, runtime, engines, directories));
        Self { name: name.to_owned(), source, secrets: secrets.into() }
    }

    /// The values that the registry entry itself gives.
    pub fn values(&self) -> impl Iterator<Item = String> {
        self.secrets.iter().filter_map(|secret| match secret {
            Secret::Value(value) => Some(value.to_string()),
            Secret::File(_) | Secret::Environment(_) => None,
        })
    }

    /// Those, and what stands in the files that it names.
    pub async fn secrets(&self) -> Vec<String> {
        let mut values: Vec<String> = self.values().collect();
        for secret in &self.secrets {
            match secret {
                Secret::Value(_) => {}
                Secret::File(path) => values.extend(read_secret(path).await),
                Secret::Environment(path) => {
                    let text = read_secret(path).await.unwrap_or_default();
                    values.extend(pairs(&text).map(|(_, value)| value.to_owned()));
                }
            }
        }
        values
    }

    /// Who notices when it dies.
    pub fn notices_death(&self) -> DetectedBy {
        match self.source {
            Source::Process(_) => DetectedBy::Process,
            Source::Container { .. } | Source::Unit { .. } | Source::None => DetectedBy::Engine,
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(_) => f.write_str("Value(..)"),
            Self::File(path) | Self::Environment(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

fn source(name: &str, runtime: &Runtime, engines: &[Engine], directories: Directories<'_>) -> Source {
    match runtime.kind {
        RuntimeKind::Process => Source::Process(Box::new(process(name, runtime, directories))),
        RuntimeKind::Docker => container(runtime, engines, "docker"),
        RuntimeKind::Podman => container(runtime, engines, "podman"),
        RuntimeKind::Systemd => {
            let user = runtime.bus.as_deref() == Some("user");
            Source::Unit { unit: runtime.unit.clone().unwrap_or_default(), user }
        }
        RuntimeKind::None => Source::None,
    }
}

fn container(runtime: &Runtime, engines: &[Engine], kind: &'static str) -> Source {
    // A configuration that names none there is, is refused.
    let Some(engine) = engine_of(engines, runtime).and_then(|id| engines.get(id.0)).cloned() else { return Source::None };
    let container = runtime.container.clone().unwrap_or_default();
    Source::Container { engine: Box::new(engine), kind, container }
}

fn process(name: &str, runtime: &Runtime, directories: Directories<'_>) -> ProcessSource {
    let Places { record, log, .. } = Places::of(directories.state, name);
    let environment: BTreeMap<_, _> = runtime.env.iter().collect();
    ProcessSource {
        command: runtime.command.clone().unwrap_or_default(),
        arguments: format!("{} ({})", runtime.args.len(), digest(&runtime.args.join("\0"))),
        environment: digest(&format!("{environment:?}")),
        names: runtime.env.keys().cloned().collect(),
        environment_file: runtime.env_file.as_ref().map(|path| directories.registry.join(path)),
        log,
        record,
    }
}

/// Everything below `env` and `headers`, everything whose key says so, and the files that keys ending in `_file` name.
fn collect(value: &Value, directory: &Path, secrets: &mut Vec<Secret>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::Object(inner) if key == "env" || key == "headers" => {
                        secrets.extend(inner.values().filter_map(Value::as_str).map(|text| Secret::Value(text.into())));
                        collect(value, directory, secrets);
                    }
                    Value::String(path) if key == "env_file" => secrets.push(Secret::Environment(directory.join(path))),
                    Value::String(path) if key.ends_with("_file") => secrets.push(Secret::File(directory.join(path))),
                    Value::String(text) if is_secret(key) => secrets.push(Secret::Value(text.as_str().into())),
                    _ => collect(value, directory, secrets),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, directory, secrets)),
        _ => {}
    }
}

/// The lines of an environment file, as far as they are `NAME=value`; without quotes around the value.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.trim().trim_start_matches("export "), value.trim().trim_matches(['"', '\''])))
}

/// Whether a name says that its value is a secret.
pub fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 9] =
        ["password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "privatekey", "credential"];
    let plain: String = name.chars().filter(|it| !matches!(it, '-' | '_')).flat_map(char::to_lowercase).collect();
    PARTS.iter().any(|part| plain.contains(part))
}

/// Certificates stand in files too, and are no secrets; a file that cannot be read has none that anybody could show.
async fn read_secret(path: &Path) -> Option<String> {
    use tokio::io::AsyncReadExt;
    let mut text = String::new();
    tokio::fs::File::open(path).await.ok()?.take(SECRET_FILE_BYTES).read_to_string(&mut text).await.ok()?;
    (!text.contains("-----BEGIN ")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::evidence::Mask;

    #[tokio::test]
    async fn what_the_registry_gives_is_hidden() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("bearer"), "from-a-file\n").expect("written");
        std::fs::write(directory.path().join("more.env"), "# more\nexport MORE='from-a-line'\n").expect("written");
        let entry = serde_json::json!({
            "name": "calculator",
            "runtime": { "env": { "PLAIN": "from-the-environment" }, "env_file": "more.env" },
            "probes": [{ "headers": { "X-Team": "from-a-header" }, "bearer_token_file": "bearer", "password": "from-a-key" }],
        });
        let recovery = serde_json::json!({ "after": { "url": "http://a/", "headers": { "X-Hook": "from-a-hook" } } });
        let directories = Directories { state: directory.path(), registry: directory.path() };
        let subject = Subject::new("calculator", None, &[], [&entry, &recovery], directories);
        let mask = Mask::of(subject.secrets().await);
        for secret in ["from-a-file", "from-the-environment", "from-a-header", "from-a-key", "from-a-line", "from-a-hook"] {
            assert_eq!(mask.text(&format!("a {secret} b")), "a *** b");
        }
        assert_eq!(mask.text("calculator"), "calculator");
        assert!(!format!("{subject:?}").contains("from-the-environment"));
    }
}
