//! What a container's labels ask for (contract, section 2). Reads words; what they mean together is judged elsewhere.

use std::collections::BTreeMap;
use std::fmt;

use health_spec::config::{Recovery, Seconds};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::shell::config::nearest;
use crate::shell::runtime::container::consent::ENABLE;

/// What all of them begin with.
const PREFIX: &str = "mcp.health.";

/// Those that there are, without what all of them begin with.
const KNOWN: [&str; 10] = ["enable", "name", "url", "port", "path", "interval", "timeout", "group", "depends-on", "recovery"];

/// Whether a container asks to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It does.
    Yes,
    /// It has no such label.
    No,
    /// It says `false`.
    Off,
    /// It says something else: what is unclear is no consent.
    Unclear(Fault),
}

/// Something is wrong with a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which one; empty when it is not one label alone.
    pub label: String,
    /// Its value, if it is there.
    pub found: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => write!(f, "label {}={} {}", self.label, found.escape_debug(), self.message)?,
            None => write!(f, "{}", self.message)?,
        }
        if self.help.is_empty() { Ok(()) } else { write!(f, "; {}", self.help) }
    }
}

/// What the labels of one container say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// What it is to be called.
    pub name: Option<String>,
    /// Where its health is.
    pub url: Option<String>,
    /// The port inside the container where its health is.
    pub port: Option<u16>,
    /// The path there.
    pub path: Option<String>,
    /// As `health_check.interval_seconds`.
    pub interval: Option<Value>,
    /// As `health_check.timeout_seconds`.
    pub timeout: Option<Value>,
    /// Its group.
    pub group: Option<String>,
    /// Names of servers; an empty label says that there are none.
    pub depends_on: Option<Vec<String>>,
    /// As the section `recovery` of an entry.
    pub recovery: Option<Value>,
}

/// Whether these labels ask for it.
pub fn asked(labels: &BTreeMap<String, String>) -> Asked {
    match labels.get(ENABLE).map(String::as_str) {
        None => Asked::No,
        Some("true") => Asked::Yes,
        Some("false") => Asked::Off,
        Some(other) => Asked::Unclear(fault("enable", other, "is neither true nor false", "write mcp.health.enable=true")),
    }
}

impl Labels {
    /// Reads them, or says everything that is wrong.
    pub fn read(labels: &BTreeMap<String, String>) -> Result<Self, Vec<Fault>> {
        let ours = labels.iter().filter_map(|(label, value)| Some((label.strip_prefix(PREFIX)?, value.trim())));
        let (mut read, mut faults) = (Self::default(), Vec::new());
        for (label, value) in ours {
            faults.extend(read.take(label, value).err());
        }
        if read.url.is_some() && (read.port.is_some() || read.path.is_some()) {
            let other = if read.port.is_some() { "port" } else { "path" };
            let value = labels.get(&format!("{PREFIX}{other}")).map(String::as_str).unwrap_or_default();
            faults.push(fault(other, value, "stands beside mcp.health.url", "give the whole URL, or port and path, not both"));
        }
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }

    fn take(&mut self, label: &str, value: &str) -> Result<(), Fault> {
        let text = || {
            if value.is_empty() {
                Err(fault(label, value, "is empty", "give it a value, or remove it"))
            } else {
                Ok(value.to_owned())
            }
        };
        match label {
            "enable" => {}
            "name" => self.name = Some(text()?),
            "url" => self.url = Some(text().and_then(url)?),
            "group" => self.group = Some(text()?),
            "port" => self.port = Some(port(value)?),
            "path" => self.path = Some(path(value)?),
            "interval" => self.interval = Some(seconds(label, value)?),
            "timeout" => self.timeout = Some(seconds(label, value)?),
            "recovery" => self.recovery = Some(recovery(value)?),
            "depends-on" => self.depends_on = Some(words(value)),
            other => return Err(unknown(other, value)),
        }
        Ok(())
    }
}

fn fault(label: &str, found: &str, message: &str, help: &str) -> Fault {
    Fault { label: format!("{PREFIX}{label}"), found: Some(found.to_owned()), message: message.to_owned(), help: help.to_owned() }
}

fn unknown(label: &str, value: &str) -> Fault {
    let help = match nearest(label, KNOWN) {
        Some(word) => format!("did you mean {PREFIX}{word}?"),
        None => format!("known: {}", KNOWN.map(|word| format!("{PREFIX}{word}")).join(", ")),
    };
    fault(label, value, "is no label that we know", &help)
}

/// Who makes a container is not who runs the monitor, which can open sockets that the container cannot: an engine's, for one.
fn url(value: String) -> Result<String, Fault> {
    let scheme = value.split(':').next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("unix") {
        return Ok(value);
    }
    let help = "write http://HOST:PORT/health; a server on a socket has its place in the registry";
    Err(fault("url", &value, "names a socket of this machine, and no label may send the monitor there", help))
}

fn port(value: &str) -> Result<u16, Fault> {
    let port = value.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| fault("port", value, "is no port", "1 to 65535: the port inside the container"))
}

fn path(value: &str) -> Result<String, Fault> {
    let is_path = value.starts_with('/') && !value.chars().any(|c| c.is_whitespace() || c.is_control());
    if is_path { Ok(value.to_owned()) } else { Err(fault("path", value, "is no path", "begin with a slash, such as /health")) }
}

fn seconds(label: &str, value: &str) -> Result<Value, Fault> {
    let help = "a number of seconds, or a number with a unit: 30, 0.5, 30s, 5m; at most 31 years";
    either::<Seconds>(value).ok_or_else(|| fault(label, value, "is no duration", help))
}

/// `value` as a number or as a text, whichever `T` can be read from.
fn either<T: DeserializeOwned>(value: &str) -> Option<Value> {
    let number = value.parse::<serde_json::Number>().ok().map(Value::Number);
    let fits = |value: &Value| serde_json::from_value::<T>(value.clone()).is_ok();
    number.filter(fits).or_else(|| Some(json!(value)).filter(fits))
}

/// A strategy, several in the order of the attempts, `observe`, or `off`.
fn recovery(value: &str) -> Result<Value, Fault> {
    let section = match (value, words(value)) {
        ("observe", _) => json!({ "mode": "observe" }),
        ("off", _) => json!({ "enabled": false }),
        (_, words) if words.len() > 1 => json!({ "strategy": words }),
        _ => json!({ "strategy": value }),
    };
    match serde_json::from_value::<Recovery>(section.clone()) {
        Ok(_) => Ok(section),
        Err(_) => Err(fault(
            "recovery",
            value,
            "is no way to recover",
            "restart, recreate, manual, observe (decide and log only), or off",
        )),
    }
}

fn words(value: &str) -> Vec<String> {
    let words = value.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_true_is_consent() {
        let said = |value: &str| asked(&labels(&[(ENABLE, value)]));
        assert_eq!(asked(&labels(&[("autoheal", "true")])), Asked::No);
        assert_eq!((said("true"), said("false")), (Asked::Yes, Asked::Off));
        for unclear in ["", "1", "yes", "TRUE", "ture"] {
            assert!(matches!(said(unclear), Asked::Unclear(_)), "{unclear}");
        }
    }

    #[test]
    fn every_label_is_read() {
        let read = Labels::read(&labels(&[
            (ENABLE, "true"),
            ("mcp.health.name", "notes"),
            ("mcp.health.port", "8082"),
            ("mcp.health.path", "/alive"),
            ("mcp.health.interval", "0.5"),
            ("mcp.health.timeout", "2s"),
            ("mcp.health.group", "tasks"),
            ("mcp.health.depends-on", "db, cache"),
            ("mcp.health.recovery", "observe"),
            ("com.docker.compose.service", "web"),
        ]));
        let expected = Labels {
            name: Some("notes".into()),
            port: Some(8082),
            path: Some("/alive".into()),
            interval: Some(json!(0.5)),
            timeout: Some(json!("2s")),
            group: Some("tasks".into()),
            depends_on: Some(vec!["db".into(), "cache".into()]),
            recovery: Some(json!({ "mode": "observe" })),
            url: None,
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let wrong = [
            ("mcp.health.interval", "soon"),
            ("mcp.health.port", "0"),
            ("mcp.health.path", "health"),
            ("mcp.health.recovery", "pray"),
            ("mcp.health.name", " "),
            ("mcp.health.timout", "3"),
            ("mcp.health.url", "http://a/health"),
        ];
        let faults = Labels::read(&labels(&wrong)).expect_err("all wrong");
        assert_eq!(faults.len(), 6, "{faults:?}");
        let recovery = faults.iter().find(|fault| fault.label == "mcp.health.recovery").expect("said");
        for word in ["restart", "recreate", "manual", "observe", "off"] {
            assert!(recovery.help.contains(word) && super::recovery(word).is_ok(), "{word}");
        }
        let misspelt = faults.iter().find(|fault| fault.label == "mcp.health.timout").expect("said");
        assert_eq!(misspelt.help, "did you mean mcp.health.timeout?");
        for socket in ["unix:///var/run/docker.sock", "UNIX:///a.sock:/health", "unix:/a.sock"] {
            let faults = Labels::read(&labels(&[("mcp.health.url", socket)])).expect_err(socket);
            assert!(faults[0].to_string().contains("names a socket of this machine"), "{faults:?}");
        }
        let endless =
            Labels::read(&labels(&[("mcp.health.interval", "1e19"), ("mcp.health.timeout", "11575d")])).expect_err("endless");
        assert_eq!(endless.len(), 2, "{endless:?}");
        let both = Labels::read(&labels(&[("mcp.health.url", "http://a"), ("mcp.health.port", "1")])).expect_err("both");
        assert_eq!((both.len(), both[0].label.as_str()), (1, "mcp.health.port"));
    }
}
