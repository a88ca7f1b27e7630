//! From what is written about probes to what is looked at: addresses, headers, certificates. Every mistake with its place.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use health_spec::registry::{Depth, Probe, ProbeKind, RuntimeKind, ServerEntry, Stdio};
use hyper::header::HeaderValue;

use super::{directory_of, parent};
use crate::machine::policy::Issue;
use crate::shell::causes::causes;
use crate::shell::config::{Loaded, Problem};
use crate::shell::probe::address::{Address, To};
use crate::shell::probe::http::HttpTarget;
use crate::shell::probe::mcp::{Call, Channel, McpTarget};
use crate::shell::probe::tls::Roots;
use crate::shell::probe::{Look, Target};

mod headers;
mod keys;
mod secured;

/// What a URL looks like.
pub(super) const EXAMPLE: &str = "an address such as http://127.0.0.1:8082/health";

/// Where and how each server is checked.
pub(super) fn targets(entries: &[ServerEntry], loaded: &Loaded, issues: &mut Vec<Issue>) -> Vec<Target> {
    let roots = Roots::default();
    let one = |(index, entry): (usize, &ServerEntry)| {
        let base = base_of(index, loaded);
        Compiler { entry, server: format!("/servers/{index}"), base, roots: &roots, issues }.target()
    };
    entries.iter().enumerate().map(one).collect()
}

/// What is not wrong, and will not do what it seems to.
pub(super) fn oddities(entries: &[ServerEntry], loaded: &Loaded) -> Vec<Problem> {
    let (mut found, mut taken) = (Vec::new(), HashMap::new());
    for (index, entry) in entries.iter().enumerate() {
        if let Some((key, place)) = listens_at(entry)
            && let Some(first) = taken.insert((key, place), &entry.name)
        {
            let message = format!("`{}` is checked where `{first}` is: two processes cannot both listen there", entry.name);
            let help = Some("give each a port of its own".to_owned());
            found.push(loaded.places.problem(&format!("/servers/{index}/{key}"), message, help));
        }
        for (at, probe) in entry.probes.iter().enumerate() {
            let pointer = format!("/servers/{index}/probes/{at}");
            let mut say = |key: &str, message: &str, help: &str| {
                found.push(loaded.places.problem(&format!("{pointer}{key}"), message.to_owned(), Some(help.to_owned())));
            };
            if entry.probes[..at].contains(probe) {
                say("", "the same probe stands here twice", "remove one of them: it costs twice and sees the same");
            }
            let url = probe.url.as_ref().or(entry.health_url.as_ref()).or(entry.endpoint.as_ref());
            let is_plain = probe.unix_socket.is_none() && url.is_some_and(|url| is_in_the_open(url));
            if probe.kind.is_request() && probe.bearer_token_file.is_some() && is_plain {
                say("/bearer_token_file", "the token is sent over a connection that everybody can read", "use https://");
            }
        }
    }
    found
}

/// The key that says where a process of ours is checked, and what it says.
fn listens_at(entry: &ServerEntry) -> Option<(&'static str, String)> {
    let runtime = entry.runtime.as_ref().filter(|runtime| runtime.kind == RuntimeKind::Process)?;
    if !entry.probes.is_empty() || runtime.stdio == Some(Stdio::Mcp) {
        return None;
    }
    let (url, port) = (entry.health_url.clone(), entry.port);
    url.map(|url| ("health_url", url)).or_else(|| Some(("port", port?.to_string())))
}

/// Plain HTTP to somewhere that is not this machine.
fn is_in_the_open(url: &str) -> bool {
    let Ok(address) = Address::parse(url) else { return false };
    let is_local = address.host() == "localhost" || address.to().literal().is_some_and(|literal| literal.ip().is_loopback());
    !address.is_secure() && !is_local && matches!(address.to(), To::Port(..))
}

/// Relative paths start at the file that the entry stands in, which need not be the first one.
pub(super) fn base_of(index: usize, loaded: &Loaded) -> PathBuf {
    let own = loaded.places.path(&format!("/servers/{index}/name")).map(parent);
    let base = own.unwrap_or_else(|| directory_of(loaded));
    std::path::absolute(&base).unwrap_or(base)
}

/// Compiles one server's probes.
struct Compiler<'a> {
    entry: &'a ServerEntry,
    /// `/servers/3`.
    server: String,
    base: PathBuf,
    roots: &'a Roots,
    issues: &'a mut Vec<Issue>,
}

impl Compiler<'_> {
    fn target(mut self) -> Target {
        let looks = if self.entry.probes.is_empty() {
            self.usual().into_iter().collect()
        } else {
            let probes = self.entry.probes.iter().enumerate();
            probes.filter_map(|(at, probe)| self.look(probe, &format!("{}/probes/{at}", self.server))).collect()
        };
        let trace_id = self.entry.trace_id.as_deref().and_then(|id| HeaderValue::try_from(id).ok());
        Target { looks, trace_id }
    }

    /// One `GET`; a child that speaks on its pipes, and has no address, is asked there. What is missing is said elsewhere.
    fn usual(&mut self) -> Option<Look> {
        if self.speaks_on_pipes() && health_url(self.entry).is_none() {
            return Some(Look::Mcp(Box::new(McpTarget::new(Channel::Stdio, Depth::Discover, None))));
        }
        let (key, url) = health_url(self.entry)?;
        let pointer = format!("{}/{key}", self.server);
        let http = self.http(&Probe::default(), &url, &pointer, &self.server.clone())?;
        Some(Look::Http(HttpTarget { dialect: self.entry.health_spec_version, ..http }))
    }

    fn look(&mut self, probe: &Probe, pointer: &str) -> Option<Look> {
        if !keys::check(probe, pointer, self.issues) {
            return None;
        }
        match probe.kind {
            ProbeKind::Http => {
                let (place, url) = self.url(probe, pointer, health_url(self.entry), "a health_url")?;
                let http = self.http(probe, &url, &place, pointer)?;
                Some(Look::Http(HttpTarget { dialect: self.entry.health_spec_version, ..http }))
            }
            ProbeKind::Mcp => self.mcp(probe, pointer),
            ProbeKind::Tcp => self.tcp(probe, pointer),
            ProbeKind::Container => self.runs_in(probe.kind, pointer, "docker or podman").then_some(Look::Container),
            ProbeKind::Process => self.runs_in(probe.kind, pointer, "process or systemd").then_some(Look::Process),
        }
    }

    /// The probe's own URL, else the entry's; and where that stands.
    fn url(
        &mut self,
        probe: &Probe,
        pointer: &str,
        usual: Option<(&'static str, String)>,
        key: &str,
    ) -> Option<(String, String)> {
        if let Some(url) = &probe.url {
            return Some((format!("{pointer}/url"), url.clone()));
        }
        if let Some((key, url)) = usual {
            return Some((format!("{}/{key}", self.server), url));
        }
        if probe.unix_socket.is_some() {
            return Some((format!("{pointer}/unix_socket"), "http://localhost/health".to_owned()));
        }
        let message = format!("this probe of kind {} has no address", probe.kind.as_str());
        self.wrong(pointer, message, &format!("give it a url, or the server {key}"));
        None
    }

    fn http(&mut self, probe: &Probe, url: &str, place: &str, pointer: &str) -> Option<HttpTarget> {
        let address = match Address::parse(url) {
            Ok(address) => address,
            Err(error) => {
                self.wrong(place, causes(&error), EXAMPLE);
                return None;
            }
        };
        let secured = self.secured(probe, &address, pointer)?;
        let headers = self.headers(probe, pointer)?;
        let address = match &probe.unix_socket {
            Some(path) => address.over_socket(self.base.join(path)),
            None => address,
        };
        Some(HttpTarget { address, secured: secured.map(Arc::new), headers: headers.map(Arc::new), dialect: None })
    }

    fn mcp(&mut self, probe: &Probe, pointer: &str) -> Option<Look> {
        if self.speaks_on_pipes() && probe.url.is_none() && probe.unix_socket.is_none() {
            return self.piped(probe, pointer);
        }
        let endpoint = self.entry.endpoint.clone().map(|endpoint| ("endpoint", endpoint));
        let (place, url) = self.url(probe, pointer, endpoint, "an endpoint")?;
        let http = self.http(probe, &url, &place, pointer)?;
        Some(Look::Mcp(Box::new(McpTarget::new(Channel::Http(Box::new(http)), depth(probe), call(probe)))))
    }

    fn speaks_on_pipes(&self) -> bool {
        self.entry.runtime.as_ref().is_some_and(|runtime| runtime.stdio == Some(Stdio::Mcp))
    }

    /// Over the pipes of a child: what belongs to HTTP would never be sent.
    fn piped(&mut self, probe: &Probe, pointer: &str) -> Option<Look> {
        let given = [
            ("headers", !probe.headers.is_empty()),
            ("header_files", !probe.header_files.is_empty()),
            ("bearer_token_file", probe.bearer_token_file.is_some()),
            ("host", probe.host.is_some()),
            ("tls", probe.tls.is_some()),
        ];
        let before = self.issues.len();
        for (key, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            let message = format!("`{key}` is for HTTP, and this server speaks on its pipes (stdio: mcp)");
            self.wrong(&format!("{pointer}/{key}"), message, "remove it, or give the probe a url");
        }
        let target = McpTarget::new(Channel::Stdio, depth(probe), call(probe));
        (self.issues.len() == before).then(|| Look::Mcp(Box::new(target)))
    }

    fn tcp(&mut self, probe: &Probe, pointer: &str) -> Option<Look> {
        let (place, parsed) = if let Some(address) = &probe.address {
            (format!("{pointer}/address"), To::parse(address))
        } else if let Some((key, url)) = health_url(self.entry) {
            (format!("{}/{key}", self.server), Address::parse(&url).map(|address| address.to().clone()))
        } else {
            self.wrong(pointer, "this probe of kind tcp has no address".to_owned(), "give it an address, such as 127.0.0.1:8082");
            return None;
        };
        match parsed {
            Ok(to) => Some(Look::Tcp(to)),
            Err(error) => {
                self.wrong(&place, causes(&error), "an address such as 127.0.0.1:8082");
                None
            }
        }
    }

    fn runs_in(&mut self, probe: ProbeKind, pointer: &str, kinds: &str) -> bool {
        let kind = self.entry.runtime.as_ref().map(|runtime| runtime.kind);
        let fits = match probe {
            ProbeKind::Container => kind.is_some_and(|kind| kind.engine().is_some()),
            _ => kind.is_some_and(|kind| matches!(kind, RuntimeKind::Process | RuntimeKind::Systemd)),
        };
        if !fits {
            let message = format!("a probe of kind {} needs a runtime of kind {kinds}", probe.as_str());
            self.wrong(pointer, message, "give the server such a runtime, or check it otherwise");
        }
        fits
    }

    fn wrong(&mut self, pointer: &str, message: String, help: &str) {
        self.issues.push(Issue { pointer: pointer.to_owned(), message, help: help.to_owned() });
    }

    fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.base.join(path)
    }
}

fn depth(probe: &Probe) -> Depth {
    probe.depth.unwrap_or(if probe.tool.is_some() { Depth::Call } else { Depth::Discover })
}

fn call(probe: &Probe) -> Option<Call> {
    let tool = probe.tool.clone()?;
    Some(Call { tool, arguments: probe.arguments.clone().unwrap_or_default(), expect: probe.expect.clone() })
}

/// Where a server's health is, and the key that says so.
fn health_url(entry: &ServerEntry) -> Option<(&'static str, String)> {
    if let Some(url) = &entry.health_url {
        return Some(("health_url", url.clone()));
    }
    if let Some(endpoint) = &entry.endpoint {
        let (scheme, rest) = endpoint.split_once("://").unwrap_or(("", endpoint));
        if scheme.eq_ignore_ascii_case("unix") {
            let socket = rest.split_once(":/").map_or(rest, |(socket, _)| socket);
            return Some(("endpoint", format!("{scheme}://{socket}:/health")));
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        return Some(("endpoint", format!("{scheme}://{authority}/health")));
    }
    entry.port.map(|port| ("port", format!("http://127.0.0.1:{port}/health")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_asked_for_where_the_entry_says_or_where_the_server_speaks() {
        let entry = |json: serde_json::Value| serde_json::from_value::<ServerEntry>(json).expect("an entry");
        let url = |json| health_url(&entry(json)).map(|(_, url)| url);
        assert_eq!(url(serde_json::json!({ "name": "a", "port": 81 })).as_deref(), Some("http://127.0.0.1:81/health"));
        let endpoint = serde_json::json!({ "name": "a", "port": 81, "endpoint": "http://h:82/mcp?x" });
        assert_eq!(url(endpoint).as_deref(), Some("http://h:82/health"));
        let socket = serde_json::json!({ "name": "a", "endpoint": "unix:///run/a.sock:/mcp" });
        assert_eq!(url(socket).as_deref(), Some("unix:///run/a.sock:/health"));
        let all = serde_json::json!({ "name": "a", "endpoint": "http://h:82/mcp", "health_url": "http://h:83/alive" });
        assert_eq!(url(all).as_deref(), Some("http://h:83/alive"));
    }

    #[test]
    fn a_token_in_the_open_is_seen() {
        for (url, expected) in [
            ("http://10.0.0.1/health", true),
            ("http://mcp.example.com/mcp", true),
            ("https://mcp.example.com/mcp", false),
            ("http://127.0.0.1:80/", false),
            ("http://[::1]:80/", false),
            ("unix:///run/a.sock:/health", false),
        ] {
            assert_eq!(is_in_the_open(url), expected, "{url}");
        }
    }
}
