//! A way to the engine that can be closed: a socket that forwards to Docker's.

use std::path::{Path, PathBuf};

use health_spec::config::{Engine, EngineKind};
use tokio::{
    io::copy_bidirectional,
    net::{UnixListener, UnixStream},
    task::{AbortHandle, JoinSet},
};

use crate::quay::SOCKET;

pub(crate) struct Strait {
    path: PathBuf,
    scheduler: tokio::runtime::Runtime,
    open: Option<AbortHandle>,
}

impl Strait {
    pub(crate) fn open_at(path: &Path) -> Self {
        let scheduler = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut strait = Self { path: path.to_owned(), scheduler, open: None };
        strait.open();
        strait
    }

    pub(crate) fn engine(&self) -> Engine {
        let address = format!("unix://{}", self.path.display());
        Engine { name: "local".to_owned(), kind: EngineKind::Docker, address, tls: None }
    }

    pub(crate) fn open(&mut self) {
        let _inside = self.scheduler.enter();
        let listener = UnixListener::bind(&self.path).unwrap();
        self.open = Some(self.scheduler.spawn(forward(listener)).abort_handle());
    }

    /// Every connection breaks, and no new one is possible.
    pub(crate) fn close(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
        self.open.take().unwrap().abort();
    }
}

/// When aborted, the connections go with it.
async fn forward(listener: UnixListener) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        connections.spawn(async move {
            let mut far = UnixStream::connect(SOCKET).await?;
            copy_bidirectional(&mut near, &mut far).await
        });
    }
}
