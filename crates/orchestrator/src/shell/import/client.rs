//! `mcpServers` and `servers` of MCP clients: a command over stdio, or a URL.

use serde_json::{Map, Value, json};

use super::reference::References;
use super::server::Server;

/// What holds credentials, and is not copied: entries of a registry are shown to everybody.
const SECRET: &[&str] = &["headers", "authentication", "auth", "oauth", "authProviderType", "requestInit"];

/// One server of a client.
pub(super) fn server(name: &str, written: &Value) -> Server {
    let mut server = Server::new(name);
    let Some(written) = written.as_object() else {
        server.left_out = Some("it is not a mapping".to_owned());
        return server;
    };
    if written.get("disabled") == Some(&Value::Bool(true)) || written.get("enabled") == Some(&Value::Bool(false)) {
        server.left_out = Some("it is disabled there".to_owned());
        return server;
    }
    let mut rest = written.clone();
    let description = rest.remove("description");
    server.carry("description", description.as_ref());
    if let Some(url) = url(&mut rest) {
        remote(&mut server, &url, &rest);
    } else if let Some(command) = rest.remove("command") {
        process(&mut server, &command, &mut rest);
    } else {
        image(&mut server, &mut rest);
    }
    secrets(&mut server, &mut rest);
    server.keep("client", rest);
    server
}

/// Each client has a word of its own for it.
fn url(rest: &mut Map<String, Value>) -> Option<String> {
    let found = ["url", "serverUrl", "httpUrl"].into_iter().find(|key| rest.get(*key).is_some_and(Value::is_string))?;
    rest.remove(found).and_then(|url| url.as_str().map(str::to_owned))
}

fn remote(server: &mut Server, url: &str, rest: &Map<String, Value>) {
    let mut references = References::default();
    let url = references.carried(url);
    report(server, &references);
    server.endpoint(&url);
    if rest.contains_key("command") {
        server.note(
            "it has a command as well, which only stands under metadata: what answers at the URL is watched, and not started",
        );
    }
}

fn process(server: &mut Server, command: &Value, rest: &mut Map<String, Value>) {
    let mut references = References::default();
    let mut words = words(command).into_iter().map(|word| references.carried(&word)).collect::<Vec<_>>();
    let mut runtime = Map::from_iter([("kind".to_owned(), json!("process"))]);
    if words.is_empty() {
        server.note("the command is no text; write it yourself");
        words.push("false".to_owned());
    }
    runtime.insert("command".to_owned(), words.remove(0).into());
    let args = rest.remove("args").map(|args| self::words(&args)).unwrap_or_default();
    words.extend(args.iter().map(|word| references.carried(word)));
    if !words.is_empty() {
        runtime.insert("args".to_owned(), words.into());
    }
    let environment = rest.remove("env").unwrap_or_default();
    let environment = variables(&environment, &mut references);
    if !environment.is_empty() {
        runtime.insert("env".to_owned(), environment.into());
    }
    if let Some(Value::String(directory)) = rest.remove("cwd") {
        runtime.insert("cwd".to_owned(), references.carried(&directory).into());
    }
    if rest.remove("envFile").is_some() {
        server.note("not carried: envFile; name its variables in runtime.env");
    }
    report(server, &references);
    server.set("runtime", runtime);
    server.speaks_on_pipes();
}

/// Lists of words, and numbers among them as words.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(word).collect(),
        other => word(other).into_iter().collect(),
    }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn variables(environment: &Value, references: &mut References) -> Map<String, Value> {
    let variables = environment.as_object().into_iter().flatten();
    variables.filter_map(|(name, value)| Some((name.clone(), references.carried(&word(value)?).into()))).collect()
}

/// `ToolHive` and others name only an image.
fn image(server: &mut Server, rest: &mut Map<String, Value>) {
    match rest.remove("image") {
        Some(image) => {
            server.carry("docker_image", Some(&image));
            server.note(
                "health_url is missing, and the container: give runtime: { kind: docker, container: NAME } and a health_url",
            );
        }
        None => server.note("it has neither a command nor a URL: give a health_url"),
    }
}

fn secrets(server: &mut Server, rest: &mut Map<String, Value>) {
    for key in SECRET {
        if let Some(secret) = rest.remove(*key) {
            let names: Vec<_> = secret.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
            server.note(format!("not carried: {key}{names}; health is asked for without credentials"));
        }
    }
}

/// What must be there when the registry is read.
pub(super) fn report(server: &mut Server, references: &References) {
    for name in &references.variables {
        server.note(format!("needs the environment variable {name}, or {name}_FILE"));
    }
    for inside in &references.unknown {
        server.note(format!("${{{inside}}} is filled in by the client only: write the value itself, or an environment variable"));
    }
}
