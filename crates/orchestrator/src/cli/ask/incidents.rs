//! `orchestrator incidents`: what went wrong, and what was found then.

use health_spec::incident::{AttemptResult, IncidentPage, Outcome as Ending};
use health_spec::{Incident, Snapshot};
use jiff::Timestamp;

use super::super::args::Incidents;
use super::super::{End, Outcome, print};
use super::{encoded, get, print_raw, printable, unknown};
use page::Page;

mod page;

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
    page.line("detection", &format!("{}, by {}", span(incident.detection_ms), incident.detected_by.as_str()));
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
    page.text
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

#[cfg(test)]
mod tests;
