//! `orchestrator discover`: what would be watched because of its labels, and what not, and why. Changes nothing.

use std::collections::BTreeMap;

use health_spec::config::{Engine, defaults};
use orchestrator::shell::causes::causes;
use orchestrator::shell::discovery::select::{Finding, Selection, Verdict};
use orchestrator::shell::discovery::watch::look;
use orchestrator::shell::discovery::{self, container::Container};
use orchestrator::shell::plan::{self, Plan};
use serde_json::{Value, json};

use super::args::Discover;
use super::{End, Outcome, note, print, variable};

/// What every engine said.
struct Seen {
    listings: BTreeMap<String, Vec<Container>>,
    errors: Vec<(String, String)>,
}

pub(super) fn run(arguments: &Discover) -> Outcome {
    let plan = if arguments.registry.is_empty() {
        plan::nothing(&variable)?
    } else {
        plan::read(&arguments.registry, &variable, false)?
    };
    let engines = chosen(&plan, &arguments.engine)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let seen = runtime.block_on(see(&engines));
    // Of engines that nobody named, only where they usually are is known.
    let named = !plan.loaded.file.engines.is_empty() || !arguments.engine.is_empty() || seen.listings.is_empty();
    for (engine, error) in seen.errors.iter().filter(|_| named) {
        note(&format!("note: engine {engine}: {error}"));
    }
    if seen.listings.is_empty() {
        return Err("no engine could be asked; is one running? may this user open its socket? --engine names another one".into());
    }
    let selection = discovery::selected_of(&seen.listings, &BTreeMap::new(), &plan, &engines);
    if arguments.json {
        print(&format!("{}\n", report(&plan, &engines, &seen, &selection)))?;
        return Ok(End::Fine);
    }
    print(&table(&selection))?;
    if !is_on(&plan) {
        note("note: discovery is off; `discovery: {enabled: true}` in the configuration switches it on");
    }
    Ok(End::Fine)
}

fn is_on(plan: &Plan) -> bool {
    plan.loaded.file.discovery.enabled.unwrap_or(defaults::DISCOVERY)
}

/// The engines that are asked for; else those that discovery would look at if it were on.
fn chosen(plan: &Plan, asked: &[String]) -> Result<Vec<Engine>, String> {
    let settings = plan.loaded.file.discovery.engines.as_ref();
    let fits = |engine: &&Engine| match settings {
        _ if !asked.is_empty() => asked.contains(&engine.name),
        Some(names) => names.contains(&engine.name),
        None => true,
    };
    if let Some(unknown) = asked.iter().find(|name| plan.engines.iter().all(|engine| engine.name != **name)) {
        let known: Vec<_> = plan.engines.iter().map(|engine| engine.name.as_str()).collect();
        return Err(format!("there is no engine `{unknown}`; one of: {}", known.join(", ")));
    }
    Ok(plan.engines.iter().filter(fits).cloned().collect())
}

async fn see(engines: &[Engine]) -> Seen {
    let mut seen = Seen { listings: BTreeMap::new(), errors: Vec::new() };
    for engine in engines {
        match look(engine).await {
            Ok(containers) => _ = seen.listings.insert(engine.name.clone(), containers),
            Err(error) => seen.errors.push((engine.name.clone(), causes(&error))),
        }
    }
    seen
}

fn report(plan: &Plan, engines: &[Engine], seen: &Seen, selection: &Selection) -> Value {
    let engine = |engine: &Engine| {
        let error = seen.errors.iter().find(|(name, _)| *name == engine.name).map(|(_, error)| error);
        json!({ "name": engine.name, "address": engine.address, "error": error })
    };
    json!({
        "enabled": is_on(plan),
        "engines": engines.iter().map(engine).collect::<Vec<_>>(),
        "containers": selection.findings.iter().map(|finding| item(finding, selection)).collect::<Vec<_>>(),
    })
}

fn item(finding: &Finding, selection: &Selection) -> Value {
    let Container { engine, name, id, image, state, .. } = &finding.container;
    let problems: Vec<Value> = match &finding.verdict {
        Verdict::Wrong(faults) => {
            let one = |fault: &discovery::labels::Fault| json!({ "label": fault.label, "found": fault.found, "message": fault.message, "help": fault.help });
            faults.iter().map(one).collect()
        }
        _ => Vec::new(),
    };
    let server = server(finding);
    json!({
        "engine": engine, "container": name, "id": id, "image": image, "state": state,
        "watched": word(&finding.verdict), "server": server, "why": finding.why(),
        "entry": entry(finding, selection), "problems": problems, "hints": finding.hints,
    })
}

/// What the registry would have for it.
fn entry<'a>(finding: &Finding, selection: &'a Selection) -> Option<&'a Value> {
    match &finding.verdict {
        Verdict::Watched { name, .. } => selection.servers.get(name).map(|known| &known.entry),
        _ => None,
    }
}

fn server(finding: &Finding) -> Option<&str> {
    match &finding.verdict {
        Verdict::Watched { name, .. } | Verdict::Registered(name) => Some(name),
        _ => None,
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Watched { .. } => "label",
        Verdict::Registered(_) => "registry",
        Verdict::NotAsked | Verdict::Off | Verdict::OneOff | Verdict::Elsewhere | Verdict::Replaced | Verdict::Kept => "no",
        Verdict::Later(_) => "later",
        Verdict::Wrong(_) => "wrong",
    }
}

fn table(selection: &Selection) -> String {
    const HEAD: [&str; 7] = ["CONTAINER", "ENGINE", "STATE", "WATCHED", "SERVER", "HEALTH", "WHY"];
    let mut rows = vec![HEAD.map(str::to_owned)];
    for finding in &selection.findings {
        let Container { name, engine, state, .. } = &finding.container;
        let url = entry(finding, selection).and_then(|entry| entry["health_url"].as_str()).unwrap_or("-");
        let server = server(finding).unwrap_or("-");
        rows.push([name, engine, state, word(&finding.verdict), server, url, &finding.why()].map(printable));
    }
    let widths: Vec<usize> =
        (0..HEAD.len()).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    let hints = [&[][..]].into_iter().chain(selection.findings.iter().map(|finding| &finding.hints[..]));
    let mut text = String::new();
    for (row, hints) in rows.iter().zip(hints) {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
        for hint in hints {
            text.extend(["    ", &printable(hint), "\n"]);
        }
    }
    text
}

/// What a label says must not steer the terminal.
fn printable(text: &(impl AsRef<str> + ?Sized)) -> String {
    text.as_ref().chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}
