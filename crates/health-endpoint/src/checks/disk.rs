//! Whether a disk still has space. It deletes nothing.

use std::io;
use std::path::{Path, PathBuf};

use super::bytes;
use crate::{Check, CheckError, CheckResult};

/// `ok` while the filesystem of a path has space for this process.
///
/// Too little is `degraded`, since a restart frees nothing; `down` only below [`DiskSpace::down_below`]. A path that
/// cannot be read is `down`. The space is what is left for users other than root. Unix only.
///
/// ```
/// use health_endpoint::{Health, checks::DiskSpace};
///
/// const GIB: u64 = 1 << 30;
/// let disk = DiskSpace::of("/", 5 * GIB).down_below(GIB / 10);
/// let health = Health::builder("my-server").check("disk", disk).build();
/// ```
#[derive(Clone, Debug)]
pub struct DiskSpace {
    path: PathBuf,
    wanted: u64,
    needed: u64,
}

impl DiskSpace {
    /// Wants at least so many bytes where `path` is. The path is shown in `error`.
    pub fn of(path: impl Into<PathBuf>, bytes: u64) -> Self {
        Self { path: path.into(), wanted: bytes, needed: 0 }
    }

    /// With less than this the server cannot do its work. Default: never `down`.
    #[must_use]
    pub fn down_below(mut self, bytes: u64) -> Self {
        self.needed = bytes;
        self
    }

    fn judge(&self, free: u64) -> CheckResult {
        let reason = || format!("{} left on {}", bytes(free), self.path.display());
        if free < self.needed {
            Err(CheckError::down(reason()))
        } else if free < self.wanted {
            Err(CheckError::degraded(reason()))
        } else {
            Ok(())
        }
    }
}

impl Check for DiskSpace {
    async fn check(&self) -> CheckResult {
        let path = self.path.clone();
        // A network disk may take its time to answer.
        let free = tokio::task::spawn_blocking(move || free(&path)).await?;
        let unreadable = |error| CheckError::down(format_args!("cannot read {}: {error}", self.path.display()));
        self.judge(free.map_err(unreadable)?)
    }
}

/// What an unprivileged process may still write.
fn free(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use health_spec::Status;

    use super::*;

    #[test]
    fn too_little_is_degraded_and_nothing_is_down() {
        let disk = DiskSpace::of("/data", 2 << 30).down_below(1 << 20);
        assert_eq!(disk.judge(2 << 30), Ok(()));
        assert_eq!(disk.judge(3 << 29), Err(CheckError::degraded("1.5 GiB left on /data")));
        assert_eq!(disk.judge(1 << 19), Err(CheckError::down("512.0 KiB left on /data")));
        assert_eq!(DiskSpace::of("/", 1).judge(0), Err(CheckError::degraded("0 B left on /")));
    }

    #[tokio::test]
    async fn it_reads_the_real_disk() {
        assert_eq!(DiskSpace::of("/", 0).check().await, Ok(()));
        assert_eq!(DiskSpace::of("/", u64::MAX).check().await.unwrap_err().status(), Status::Degraded);
        let missing = DiskSpace::of("/no/such/path", 1).check().await.unwrap_err();
        assert!(missing.status() == Status::Down && missing.reason().contains("/no/such/path"), "{missing:?}");
    }
}
