//! What is known of a child process of ours: its log, its record, its program.

use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use health_spec::incident::{Death, RuntimeState};
use serde::Deserialize;
use serde_json::Value;

use super::facts::word;
use super::found::{Deadline, Found, Mark, RawLine, Want};
use super::subject::{ProcessSource, pairs};
use crate::shell::runtime::process::procfs::{Identity, boot_id};
use crate::shell::secrets::digest;

mod kernel;

/// So much of a log is read at most.
const MOST_LOG_BYTES: u64 = 64 * 1024;

/// So many names of variables are kept.
const MOST_NAMES: usize = 100;

/// Looks; the disk is waited for until the deadline.
pub(super) async fn look(source: &ProcessSource, want: Want, deadline: Deadline) -> Found {
    let owned = source.clone();
    let looked = tokio::task::spawn_blocking(move || look_now(&owned, want));
    match tokio::time::timeout_at(deadline.at(), looked).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => Found { missing: vec![format!("process: {error}")], ..Found::default() },
        Err(_) => Found { missing: vec!["process: the disk does not answer".to_owned()], ..Found::default() },
    }
}

fn look_now(source: &ProcessSource, want: Want) -> Found {
    let mut found = Found { log_source: source.log.display().to_string(), ..Found::default() };
    found.mark = std::fs::metadata(&source.log).ok().map(|metadata| mark(&metadata));
    let lines = lines(&source.log, want).map_err(|error| format!("{}: {error}", source.log.display()));
    found.lines = found.part("logs", lines);
    let more = source.environment_file.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let mut names = source.names.clone();
    names.extend(pairs(&more).map(|(name, _)| word(name)));
    names.sort_unstable();
    names.dedup();
    names.truncate(MOST_NAMES);
    let record = std::fs::read_to_string(&source.record).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let pid = record.as_ref().and_then(|record| key(record, "pid")).and_then(Value::as_i64);
    let leader = record.as_ref().and_then(|record| key(record, "leader"));
    let alive = leader.is_some_and(is_alive);
    // How it ended stays true after a restart of the machine; when it started is counted from the last one.
    let of_this_boot = record.as_ref().and_then(|record| key(record, "boot")).is_some_and(|boot| *boot == boot_id());
    let ended = record.as_ref().filter(|_| !alive);
    found.facts = [
        ("process.command".to_owned(), word(&source.command)),
        ("process.arguments".to_owned(), source.arguments.clone()),
        (
            "process.environment".to_owned(),
            format!("{} variables ({})", names.len(), digest(&format!("{}{more}", source.environment))),
        ),
    ]
    .into();
    if let Some(program) = program(&source.command) {
        found.facts.insert("process.program".to_owned(), program);
    }
    found.state = Some(RuntimeState {
        kind: "process".to_owned(),
        name: source.command.clone(),
        id: pid.map(|pid| pid.to_string()),
        running: Some(alive),
        started_at: leader.filter(|_| of_this_boot).and_then(|it| Identity::deserialize(it).ok()).and_then(Identity::started_at),
        finished_at: ended.and_then(|record| key(record, "at")).and_then(|at| at.as_str()?.parse().ok()),
        exit_code: ended.and_then(|record| key(record, "exit_code")).and_then(Value::as_i64),
        oom_killed: ended.and_then(|record| key(record, "oom_killed")).and_then(Value::as_bool),
        memory_limit_bytes: kernel::memory_limit(pid.filter(|_| alive)),
        environment: names,
        ..RuntimeState::default()
    });
    found
}

/// A death is told before it is on record: what the record does not have yet is taken from the word about it, if that is about this life.
pub(super) fn complete(state: &mut RuntimeState, death: &Death) {
    let is_unwritten = state.kind == "process" && state.running == Some(false) && state.finished_at.is_none();
    if is_unwritten && state.started_at.is_none_or(|started_at| started_at <= death.at) {
        state.finished_at = Some(death.at);
        state.oom_killed = Some(death.oom_killed);
        state.exit_code = state.exit_code.or(death.exit_code);
    }
}

fn mark(metadata: &Metadata) -> Mark {
    Mark { inode: metadata.ino(), length: metadata.len() }
}

/// One that has died is a process until it is reaped, and its pid may be another's: neither runs.
fn is_alive(leader: &Value) -> bool {
    Identity::deserialize(leader).is_ok_and(Identity::is_alive)
}

/// The value of a key, wherever it stands.
fn key<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = value.as_object()?;
    fields.get(name).or_else(|| fields.values().find_map(|inner| key(inner, name)))
}

/// What tells one build of a program from another. A bare name is looked for by the system, and is not followed here.
fn program(command: &str) -> Option<String> {
    let metadata = std::fs::metadata(command).ok().filter(|_| command.contains('/'))?;
    let changed = jiff::Timestamp::from_second(metadata.mtime()).ok()?;
    Some(format!("{} bytes, changed {changed}", metadata.len()))
}

fn lines(log: &Path, want: Want) -> std::io::Result<Vec<RawLine>> {
    match want {
        Want::Nothing => Ok(vec![]),
        Want::Last(count) => last(log, count),
        Want::FirstSinceStart { most, mark } => first(log, most, mark),
    }
}

/// When the log has just been made shorter, the rest of it is beside it.
fn last(log: &Path, count: usize) -> std::io::Result<Vec<RawLine>> {
    let mut lines = tail(log)?;
    if lines.len() < count {
        let mut older = tail(&aside(log)).unwrap_or_default();
        older.append(&mut lines);
        lines = older;
    }
    let excess = lines.len().saturating_sub(count);
    lines.drain(..excess);
    Ok(lines)
}

fn aside(log: &Path) -> PathBuf {
    let mut path = log.as_os_str().to_owned();
    path.push(".1");
    path.into()
}

fn tail(log: &Path) -> std::io::Result<Vec<RawLine>> {
    let mut file = File::open(log)?;
    let from = file.metadata()?.len().saturating_sub(MOST_LOG_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(MOST_LOG_BYTES).read_to_end(&mut bytes)?;
    if from == 0 {
        return Ok(split(&bytes));
    }
    // The first line is cut. Where it is the last one too, its end is all there is.
    let whole = bytes.iter().position(|byte| *byte == b'\n').map_or(&[][..], |at| &bytes[at + 1..]);
    let lines = split(whole);
    if lines.is_empty() {
        let before = usize::try_from(from).unwrap_or(usize::MAX);
        return Ok(split(&bytes).into_iter().map(|line| line.end_of(before)).collect());
    }
    Ok(lines)
}

/// What was written after the mark. A log that is another one, or shorter, has been begun anew since.
fn first(log: &Path, most: usize, before: Option<Mark>) -> std::io::Result<Vec<RawLine>> {
    let Some(before) = before else {
        return Err(std::io::Error::other("nobody knows where it ended before the restart"));
    };
    let mut file = File::open(log)?;
    let now = mark(&file.metadata()?);
    let from = if now.inode == before.inode && now.length >= before.length { before.length } else { 0 };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(MOST_LOG_BYTES).read_to_end(&mut bytes)?;
    let mut lines = split(&bytes);
    lines.truncate(most);
    Ok(lines)
}

fn split(bytes: &[u8]) -> Vec<RawLine> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(RawLine::plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::runtime::process::procfs::stat;

    fn texts(lines: Vec<RawLine>) -> Vec<String> {
        lines.into_iter().map(|line| String::from_utf8(line.text).expect("text")).collect()
    }

    #[test]
    fn one_that_has_died_does_not_run_before_it_is_reaped() {
        let mut child = std::process::Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().expect("it runs");
        let pid = i32::try_from(child.id()).expect("a pid");
        let leader = serde_json::to_value(Identity::of(pid).expect("/proc").expect("it lives")).expect("JSON");
        assert!(is_alive(&leader));
        drop(child.stdin.take());
        // Its end of the pipe is closed before it is dead.
        while stat(pid).expect("/proc").expect("nobody has reaped it").alive {
            std::thread::yield_now();
        }
        assert!(Path::new(&format!("/proc/{pid}")).exists());
        assert!(!is_alive(&leader));
        child.wait().expect("it is reaped");
        let other = serde_json::json!({ "pid": std::process::id(), "start": 1 });
        assert!(!is_alive(&other), "its pid was given to another process");
    }

    #[test]
    fn when_it_began_and_ended_and_what_memory_it_may_have_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut child = std::process::Command::new("/bin/cat").stdin(std::process::Stdio::piped()).spawn().expect("it runs");
        let pid = i32::try_from(child.id()).expect("a pid");
        let leader = Identity::of(pid).expect("/proc").expect("it lives");
        let instance = serde_json::json!({ "token": "t", "leader": leader });
        let record = directory.path().join("a.json");
        let source = ProcessSource {
            command: "/bin/cat".to_owned(),
            arguments: String::new(),
            environment: String::new(),
            names: vec![],
            environment_file: None,
            log: directory.path().join("a.log"),
            record: record.clone(),
        };
        let look = |boot: &str, told: Value| {
            std::fs::write(&record, serde_json::json!({ "boot": boot, "record": told }).to_string()).expect("written");
            look_now(&source, Want::Nothing).state.expect("a state")
        };
        let running = look(&boot_id(), serde_json::json!({ "state": "running", "token": "t", "leader": leader }));
        let age = running.started_at.map(|at| crate::shell::clock::wall().duration_since(at).as_secs());
        assert!(age.is_some_and(|seconds| (-1..60).contains(&seconds)), "{age:?}");
        assert_eq!((running.running, running.finished_at, running.oom_killed), (Some(true), None, None));
        assert_eq!(running.memory_limit_bytes, kernel::memory_limit(None), "it is in our group");
        child.kill().and_then(|()| child.wait()).expect("it ends");
        let ended =
            |at: &str| serde_json::json!({ "state": "ended", "instance": instance, "signal": 9, "oom_killed": true, "at": at });
        let killed = look(&boot_id(), ended("2026-01-02T03:04:05Z"));
        let apart = killed.started_at.zip(running.started_at).map(|(one, other)| one.duration_since(other).as_millis().abs());
        assert!(apart < Some(1_000) && killed.oom_killed == Some(true), "{apart:?}: the kernel counts in ticks");
        assert_eq!(killed.finished_at.map(|at| at.to_string()).as_deref(), Some("2026-01-02T03:04:05Z"));
        assert_eq!(
            look("another", ended("2026-01-02T03:04:05Z")).started_at,
            None,
            "that is counted from the start of the machine"
        );
    }

    #[test]
    fn what_is_not_on_record_yet_is_taken_from_the_word_about_this_life() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().expect("a timestamp");
        let death = Death {
            at: at("2026-01-02T03:04:05Z"),
            exit_code: Some(3),
            signal: None,
            oom_killed: false,
            core_dumped: None,
            error: None,
        };
        let unwritten = RuntimeState {
            kind: "process".to_owned(),
            running: Some(false),
            started_at: Some(at("2026-01-02T03:00:00Z")),
            ..RuntimeState::default()
        };
        let completed = |state: &RuntimeState| {
            let mut state = state.clone();
            complete(&mut state, &death);
            (state.finished_at, state.exit_code, state.oom_killed)
        };
        assert_eq!(completed(&unwritten), (Some(death.at), Some(3), Some(false)));
        let later = RuntimeState { started_at: Some(at("2026-01-02T03:05:00Z")), ..unwritten.clone() };
        assert_eq!(completed(&later), (None, None, None), "that was the life before");
        let running = RuntimeState { running: Some(true), ..unwritten };
        assert_eq!(completed(&running), (None, None, None));
    }

    #[test]
    fn the_last_lines_are_found_also_in_a_log_that_was_made_shorter() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("a.log");
        assert!(last(&log, 3).is_err(), "there is none");
        std::fs::write(aside(&log), "one\ntwo\n").expect("written");
        std::fs::write(&log, "three\nfour").expect("written");
        assert_eq!(texts(last(&log, 3).expect("read")), ["two", "three", "four"]);
        assert_eq!(texts(last(&log, 1).expect("read")), ["four"]);
        std::fs::write(&log, "x".repeat(100_000) + "\nthe end\n").expect("written");
        assert_eq!(texts(last(&log, 1).expect("read")), ["the end"]);
        std::fs::write(&log, "one\n".to_owned() + &"x".repeat(100_000) + " the end\n").expect("written");
        let lines = last(&log, 50).expect("read");
        let end = lines.last().expect("a line");
        assert!(end.text.ends_with(b"x the end") && end.before + end.text.len() == 4 + 100_000 + 8, "{}", end.before);
    }

    #[test]
    fn the_first_lines_after_a_mark_are_found() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("a.log");
        std::fs::write(&log, "before\n").expect("written");
        let before = mark(&std::fs::metadata(&log).expect("there"));
        std::fs::write(&log, "before\nafter\nand more\n").expect("written");
        assert_eq!(texts(first(&log, 1, Some(before)).expect("read")), ["after"]);
        std::fs::write(&log, "anew\n").expect("written");
        assert_eq!(texts(first(&log, 9, Some(before)).expect("read")), ["anew"], "it was begun anew");
        assert!(first(&log, 1, None).is_err());
    }
}
