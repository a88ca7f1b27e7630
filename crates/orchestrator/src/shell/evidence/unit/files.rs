//! The files that a unit has its variables from (`EnvironmentFile=`), as far as they are on this machine and may be read.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::shell::runtime::systemd::bus::Bus;

/// The most that is read of one: as of a file of a child process.
const MOST_BYTES: u64 = 256 * 1024;

/// What stands in them.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// One after the other.
    pub(super) text: String,
    /// Which could not be read, and why.
    pub(super) unread: Vec<String>,
}

impl Files {
    /// Reads those that may be missing, or may not (`-` in the unit), in a thread for what may block.
    pub(super) async fn read(bus: &Bus, named: Vec<(PathBuf, bool)>) -> Self {
        if named.is_empty() {
            return Self::default();
        }
        if !bus.is_of_this_machine() {
            let unread = named.iter().map(|(path, _)| format!("{} may be another machine's", path.display()));
            return Self { text: String::new(), unread: unread.collect() };
        }
        let failed = |error| Self { text: String::new(), unread: vec![format!("its files: {error}")] };
        tokio::task::spawn_blocking(move || Self::read_now(&named)).await.unwrap_or_else(failed)
    }

    fn read_now(named: &[(PathBuf, bool)]) -> Self {
        let mut files = Self::default();
        for (path, may_be_missing) in named {
            match beginning(path) {
                Ok(bytes) => files.text.extend([&String::from_utf8_lossy(&bytes), "\n"]),
                Err(error) if *may_be_missing && error.kind() == ErrorKind::NotFound => {}
                Err(error) => files.unread.push(format!("{}: {error}", path.display())),
            }
        }
        files
    }
}

fn beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_of_this_machine_are_read_and_those_of_another_are_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("a.env"), "A=1").expect("written");
        std::fs::write(path("b.env"), "B=2\n").expect("written");
        let named = vec![(path("a.env"), false), (path("b.env"), true), (path("c.env"), true), (path("d.env"), false)];
        let here = Files::read(&Bus::new("system"), named.clone()).await;
        assert_eq!(here.text, "A=1\nB=2\n\n");
        assert!(here.unread.len() == 1 && here.unread[0].contains("d.env: No such file"), "{:?}", here.unread);
        let elsewhere = Files::read(&Bus::new("unix:path=/nowhere"), named).await;
        assert_eq!((elsewhere.text.as_str(), elsewhere.unread.len()), ("", 4));
    }
}
