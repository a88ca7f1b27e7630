//! The monitor itself could not look.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;
use thiserror::Error;

/// The monitor could not look: no verdict, but the event `monitor_impaired`.
#[derive(Debug, Error)]
pub enum Impaired {
    /// The process or the machine has no file descriptor left.
    #[error("no file descriptors left to check with; raise the limit (ulimit -n, LimitNOFILE=)")]
    FileDescriptors(#[source] io::Error),
    /// No local port is left, or no local address of that family exists.
    #[error("no local address or port left to check from")]
    LocalAddress(#[source] io::Error),
    /// The kernel has no memory for another socket, or no thread is left.
    #[error("no memory left for a socket to check with")]
    Memory(#[source] io::Error),
    /// The resolver answers nothing at all.
    #[error("this machine's resolver does not answer: {0}")]
    Resolver(String),
    /// A socket's file of another user, or a firewall of this machine.
    #[error("the user that the orchestrator runs as may not connect to {address}")]
    Forbidden {
        /// Where to.
        address: String,
        /// The cause.
        source: io::Error,
    },
    /// A token or a header's value.
    #[error("{} cannot be used", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The server refuses the certificate that the probe shows.
    #[error("the server refuses our certificate, which has expired or is none that it knows; renew the probe's `tls.cert_file`")]
    Certificate(#[source] rustls::Error),
    /// Whoever runs the server cannot be asked.
    #[error("what runs the server cannot be asked: {0}")]
    Engine(String),
}

impl Impaired {
    /// Whether an error is the monitor's own.
    pub fn is_ours(error: &io::Error) -> bool {
        let ours = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::ADDRINUSE, Errno::NOBUFS, Errno::NOMEM];
        Errno::from_io_error(error).is_some_and(|errno| ours.contains(&errno))
    }

    /// Its name.
    pub fn of(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::MFILE | Errno::NFILE) => Self::FileDescriptors(error),
            Some(Errno::ADDRNOTAVAIL | Errno::ADDRINUSE) => Self::LocalAddress(error),
            _ => Self::Memory(error),
        }
    }
}
