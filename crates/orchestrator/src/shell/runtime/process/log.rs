//! The files that a server's output goes to.
//!
//! The server writes to a file and to no pipe, so that it does not die with the orchestrator and is never kept waiting.
//! We look at its size, put it aside when it is too large, and begin again at its start. What is in it is nobody's
//! business here.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use health_spec::registry::ProcessLog;

/// How often a log's size is looked at.
pub const LOOK: Duration = Duration::from_millis(250);

/// The same while it fills fast: 100 MB/s add 5 MB until then.
const QUICK_LOOK: Duration = Duration::from_millis(50);

/// A log may hold anything, secrets too. One that is there already stays as open as somebody has made it.
const OURS_TO_READ: u32 = 0o600;

/// The same for the directory.
const OURS_TO_ENTER: u32 = 0o700;

/// One server's log.
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
    /// A larger file is put aside.
    max_bytes: u64,
    /// Older files beside it.
    files: u32,
}

impl Log {
    /// At this path; older files are beside it, with `.1`, `.2` and so on added, the newest first.
    pub fn new(path: PathBuf, kept: ProcessLog) -> Self {
        let max_bytes = u64::from(kept.max_mib.unwrap_or(8)) * 1024 * 1024;
        Self { path, max_bytes, files: kept.files.unwrap_or(1) }
    }

    /// Opens it for appending, also after somebody truncates it.
    pub fn open(&self) -> io::Result<File> {
        if let Some(directory) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(OURS_TO_ENTER).create(directory)?;
        }
        OpenOptions::new().append(true).create(true).mode(OURS_TO_READ).open(&self.path)
    }

    /// Whether it is too large. Quick.
    pub fn is_full(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() > self.max_bytes)
    }

    /// Puts it aside when it is too large. What is written meanwhile is lost. Returns how soon to look again.
    pub fn rotate(&self) -> io::Result<Duration> {
        let file = match OpenOptions::new().write(true).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LOOK),
            Err(error) => return Err(error),
        };
        // Of a server that was let go and is registered again, two keep the log short: one at a time, or both would put the same aside.
        // Where the disk knows no locks, that is all that happens.
        let _ = file.lock();
        let size = file.metadata()?.len();
        if size <= self.max_bytes {
            return Ok(LOOK);
        }
        // Whatever becomes of the copy, the file must not grow.
        let copied = self.put_aside(size);
        file.set_len(0)?;
        copied.map(|()| QUICK_LOOK)
    }

    fn put_aside(&self, size: u64) -> io::Result<()> {
        if self.files == 0 {
            return Ok(());
        }
        for number in (1..self.files).rev() {
            match fs::rename(self.older(number), self.older(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let mut log = File::open(&self.path)?;
        log.seek(SeekFrom::Start(size.saturating_sub(self.max_bytes)))?;
        let mut older = OpenOptions::new().write(true).create(true).truncate(true).mode(OURS_TO_READ).open(self.older(1))?;
        io::copy(&mut log.take(self.max_bytes), &mut older)?;
        Ok(())
    }

    fn older(&self, number: u32) -> PathBuf {
        let mut path = OsString::from(&self.path);
        path.push(format!(".{number}"));
        path.into()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_last_part_is_kept_older_files_move_on_and_writers_go_on_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/a.log");
        let log = Log { path: path.clone(), max_bytes: 4, files: 2 };
        assert_eq!(log.rotate().unwrap(), LOOK);
        let mut writer = log.open().unwrap();
        for (written, look, now) in [
            ("01", LOOK, vec!["01"]),
            ("23", LOOK, vec!["0123"]),
            ("4567", QUICK_LOOK, vec!["", "4567"]),
            ("89abc", QUICK_LOOK, vec!["", "9abc", "4567"]),
            ("defgh", QUICK_LOOK, vec!["", "efgh", "9abc"]),
            ("i", LOOK, vec!["i", "efgh", "9abc"]),
        ] {
            writer.write_all(written.as_bytes()).unwrap();
            assert_eq!(log.rotate().unwrap(), look, "{written}");
            let found = std::iter::once(path.clone()).chain((1..=3).map(|number| log.older(number)));
            let found: Vec<_> = found.filter_map(|path| fs::read_to_string(path).ok()).collect();
            assert_eq!(found, now);
        }
    }

    #[test]
    fn it_is_nobody_elses_to_read() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let log = Log { path: directory.path().join("logs/a.log"), max_bytes: 4, files: 1 };
        log.open().unwrap().write_all(b"01234").unwrap();
        log.rotate().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(log.path()), mode(&log.older(1)), mode(&directory.path().join("logs"))), (0o600, 0o600, 0o700));
        fs::set_permissions(log.path(), fs::Permissions::from_mode(0o640)).unwrap();
        log.open().unwrap();
        assert_eq!(mode(log.path()), 0o640, "whoever collects logs was let in");
    }

    #[test]
    fn two_who_keep_it_short_put_it_aside_once() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log { path: directory.path().join("a.log"), max_bytes: 4, files: 2 };
        log.open().unwrap().write_all(b"01234").unwrap();
        let looks: Vec<_> = std::thread::scope(|scope| {
            let both: Vec<_> = (0..2).map(|_| scope.spawn(|| log.rotate().unwrap())).collect();
            both.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(looks.contains(&LOOK) && looks.contains(&QUICK_LOOK), "{looks:?}");
        assert_eq!((fs::read(log.older(1)).unwrap(), log.older(2).exists()), (b"1234".to_vec(), false));
    }

    #[test]
    fn one_without_older_files_is_only_emptied() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log { path: directory.path().join("a.log"), max_bytes: 4, files: 0 };
        log.open().unwrap().write_all(b"01234").unwrap();
        log.rotate().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(fs::read(log.path()).unwrap(), b"");
    }

    #[test]
    fn one_that_cannot_be_put_aside_does_not_grow_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let log = Log { path: directory.path().join("a.log"), max_bytes: 4, files: 1 };
        fs::create_dir(log.older(1)).unwrap();
        log.open().unwrap().write_all(b"01234").unwrap();
        assert!(log.rotate().is_err());
        assert_eq!(fs::read(log.path()).unwrap(), b"");
    }
}
