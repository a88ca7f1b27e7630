//! Addresses of a configuration: of servers, of engines, and our own. Resolves nothing.

use std::net::{IpAddr, SocketAddr};

use health_spec::config::{Engine, File, defaults};
use health_spec::registry::ServerEntry;

use super::parent;
use crate::machine::policy::Issue;
use crate::shell::causes::causes;
use crate::shell::config::{Draft, Loaded, Problem};
use crate::shell::runtime::container::address::Address;

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

/// Engines that a file names, with the files that it names; else those that are found.
pub(super) fn settle_engines(loaded: &mut Loaded, found: impl FnOnce() -> Vec<Engine>) {
    let named_at = |index: usize| loaded.places.path(&format!("/engines/{index}/name")).map(parent);
    let directories: Vec<_> = (0..loaded.file.engines.len()).map(named_at).collect();
    for (engine, directory) in loaded.file.engines.iter_mut().zip(directories) {
        let (Some(tls), Some(directory)) = (&mut engine.tls, directory) else { continue };
        for file in [&mut tls.ca_file, &mut tls.cert_file, &mut tls.key_file].into_iter().flatten() {
            *file = directory.join(&*file).to_string_lossy().into_owned();
        }
    }
    if loaded.file.engines.is_empty() {
        loaded.file.engines = found();
    }
}

/// Engines have addresses that can be dialled, and names of their own.
pub(super) fn check_engines(engines: &[Engine], issues: &mut Vec<Issue>) {
    for (index, engine) in engines.iter().enumerate() {
        if let Err(error) = Address::of(engine) {
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

/// Whether two cannot listen there. One that listens everywhere is in the way of all addresses of its port, and `::` of those of both kinds.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let (at, beside) = (one.ip().to_canonical(), other.ip().to_canonical());
    let is_everywhere =
        |ip: IpAddr, other: IpAddr| ip.is_unspecified() && (ip.is_ipv6() || other.is_ipv4() || other.is_unspecified());
    let overlap = at == beside || is_everywhere(at, beside) || is_everywhere(beside, at);
    one.port() != 0 && one.port() == other.port() && overlap
}

/// The daemons cannot both listen on one address. `run --listen` may say otherwise, therefore it is no mistake.
pub(super) fn one_for_both(file: &File, own: Option<SocketAddr>, gateway: Option<SocketAddr>, draft: &Draft) -> Option<Problem> {
    let is_usual = file.listen.orchestrator.is_none() && draft.spares("/listen/orchestrator");
    let own = own.or_else(|| defaults::LISTEN.parse().ok().filter(|_| is_usual))?;
    let message = format!("the orchestrator listens on {own} as well, unless `listen.orchestrator` or `--listen` says otherwise");
    let help = Some(format!("give the gateway a port of its own, such as {}", defaults::LISTEN_GATEWAY));
    gateway.is_some_and(|gateway| meet(own, gateway)).then(|| draft.loaded.places.problem("/listen/gateway", message, help))
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
