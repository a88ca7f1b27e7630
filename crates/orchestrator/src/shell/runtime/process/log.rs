//! The files that a server's output goes to.
//!
//! The server writes to a file and to no pipe, so that it does not die with the orchestrator and is never kept waiting.
//! We look at its size, put it aside when it is too large, and begin again at its start. What is in it is nobody's
//! business here. It is that very file which is kept short, also when somebody has renamed or removed it: the server writes on into it.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use health_spec::registry::ProcessLog;
use rustix::process::RawPid;

use super::limits::{Kept, Limit, Limits};

/// How often a log's size is looked at.
pub const LOOK: Duration = Duration::from_millis(250);

/// The same while it fills fast: 100 MB/s add 5 MB until then.
const QUICK_LOOK: Duration = Duration::from_millis(50);

/// When it could not be put aside.
const NEXT_LOOK: Duration = Duration::from_secs(10);

/// A log may hold anything, secrets too. One that is there already stays as open as somebody has made it.
const OURS_TO_READ: u32 = 0o600;

/// The same for the directory.
const OURS_TO_ENTER: u32 = 0o700;

/// One server's log. Its clones are the same one.
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
    limit: Limit,
    /// What the server writes to, whatever it is called by now.
    file: Arc<Mutex<Option<Arc<File>>>>,
}

impl Log {
    /// At this path; older files are beside it, with `.1`, `.2` and so on added, the newest first. `limits`: of all logs.
    pub fn new(path: PathBuf, limits: &Limits) -> Self {
        let limit = limits.of(&path);
        Self { path, limit, file: Arc::default() }
    }

    /// How much of it is kept from now on, whoever else keeps it short.
    pub fn keep(&self, kept: ProcessLog) {
        self.limit.set(Kept::from(kept));
    }

    /// Opens it for appending, also after somebody truncates it.
    pub fn open(&self) -> io::Result<File> {
        if let Some(directory) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(OURS_TO_ENTER).create(directory)?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(OURS_TO_READ).open(&self.path)?;
        self.hold(&format!("/proc/self/fd/{}", file.as_raw_fd()));
        Ok(file)
    }

    /// What a server writes to that runs already: its standard error. Where it has another one by now, that is its own, and not for us to
    /// empty; a log that was renamed or removed was so in its directory.
    pub fn follow(&self, server: RawPid) {
        let link = format!("/proc/{server}/fd/2");
        let directory = self.path.parent().and_then(|directory| fs::canonicalize(directory).ok());
        if directory.is_some() && fs::read_link(&link).ok().as_deref().and_then(Path::parent) == directory.as_deref() {
            self.hold(&link);
        }
    }

    /// Without it, whatever has the log's name is kept short.
    fn hold(&self, link: &str) {
        *self.file() = OpenOptions::new().read(true).write(true).open(link).ok().map(Arc::new);
    }

    fn file(&self) -> MutexGuard<'_, Option<Arc<File>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps it short, for ever.
    pub async fn keep_short(&self) {
        loop {
            tokio::time::sleep(self.look().await).await;
        }
    }

    /// Returns how soon to look again.
    async fn look(&self) -> Duration {
        if !self.is_full() {
            return LOOK;
        }
        let log = self.clone();
        match tokio::task::spawn_blocking(move || log.rotate()).await {
            Ok(Ok(pause)) => pause,
            Ok(Err(error)) => {
                tracing::warn!(%error, path = %self.path.display(), "a log could not be put aside");
                NEXT_LOOK
            }
            Err(_) => NEXT_LOOK,
        }
    }

    /// Whether it is too large. Quick.
    fn is_full(&self) -> bool {
        let metadata = self.file().as_ref().map_or_else(|| fs::metadata(&self.path), |file| file.metadata());
        metadata.is_ok_and(|metadata| metadata.len() > self.limit.kept().max_bytes)
    }

    /// Puts it aside when it is too large. What is written meanwhile is lost. Returns how soon to look again.
    fn rotate(&self) -> io::Result<Duration> {
        let held = self.file().clone();
        let file = match held.map_or_else(|| OpenOptions::new().read(true).write(true).open(&self.path).map(Arc::new), Ok) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LOOK),
            Err(error) => return Err(error),
        };
        // Of a server that was let go and is registered again, two keep the log short: one at a time, or both would put the same aside.
        // Where the disk knows no locks, that is all that happens.
        let _ = file.lock();
        let emptied = self.empty(&file);
        let _ = file.unlock();
        emptied
    }

    fn empty(&self, file: &File) -> io::Result<Duration> {
        let size = file.metadata()?.len();
        if size <= self.limit.kept().max_bytes {
            return Ok(LOOK);
        }
        // Whatever becomes of the copy, the file must not grow.
        let copied = self.put_aside(file, size);
        file.set_len(0)?;
        copied.map(|()| QUICK_LOOK)
    }

    fn put_aside(&self, file: &File, size: u64) -> io::Result<()> {
        let Kept { max_bytes, files } = self.limit.kept();
        if files == 0 {
            return Ok(());
        }
        // Somebody has renamed it to that: a copy of itself would be empty.
        let (own, other) = (file.metadata()?, fs::metadata(self.older(1)));
        if other.is_ok_and(|other| (other.dev(), other.ino()) == (own.dev(), own.ino())) {
            fs::remove_file(self.older(1))?;
        }
        for number in (1..files).rev() {
            match fs::rename(self.older(number), self.older(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let mut log = file;
        log.seek(SeekFrom::Start(size.saturating_sub(max_bytes)))?;
        let mut older = OpenOptions::new().write(true).create(true).truncate(true).mode(OURS_TO_READ).open(self.older(1))?;
        io::copy(&mut log.take(max_bytes), &mut older)?;
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

    fn log(path: &Path, max_bytes: u64, files: u32) -> Log {
        let log = Log::new(path.to_owned(), &Limits::default());
        log.limit.set(Kept { max_bytes, files });
        log
    }

    /// A server that was let go is registered again while it runs, with other limits: two keep its log short.
    #[test]
    fn whoever_kept_it_short_before_follows_the_limits_of_now() {
        let directory = tempfile::tempdir().unwrap();
        let limits = Limits::default();
        let path = directory.path().join("a.log");
        let before = Log::new(path.clone(), &limits);
        before.limit.set(Kept { max_bytes: 2, files: 0 });
        before.open().unwrap().write_all(b"01234").unwrap();
        let after = Log::new(path, &limits);
        assert!(before.is_full(), "until the other one begins");
        after.keep(ProcessLog { max_mib: Some(1), files: Some(2) });
        assert!(!before.is_full());
        assert_eq!(before.rotate().unwrap(), LOOK);
        assert_eq!(fs::read(after.path()).unwrap(), b"01234");
    }

    #[test]
    fn one_that_is_renamed_to_its_own_older_one_is_copied_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let log = log(&path, 4, 1);
        let mut writer = log.open().unwrap();
        fs::rename(&path, log.older(1)).unwrap();
        writer.write_all(b"01234").unwrap();
        assert_eq!(log.rotate().unwrap(), QUICK_LOOK);
        assert_eq!(fs::read_to_string(log.older(1)).unwrap(), "1234");
    }

    #[test]
    fn one_that_is_renamed_or_removed_does_not_grow_all_the_same() {
        for removed in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let (path, elsewhere) = (directory.path().join("logs/a.log"), directory.path().join("logs/by-somebody"));
            let log = log(&path, 4, 1);
            let mut writer = log.open().unwrap();
            if removed {
                fs::remove_file(&path).unwrap();
            } else {
                fs::rename(&path, &elsewhere).unwrap();
            }
            writer.write_all(b"01234").unwrap();
            assert!(log.is_full());
            assert_eq!(log.rotate().unwrap(), QUICK_LOOK);
            assert_eq!((writer.metadata().unwrap().len(), fs::read(log.older(1)).unwrap()), (0, b"1234".to_vec()));
        }
    }

    #[test]
    fn that_of_one_which_runs_already_is_found_in_its_process() {
        let directory = tempfile::tempdir().unwrap();
        let (path, own) = (directory.path().join("logs/a.log"), directory.path().join("own.log"));
        let mut writer = log(&path, 4, 1).open().unwrap();
        let mut own_writer = File::create(&own).unwrap();
        let sleeps = |file: &File| {
            let mut command = std::process::Command::new("sleep");
            command.arg("1000").stderr(file.try_clone().unwrap()).spawn().unwrap()
        };
        let (mut one, mut another) = (sleeps(&writer), sleeps(&own_writer));
        fs::remove_file(&path).unwrap();
        let (of_one, of_another) = (log(&path, 4, 1), log(&path, 4, 1));
        of_one.follow(RawPid::try_from(one.id()).unwrap());
        of_another.follow(RawPid::try_from(another.id()).unwrap());
        for child in [&mut one, &mut another] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        for file in [&mut writer, &mut own_writer] {
            file.write_all(b"01234").unwrap();
        }
        assert_eq!((of_one.rotate().unwrap(), of_another.rotate().unwrap()), (QUICK_LOOK, LOOK));
        assert_eq!((writer.metadata().unwrap().len(), fs::read(own).unwrap()), (0, b"01234".to_vec()), "its own is left alone");
    }

    #[test]
    fn the_last_part_is_kept_older_files_move_on_and_writers_go_on_at_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/a.log");
        let log = log(&path, 4, 2);
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
        let log = log(&directory.path().join("logs/a.log"), 4, 1);
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
        let log = log(&directory.path().join("a.log"), 4, 2);
        log.open().unwrap().write_all(b"01234").unwrap();
        let other = self::log(log.path(), 4, 2);
        let looks: Vec<_> = std::thread::scope(|scope| {
            let both: Vec<_> = [&log, &other].into_iter().map(|log| scope.spawn(|| log.rotate().unwrap())).collect();
            both.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(looks.contains(&LOOK) && looks.contains(&QUICK_LOOK), "{looks:?}");
        assert_eq!((fs::read(log.older(1)).unwrap(), log.older(2).exists()), (b"1234".to_vec(), false));
    }

    #[test]
    fn one_without_older_files_is_only_emptied() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(&directory.path().join("a.log"), 4, 0);
        log.open().unwrap().write_all(b"01234").unwrap();
        log.rotate().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(fs::read(log.path()).unwrap(), b"");
    }

    #[test]
    fn one_that_cannot_be_put_aside_does_not_grow_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(&directory.path().join("a.log"), 4, 1);
        fs::create_dir(log.older(1)).unwrap();
        log.open().unwrap().write_all(b"01234").unwrap();
        assert!(log.rotate().is_err());
        assert_eq!(fs::read(log.path()).unwrap(), b"");
    }
}
