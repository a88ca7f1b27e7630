//! What this server says about its health.

use std::sync::Arc;

use health_endpoint::{CheckError, Component, Health};

use crate::args::Args;
use crate::faults::Faults;

/// One critical component, which a fault can break, and on request a degraded one.
pub(crate) fn of(args: &Args, faults: &Arc<Faults>) -> Health {
    let faults = Arc::clone(faults);
    let health = Health::builder(&args.name).version(env!("CARGO_PKG_VERSION")).check("tasks", move || {
        let down = faults.is_down();
        async move { if down { Err(CheckError::down("the task store is broken (POST /break/down)")) } else { Ok(()) } }
    });
    let cache = || async { Err(CheckError::degraded("the cache is cold (--degraded)")) };
    if args.degraded { health.component(Component::new("cache", cache).non_critical()).build() } else { health.build() }
}
