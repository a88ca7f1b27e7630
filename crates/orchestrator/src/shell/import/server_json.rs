//! `server.json` of the MCP registry: where a server runs already (`remotes`), or how it is started (`packages`).

use serde_json::{Map, Value, json};

use super::client::report;
use super::reference::{References, escaped};
use super::server::Server;

mod argument;

use argument::{arguments, filled};

/// One `server.json`.
pub(super) fn server(name: &str, written: &Map<String, Value>) -> Server {
    let mut server = Server::new(name);
    for key in ["description", "version"] {
        server.carry(key, written.get(key));
    }
    server.carry("repository", written.get("repository").and_then(|repository| repository.get("url")));
    let list = |key: &str| written.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let (remotes, packages) = (list("remotes"), list("packages"));
    match (remotes.first(), packages.first()) {
        (Some(remote), _) => self::remote(&mut server, remote),
        (None, Some(package)) => self::package(&mut server, package),
        (None, None) => server.note("it has neither remotes nor packages: give a health_url"),
    }
    if remotes.len() + packages.len() > 1 {
        let chosen = if remotes.is_empty() { "package" } else { "remote" };
        server.note(format!("the first {chosen} was taken; all of them are under metadata"));
    }
    let carried = ["name", "description", "version", "$schema"];
    let rest = written.iter().filter(|(key, _)| !carried.contains(&key.as_str()));
    server.keep("server_json", rest.map(|(key, value)| (key.clone(), value.clone())).collect());
    server
}

fn remote(server: &mut Server, remote: &Value) {
    match remote.get("url").and_then(Value::as_str).map(|url| filled(url, remote.get("variables"))) {
        Some(Ok(url)) => server.endpoint(&escaped(&url)),
        Some(Err(variable)) => server.note(format!("the URL needs a value for `{variable}`: give the endpoint and a health_url")),
        None => server.note("the remote has no URL: give a health_url"),
    }
    let headers = remote.get("headers").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<_> = headers.filter_map(|header| header.get("name")?.as_str()).collect();
    if !names.is_empty() {
        server.note(format!("not carried: headers ({}); health is asked for without credentials", names.join(", ")));
    }
}

fn package(server: &mut Server, package: &Value) {
    let text = |key: &str| package.get(key).and_then(Value::as_str);
    let identifier = text("identifier").unwrap_or_default();
    match text("registryType").or_else(|| text("registry_type")) {
        Some("npm") => process(server, package, "npx", &["-y"], &versioned(identifier, text("version"))),
        Some("pypi") => process(server, package, "uvx", &[], &versioned(identifier, text("version"))),
        Some("nuget") => process(server, package, "dnx", &["--yes"], &versioned(identifier, text("version"))),
        Some("oci") => {
            server.set("docker_image", escaped(identifier));
            server.note("the container is missing: start it, and give runtime: { kind: docker, container: NAME }");
        }
        Some(other) => server.note(format!("a package of type {other} cannot be started here: give a runtime")),
        None => server.note("the package has no registryType: give a runtime"),
    }
    let transport = package.get("transport").and_then(|transport| transport.get("url")).and_then(Value::as_str);
    match transport.map(|url| filled(url, package.get("variables"))) {
        Some(Ok(url)) => server.endpoint(&escaped(&url)),
        Some(Err(variable)) => server.note(format!("the URL needs a value for `{variable}`: give the endpoint and a health_url")),
        None => server.speaks_on_pipes(),
    }
}

fn versioned(identifier: &str, version: Option<&str>) -> String {
    version.map_or(identifier.to_owned(), |version| format!("{identifier}@{version}"))
}

fn process(server: &mut Server, package: &Value, command: &str, before: &[&str], what: &str) {
    let hint = package.get("runtimeHint").and_then(Value::as_str).unwrap_or(command);
    let mut args: Vec<String> = if hint == command { before.iter().map(|word| (*word).to_owned()).collect() } else { Vec::new() };
    args.extend(arguments(server, package.get("runtimeArguments")));
    args.push(what.to_owned());
    args.extend(arguments(server, package.get("packageArguments")));
    let args: Vec<String> = args.iter().map(|word| escaped(word)).collect();
    let mut runtime = Map::from_iter([("kind".to_owned(), json!("process")), ("command".to_owned(), escaped(hint).into())]);
    runtime.insert("args".to_owned(), args.into());
    let environment = environment(server, package);
    if !environment.is_empty() {
        runtime.insert("env".to_owned(), environment.into());
    }
    server.set("runtime", runtime);
}

/// What has a value gets it, what is required is asked of our own environment, and the rest is named.
fn environment(server: &mut Server, package: &Value) -> Map<String, Value> {
    let variables = package.get("environmentVariables").and_then(Value::as_array);
    let (mut environment, mut references, mut optional) = (Map::new(), References::default(), Vec::new());
    for variable in variables.into_iter().flatten() {
        let Some(name) = variable.get("name").and_then(Value::as_str) else { continue };
        let value = ["value", "default"].into_iter().find_map(|key| variable.get(key)?.as_str());
        let required = variable.get("isRequired") == Some(&Value::Bool(true));
        match value {
            Some(value) => _ = environment.insert(name.to_owned(), escaped(value).into()),
            None if required => _ = environment.insert(name.to_owned(), references.carried(&format!("${{{name}}}")).into()),
            None => optional.push(name),
        }
    }
    report(server, &references);
    if !optional.is_empty() {
        server.note(format!("optional environment variables that are not set: {}", optional.join(", ")));
    }
    environment
}
