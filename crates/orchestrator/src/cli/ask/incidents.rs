//! `orchestrator incidents`: what went wrong, and what was found then.

use std::fmt::Write as _;

use health_spec::incident::{AttemptResult, Capture, Evidence, IncidentPage, Moment, Outcome as Ending, RuntimeState};
use health_spec::{Incident, Snapshot};
use jiff::Timestamp;

use super::super::args::Incidents;
use super::super::{End, Outcome, print};
use super::{encoded, get, print_raw, printable, unknown};

pub(super) fn run(arguments: &Incidents) -> Outcome {
    let mut is_unknown = false;
    let (text, body) = if let Some(id) = &arguments.id {
        let (incident, body) = get(&arguments.daemon, &format!("/incidents/{}", encoded(id)))?;
        (one(&incident), body)
    } else {
        let (page, body) = get::<IncidentPage>(&arguments.daemon, &list_path(arguments))?;
        is_unknown = page.incidents.is_empty() && names_nobody(arguments)?;
        (table(&page), body)
    };
    if arguments.json {
        print_raw(&body)?;
    } else {
        print(&text)?;
    }
    Ok(if is_unknown { End::Failure } else { End::Fine })
}

/// A gateway forwards incidents, and cannot be asked who there is.
fn names_nobody(arguments: &Incidents) -> Result<bool, Box<dyn std::error::Error>> {
    let Some(name) = &arguments.server else { return Ok(false) };
    let Ok((snapshot, _)) = get::<Snapshot>(&arguments.daemon, "/servers") else { return Ok(false) };
    unknown::said(&arguments.daemon, &snapshot, std::slice::from_ref(name))
}

fn list_path(arguments: &Incidents) -> String {
    let open = arguments.open.then(|| "true".to_owned());
    let parameters = [("server", arguments.server.clone()), ("open", open), ("before", arguments.before.clone())];
    let given = parameters.into_iter().filter_map(|(name, value)| Some(format!("&{name}={}", encoded(&value?))));
    format!("/incidents?limit={}{}", arguments.limit, given.collect::<String>())
}

fn table(page: &IncidentPage) -> String {
    if page.incidents.is_empty() {
        return "no incidents\n".to_owned();
    }
    let id = page.incidents.iter().map(|incident| incident.id.len()).max().unwrap_or(0).max(2);
    let server = page.incidents.iter().map(|incident| incident.server_name.len()).max().unwrap_or(0).max(6);
    let mut lines = vec![format!(
        "{:<id$}  {:<server$}  {:<20}  {:<12}  {:>9}  {:>8}  WHY",
        "ID", "SERVER", "OPENED", "OUTCOME", "LASTED", "ATTEMPTS"
    )];
    for incident in &page.incidents {
        let lasted = incident.recovery_ms.map_or_else(|| "-".to_owned(), span);
        lines.push(format!(
            "{:<id$}  {:<server$}  {:<20}  {:<12}  {lasted:>9}  {:>8}  {}",
            printable(&incident.id),
            printable(&incident.server_name),
            format!("{:.0}", incident.opened_at),
            outcome(incident),
            incident.attempts.len(),
            printable(&incident.reason),
        ));
    }
    lines.extend(page.next.iter().map(|next| format!("older ones: --before {next}")));
    lines.join("\n") + "\n"
}

fn outcome(incident: &Incident) -> String {
    let word = incident.outcome.as_str();
    if incident.exhausted && incident.outcome == Ending::Open { "given up".to_owned() } else { word.to_owned() }
}

/// Sections, each with its lines indented.
fn one(incident: &Incident) -> String {
    let mut page = Page::default();
    page.title(&format!("incident {} of {}: {}", incident.id, incident.server_name, outcome(incident)));
    page.line("opened", &format!("{:.3}, {}", incident.opened_at, incident.reason));
    if let Some(noticed) = incident.evidence.as_ref().and_then(|evidence| evidence.noticed.as_ref()) {
        page.line("noticed", &format!("{:.3}, by {}: {}", noticed.at, noticed.by.as_str(), noticed.how));
    }
    page.line("detection", &span(incident.detection_ms));
    if let Some(closed) = incident.closed_at {
        let recovery = incident.recovery_ms.map(|took| format!(", {} after it was down", span(took)));
        page.line("closed", &format!("{closed:.3}{}", recovery.unwrap_or_default()));
    }
    if incident.exhausted {
        page.line("given up", "attempts or budget were used up: a person was needed");
    }
    if !incident.attempts.is_empty() {
        page.title("attempts");
    }
    for attempt in &incident.attempts {
        let took = attempt.ended_at.map(|ended| format!(" after {}", between(attempt.started_at, ended)));
        let error = attempt.error.as_ref().map(|error| format!(": {error}"));
        let result = match attempt.result {
            AttemptResult::Running => "runs".to_owned(),
            result => format!("{}{}{}", result.as_str(), took.unwrap_or_default(), error.unwrap_or_default()),
        };
        page.line(&format!("{}", attempt.attempt), &format!("{:.3}  {}  {result}", attempt.started_at, attempt.strategy));
    }
    match &incident.evidence {
        Some(evidence) => page.evidence(evidence),
        None => page.title("no evidence is kept of this incident"),
    }
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn title(&mut self, text: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(&printable(text));
        self.0.push('\n');
    }

    fn line(&mut self, name: &str, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "  {name:<12} {}", printable(text));
    }

    fn evidence(&mut self, evidence: &Evidence) {
        if let Some(death) = &evidence.death {
            self.title("death");
            let number = |number: Option<i64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
            self.line("at", &format!("{:.3}", death.at));
            self.line("exit code", &number(death.exit_code));
            self.line("signal", &number(death.signal.map(i64::from)));
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
            return self.title("what changed is not known: it was never seen well");
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
            self.line(
                "answer",
                &format!("{:.3}  {}  {}{status}  {why}", answer.at, answer.verdict.as_str(), span(answer.took_ms)),
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
                let _ = writeln!(self.0, "    | {at}{}{}", printable(&stream), printable(&line.text));
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
        if let Some(engine) = &capture.engine {
            let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
            let version = engine.version.as_deref().unwrap_or("unknown");
            let text =
                format!("{} {version}, {} of {} containers run", engine.name, count(engine.running), count(engine.containers));
            self.line("engine", &text);
        }
        if let Some(host) = &capture.host {
            let load = host.load.map(|[one, five, fifteen]| format!("load {one} {five} {fifteen}"));
            let memory = host.memory_available_bytes.map(|free| format!("{} of memory free", bytes(free)));
            let disk = host.disk_free_bytes.map(|free| format!("{} of disk free", bytes(free)));
            let pressure = host.pressure.and_then(|it| it.memory).map(|it| format!("memory pressure {it} %"));
            self.line("host", &[load, memory, disk, pressure].into_iter().flatten().collect::<Vec<_>>().join(", "));
        }
    }
}

fn between(from: Timestamp, to: Timestamp) -> String {
    span(u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0))
}

/// Milliseconds as people read them.
pub(super) fn span(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
        _ => format!("{} h {} min", milliseconds / 3_600_000, milliseconds % 3_600_000 / 60_000),
    }
}

fn bytes(count: u64) -> String {
    const MEBIBYTE: u64 = 1 << 20;
    if count >= 10 * 1_024 * MEBIBYTE {
        format!("{} GiB", count / (1_024 * MEBIBYTE))
    } else {
        format!("{} MiB", count / MEBIBYTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_for_people() {
        for (milliseconds, expected) in [(7, "7 ms"), (1_250, "1.2 s"), (61_000, "1 min 1 s"), (3_660_000, "1 h 1 min")] {
            assert_eq!(span(milliseconds), expected);
        }
        assert_eq!((bytes(64 << 20), bytes(16 << 30)), ("64 MiB".to_owned(), "16 GiB".to_owned()));
    }

    #[test]
    fn an_incident_is_told_in_sections() {
        let incident = serde_json::json!({
            "id": "e-3", "server_name": "search", "opened_at": "2026-01-02T03:04:05.000Z", "closed_at": null, "outcome": "open",
            "exhausted": true, "reason": "container_died", "detected_by": "engine", "detection_ms": 0, "recovery_ms": null,
            "attempts": [{ "attempt": 1, "strategy": "restart", "started_at": "2026-01-02T03:04:06.000Z",
                           "ended_at": "2026-01-02T03:04:36.500Z", "result": "failed", "error": "verify_timeout" }],
            "evidence": {
                "noticed": { "by": "engine", "at": "2026-01-02T03:04:05.000Z", "how": "the engine reported that it ended, exit code 3" },
                "death": { "at": "2026-01-02T03:04:05.000Z", "exit_code": 3, "signal": null, "oom_killed": false, "core_dumped": null,
                           "error": null },
                "well_at": "2026-01-02T03:00:00.000Z",
                "changed": [{ "what": "image.digest", "before": "a", "after": "b" }],
                "captures": [{ "at": "2026-01-02T03:04:05.100Z", "moment": "before_attempt", "attempt": 1, "took_ms": 30,
                               "logs": { "source": "docker logs search",
                                         "lines": [{ "text": "\u{1b}[31mfatal" }, { "stream": "stderr", "text": "the end" }] },
                               "state": { "kind": "docker", "name": "search", "status": "exited", "health": "unhealthy", "restarts": 2,
                                          "started_at": "2026-01-02T03:00:00.000Z", "finished_at": "2026-01-02T03:04:05.000Z" },
                               "orchestrator_version": "0.1.0", "missing": ["engine load: not within 5.0 s"] }],
            },
        });
        let text = one(&serde_json::from_value(incident).expect("an incident"));
        for expected in [
            "incident e-3 of search: given up\n",
            "  1            2026-01-02T03:04:06.000Z  restart  failed after 30.5 s: verify_timeout\n",
            "  exit code    3\n",
            "changed since it became well at 2026-01-02T03:00:00Z\n  image.digest a -> b\n",
            "before attempt 1, 2026-01-02T03:04:05.100Z (looked for 30 ms)\n",
            "    | \u{fffd}[31mfatal\n    | stderr  the end\n",
            "  status       exited\n  its own check unhealthy\n",
            "started 2026-01-02T03:00:00.000Z, last ended 2026-01-02T03:04:05.000Z, restarted 2 times by what runs it\n",
            "  missing      engine load: not within 5.0 s\n",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
    }
}
