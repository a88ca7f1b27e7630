//! Opens the connection of one check, and tells the server's faults from our own. Knows no HTTP and no deadline.

use std::io;
use std::net::SocketAddr;

use health_spec::verdict::Reason;
use rustix::io::Errno;
use tokio::net::TcpStream;

use super::Impaired;
use super::target::{Host, HttpTarget};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server's: a verdict.
    Server(Reason, String),
    /// Our own: no verdict.
    Ours(Impaired),
}

/// Connects to the first address of the target that accepts. A literal address never meets the resolver.
pub(super) async fn dial(target: &HttpTarget) -> Result<TcpStream, Fault> {
    let addresses = match target.host() {
        Host::Address(ip) => vec![SocketAddr::new(*ip, target.port())],
        Host::Name(name) => resolve(name, target.port()).await?,
    };
    let mut fault = None;
    for address in addresses {
        match connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => fault = Some(worse(fault, connect_fault(address, error))),
        }
    }
    Err(fault.unwrap_or_else(|| Fault::Server(Reason::Dns, format!("{} has no address", target.authority()))))
}

async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
    match tokio::net::lookup_host((name, port)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(impairment(error).map_or_else(
            // A temporary failure counts too: an engine's resolver answers so for a container that is gone.
            |error| Fault::Server(Reason::Dns, format!("{name} does not resolve: {error}")),
            Fault::Ours,
        )),
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What a server's address says outranks a fault of ours at another: `localhost` is looked for on IPv6 too, even
/// where there is none.
fn worse(earlier: Option<Fault>, later: Fault) -> Fault {
    match (earlier, later) {
        (Some(server @ Fault::Server(..)), Fault::Ours(_)) => server,
        (_, later) => later,
    }
}

fn connect_fault(address: SocketAddr, error: io::Error) -> Fault {
    let error = match impairment(error) {
        Ok(impaired) => return Fault::Ours(impaired),
        Err(error) => error,
    };
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Fault::Server(Reason::ConnectRefused, format!("nothing listens at {address}")),
        io::ErrorKind::TimedOut => Fault::Server(Reason::Timeout, format!("{address} does not answer")),
        io::ErrorKind::ConnectionReset => Fault::Server(Reason::ConnectionReset, format!("{address} reset the connection")),
        // No route, a firewall that says no: there is nothing to talk to either.
        _ => Fault::Server(Reason::ConnectRefused, format!("cannot connect to {address}: {error}")),
    }
}

/// `Err` gives the error back: it is not our fault.
pub(super) fn impairment(error: io::Error) -> Result<Impaired, io::Error> {
    match Errno::from_io_error(&error) {
        Some(Errno::MFILE | Errno::NFILE) => Ok(Impaired::FileDescriptors(error)),
        Some(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE) => Ok(Impaired::LocalAddress(error)),
        Some(Errno::NOBUFS | Errno::NOMEM) => Ok(Impaired::Memory(error)),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(errno: Errno) -> Fault {
        connect_fault(SocketAddr::from(([127, 0, 0, 1], 1)), errno.into())
    }

    #[test]
    fn our_own_faults_are_no_verdict() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS] {
            assert!(matches!(fault(errno), Fault::Ours(_)), "{errno}");
        }
    }

    #[test]
    fn a_servers_faults_have_names() {
        let cases = [
            (Errno::CONNREFUSED, Reason::ConnectRefused),
            (Errno::HOSTUNREACH, Reason::ConnectRefused),
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
}
