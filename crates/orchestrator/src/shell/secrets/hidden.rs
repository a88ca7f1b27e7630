//! What an operator wrote, for others to read: what may hold a secret is hidden.
//!
//! Hidden are the values of environments and headers, whatever a key's name says to be a secret, who asks in URLs, and what looks like a
//! secret elsewhere, as in log lines; of hooks whatever a secret is written into: the arguments of a command but for the names of flags,
//! what follows the host of a URL, and the body. Names stay, and hosts: servers are told apart by them. Who wants the rest reads the file.

use serde_json::Value;

use super::credentials::credentials;
use super::mask::Mask;
use super::name::is_secret;
use arguments::{hide_arguments, is_flag};

mod arguments;

/// What stands where something is hidden.
const HIDDEN: &str = "***";

/// Keys of an entry that everybody is told anyway, or that only describe: a schema of tools has keys that look like secrets.
const OPEN: [&str; 8] = ["name", "namespace", "group", "trace_id", "depends_on", "docker_image", "capabilities", "tools"];

/// Keys, wherever they stand, of a text that is no secret and must not be taken for one: `token-service:8080` is an address.
const PLAIN: [&str; 8] = ["kind", "container", "engine", "unit", "user", "host", "address", "unix_socket"];

/// A whole configuration: its entries, what goes over them, and the hooks of all.
pub fn hide_file(file: &mut Value) {
    let list = file.get_mut("servers").and_then(Value::as_array_mut);
    list.into_iter().flatten().for_each(hide_entry);
    let overlays = file.get_mut("health").and_then(Value::as_object_mut);
    overlays.into_iter().flat_map(|overlays| overlays.values_mut()).for_each(hide_entry);
    hide_hooks(file);
}

/// One server's entry.
pub fn hide_entry(entry: &mut Value) {
    let variables = entry.pointer("/runtime/env").and_then(Value::as_object).into_iter().flatten();
    let mask = Mask::of(variables.filter_map(|(_, value)| value.as_str().map(str::to_owned)));
    hide_hooks(entry);
    let fields = entry.as_object_mut().into_iter().flatten();
    for (key, value) in fields.filter(|(key, _)| !OPEN.contains(&key.as_str())) {
        hide_field(key, value, &mask);
    }
}

fn hide_field(key: &str, value: &mut Value, mask: &Mask) {
    match value {
        Value::Object(_) if key == "header_files" => {}
        Value::String(text) if PLAIN.contains(&key) && !text.contains("://") && !text.contains('@') => {}
        Value::String(_) if key.ends_with("_file") => {}
        Value::Object(_) | Value::Array(_) if ["env", "headers"].contains(&key) => hide_values(value),
        Value::Array(arguments) if key == "args" => hide_arguments(arguments, mask),
        Value::String(_) if is_secret(key) => hide(value),
        Value::Number(_) if is_secret(key) && !key.ends_with("tokens") => hide(value),
        _ => hide_within(key, value, mask),
    }
}

fn hide_within(key: &str, value: &mut Value, mask: &Mask) {
    match value {
        Value::String(text) => *text = masked(text, mask),
        Value::Array(items) => items.iter_mut().for_each(|item| hide_field(key, item, mask)),
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| hide_field(key, value, mask)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What looks like a secret in it is hidden. Of a URL the host stays as it is.
fn masked(text: &str, mask: &Mask) -> String {
    let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| scheme.bytes().all(|it| it.is_ascii_alphanumeric()))
    else {
        return mask.text(text);
    };
    let (shown, rest) = credentials(rest).map_or(("", rest), |end| ("***@", &rest[end..]));
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // Some secrets are known by the host that they are for.
    let whole = mask.text(rest);
    let path = whole.strip_prefix(host).map_or_else(|| mask.text(path), str::to_owned);
    format!("{scheme}://{shown}{host}{path}")
}

fn hide_hooks(value: &mut Value) {
    for pointer in ["/recovery/repair", "/recovery/before", "/recovery/after"] {
        value.pointer_mut(pointer).into_iter().for_each(hide_hook);
    }
}

fn hide_hook(hook: &mut Value) {
    hook.get_mut("headers").into_iter().for_each(hide_values);
    let command = hook.get_mut("command").and_then(Value::as_array_mut);
    let arguments = command.into_iter().flat_map(|words| words.iter_mut().skip(1));
    arguments.filter(|word| !word.as_str().is_some_and(is_flag)).for_each(hide);
    hook.get_mut("body").filter(|body| !body.is_null()).into_iter().for_each(hide);
    if let Some(url) = hook.get_mut("url").filter(|url| !url.is_null()) {
        *url = url.as_str().map_or_else(|| HIDDEN.to_owned(), host_only).into();
    }
}

fn hide_values(values: &mut Value) {
    values.as_object_mut().into_iter().flat_map(|map| map.values_mut()).for_each(hide);
    values.as_array_mut().into_iter().flatten().for_each(hide);
}

fn hide(value: &mut Value) {
    *value = HIDDEN.into();
}

/// Neither who asks, nor what for.
fn host_only(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return HIDDEN.to_owned() };
    let rest = &rest[credentials(rest).unwrap_or_default()..];
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}/{HIDDEN}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_hold_a_secret_is_hidden_and_the_rest_is_shown() {
        let hooks = json!({
            "enabled": true,
            "repair": { "url": "http://me:secret@host:9000/secret?key=secret", "method": "PUT", "headers": { "x-key": "secret" }, "body": "secret" },
            "before": { "command": ["./drain", "--key", "secret"], "timeout_seconds": 3 },
            "after": { "url": "secret", "body": null },
        });
        let hidden = json!({
            "enabled": true,
            "repair": { "url": "http://host:9000/***", "method": "PUT", "headers": { "x-key": "***" }, "body": "***" },
            "before": { "command": ["./drain", "--key", "***"], "timeout_seconds": 3 },
            "after": { "url": "***", "body": null },
        });
        let entry = |secret: &str, hooks: &Value| {
            json!({ "name": "a", "runtime": { "command": "x", "env": { "KEY": secret } }, "tools": [{ "headers": { "a": "b" } }],
                "probes": [{ "kind": "http", "headers": { "x-key": secret } }, { "kind": "tcp" }], "recovery": hooks })
        };
        let file = |secret: &str, hooks: &Value| json!({ "servers": [entry(secret, hooks), {}], "health": { "b": entry(secret, hooks) }, "recovery": hooks });
        let mut shown = file("secret", &hooks);
        hide_file(&mut shown);
        assert_eq!(shown, file("***", &hidden));
        hide_file(&mut Value::Null);
    }

    #[test]
    fn whatever_else_looks_like_a_secret_is_hidden_too() {
        let mut entry = json!({
            "name": "token-service", "description": "login with password=secret", "docker_image": "auth:1", "health_url": "http://me:secret1@token-service:80/health?key=secret2&deep=1",
            "runtime": { "kind": "process", "command": "serve", "env_file": "token.env", "env": { "DB": "secret3-of-the-db" },
                "args": ["-v", "--api-key=secret4", "--token", "secret5", "--port", "80", "--db", "secret3-of-the-db"] },
            "probes": [{ "kind": "mcp", "bearer_token_file": "t", "header_files": { "x-token": "u" }, "address": "auth:80",
                "arguments": { "password": "secret6", "a": 2 }, "expect": "5" }],
            "tools": [{ "inputSchema": { "properties": { "password": { "type": "string" } } } }],
            "metadata": { "client": { "env": ["KEY=secret7"], "headers": { "X-Key": "secret8" }, "pin": "Bearer secret9secret", "secret": 1 }, "user": { "password": "secret0" } },
        });
        hide_entry(&mut entry);
        let expected = json!({
            "name": "token-service", "description": "login with password=***", "docker_image": "auth:1", "health_url": "http://***@token-service:80/health?key=***&deep=1",
            "runtime": { "kind": "process", "command": "serve", "env_file": "token.env", "env": { "DB": "***" },
                "args": ["-v", "--api-key=***", "--token", "***", "--port", "80", "--db", "***"] },
            "probes": [{ "kind": "mcp", "bearer_token_file": "t", "header_files": { "x-token": "u" }, "address": "auth:80",
                "arguments": { "password": "***", "a": 2 }, "expect": "5" }],
            "tools": [{ "inputSchema": { "properties": { "password": { "type": "string" } } } }],
            "metadata": { "client": { "env": ["***"], "headers": { "X-Key": "***" }, "pin": "Bearer ***", "secret": "***" }, "user": { "password": "***" } },
        });
        assert_eq!(entry, expected);
    }
}
