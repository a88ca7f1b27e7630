//! The registry as YAML, with the notes as comments beside what they are about.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Note;
use super::reference::escaped;
use super::server::Server;

/// The most characters of a line that lists a value in one line.
const WIDTH: usize = 100;

/// The whole file.
pub(super) fn yaml(servers: &[Server], left_out: &[Note]) -> String {
    let mut text = "version: \"1.1\"\n\nservers:\n".to_owned();
    let mut origin = None;
    for server in servers {
        if origin != Some(&server.origin) {
            origin = Some(&server.origin);
            let _ = writeln!(text, "  # From {}", plain(&server.origin));
        }
        entry(&mut text, server);
    }
    if servers.is_empty() {
        text.truncate(text.trim_end().len());
        text.push_str(" []\n");
    }
    for note in left_out {
        let _ = writeln!(text, "  # {} is {}", plain(&note.server), plain(&note.message));
    }
    text
}

fn entry(text: &mut String, server: &Server) {
    for note in &server.notes {
        let _ = writeln!(text, "  # {}", plain(note));
    }
    let _ = writeln!(text, "  - name: {}", scalar(&escaped(&server.name)));
    for (key, value) in &server.fields {
        field(text, key, value, 4);
    }
    text.push('\n');
}

/// A mapping that does not fit into a line gets a line a key; deeper ones stay in theirs, however long.
fn field(text: &mut String, key: &str, value: &Value, indent: usize) {
    let flow = flow(value);
    match value {
        Value::Object(map) if indent < 8 && indent + key.len() + flow.len() > WIDTH => {
            let _ = writeln!(text, "{:indent$}{}:", "", scalar(key));
            ordered(map).for_each(|(key, value)| field(text, key, value, indent + 2));
        }
        Value::Array(items) if indent + key.len() + flow.len() > WIDTH => {
            let _ = writeln!(text, "{:indent$}{}:", "", scalar(key));
            for item in items {
                let _ = writeln!(text, "{:indent$}  - {}", "", self::flow(item));
            }
        }
        _ => {
            let _ = writeln!(text, "{:indent$}{}: {flow}", "", scalar(key));
        }
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let entries = ordered(map).map(|(key, value)| format!("{}: {}", scalar(key), flow(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// What it is comes first, then what is run.
fn ordered(map: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    const FIRST: [&str; 3] = ["kind", "command", "args"];
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len()));
    entries.into_iter()
}

/// Plain where YAML takes it for nothing else, else in quotes: a JSON string is a YAML one.
fn scalar(text: &str) -> String {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    let means_more = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if is_word && !means_more.contains(&text.to_lowercase().as_str()) { text.to_owned() } else { quoted(text) }
}

/// As JSON, but for the characters that JSON allows in a string and YAML does not.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in Value::from(text).to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted
}

/// One line, whatever stood in the file.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}
