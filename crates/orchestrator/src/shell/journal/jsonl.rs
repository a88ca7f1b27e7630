//! The JSONL log: one event a line, whole lines only, appended in order, rotated by size.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::shell::store::{Reader, StoreError};

/// When the log is rotated; three old files are kept beside it.
const ROTATE_AT: u64 = 64 * 1024 * 1024;

/// The last line is looked for in the last part of the file; events are far smaller.
const TAIL: u64 = 1024 * 1024;

/// Why the log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum JsonlError {
    /// The file.
    #[error("cannot write the event log {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The database that it is mended from.
    #[error("cannot mend the event log {path}")]
    Store {
        /// Which one.
        path: PathBuf,
        /// The cause.
        source: StoreError,
    },
}

/// The open log.
#[derive(Debug)]
pub struct Jsonl {
    path: PathBuf,
    file: File,
    /// Of the whole lines. What is beyond was refused in the middle.
    size: u64,
    rotate_at: u64,
    reader: Reader,
    /// The last event that it has.
    last: u64,
    is_behind: bool,
}

#[derive(Deserialize)]
struct Mark {
    epoch: String,
    seq: u64,
}

impl Jsonl {
    /// Opens the log and mends it: afterwards it ends with a whole line, and has every event that `reader` has after it,
    /// unless there is no room for them.
    pub fn open(path: &Path, epoch: &str, reader: Reader) -> Result<Self, JsonlError> {
        let failed = |source| JsonlError::File { path: path.to_owned(), source };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut file = private().open(path).map_err(failed)?;
        let last = match mend(&mut file).map_err(failed)? {
            // Rotated, and ended before the first line came: without the mark of the old file all of it would come again.
            None if file.metadata().map_err(failed)?.len() == 0 => last_of(&old(path, 1)).map_err(failed)?,
            last => last,
        };
        let last = last.filter(|mark| mark.epoch == epoch).map_or(0, |mark| mark.seq);
        let size = file.metadata().map_err(failed)?.len();
        let mut log = Self { path: path.to_owned(), file, size, rotate_at: ROTATE_AT, reader, last, is_behind: true };
        if let Err(error) = log.catch_up() {
            tracing::warn!(error = &error as &dyn std::error::Error, "the event log is behind");
        }
        Ok(log)
    }

    /// Appends whole lines with one write. One that is behind catches up instead, from the database.
    pub fn append<'a>(&mut self, events: impl Iterator<Item = (u64, &'a str)>) -> Result<(), JsonlError> {
        if self.is_behind { self.catch_up() } else { self.put(events) }
    }

    fn catch_up(&mut self) -> Result<(), JsonlError> {
        self.is_behind = true;
        self.file.set_len(self.size).map_err(|source| self.failed(source))?;
        loop {
            let unread = |source| JsonlError::Store { path: self.path.clone(), source };
            let page = self.reader.events(self.last, 1_000).map_err(unread)?;
            if page.is_empty() {
                self.is_behind = false;
                return Ok(());
            }
            self.put(page.iter().map(|(seq, json)| (*seq, json.as_str())))?;
        }
    }

    fn put<'a>(&mut self, events: impl Iterator<Item = (u64, &'a str)>) -> Result<(), JsonlError> {
        let (mut lines, mut last) = (String::new(), self.last);
        for (seq, json) in events {
            lines.push_str(json);
            lines.push('\n');
            last = seq;
        }
        if let Err(source) = self.write(&lines) {
            self.is_behind = true;
            // Nobody is to read half a line meanwhile. Where even that fails, it is tried again before the next write.
            let _ = self.file.set_len(self.size);
            return Err(self.failed(source));
        }
        self.last = last;
        Ok(())
    }

    fn failed(&self, source: std::io::Error) -> JsonlError {
        JsonlError::File { path: self.path.clone(), source }
    }

    fn write(&mut self, lines: &str) -> std::io::Result<()> {
        if self.size > self.rotate_at {
            self.rotate()?;
        }
        self.file.write_all(lines.as_bytes())?;
        self.size += lines.len() as u64;
        Ok(())
    }

    /// Old files make room only for what is there: an attempt that fails half way is made again, and somebody may have removed the log.
    fn rotate(&mut self) -> std::io::Result<()> {
        if self.path.try_exists()? {
            if old(&self.path, 1).try_exists()? {
                rename(&old(&self.path, 2), &old(&self.path, 3))?;
                rename(&old(&self.path, 1), &old(&self.path, 2))?;
            }
            rename(&self.path, &old(&self.path, 1))?;
        }
        self.file = private().open(&self.path)?;
        self.size = self.file.metadata()?.len();
        Ok(())
    }
}

/// For its owner alone, when it is created.
fn private() -> OpenOptions {
    let mut options = File::options();
    options.create(true).read(true).append(true).mode(0o600);
    options
}

/// An old file of the log at `path`; larger numbers are older.
fn old(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// What is not there need not be moved.
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Cuts a torn last line off and reads the last whole one.
fn mend(file: &mut File) -> std::io::Result<Option<Mark>> {
    let (whole, last) = tail(file)?;
    if whole < file.metadata()?.len() {
        file.set_len(whole)?;
    }
    Ok(last)
}

/// The last whole line of a file that may not be there.
fn last_of(path: &Path) -> std::io::Result<Option<Mark>> {
    match File::open(path) {
        Ok(mut file) => Ok(tail(&mut file)?.1),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// How much of a file is whole lines, and what the last of them says.
fn tail(file: &mut File) -> std::io::Result<(u64, Option<Mark>)> {
    let size = file.metadata()?.len();
    let from = size.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let last = tail[..whole].trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
    Ok((from + whole as u64, last.and_then(|line| serde_json::from_slice(line).ok())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::store::{Batch, Retention, Store, Written};

    fn line(seq: u64) -> String {
        format!("{{\"epoch\":\"e\",\"seq\":{seq}}}")
    }

    fn store(directory: &Path, events: u64) -> Store {
        let mut store = Store::open(directory, Retention::default()).expect("opens");
        store.left("e", "2026-01-02T03:04:05Z".parse().expect("a timestamp")).expect("reads");
        let written = |seq| Written { seq, server_name: None, event_type: "server_down", json: line(seq).into() };
        store.commit(&Batch { events: (1..=events).map(written).collect(), ..Batch::default() }, false).expect("commits");
        store
    }

    fn opened(directory: &Path, store: &Store) -> String {
        let path = directory.join("log.jsonl");
        Jsonl::open(&path, "e", store.reader().expect("a reader")).expect("opens");
        std::fs::read_to_string(path).expect("readable")
    }

    #[test]
    fn a_torn_line_is_cut_off_and_written_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = store(directory.path(), 3);
        std::fs::write(directory.path().join("log.jsonl"), format!("{}\n{}\n{{\"epoch\":\"e\",\"se", line(1), line(2)))
            .expect("written");
        assert_eq!(opened(directory.path(), &store), format!("{}\n{}\n{}\n", line(1), line(2), line(3)));
    }

    #[test]
    fn a_complete_log_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = store(directory.path(), 2);
        let first = opened(directory.path(), &store);
        assert_eq!(opened(directory.path(), &store), first);
    }

    #[test]
    fn a_full_log_is_rotated() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = store(directory.path(), 0);
        let path = directory.path().join("log.jsonl");
        let mut log = Jsonl::open(&path, "e", store.reader().expect("a reader")).expect("opens");
        log.rotate_at = 10;
        for seq in 1..=3 {
            log.append([(seq, line(seq).as_str())].into_iter()).expect("written");
        }
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), format!("{}\n", line(3)));
        assert!(directory.path().join("log.jsonl.2").exists());
    }

    #[test]
    fn a_log_that_was_removed_is_begun_anew_and_no_old_one_is_lost() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = store(directory.path(), 0);
        let path = directory.path().join("log.jsonl");
        let mut log = Jsonl::open(&path, "e", store.reader().expect("a reader")).expect("opens");
        log.rotate_at = 10;
        let mut append = |seq| log.append([(seq, line(seq).as_str())].into_iter()).expect("written");
        append(1);
        append(2);
        std::fs::remove_file(&path).expect("removed");
        append(3);
        append(4);
        let read = |number| std::fs::read_to_string(old(&path, number)).expect("readable");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), format!("{}\n", line(4)));
        assert_eq!((read(1), read(2)), (format!("{}\n", line(3)), format!("{}\n", line(1))));
    }

    #[test]
    fn an_end_between_rotation_and_the_first_line_repeats_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = store(directory.path(), 3);
        std::fs::write(directory.path().join("log.jsonl.1"), format!("{}\n{}\n", line(1), line(2))).expect("written");
        assert_eq!(opened(directory.path(), &store), format!("{}\n", line(3)));
    }
}
