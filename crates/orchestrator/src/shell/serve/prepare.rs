//! Binds and checks everything that can be, before anything is started.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::{ServeError, Settings};
use crate::shell::api::OperatorToken;
use crate::shell::clock::wall;
#[cfg(feature = "gateway")]
use crate::shell::embed::BoundGateway;
use crate::shell::store::{Left, Store};

/// Everything that is bound and checked.
pub(super) struct Ready {
    pub(super) listener: TcpListener,
    pub(super) bound: SocketAddr,
    #[cfg(feature = "gateway")]
    pub(super) gateway: Option<BoundGateway>,
    pub(super) store: Store,
    pub(super) left: Left,
    pub(super) token: OperatorToken,
}

pub(super) async fn prepare(settings: &Settings) -> Result<Ready, ServeError> {
    let listener = bind(settings.listen, "--listen", settings.insecure).await?;
    let bound =
        listener.local_addr().map_err(|source| ServeError::Bind { address: settings.listen, flag: "--listen", source })?;
    #[cfg(feature = "gateway")]
    let gateway = match settings.gateway {
        Some(address) => Some(BoundGateway::bind(address, bound, settings.insecure).await.map_err(of_gateway)?),
        None => None,
    };
    let mut store = Store::open(&settings.state_directory, settings.retention).map_err(|source| settings.unusable(source))?;
    let epoch = uuid::Uuid::new_v4().simple().to_string();
    let left = store.left(&epoch[..12], wall()).map_err(|source| settings.unusable(source))?;
    let token = match &settings.operator_token_file {
        Some(path) => OperatorToken::read(path)?,
        None => OperatorToken::of_directory(&settings.state_directory)?,
    };
    Ok(Ready {
        listener,
        bound,
        #[cfg(feature = "gateway")]
        gateway,
        store,
        left,
        token,
    })
}

/// The same words as for our own address, with the gateway's flag.
#[cfg(feature = "gateway")]
fn of_gateway(error: gateway::BindError) -> ServeError {
    match error {
        gateway::BindError::Listen { address, source } => ServeError::Bind { address, flag: "--gateway", source },
        gateway::BindError::Exposed { address } => ServeError::Exposed { address },
        other @ gateway::BindError::Source { .. } => ServeError::Gateway(other),
    }
}

async fn bind(address: SocketAddr, flag: &'static str, insecure: bool) -> Result<TcpListener, ServeError> {
    if !address.ip().is_loopback() && !insecure {
        return Err(ServeError::Exposed { address });
    }
    TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, flag, source })
}
