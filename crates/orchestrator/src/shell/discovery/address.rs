//! Where a container's health is, when no label gives a URL.

use std::net::{IpAddr, SocketAddr};

use health_spec::config::{AddressBy, Engine};

use super::container::{Container, Details, Port};
use super::labels::Fault;

/// Where health is asked for when nothing else is said (contract, section 1).
const PATH: &str = "/health";

/// What would make it clear.
const ADVICE: &str = "say mcp.health.port=PORT, the port inside the container, or mcp.health.url=http://HOST:PORT/health";

/// The host of an engine, as seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// This one.
    Here,
    /// Another one.
    Far(String),
}

/// Why there is no URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nowhere {
    /// It is known when the container runs.
    Later,
    /// The labels have to say more.
    Fault(Fault),
}

/// What the labels say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said<'a> {
    /// The port inside the container.
    pub port: Option<u16>,
    /// The path.
    pub path: Option<&'a str>,
}

impl Host {
    /// Where the engine's containers publish their ports.
    pub fn of(engine: &Engine) -> Self {
        let authority = engine.address.split_once("://").filter(|(scheme, _)| *scheme != "unix").map(|(_, rest)| rest);
        let host = authority.map(|authority| authority.rsplit_once(':').map_or(authority, |(host, _)| host));
        match host {
            None | Some("localhost" | "127.0.0.1" | "[::1]") => Self::Here,
            Some(host) => Self::Far(host.to_owned()),
        }
    }
}

/// The URL of a container's health.
pub fn health_url(container: &Container, host: &Host, by: AddressBy, said: &Said<'_>) -> Result<String, Nowhere> {
    let details = container.details.as_ref().ok_or(Nowhere::Later)?;
    let port = port(details, by, said.port)?;
    let authority = match by {
        AddressBy::Name => format!("{}:{}", container.name, port.inside),
        AddressBy::Published => published(details, host, &port)?,
        AddressBy::Container => own(details, host, &port)?,
    };
    Ok(format!("http://{authority}{}", said.path.unwrap_or(PATH)))
}

/// The port that the label names, else the only one that there is: published ones are asked first.
fn port(details: &Details, by: AddressBy, said: Option<u16>) -> Result<Port, Nowhere> {
    if let Some(inside) = said {
        let known = details.ports.iter().find(|port| port.inside == inside);
        return Ok(known.cloned().unwrap_or(Port { inside, published: None }));
    }
    let published: Vec<_> = details.ports.iter().filter(|port| port.published.is_some()).collect();
    let all: Vec<_> = details.ports.iter().collect();
    match if by == AddressBy::Published && !published.is_empty() { published } else { all }[..] {
        [port] => Ok(port.clone()),
        [] => Err(unclear("it publishes and exposes no port".to_owned())),
        ref several => {
            let several: Vec<_> = several.iter().map(|port| port.inside.to_string()).collect();
            Err(unclear(format!("it has several ports: {}", several.join(", "))))
        }
    }
}

fn published(details: &Details, host: &Host, port: &Port) -> Result<String, Nowhere> {
    let Some((ip, outside)) = port.published else { return own(details, host, port) };
    let everywhere = ip.is_none_or(|ip| ip.is_unspecified());
    match (host, ip) {
        (Host::Here, Some(ip)) if !everywhere => Ok(SocketAddr::new(ip, outside).to_string()),
        (Host::Here, Some(IpAddr::V6(_))) => Ok(format!("[::1]:{outside}")),
        (Host::Here, _) => Ok(format!("127.0.0.1:{outside}")),
        (Host::Far(_), Some(ip)) if ip.is_loopback() => {
            Err(unclear(format!("port {} is published on the loopback address of another machine only", port.inside)))
        }
        (Host::Far(host), _) => Ok(format!("{host}:{outside}")),
    }
}

/// Its own address, which only its own host can reach.
fn own(details: &Details, host: &Host, port: &Port) -> Result<String, Nowhere> {
    match (host, details.addresses.first()) {
        (Host::Here, _) if details.host_network => Ok(format!("127.0.0.1:{}", port.inside)),
        (Host::Far(host), _) if details.host_network => Ok(format!("{host}:{}", port.inside)),
        (Host::Here, Some(ip)) => Ok(SocketAddr::new(*ip, port.inside).to_string()),
        (Host::Far(_), _) => Err(unclear(format!("port {} is not published, and its engine is on another machine", port.inside))),
        (Host::Here, None) if !details.runs => Err(Nowhere::Later),
        (Host::Here, None) => Err(unclear(format!("port {} is not published, and it has no address of its own", port.inside))),
    }
}

fn unclear(message: String) -> Nowhere {
    Nowhere::Fault(Fault { label: String::new(), found: None, message, help: ADVICE.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(ports: &[(u16, Option<&str>)], addresses: &[&str]) -> Container {
        let port = |(inside, published): &(u16, Option<&str>)| Port {
            inside: *inside,
            published: published.map(|at: &str| {
                let at: SocketAddr = at.parse().expect("an address");
                (Some(at.ip()), at.port())
            }),
        };
        let details = Details {
            has_run: true,
            runs: true,
            ports: ports.iter().map(port).collect(),
            addresses: addresses.iter().map(|ip| ip.parse().expect("an address")).collect(),
            host_network: false,
        };
        Container { name: "web".into(), details: Some(details), ..Container::default() }
    }

    fn here(container: &Container, port: Option<u16>) -> Result<String, Nowhere> {
        health_url(container, &Host::Here, AddressBy::Published, &Said { port, path: None })
    }

    fn message(nowhere: Result<String, Nowhere>) -> String {
        match nowhere {
            Err(Nowhere::Fault(fault)) => fault.message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_only_published_port_is_it_else_the_only_exposed_one() {
        let one = container(&[(8082, Some("0.0.0.0:49153")), (9090, None)], &["172.17.0.2"]);
        assert_eq!(here(&one, None).as_deref(), Ok("http://127.0.0.1:49153/health"));
        assert_eq!(here(&one, Some(9090)).as_deref(), Ok("http://172.17.0.2:9090/health"));
        let exposed = container(&[(8082, None)], &["fd00::2"]);
        assert_eq!(here(&exposed, None).as_deref(), Ok("http://[fd00::2]:8082/health"));
        assert_eq!(here(&exposed, Some(1)).as_deref(), Ok("http://[fd00::2]:1/health"));
        let only_ip = container(&[(1, Some("192.0.2.1:81"))], &[]);
        assert_eq!(here(&only_ip, None).as_deref(), Ok("http://192.0.2.1:81/health"));
    }

    #[test]
    fn what_is_unclear_is_said() {
        assert!(message(here(&container(&[], &["172.17.0.2"]), None)).contains("no port"));
        let two = container(&[(1, Some("0.0.0.0:81")), (2, Some("0.0.0.0:82"))], &[]);
        assert!(message(here(&two, None)).contains("several ports: 1, 2"));
        assert!(message(here(&container(&[(1, None)], &[]), None)).contains("no address of its own"));
        let mut stopped = container(&[(1, None)], &[]);
        stopped.details.as_mut().expect("details").runs = false;
        assert_eq!(here(&stopped, None), Err(Nowhere::Later));
    }

    #[test]
    fn another_machine_is_asked_where_it_publishes() {
        let engine = |address: &str| -> Engine {
            let written = serde_json::json!({ "name": "e", "kind": "docker", "address": address });
            serde_json::from_value(written).expect("an engine")
        };
        let far = Host::of(&engine("tcp://far:2375"));
        assert_eq!((&far, Host::of(&engine("unix:///a.sock"))), (&Host::Far("far".into()), Host::Here));
        let url = |container: &Container| health_url(container, &far, AddressBy::Published, &Said::default());
        assert_eq!(url(&container(&[(1, Some("0.0.0.0:81"))], &[])).as_deref(), Ok("http://far:81/health"));
        assert!(message(url(&container(&[(1, Some("127.0.0.1:81"))], &[]))).contains("loopback"));
        assert!(message(url(&container(&[(1, None)], &["172.17.0.2"]))).contains("another machine"));
    }

    #[test]
    fn its_own_address_or_name_can_be_wanted() {
        let one = container(&[(8082, Some("0.0.0.0:81"))], &["172.17.0.2"]);
        let by = |by| health_url(&one, &Host::Here, by, &Said { port: None, path: Some("/alive") });
        assert_eq!(by(AddressBy::Container).as_deref(), Ok("http://172.17.0.2:8082/alive"));
        assert_eq!(by(AddressBy::Name).as_deref(), Ok("http://web:8082/alive"));
    }
}
