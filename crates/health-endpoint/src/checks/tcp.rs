//! Whether a port can be reached. It says nothing about who listens there.

use std::io;

use tokio::net::TcpStream;

use crate::{Check, CheckError, CheckResult};

/// `ok` when a TCP connection opens: a database, a queue, another server that this one needs.
///
/// The connection is closed at once, and no byte is sent. A name is resolved at each run, so a moved service is found.
/// What opens and then never answers is `ok` here: where that matters, ask a real question in a closure.
///
/// ```
/// use health_endpoint::{Component, Health, checks::TcpPort};
///
/// let health = Health::builder("my-server")
///     .check("database", TcpPort::new("db.internal:5432"))
///     .component(Component::new("cache", TcpPort::new("127.0.0.1:6379")).non_critical())
///     .build();
/// ```
#[derive(Clone, Debug)]
pub struct TcpPort {
    address: String,
}

impl TcpPort {
    /// `host:port`, `10.0.0.1:5432` or `[::1]:5432`. The host's name is shown in `error` when it cannot be reached.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into() }
    }
}

impl Check for TcpPort {
    async fn check(&self) -> CheckResult {
        match TcpStream::connect(&self.address).await {
            Ok(_) => Ok(()),
            Err(error) => Err(unreachable(&self.address, &error)),
        }
    }
}

fn unreachable(address: &str, error: &io::Error) -> CheckError {
    CheckError::down(format_args!("cannot connect to {address}: {error}"))
}

#[cfg(test)]
mod tests {
    use health_spec::Status;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn it_is_ok_while_someone_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = TcpPort::new(listener.local_addr().unwrap().to_string());
        assert_eq!(port.check().await, Ok(()));
        drop(listener);
        let error = port.check().await.unwrap_err();
        assert_eq!(error.status(), Status::Down);
        assert!(error.reason().starts_with("cannot connect to 127.0.0.1:"), "{}", error.reason());
    }
}
