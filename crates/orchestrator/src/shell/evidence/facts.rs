//! What a server and its surroundings were made of, as plain words: noted when it becomes well, compared when it is down.

use std::collections::BTreeSet;

use health_spec::incident::Change;
use serde_json::Value;

use crate::shell::secrets::digest;
use crate::shell::store::Facts;
use crate::shell::text::cut;

/// Words longer than this are compared and shown by their digest.
const LONGEST_WORD: usize = 120;

/// What is not as it was. Of somebody who tells nothing now, nothing is said.
pub fn changes(before: &Facts, now: &Facts) -> Vec<Change> {
    let teller = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
    let tellers: BTreeSet<_> = now.keys().map(|name| teller(name)).collect();
    let names: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let heard = names.into_iter().filter(|name| tellers.contains(&teller(name)));
    let differs = heard.filter(|name| before.get(*name) != now.get(*name));
    differs.map(|name| Change { what: name.clone(), before: before.get(name).cloned(), after: now.get(name).cloned() }).collect()
}

/// A word as it is, or the digest of a long one.
pub fn word(text: &str) -> String {
    if text.len() <= LONGEST_WORD { text.to_owned() } else { format!("{} ({})", cut(text, 40), digest(text)) }
}

/// The query of a URL is told by its digest: a key may stand in it.
fn without_query(text: &str) -> String {
    match text.split_once('?') {
        Some((address, query)) if address.contains("://") => format!("{address}?*** ({})", digest(query)),
        _ => text.to_owned(),
    }
}

/// An entry of the registry as it is shown to everybody, by key.
pub fn registry(entry: &Value) -> Facts {
    let keys = entry.as_object().into_iter().flatten();
    let fact = |(key, value): (&String, &Value)| {
        let shown = match value {
            Value::String(text) => word(&without_query(text)),
            // Somewhere in it there may be a secret.
            Value::Array(_) | Value::Object(_) => digest(&value.to_string()),
            plain => plain.to_string(),
        };
        (format!("registry.{key}"), shown)
    };
    keys.map(fact).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(pairs: &[(&str, &str)]) -> Facts {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_differs_is_named_and_silence_is_no_change() {
        let before = facts(&[("image.digest", "a"), ("image.reference", "x"), ("registry.port", "1"), ("engine.version", "9")]);
        let now = facts(&[("image.digest", "b"), ("image.reference", "x"), ("registry.group", "g")]);
        let found: Vec<_> = changes(&before, &now).into_iter().map(|it| (it.what, it.before, it.after)).collect();
        let of = |what: &str, before: Option<&str>, after: Option<&str>| {
            (what.to_owned(), before.map(str::to_owned), after.map(str::to_owned))
        };
        let expected = [
            of("image.digest", Some("a"), Some("b")),
            of("registry.group", None, Some("g")),
            of("registry.port", Some("1"), None),
        ];
        assert_eq!(found, expected, "nobody has told anything about the engine");
    }

    #[test]
    fn a_registry_entry_is_compared_by_its_keys() {
        let entry = serde_json::json!({ "name": "a", "port": 1, "probes": [{ "headers": { "X-Key": "swordfish" } }] });
        let facts = registry(&entry);
        assert_eq!((facts["registry.name"].as_str(), facts["registry.port"].as_str()), ("a", "1"));
        assert_eq!(facts["registry.probes"].len(), 12);
        let told = |url: &str| registry(&serde_json::json!({ "endpoint": url }))["registry.endpoint"].clone();
        assert_eq!(told("http://a/mcp"), "http://a/mcp");
        assert_eq!(told("http://a/mcp?k=a"), "http://a/mcp?*** (cc4ba60f4552)");
        assert_ne!(told("http://a/mcp?k=a"), told("http://a/mcp?k=b"), "another key is another address");
        assert_eq!(digest("a"), "ca978112ca1b");
    }
}
