//! Whether files have changed since they were read, without reading them.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::files;
use crate::shell::asked;

/// What the system says of some files. Of a directory it is what its files are: what else lies there, or looks into it, is no change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(BTreeMap<PathBuf, Option<Stamp>>);

/// One file, as far as a change of it shows. Access times are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    written: (i64, i64),
    /// Also changes when its owner or mode does, and then it may be readable or not.
    changed: (i64, i64),
}

impl Stamps {
    /// Looks at these files, and at the files of these directories. What is not there is noted too.
    pub fn of(paths: &[PathBuf]) -> Self {
        let listed = paths.iter().flat_map(|path| files::listed(path).unwrap_or_default());
        Self(listed.map(|path| (path.clone(), Stamp::of(&path).ok())).collect())
    }

    /// Of files that both know, what this one says: it has looked first.
    #[must_use]
    pub(super) fn before(self, mut later: Self) -> Self {
        later.0.extend(self.0);
        later
    }
}

impl Stamp {
    /// Looks at this file, or at what a link leads to.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = asked::of(path, || std::fs::metadata(path))?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_read_is_looked_at() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("written");
        write("a.yaml", "servers: []");
        let asked = [directory.path().to_owned()];
        let at_first = Stamps::of(&asked);

        write("health-events.jsonl", "{}");
        std::fs::create_dir(directory.path().join("state")).expect("a directory");
        std::fs::read(directory.path().join("a.yaml")).expect("read");
        std::fs::read_dir(directory.path()).expect("read").for_each(drop);
        assert_eq!(Stamps::of(&asked), at_first, "a file beside it, and a look, are no change");

        write("b.yml", "servers: []");
        let with_b = Stamps::of(&asked);
        assert_ne!(with_b, at_first);
        write("new", "servers: []");
        std::fs::rename(directory.path().join("new"), directory.path().join("b.yml")).expect("renamed");
        assert_ne!(Stamps::of(&asked), with_b, "another file of the same size");
        std::fs::remove_file(directory.path().join("b.yml")).expect("removed");
        assert_eq!(Stamps::of(&asked), at_first);
    }

    #[test]
    fn a_file_that_comes_or_goes_has_changed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret");
        let absent = Stamps::of(std::slice::from_ref(&path));
        std::fs::write(&path, "x").expect("written");
        let there = Stamps::of(std::slice::from_ref(&path));
        assert_ne!(absent, there);
        assert_eq!(absent.clone().before(there), absent);
    }
}
