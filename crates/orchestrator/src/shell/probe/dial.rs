//! Opens the connection of one check, and tells the server's faults from our own. Knows no HTTP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use health_spec::verdict::{Phases, Reason};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep};

use super::address::{Host, To};
use super::deadline::{Deadline, milliseconds};
use super::resolve::Resolver;
use super::tls::Secured;
use super::{Fault, Impaired};

/// How long one address has before the next is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A connection, secured or not.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// Opens a connection; what it took is noted, also when it fails.
pub(super) async fn dial(
    to: &To,
    secured: Option<&Secured>,
    resolver: &Resolver,
    deadline: Deadline,
    phases: &mut Phases,
) -> Result<Box<dyn Wire>, Fault> {
    let stream = match to {
        To::Socket(path) => {
            let began = Instant::now();
            let stream = deadline.hold("no connection", local(path)).await;
            phases.connect_ms = Some(milliseconds(began.elapsed()));
            return Ok(Box::new(stream??));
        }
        To::Port(host, port) => {
            let addresses = found(host, *port, resolver, deadline, phases).await?;
            let began = Instant::now();
            let stream = deadline.hold("no connection", first_of(&addresses)).await;
            phases.connect_ms = Some(milliseconds(began.elapsed()));
            stream??
        }
    };
    let Some(secured) = secured else { return Ok(Box::new(stream)) };
    let began = Instant::now();
    let stream = deadline.hold("no secure connection", secured.secure(stream)).await;
    phases.tls_ms = Some(milliseconds(began.elapsed()));
    Ok(Box::new(stream??))
}

/// A literal address never meets the resolver.
async fn found(
    host: &Host,
    port: u16,
    resolver: &Resolver,
    deadline: Deadline,
    phases: &mut Phases,
) -> Result<Vec<SocketAddr>, Fault> {
    let name = match host {
        Host::Ip(ip) => return Ok(vec![SocketAddr::new(*ip, port)]),
        Host::Name(name) => name,
    };
    let began = Instant::now();
    let addresses = resolver.addresses(name, deadline.at()).await;
    phases.dns_ms = Some(milliseconds(began.elapsed()));
    Ok(alternating(addresses?).into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

/// The resolver's order, but families take turns: a host whose IPv6 leads nowhere is met on IPv4 soon.
fn alternating(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_is_v6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|ip| ip.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::new();
    loop {
        match (first.next(), second.next()) {
            (None, None) => return ordered,
            (one, other) => ordered.extend(one.into_iter().chain(other)),
        }
    }
}

/// The first connection that opens. Each address has a head start over the next one; one that fails gives way at once.
async fn first_of(addresses: &[SocketAddr]) -> Result<TcpStream, Fault> {
    if let [address] = *addresses {
        return connect(address).await;
    }
    let (mut waiting, mut running) = (addresses.iter(), FuturesUnordered::new());
    let mut fault = None;
    running.extend(waiting.next().map(|address| connect(*address)));
    loop {
        tokio::select! {
            ended = running.next() => match ended {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(later)) => {
                    fault = Some(worse(fault, later));
                    running.extend(waiting.next().map(|address| connect(*address)));
                }
                None => return Err(fault.unwrap_or_else(|| Fault::Server(Reason::Dns, "there is no address".to_owned()))),
            },
            () = sleep(HEAD_START), if waiting.len() > 0 => running.extend(waiting.next().map(|address| connect(*address))),
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Fault> {
    let stream = TcpStream::connect(address).await.map_err(|error| connect_fault(&address, error))?;
    stream.set_nodelay(true).map_err(|error| connect_fault(&address, error))?;
    Ok(stream)
}

async fn local(path: &Path) -> Result<UnixStream, Fault> {
    UnixStream::connect(path).await.map_err(|error| connect_fault(&path.display(), error))
}

/// What a server's address says outranks a fault of ours at another: `localhost` is looked for on IPv6 too, even
/// where there is none.
fn worse(earlier: Option<Fault>, later: Fault) -> Fault {
    match (earlier, later) {
        (Some(server @ Fault::Server(..)), Fault::Ours(_)) => server,
        (_, later) => later,
    }
}

fn connect_fault(address: &dyn std::fmt::Display, error: io::Error) -> Fault {
    if Impaired::is_ours(&error) {
        return Fault::Ours(Impaired::of(error));
    }
    match error.kind() {
        // Nobody has asked the server yet; no restart of it would change that.
        io::ErrorKind::PermissionDenied => Fault::Ours(Impaired::Forbidden { address: address.to_string(), source: error }),
        io::ErrorKind::ConnectionRefused => Fault::Server(Reason::ConnectRefused, format!("nothing listens at {address}")),
        io::ErrorKind::TimedOut => Fault::Server(Reason::Timeout, format!("{address} does not answer")),
        io::ErrorKind::ConnectionReset => Fault::Server(Reason::ConnectionReset, format!("{address} reset the connection")),
        // No route, a firewall that says no, no such socket: there is nothing to talk to either.
        _ => Fault::Server(Reason::ConnectRefused, format!("cannot connect to {address}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn fault(errno: Errno) -> Fault {
        connect_fault(&"127.0.0.1:1", errno.into())
    }

    #[test]
    fn our_own_faults_are_no_verdict() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::ACCESS, Errno::PERM] {
            assert!(matches!(fault(errno), Fault::Ours(_)), "{errno}");
        }
    }

    #[test]
    fn a_servers_faults_have_names() {
        let cases = [
            (Errno::CONNREFUSED, Reason::ConnectRefused),
            (Errno::HOSTUNREACH, Reason::ConnectRefused),
            (Errno::NOENT, Reason::ConnectRefused),
            (Errno::CONNRESET, Reason::ConnectionReset),
            (Errno::TIMEDOUT, Reason::Timeout),
        ];
        for (errno, expected) in cases {
            assert!(matches!(fault(errno), Fault::Server(reason, _) if reason == expected), "{errno}");
        }
    }

    #[test]
    fn a_server_that_refuses_outranks_an_address_family_that_we_lack() {
        let both = worse(Some(fault(Errno::CONNREFUSED)), fault(Errno::ADDRNOTAVAIL));
        assert!(matches!(both, Fault::Server(Reason::ConnectRefused, _)));
    }

    #[test]
    fn families_take_turns() {
        let ips = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("an address")).collect::<Vec<IpAddr>>();
        let mixed = ips(&["::1", "::2", "::3", "10.0.0.1", "10.0.0.2"]);
        assert_eq!(alternating(mixed), ips(&["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"]));
        assert!(alternating(vec![]).is_empty());
    }

    #[tokio::test]
    async fn an_address_that_leads_nowhere_holds_up_nobody() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let good = listener.local_addr().expect("an address");
        // Nothing listens at the first; the second opens.
        let refused = SocketAddr::from(([127, 0, 0, 1], 1));
        let stream = first_of(&[refused, good]).await.expect("a connection");
        assert_eq!(stream.peer_addr().expect("a peer"), good);
        // Its queue holds one connection, which nobody takes: the next one is never answered.
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let full = socket.listen(0).expect("it listens");
        let silent = full.local_addr().expect("an address");
        let _first = TcpStream::connect(silent).await.expect("the queue holds one");
        let stream = first_of(&[silent, good]).await.expect("a connection");
        assert_eq!(stream.peer_addr().expect("a peer"), good);
    }
}
