//! One incident on paper: sections with a line for each thing that was found.

use std::fmt::Write as _;

use health_spec::incident::{Capture, Evidence, HostLoad, Moment, RuntimeState};
use orchestrator::shell::text::ending;

use super::{printable, span};

/// What is printed, in sections.
#[derive(Default)]
pub(super) struct Page {
    /// So far.
    pub(super) text: String,
}

impl Page {
    pub(super) fn title(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&printable(text));
        self.text.push('\n');
    }

    pub(super) fn line(&mut self, name: &str, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "  {name:<12} {}", printable(text));
    }

    pub(super) fn evidence(&mut self, evidence: &Evidence) {
        if let Some(death) = &evidence.death {
            self.title("death");
            self.line("at", &format!("{:.3}", death.at));
            if let Some(code) = death.exit_code {
                self.line("exit code", &ending::exit(code));
            }
            if let Some(signal) = death.signal {
                self.line("signal", &ending::killed(signal));
            }
            self.line("memory", if death.oom_killed { "killed by the kernel for memory" } else { "not killed for memory" });
            if let Some(dumped) = death.core_dumped {
                self.line("core dump", if dumped { "yes" } else { "no" });
            }
            if let Some(error) = &death.error {
                self.line("error", error);
            }
        }
        self.changes(evidence);
        for capture in &evidence.captures {
            self.capture(capture);
        }
        for left_out in &evidence.left_out {
            self.line("left out", left_out);
        }
    }

    fn changes(&mut self, evidence: &Evidence) {
        let Some(well_at) = evidence.well_at else {
            return self.title("what changed is not known: what it was made of when it was last well is not on record");
        };
        if evidence.changed.is_empty() {
            return self.title(&format!("nothing has changed since it became well at {well_at:.0}"));
        }
        self.title(&format!("changed since it became well at {well_at:.0}"));
        let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "(nothing)".to_owned());
        for change in &evidence.changed {
            self.line(&change.what, &format!("{} -> {}", word(&change.before), word(&change.after)));
        }
    }

    fn capture(&mut self, capture: &Capture) {
        let attempt = capture.attempt.map(|attempt| format!(" {attempt}")).unwrap_or_default();
        let moment = match capture.moment {
            Moment::Opened => "when it was found down".to_owned(),
            Moment::BeforeAttempt => format!("before attempt{attempt}"),
            Moment::AfterAttempt => format!("after attempt{attempt}"),
        };
        self.title(&format!("{moment}, {:.3} (looked for {})", capture.at, span(capture.took_ms)));
        if let Some(state) = &capture.state {
            self.state(state);
        }
        for answer in &capture.answers {
            let why = [answer.reason.clone(), answer.message.clone()].into_iter().flatten().collect::<Vec<_>>().join(": ");
            let status = answer.http_status.map(|status| format!(" HTTP {status}")).unwrap_or_default();
            let length = if answer.body_bytes > 0 { format!(" {}", bytes(answer.body_bytes)) } else { String::new() };
            self.line(
                "answer",
                &format!("{:.3}  {}  {}{status}{length}  {why}", answer.at, answer.verdict.as_str(), span(answer.took_ms)),
            );
            if !answer.phases.is_empty() {
                let phases: Vec<_> = answer.phases.iter().map(|(phase, took)| format!("{phase} {took:.1} ms")).collect();
                self.line("", &phases.join(", "));
            }
            if let Some(body) = answer.body.as_ref().filter(|body| !body.is_empty()) {
                self.line("", body);
            }
        }
        if let Some(logs) = &capture.logs {
            self.line("log", &logs.source);
            for line in &logs.lines {
                let at = line.at.map(|at| format!("{at:.3}  ")).unwrap_or_default();
                let stream = line.stream.as_ref().map(|stream| format!("{stream}  ")).unwrap_or_default();
                let _ = writeln!(self.text, "    | {at}{}{}", printable(&stream), printable(&line.text));
            }
        }
        self.loads(capture);
        for missing in &capture.missing {
            self.line("missing", missing);
        }
    }

    fn state(&mut self, state: &RuntimeState) {
        let running = state.running.map_or("", |running| if running { ", runs" } else { ", does not run" });
        self.line(&state.kind, &format!("{} {}{running}", state.name, state.id.as_deref().unwrap_or_default()));
        if let Some(status) = &state.status {
            self.line("status", status);
        }
        if let Some(health) = &state.health {
            self.line("its own check", health);
        }
        let since = state.started_at.map(|at| format!("started {at:.3}"));
        let ended = state.finished_at.map(|at| format!("last ended {at:.3}"));
        let again = state.restarts.filter(|times| *times > 0).map(|times| format!("restarted {times} times by what runs it"));
        let life: Vec<_> = since.into_iter().chain(ended).chain(again).collect();
        if !life.is_empty() {
            self.line("life", &life.join(", "));
        }
        if let Some(code) = state.exit_code {
            self.line("exit code", &code.to_string());
        }
        if state.oom_killed == Some(true) || state.memory_limit_bytes.is_some() {
            let limit = state.memory_limit_bytes.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {}", bytes(limit)));
            let killed = if state.oom_killed == Some(true) { ", killed for memory" } else { "" };
            self.line("memory", &format!("{limit}{killed}"));
        }
        if let Some(image) = &state.image {
            self.line("image", &format!("{}, {}", image.reference, image.digest));
            if !image.repository_digests.is_empty() {
                self.line("", &format!("in registries {}", image.repository_digests.join(" ")));
            }
            if let Some(now) = &image.reference_now {
                self.line("", &format!("the same name is now {now}"));
            }
        }
        if !state.environment.is_empty() {
            self.line("environment", &state.environment.join(" "));
        }
        if let Some(error) = &state.error {
            self.line("error", error);
        }
    }

    fn loads(&mut self, capture: &Capture) {
        let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
        let machine = |processors: Option<u64>, memory: Option<u64>| {
            let memory = memory.map_or_else(|| "?".to_owned(), bytes);
            format!("{} processors, {memory} of memory", count(processors))
        };
        if let Some(engine) = &capture.engine {
            let version = engine.version.as_deref().unwrap_or("of an unknown version");
            let (running, all) = (count(engine.running), count(engine.containers));
            let machine = machine(engine.processors, engine.memory_bytes);
            self.line("engine", &format!("{} {version}, {running} of {all} containers run, {machine}", engine.name));
        }
        if let Some(host) = &capture.host {
            let load = host.load.map(|[one, five, fifteen]| format!("load {one} {five} {fifteen}"));
            let machine = machine(host.processors, host.memory_bytes);
            self.line("host", &load.into_iter().chain([machine]).collect::<Vec<_>>().join(", "));
            self.line("", &room(host));
            self.waits(host);
        }
        self.line("orchestrator", &capture.orchestrator_version);
    }

    fn waits(&mut self, host: &HostLoad) {
        let pressure = host.pressure.unwrap_or_default();
        let shares = [("processors", pressure.cpu), ("memory", pressure.memory), ("disk", pressure.io)];
        let waits: Vec<_> = shares.iter().filter_map(|(what, share)| Some(format!("for {what} {} %", (*share)?))).collect();
        if !waits.is_empty() {
            self.line("", &format!("waiting in the last 10 s: {}", waits.join(", ")));
        }
        if let Some(kills) = host.oom_kills {
            self.line("", &format!("killed for memory since its start: {kills}"));
        }
    }
}

fn room(host: &HostLoad) -> String {
    let size = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), bytes);
    let (memory, disk, all) = (size(host.memory_available_bytes), size(host.disk_free_bytes), size(host.disk_bytes));
    format!("free: {memory} of it, {disk} of {all} of disk")
}

pub(super) fn bytes(count: u64) -> String {
    const MEBIBYTE: u64 = 1 << 20;
    match count {
        0..1_024 => format!("{count} B"),
        1_024..MEBIBYTE => format!("{} KiB", count / 1_024),
        _ if count >= 10 * 1_024 * MEBIBYTE => format!("{} GiB", count / (1_024 * MEBIBYTE)),
        _ => format!("{} MiB", count / MEBIBYTE),
    }
}
