//! The file that a server's stdout and stderr are appended to.
//!
//! It is a file and no pipe, so that a server does not die with the orchestrator. It is kept from growing without end;
//! what is in it is nobody's business here.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// The log and the part kept beside it stay below twice this.
const KEPT_BYTES: u64 = 8 * 1024 * 1024;

/// One server's log.
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
}

impl Log {
    /// At this path; the part kept when it grew too large is beside it, with `.1` added.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Opens it for appending, also after somebody truncates it.
    pub fn open(&self) -> io::Result<File> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        OpenOptions::new().append(true).create(true).open(&self.path)
    }

    /// When it is too large: moves its last part aside and empties it. What is written in between is lost.
    pub fn trim(&self) -> io::Result<()> {
        trim(&self.path, KEPT_BYTES)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn trim(path: &Path, kept: u64) -> io::Result<()> {
    let size = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if size <= kept {
        return Ok(());
    }
    let mut log = OpenOptions::new().read(true).write(true).open(path)?;
    log.seek(SeekFrom::Start(size - kept))?;
    let mut aside = path.as_os_str().to_owned();
    aside.push(".1");
    io::copy(&mut Read::by_ref(&mut log).take(kept), &mut File::create(aside)?)?;
    log.set_len(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_last_part_is_kept_and_writers_go_on_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::new(directory.path().join("logs/a.log"));
        trim(log.path(), 4).unwrap();
        let mut writer = log.open().unwrap();
        writer.write_all(b"0123").unwrap();
        trim(log.path(), 4).unwrap();
        assert_eq!(fs::read(log.path()).unwrap(), b"0123");
        writer.write_all(b"4567").unwrap();
        trim(log.path(), 4).unwrap();
        writer.write_all(b"89").unwrap();
        assert_eq!(fs::read(log.path()).unwrap(), b"89");
        assert_eq!(fs::read(directory.path().join("logs/a.log.1")).unwrap(), b"4567");
    }
}
