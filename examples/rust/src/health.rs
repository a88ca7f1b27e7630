//! What it is for this server to be well.

use std::time::Duration;

use health_endpoint::checks::DiskSpace;
use health_endpoint::{Check, CheckResult, Component, Health, Traffic};

use crate::notes::Notes;

const MIB: u64 = 1 << 20;

/// The notes must be readable; a disk that fills up is a warning; and the calls must not fail.
pub(crate) fn of(notes: &Notes) -> Health {
    let disk = Component::new("disk", DiskSpace::of(notes.folder(), 100 * MIB)).interval(Duration::from_secs(60)).non_critical();
    Health::builder("notes-server")
        .version(env!("CARGO_PKG_VERSION"))
        .check("notes", notes.clone())
        .component(disk)
        .traffic(Traffic::new("mcp").slow(Duration::from_secs(2)))
        .build()
}

impl Check for Notes {
    async fn check(&self) -> CheckResult {
        self.list().await?;
        Ok(())
    }
}
