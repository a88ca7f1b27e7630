//! `run --record`: writes down what the machine is told, on a thread of its own, so that a slow disk delays nobody.
//!
//! A recording that cannot be written ends, with a warning: one with a gap would replay to something that never was.

use std::fs::{File as Handle, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use health_spec::config::File;

use crate::machine::fleet::Beginning;
use crate::machine::{Command, Effect, Fleet, Input, Mono, Refusal, ServerId};
use crate::shell::secrets::hide_file;
use crate::sim::recording::{self, Header, Told, VERSION, What, fingerprint};

/// Lines that may wait for the disk: some seconds of a large fleet.
const QUEUE: usize = 16_384;

/// Only its owner may read it.
const PRIVATE: u32 = 0o600;

/// Stands between the driver and the machine. The default one writes nothing.
#[derive(Debug, Default)]
pub struct Recorder {
    lines: Option<SyncSender<Told>>,
    writer: Option<JoinHandle<()>>,
}

/// Where a recording is to be written.
#[derive(Debug)]
pub struct Blank(Handle);

impl Blank {
    /// At `path`; what is there is kept beside it.
    pub fn at(path: &Path) -> std::io::Result<Self> {
        own(path).map(Self)
    }
}

impl Recorder {
    /// Begins a recording in place of what was there.
    pub fn begin(blank: Blank, file: &File, beginning: &Beginning, at: Mono) -> std::io::Result<Self> {
        let mut out = BufWriter::new(blank.0);
        let header = Header { version: VERSION, configuration: masked(file)?, beginning: beginning.clone(), at };
        writeln!(out, "{}", serde_json::to_string(&header)?)?;
        out.flush()?;
        let (lines, queue) = sync_channel(QUEUE);
        let writer = std::thread::Builder::new().name("record".to_owned()).spawn(move || write(out, &queue))?;
        Ok(Self { lines: Some(lines), writer: Some(writer) })
    }

    /// Tells the machine an input.
    pub fn step(&mut self, fleet: &mut Fleet, now: Mono, input: Input) -> Vec<Effect> {
        if self.lines.is_none() {
            return fleet.step(now, input);
        }
        let (effects, told) = recording::step(fleet, now, input);
        self.keep(told);
        effects
    }

    /// Tells it a person's command.
    pub fn operate(&mut self, fleet: &mut Fleet, now: Mono, id: ServerId, command: &Command) -> Result<Vec<Effect>, Refusal> {
        let result = fleet.operate(now, id, command.clone());
        if self.lines.is_some() {
            let effects = fingerprint(result.as_deref().unwrap_or_default());
            self.keep(Told { at: now, what: What::Command(id, command.clone()), effects });
        }
        result
    }

    /// Another configuration has been put in force, with these effects.
    pub fn reloaded(&mut self, now: Mono, file: &File, limits: crate::machine::fleet::Limits, effects: &[Effect]) {
        if self.lines.is_none() {
            return;
        }
        match masked(file) {
            Ok(file) => self.keep(Told { at: now, what: What::Reload(Box::new(file), limits), effects: fingerprint(effects) }),
            Err(error) => {
                tracing::warn!(%error, "the recording ends here: a configuration cannot be written into it");
                self.lines = None;
            }
        }
    }

    fn keep(&mut self, told: Told) {
        if self.lines.as_ref().is_some_and(|lines| lines.try_send(told).is_err()) {
            tracing::warn!("the recording ends here: it cannot be written, or not fast enough");
            self.lines = None;
        }
    }
}

/// Without what may be a secret; nothing is decided by it.
fn masked(file: &File) -> serde_json::Result<File> {
    let mut written = serde_json::to_value(file)?;
    hide_file(&mut written);
    serde_json::from_value(written)
}

/// For its owner alone, also where something stood that others could read. A pipe keeps what it has. An earlier recording is kept beside
/// it, as `.1`: what led to an end is in there.
fn own(path: &Path) -> std::io::Result<Handle> {
    if std::fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() > 0) {
        let mut earlier = path.as_os_str().to_owned();
        earlier.push(".1");
        std::fs::rename(path, earlier)?;
    }
    let handle = Handle::options().create(true).write(true).truncate(true).mode(PRIVATE).open(path)?;
    if handle.metadata()?.is_file() {
        handle.set_permissions(Permissions::from_mode(PRIVATE))?;
    }
    Ok(handle)
}

/// Until the driver has gone; flushed whenever nothing more waits. A disk that refuses closes the queue, which the driver sees.
fn write(mut out: BufWriter<Handle>, queue: &Receiver<Told>) {
    while let Ok(told) = queue.recv() {
        let written = std::iter::once(told).chain(queue.try_iter()).try_for_each(|told| line(&mut out, &told));
        if let Err(error) = written.and_then(|()| out.flush()) {
            tracing::warn!(%error, "the recording cannot be written");
            return;
        }
    }
}

fn line(out: &mut BufWriter<Handle>, told: &Told) -> std::io::Result<()> {
    writeln!(out, "{}", serde_json::to_string(told)?)
}

impl Drop for Recorder {
    /// Everything is on disk before the driver has ended.
    fn drop(&mut self) {
        self.lines = None;
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::warn!("the recording has failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Ticket;
    use crate::machine::policy::{Purpose, compile};
    use crate::sim::recording::Recording;
    use crate::sim::replay::{Difference, differences, other, replay};
    use health_spec::{Reason, Verdict};
    use std::time::Duration;

    const FILE: &str = "
servers:
  - name: a
    port: 1
    runtime: {kind: process, command: x, args: [--token, hunter2], env: {KEY: hunter2}}
    probes: [{kind: http, headers: {X-Key: hunter2}}]
    recovery: {before: {command: [drain, hunter2]}}
health: {a: {recovery: {after: {url: 'http://me:hunter2@h/hunter2'}}}}
recovery: {before: {url: 'http://h/?key=hunter2', headers: {X-Key: hunter2}, body: hunter2}}
";

    fn record(path: &Path) {
        let file: File = serde_saphyr::from_str(FILE).expect("the file reads");
        let policies = compile(&file, Purpose::Run).expect("it compiles");
        let mut recorder =
            Recorder::begin(Blank::at(path).expect("a file"), &file, &Beginning::default(), Mono::default()).expect("it begins");
        let (mut fleet, _) = Fleet::new(policies, &Beginning::default(), Mono::default());
        for _ in 0..200 {
            let Some(at) = fleet.deadline() else { break };
            for effect in recorder.step(&mut fleet, at, Input::Woken) {
                if let Effect::Probe { ticket, .. } = effect {
                    let verdict = if at.0.as_secs() < 60 { Verdict::new(health_spec::Outcome::Ok, None, None) } else { failed() };
                    recorder.step(&mut fleet, at, Input::Observed { ticket, verdict, took: Duration::ZERO });
                }
            }
        }
        let late = Ticket { server: ServerId(0), serial: 1 };
        recorder.step(&mut fleet, Mono(Duration::from_secs(9_000)), Input::Finished { ticket: late, result: Ok(()) });
    }

    fn failed() -> Verdict {
        Verdict::failed(Reason::ConnectRefused, "nothing listens")
    }

    #[test]
    fn a_recording_replays_to_the_bit_and_holds_no_secret() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("r.jsonl");
        std::fs::write(&path, "what everybody may read").expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
        record(&path);
        let text = std::fs::read_to_string(&path).expect("readable");
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, PRIVATE);
        let earlier = std::fs::read_to_string(directory.path().join("r.jsonl.1")).expect("kept");
        assert_eq!(earlier, "what everybody may read", "what led to an end is not lost");
        let recording = Recording::read(&text).expect("a recording");
        let replayed = replay(&recording).expect("valid");
        assert!(replayed.told > 10 && replayed.differs_at.is_none() && !replayed.trace.lines.is_empty(), "{replayed:?}");

        let torn = Recording::read(&text[..text.len() - 20]).expect("a torn last line is tolerated");
        assert!(torn.torn && torn.told.len() + 1 == recording.told.len());
        assert!(Recording::read(&text[20..]).is_err());
        let later = Recording::read("{\"version\": 99, \"whatever\": true}\n").expect_err("of another version");
        assert!(later.to_string().contains("version 99"), "{later}");
    }

    #[test]
    fn another_policy_shows_what_would_have_been_different() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("r.jsonl");
        record(&path);
        let recording = Recording::read(&std::fs::read_to_string(&path).expect("readable")).expect("a recording");
        let patient = format!("{FILE}\nhealth_check: {{failure_threshold: 5}}");
        let patient = compile(&serde_saphyr::from_str(&patient).expect("it reads"), Purpose::Run).expect("it compiles");
        let (before, after) = (replay(&recording).expect("valid").trace, other(&recording, &patient));
        let down = |lines: &[Difference<'_>]| {
            let all = lines.iter().flat_map(|it| [it.recorded, it.other]).flatten();
            all.filter(|line| line.kind.name() == "server_down").map(|line| line.at.0.as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(down(&differences(&before, &after)), [62, 64]);
        let own = compile(&recording.header.configuration, Purpose::Run).expect("it compiles");
        assert!(down(&differences(&before, &other(&recording, &own))).is_empty());
    }
}
