//! From a container that asks to be watched to the entry that a registry would have for it.

use health_spec::config::{AddressBy, Discovery, Engine, defaults};
use serde_json::{Map, Value, json};

use super::address::{Host, Nowhere, Said, health_url};
use super::container::Container;
use super::hints::Compose;
use super::labels::{Fault, Labels};

/// What a container asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// The server's name.
    pub name: String,
    /// What the server has to be after, as far as those are watched at all.
    pub depends_on: Vec<String>,
    /// Whether labels of ours say so; else it is compose that does.
    pub insists: bool,
    /// The entry, without dependencies.
    pub entry: Value,
}

/// Why nothing can be made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It has to run first, or its engine has to say how it is.
    Later(&'static str),
    /// Its labels are wrong.
    Wrong(Vec<Fault>),
}

/// What tells a container from another one, and makes one that is recreated the same: its place in compose, or its name.
pub fn key(container: &Container) -> String {
    let Container { engine, name, .. } = container;
    match Compose::of(container) {
        Some(compose) => format!("{engine}/compose/{}/{}/{}", compose.project, compose.service, compose.number),
        None => format!("{engine}/container/{name}"),
    }
}

/// Reads what a container asks for, whose labels ask for it.
pub fn wish(container: &Container, engine: &Engine, settings: &Discovery) -> Result<Wish, Denied> {
    let labels = Labels::read(&container.labels).map_err(Denied::Wrong)?;
    let Some(details) = &container.details else {
        return Err(Denied::Later("its engine does not say how it is"));
    };
    if !details.has_run {
        return Err(Denied::Later("it is registered when it has been started for the first time"));
    }
    let url = match labels.url.clone() {
        Some(url) => url,
        None => derived(container, engine, settings, &labels)?,
    };
    let compose = Compose::of(container);
    let name = labels.name.clone().or_else(|| compose.as_ref().map(Compose::server_name));
    let name = name.unwrap_or_else(|| container.name.clone());
    let insists = labels.depends_on.is_some();
    let own_group = compose.as_ref().map(|compose| compose.project.to_owned());
    let group = labels.group.clone().or_else(|| settings.group.clone()).or(own_group);
    let hinted = || compose.iter().flat_map(|compose| &compose.depends_on).map(|name| (*name).to_owned()).collect();
    let depends_on = labels.depends_on.clone().unwrap_or_else(hinted);
    Ok(Wish { entry: entry(container, engine, &labels, (&name, &url, group)), name, depends_on, insists })
}

fn derived(container: &Container, engine: &Engine, settings: &Discovery, labels: &Labels) -> Result<String, Denied> {
    let by: AddressBy = settings.address.unwrap_or(defaults::DISCOVERY_ADDRESS);
    let said = Said { port: labels.port, path: labels.path.as_deref() };
    health_url(container, &Host::of(engine), by, &said).map_err(|nowhere| match nowhere {
        Nowhere::Later => Denied::Later("its address is known when it runs"),
        Nowhere::Fault(fault) => Denied::Wrong(vec![fault]),
    })
}

fn entry(container: &Container, engine: &Engine, labels: &Labels, (name, url, group): (&str, &str, Option<String>)) -> Value {
    let runtime = json!({ "kind": engine.kind, "container": container.name, "engine": engine.name });
    let mut check = Map::new();
    check.extend(labels.interval.clone().map(|interval| ("interval_seconds".to_owned(), interval)));
    check.extend(labels.timeout.clone().map(|timeout| ("timeout_seconds".to_owned(), timeout)));
    let mut entry = json!({ "name": name, "health_url": url, "runtime": runtime });
    let more = [
        ("group", group.map(Value::String)),
        ("docker_image", Some(json!(container.image)).filter(|_| !container.image.is_empty())),
        ("health_check", Some(Value::Object(check)).filter(|check| check != &json!({}))),
        ("recovery", labels.recovery.clone()),
    ];
    for (key, value) in more {
        if let Some(value) = value {
            entry[key] = value;
        }
    }
    entry
}
