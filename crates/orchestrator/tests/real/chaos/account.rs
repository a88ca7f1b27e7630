//! What was done to whom, and whether what came of it is right.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::blow::Blow;
use super::cast::{Cast, HOPELESS};
use crate::harness::{Orchestrator, get};

/// How long a pause lasts.
const PAUSED: Duration = Duration::from_secs(2);

/// The test's own account.
pub(crate) struct Account {
    /// By server: each blow.
    blows: HashMap<String, Vec<Blow>>,
    /// By server: since when it was in its state when it was struck last.
    struck_at: HashMap<String, Value>,
    /// What has to be undone, and since when.
    open: HashMap<String, (Blow, Instant)>,
    /// The lives of those that nobody touches.
    lives: HashMap<String, String>,
}

impl Account {
    pub(crate) fn open(cast: &Cast<'_>, orchestrator: &Orchestrator) -> Self {
        let lives = cast.bystanders().map(|one| (one.name().to_owned(), one.life(orchestrator))).collect();
        Self { blows: HashMap::new(), struck_at: HashMap::new(), open: HashMap::new(), lives }
    }

    /// Whether it is well and has come through all that was done to it.
    pub(crate) fn may_be_struck(&self, view: &Value) -> bool {
        let name = view["name"].as_str().unwrap_or_default();
        view["phase"] == "healthy" && !self.open.contains_key(name) && self.struck_at.get(name) != Some(&view["since"])
    }

    pub(crate) fn note(&mut self, view: &Value, blow: Blow) {
        let name = view["name"].as_str().unwrap_or_default().to_owned();
        self.struck_at.insert(name.clone(), view["since"].clone());
        self.blows.entry(name.clone()).or_default().push(blow);
        if blow.wants_undoing() {
            self.open.insert(name, (blow, Instant::now()));
        }
    }

    /// A stop is undone once it is known, a pause after a while.
    pub(crate) fn undo_what_is_due(&mut self, cast: &Cast<'_>, orchestrator: &Orchestrator) {
        let views = orchestrator.get("/servers");
        let phase = |name: &str| {
            let mut views = views["servers"].as_array().into_iter().flatten();
            views.find(|view| view["name"] == name).map_or(Value::Null, |view| view["phase"].clone())
        };
        self.undo(cast, |name, blow, since| if blow == Blow::Stop { phase(name) == "stopped" } else { since.elapsed() > PAUSED });
    }

    /// Whatever is still open.
    pub(crate) fn undo_all(&mut self, cast: &Cast<'_>) {
        self.undo(cast, |_, _, _| true);
    }

    fn undo(&mut self, cast: &Cast<'_>, is_due: impl Fn(&str, Blow, Instant) -> bool) {
        self.open.retain(|name, (blow, since)| {
            let due = is_due(name, *blow, *since);
            if due {
                eprintln!("chaos: {name}: {blow:?} is undone");
                cast.victim(name).expect("a victim").undo(*blow);
            }
            !due
        });
    }

    /// Nobody has touched those who were well.
    pub(crate) fn check_bystanders(&self, cast: &Cast<'_>, orchestrator: &Orchestrator) {
        for one in cast.bystanders() {
            assert_eq!(one.life(orchestrator), self.lives[one.name()], "{} was well and was touched", one.name());
        }
    }

    /// Everything that has happened is right, and everything that should have happened has.
    pub(crate) fn close(&self, cast: &Cast<'_>, log: &[Value], incidents: &HashMap<String, Value>) {
        for name in cast.names() {
            let of_server: Vec<_> = log.iter().filter(|event| event["server_name"] == name).collect();
            let count = |event_type: &str| of_server.iter().filter(|event| event["event_type"] == event_type).count();
            check_attempts(name, &of_server);
            let blows = self.blows.get(name).map_or(0, Vec::len);
            if name != HOPELESS {
                assert!(count("server_down") <= blows, "{name} was down more often than broken: {of_server:#?}");
                assert_eq!(count("recovery_exhausted"), 0, "{name} was given up: {of_server:#?}");
            }
            if let Some(starts) = cast.starts(name) {
                assert!(starts <= 1 + count("recovery_started"), "{name} was started {starts} times: {of_server:#?}");
            }
            let restarts = cast.restarts(name);
            assert!(restarts <= count("recovery_started"), "{name} was restarted {restarts} times: {of_server:#?}");
            check_incidents(name, &of_server, incidents);
        }
        let struck: usize = self.blows.values().map(Vec::len).sum();
        eprintln!("chaos: {struck} blows to {} servers, {} incidents", self.blows.len(), incidents.len());
        assert!(struck > 5 && !incidents.is_empty(), "that was no chaos");
    }
}

/// Every incident that the log names, as the API tells it.
pub(crate) fn incidents(orchestrator: &Orchestrator, log: &[Value]) -> HashMap<String, Value> {
    let ids = log.iter().filter(|event| event["event_type"] == "server_down").filter_map(|event| event["incident_id"].as_str());
    ids.map(|id| (id.to_owned(), get(&format!("{}/incidents/{id}", orchestrator.api)))).collect()
}

/// One action at a time: what has started ends before the next one starts.
fn check_attempts(name: &str, events: &[&Value]) {
    let mut running = false;
    for event in events {
        match event["event_type"].as_str().unwrap_or_default() {
            "recovery_started" => assert!(!std::mem::replace(&mut running, true), "two actions at once for {name}: {events:#?}"),
            "recovery_successful" | "recovery_failed" | "server_stopped" | "server_recovered" => running = false,
            _ => {}
        }
    }
    assert!(!running, "an action of {name} has no end: {events:#?}");
}

/// Each outage has an incident that is closed, unless it was given up, and evidence that was kept.
fn check_incidents(name: &str, events: &[&Value], incidents: &HashMap<String, Value>) {
    for down in events.iter().filter(|event| event["event_type"] == "server_down") {
        let incident = &incidents[down["incident_id"].as_str().expect("an outage belongs to an incident")];
        assert_eq!(incident["server_name"], name);
        assert_eq!(incident["outcome"] == "open", name == HOPELESS, "{incident:#}");
        assert!(incident["evidence"].as_object().is_some_and(|evidence| !evidence.is_empty()), "no evidence: {incident:#}");
    }
}
