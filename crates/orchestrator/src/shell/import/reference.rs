//! References to variables inside values: `${NAME}` means the same to us and to some clients; what only a client can fill in is
//! escaped, so that it is not taken for an environment variable.

use serde_json::Value;

/// Words that editors fill in.
const OF_EDITORS: &[&str] = &["workspaceFolder", "workspaceFolderBasename", "userHome", "pathSeparator", "workspaceRoot"];

/// What a value refers to.
#[derive(Debug, Default)]
pub(super) struct References {
    /// Environment variables that must be set.
    pub(super) variables: Vec<String>,
    /// What only the client knows.
    pub(super) unknown: Vec<String>,
}

impl References {
    /// `text` as our registry writes it.
    pub(super) fn carried(&mut self, text: &str) -> String {
        let mut carried = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            carried.push_str(&rest[..at]);
            let Some((inside, after)) = rest[at + 2..].split_once('}') else {
                carried.push('$');
                break;
            };
            self.reference(inside, &mut carried);
            rest = after;
        }
        if let Some(at) = rest.find("${") {
            rest = &rest[at..];
        }
        carried.push_str(rest);
        carried
    }

    fn reference(&mut self, inside: &str, carried: &mut String) {
        let inside = inside.strip_prefix("env:").unwrap_or(inside);
        let name = inside.split_once(":-").map_or(inside, |(name, _)| name);
        let is_variable = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !OF_EDITORS.contains(&name);
        if is_variable {
            if name == inside {
                self.variables.push(name.to_owned());
            }
            carried.extend(["${", inside, "}"]);
        } else {
            self.unknown.push(inside.to_owned());
            carried.extend(["$${", inside, "}"]);
        }
    }
}

/// `text` as itself, whatever it refers to.
pub(super) fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

/// The same, for every string of a value.
pub(super) fn escaped_in(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(escaped(text)),
        Value::Array(items) => items.iter().map(escaped_in).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), escaped_in(value))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_environment_knows_stays_and_all_else_is_escaped() {
        let cases = [
            ("plain $HOME", "plain $HOME"),
            ("${TOKEN}/${env:USER}", "${TOKEN}/${USER}"),
            ("${PORT:-80}", "${PORT:-80}"),
            ("${input:key} ${workspaceFolder}", "$${input:key} $${workspaceFolder}"),
            ("a ${unclosed", "a $${unclosed"),
        ];
        let mut references = References::default();
        for (text, expected) in cases {
            assert_eq!(references.carried(text), expected, "{text}");
        }
        assert_eq!(references.variables, ["TOKEN", "USER"]);
        assert_eq!(references.unknown, ["input:key", "workspaceFolder"]);
    }
}
