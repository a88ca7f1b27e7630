//! Real-looking files of every form, and what becomes of them.

use std::fmt::Write as _;
use std::path::Path;

use health_spec::config::File;

use super::*;
use crate::machine::policy::{Purpose, compile};
use crate::shell::config;

macro_rules! fixtures {
    ($($name:literal),*) => { [$(($name, include_str!(concat!("fixtures/", $name)), include_str!(concat!("fixtures/", $name, ".expected")))),*] };
}

/// A file, and the registry that it becomes.
const FIXTURES: [(&str, &str, &str); 6] =
    fixtures!["claude_desktop_config.json", "vscode-mcp.json", "server.json", "registry-api.json", "catalog.yaml", "server.yaml"];

fn imported(files: &[(&str, &str)]) -> Imported {
    let mut imported = Imported::default();
    for (name, text) in files {
        imported.add(Path::new(name), text).expect(name);
    }
    imported
}

#[test]
fn every_form_becomes_a_registry() {
    let mut wrong = String::new();
    for (name, text, expected) in FIXTURES {
        let yaml = imported(&[(name, text)]).yaml();
        if yaml != expected {
            let _ = write!(wrong, "fixtures/{name}.expected should be:\n{yaml}%%%%\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn read(text: &str) -> File {
    let lookup = |name: &str| ["GITHUB_TOKEN", "WEATHER_API_KEY"].contains(&name).then(|| "set".to_owned());
    let loaded = config::parse(Path::new("registry.yaml"), text.as_bytes(), &lookup);
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}\n\n{text}"));
    assert_eq!(loaded.warnings, [], "{text}");
    loaded.file
}

/// What lacks an address is said to lack one; nothing else is wrong.
#[test]
fn a_registry_that_was_imported_is_well_formed() {
    for (name, text, _) in FIXTURES {
        let imported = imported(&[(name, text)]);
        let (yaml, json) = (read(&imported.yaml()), read(&imported.json().to_string()));
        assert_eq!(yaml, json, "{name}");
        let issues = compile(&yaml, Purpose::Run).err().unwrap_or_default();
        let known: Vec<_> =
            imported.notes().into_iter().filter(|note| note.message.contains("health_url")).map(|note| note.server).collect();
        for issue in issues {
            assert!(issue.message.ends_with("has nothing to check"), "{name}: {issue:?}");
            let at: usize = issue.pointer.trim_start_matches("/servers/").parse().expect("a server");
            assert!(known.contains(&yaml.servers[at].name), "{name}: {issue:?}");
        }
    }
}

#[test]
fn a_server_with_an_address_needs_nothing_more() {
    let text = r#"{ "mcpServers": { "a": { "url": "http://127.0.0.1:8000/mcp" }, "b": { "serverUrl": "http://h:1/sse" } } }"#;
    let file = read(&imported(&[("mcp.json", text)]).yaml());
    assert!(compile(&file, Purpose::Run).is_ok());
}

#[test]
fn names_that_are_taken_get_a_number() {
    let text = r#"{ "servers": { "a": { "url": "http://h:1/" } } }"#;
    let both = imported(&[("one.json", text), ("two.json", text)]);
    let names: Vec<_> = read(&both.yaml()).servers.into_iter().map(|server| server.name).collect();
    assert_eq!(names, ["a", "a-2"]);
    assert!(both.notes().iter().any(|note| note.server == "a-2" && note.message.contains("`a`")));
}

#[test]
fn of_a_command_beside_a_url_there_is_a_note() {
    let imported = imported(&[("mcp.json", r#"{ "mcpServers": { "a": { "url": "http://h:1/mcp", "command": "serve" } } }"#)]);
    assert!(imported.notes().iter().any(|note| note.message.starts_with("it has a command as well")), "{:?}", imported.notes());
    let server = &imported.json()["servers"][0];
    assert_eq!((&server["runtime"], &server["metadata"]["client"]["command"]), (&Value::Null, &"serve".into()));
}

#[test]
fn no_secret_of_a_header_is_carried() {
    let text = r#"{ "servers": { "a": { "url": "http://h:1/", "headers": { "Authorization": "Bearer hunter2" } } } }"#;
    let imported = imported(&[("a.json", text)]);
    assert!(!imported.yaml().contains("hunter2") && !imported.json().to_string().contains("hunter2"));
    assert!(imported.notes().iter().any(|note| note.message.contains("Authorization")));
}

#[test]
fn whatever_stands_in_a_value_stays_one_value() {
    let odd = "a: b # c\n- \"d\" ${input:x} \u{2028}\u{7f}'e' {f}: [g, \t *h &i !j |";
    let text = serde_json::json!({ "mcpServers": { odd: { "command": odd, "args": [odd, "true", "1", ""], "env": { odd: odd }, "x": { odd: [odd] } } } });
    let imported = imported(&[("a.json", &text.to_string())]);
    let yaml = imported.yaml();
    let lookup = |_: &str| None;
    let loaded = config::parse(Path::new("r.yaml"), yaml.as_bytes(), &lookup).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    let server = &loaded.file.servers[0];
    assert_eq!(server.name, odd);
    let runtime = server.runtime.as_ref().expect("a runtime");
    assert_eq!((runtime.command.as_deref(), runtime.args[0].as_str()), (Some(odd), odd));
    assert_eq!(runtime.args[1..], ["true", "1", ""]);
    assert_eq!(runtime.env.get(odd).map(String::as_str), Some(odd));
}

#[test]
fn what_is_no_list_of_servers_is_said_to_be_none() {
    let of = |text: &str| Imported::default().add(Path::new("x"), text).expect_err(text).to_string();
    assert!(of("{ \"a\": 1 }").starts_with("this is no list of servers"));
    assert!(of("{ \"mcpServers\": {} }").contains("lists no servers"));
    assert!(of("servers: [{ name: a, port: 1 }]").contains("a registry already"));
    assert!(of("{ \"mcpServers\": ").starts_with("this is not valid JSON"));
    assert!(of("a: [").starts_with("this is not valid YAML"));
    assert!(of("").starts_with("this is no list of servers"));
    assert!(of("[1]").starts_with("this is no list of servers"));
}
