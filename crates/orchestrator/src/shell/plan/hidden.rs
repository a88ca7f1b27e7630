//! What an operator wrote, for others to read: what may hold a secret is hidden.
//!
//! Hidden are the values of environments and headers, and of hooks whatever a secret is written into: the arguments of a command, what
//! follows the host of a URL, and the body. Who wants those reads the file.

use serde_json::Value;

/// What stands where something is hidden.
const HIDDEN: &str = "***";

/// A whole configuration: its entries, what goes over them, and the hooks of all.
pub fn hide_file(file: &mut Value) {
    let list = file.get_mut("servers").and_then(Value::as_array_mut);
    list.into_iter().flatten().for_each(hide_entry);
    let overlays = file.get_mut("health").and_then(Value::as_object_mut);
    overlays.into_iter().flat_map(|overlays| overlays.values_mut()).for_each(hide_entry);
    hide_hooks(file);
}

/// One server's entry.
pub(super) fn hide_entry(entry: &mut Value) {
    entry.pointer_mut("/runtime/env").into_iter().for_each(hide_values);
    let probes = entry.get_mut("probes").and_then(Value::as_array_mut);
    probes.into_iter().flatten().filter_map(|probe| probe.get_mut("headers")).for_each(hide_values);
    hide_hooks(entry);
}

fn hide_hooks(value: &mut Value) {
    for pointer in ["/recovery/repair", "/recovery/before", "/recovery/after"] {
        value.pointer_mut(pointer).into_iter().for_each(hide_hook);
    }
}

fn hide_hook(hook: &mut Value) {
    hook.get_mut("headers").into_iter().for_each(hide_values);
    let command = hook.get_mut("command").and_then(Value::as_array_mut);
    command.into_iter().flat_map(|words| words.iter_mut().skip(1)).for_each(hide);
    hook.get_mut("body").filter(|body| !body.is_null()).into_iter().for_each(hide);
    if let Some(url) = hook.get_mut("url").filter(|url| !url.is_null()) {
        *url = url.as_str().map_or_else(|| HIDDEN.to_owned(), host_only).into();
    }
}

fn hide_values(map: &mut Value) {
    map.as_object_mut().into_iter().flat_map(|map| map.values_mut()).for_each(hide);
}

fn hide(value: &mut Value) {
    *value = HIDDEN.into();
}

/// Neither who asks, nor what for.
fn host_only(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return HIDDEN.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
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
            "before": { "command": ["./drain", "***", "***"], "timeout_seconds": 3 },
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
}
