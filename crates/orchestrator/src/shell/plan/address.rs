//! Addresses of a configuration: of servers, of engines, and our own. Resolves nothing.

use std::net::SocketAddr;

use health_spec::config::Engine;
use health_spec::registry::ServerEntry;

use crate::machine::policy::Issue;
use crate::shell::causes::causes;
use crate::shell::config::{Loaded, Problem};
use crate::shell::runtime::docker::address::Address;

/// An endpoint beside a `health_url` is only shown; one that is no URL is odd, and registries that others write stay readable.
pub(super) fn odd_endpoints(entries: &[ServerEntry], loaded: &Loaded) -> Vec<Problem> {
    let odd = |(index, entry): (usize, &ServerEntry)| {
        let endpoint = entry.endpoint.as_deref().filter(|_| entry.health_url.is_some())?;
        let is_url = ["http://", "https://"].iter().any(|scheme| endpoint.len() > scheme.len() && endpoint.starts_with(scheme));
        let help = Some("an address such as http://127.0.0.1:8082/mcp".to_owned());
        (!is_url)
            .then(|| loaded.places.problem(&format!("/servers/{index}/endpoint"), "`endpoint` is no http URL".to_owned(), help))
    };
    entries.iter().enumerate().filter_map(odd).collect()
}

/// Engines have addresses that can be dialled, and names of their own.
pub(super) fn check_engines(engines: &[Engine], issues: &mut Vec<Issue>) {
    for (index, engine) in engines.iter().enumerate() {
        if let Err(error) = Address::parse(&engine.address) {
            issues.push(Issue {
                pointer: format!("/engines/{index}/address"),
                message: causes(&error),
                help: "the address is the engine's, not a container's".to_owned(),
            });
        }
        if let Some(first) = engines[..index].iter().position(|other| other.name == engine.name) {
            issues.push(Issue {
                pointer: format!("/engines/{index}/name"),
                message: format!("the name `{}` is taken by engine number {}", engine.name, first + 1),
                help: "give every engine a name of its own".to_owned(),
            });
        }
    }
}

/// One of our own addresses.
pub(super) fn listen(key: &str, address: Option<&str>, default: &str, issues: &mut Vec<Issue>) -> Option<SocketAddr> {
    let address = address?;
    let parsed = address.parse().ok();
    if parsed.is_none() {
        issues.push(Issue {
            pointer: format!("/listen/{key}"),
            message: format!("`{key}` is no address to listen on"),
            help: format!("write an IP address and a port, such as {default}"),
        });
    }
    parsed
}
