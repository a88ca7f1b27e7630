//! What the dashboard shows of an incident, clicked in a real browser.

use serde_json::json;

use super::talkative;
use crate::browser::Browser;
use crate::harness::{Events, Orchestrator, QUICK, free_port, sample};
use crate::variants;

#[test]
fn a_click_on_an_incident_shows_its_evidence() {
    let orchestrator = Orchestrator::start_with(&format!("{QUICK}servers:\n{}", talkative(free_port())));
    let mut events: Events = orchestrator.events();
    let browser = Browser::open(&orchestrator.gateway);
    events.wait_for("calculator", "status_changed");
    browser.wait_until("document.getElementById('incidents').innerText.includes('No incidents')");

    std::fs::write(orchestrator.directory.path().join("crash"), "").expect("written");

    events.wait_for("calculator", "recovery_successful");
    browser.wait_until("document.querySelector('#incidents button')?.innerText.includes('calculator')");
    browser.wait_until("document.querySelector('#incidents li')?.dataset.outcome === 'successful'");
    browser.run("document.querySelector('#incidents button').click()");
    browser.wait_until("document.getElementById('incident').open");
    browser.wait_until("document.getElementById('incident').innerText.includes('password=***')");
    for expected in ["exit code 3", "attempt 1", "API_SETTING"] {
        browser.wait_until(&format!(
            "document.getElementById('incident').innerText.toLowerCase().includes('{}')",
            expected.to_lowercase()
        ));
    }
    browser.run("document.querySelector('#incident button').click()");
    browser.wait_until("!document.getElementById('incident').open");
}

/// Shows each incident in a dialog of its own, and keeps the text.
const SHOW_ALL: &str = r"
  window.told = null;
  (async () => {
    const { Incidents } = await import(new URL('incidents.js', location.href).href);
    const [list, dialog] = [document.createElement('ol'), document.createElement('dialog')];
    document.body.append(list, dialog);
    let shown = null;
    window.fetch = async (path) => ({ ok: true, json: async () => (String(path).includes('?') ? { incidents: [shown] } : shown) });
    const turn = () => new Promise((go) => setTimeout(go));
    const told = [];
    for (shown of incidents) {
      const page = new Incidents(list, dialog);
      list.replaceChildren();
      page.refresh();
      while (!list.querySelector('button')) await turn();
      list.querySelector('button').click();
      while (!dialog.querySelector('h2')) await turn();
      told.push(list.textContent + dialog.textContent);
      dialog.close();
    }
    window.told = told;
  })().catch((error) => { window.told = String(error); });
";

/// Invariant: the dashboard shows everything that the API has of an incident. Whatever is changed in one changes what is shown.
#[test]
fn every_field_of_an_incident_is_shown_in_the_dashboard() {
    let orchestrator = Orchestrator::start(&sample("calculator", free_port()));
    let browser = Browser::open(&orchestrator.gateway);
    let (whole, varied) = variants::of_incident();
    let incidents: Vec<_> = std::iter::once(&whole).chain(varied.iter().map(|(_, incident)| incident)).collect();
    browser.run(&format!("const incidents = {}; {SHOW_ALL}", json!(incidents)));
    browser.wait_until("window.told !== null");
    let told = browser.value("window.told");
    let told = told.as_array().unwrap_or_else(|| panic!("{told}"));
    let unseen = varied.iter().zip(&told[1..]).filter(|(_, text)| **text == told[0]).map(|((path, _), _)| path);
    assert_eq!(unseen.collect::<Vec<_>>(), Vec::<&String>::new(), "shown nowhere in\n{}", told[0]);
}
