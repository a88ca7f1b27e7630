//! A changed registry is put in force while everything runs, and a wrong one changes nothing.

use serde_json::Value;

use crate::harness::{Orchestrator, QUICK, free_port, get, sample, signal, until};

fn registry(servers: &[String]) -> String {
    format!("{QUICK}servers:\n{}", servers.concat())
}

/// Replaced at once, as editors do it.
pub(crate) fn rewrite(orchestrator: &Orchestrator, text: &str) {
    let file = orchestrator.directory.path().join("registry.yaml");
    let fresh = file.with_extension("fresh");
    std::fs::write(&fresh, text).expect("written");
    std::fs::rename(fresh, file).expect("renamed");
}

fn names(orchestrator: &Orchestrator) -> Vec<String> {
    let snapshot = orchestrator.get("/servers");
    let servers = snapshot["servers"].as_array().expect("servers");
    servers.iter().map(|server| server["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn servers_come_and_go_and_the_others_notice_nothing() {
    let [a, b, c] = ["a", "b", "c"].map(|name| sample(name, free_port()));
    let orchestrator = Orchestrator::start_with(&registry(&[a.clone(), b]));
    let mut events = orchestrator.events();
    let all_ok =
        || orchestrator.get("/servers")["servers"].as_array()?.iter().all(|server| server["status"] == "ok").then_some(());
    until("both to be well", all_ok);
    let (pid, left) = (orchestrator.pid_of("a"), orchestrator.pid_of("b"));

    rewrite(&orchestrator, &registry(&[a, c]));

    events.wait_until("the reload", |event| event["event_type"] == "config_reloaded");
    events.wait_for("b", "server_deregistered");
    events.wait_for("c", "server_registered");
    assert_eq!(events.wait_for("c", "status_changed")["status"], "ok");
    assert_eq!(names(&orchestrator), ["a", "c"]);
    assert_eq!(orchestrator.pid_of("a"), pid, "whoever stays is not touched");
    assert!(std::path::Path::new(&format!("/proc/{left}")).exists(), "whoever goes is left alone");
    let ecosystem = get(&format!("{}/health/ecosystem", orchestrator.gateway));
    assert_eq!(ecosystem["servers"]["total"], 2);

    // The new one is brought back like any other, and the event log has no gap.
    signal(orchestrator.pid_of("c"), "KILL");
    events.wait_for("c", "recovery_successful");
    let page = orchestrator.get("/events?since=0&limit=1000");
    let seqs: Vec<u64> =
        page["events"].as_array().expect("events").iter().map(|event| event["seq"].as_u64().expect("a number")).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    signal(left, "KILL");
}

#[test]
fn a_wrong_registry_changes_nothing_and_is_said_everywhere() {
    let a = sample("a", free_port());
    let good = registry(&[a]);
    let orchestrator = Orchestrator::start_with(&good);
    let mut events = orchestrator.events();
    events.wait_for("a", "status_changed");

    rewrite(&orchestrator, &good.replace("interval_seconds", "intervall_seconds"));

    let rejected = events.wait_until("the refusal", |event| event["event_type"] == "config_rejected");
    assert!(rejected["error"].as_str().expect("text").contains("intervall_seconds"), "{rejected}");
    assert_eq!(names(&orchestrator), ["a"]);
    let degraded = |health: &Value| health["status"] == "degraded" && health["checks"]["configuration"] == "degraded";
    until("its own health to say so", || degraded(&orchestrator.get("/health")).then_some(()));
    let ecosystem = get(&format!("{}/health/ecosystem", orchestrator.gateway));
    assert!(
        ecosystem["sources"][0]["config_error"].as_str().is_some_and(|error| error.contains("intervall_seconds")),
        "{ecosystem}"
    );

    rewrite(&orchestrator, &good);

    events.wait_until("the reload", |event| event["event_type"] == "config_reloaded");
    until("its own health to be well again", || (orchestrator.get("/health")["status"] == "ok").then_some(()));
}

/// Each is refused for its own reason, and the one that follows is read all the same.
#[test]
fn many_wrong_registries_in_a_row_end_nothing() {
    let good = registry(&[sample("a", free_port())]);
    let orchestrator = Orchestrator::start_with(&good);
    let mut events = orchestrator.events();
    events.wait_for("a", "status_changed");
    let pid = orchestrator.pid_of("a");
    let wrong = [
        (good.replace("servers:", "server:"), "did you mean `servers`?"),
        (String::new(), "the file is empty"),
        ("- a\n".to_owned(), "not a mapping"),
        ("servers: [\n".to_owned(), "not valid YAML"),
        ("servers: [{name: a}]\n".to_owned(), "nothing to check"),
        ("\u{0}\u{1}".to_owned(), "not valid YAML"),
        (good.replace("interval_seconds: 0.3", "interval_seconds: -1"), "interval_seconds"),
        ("servers: [{ name: a, port: http, metadata: { api_key: hunter2 } }]\n".to_owned(), "`port` must be a whole number"),
    ];
    for (text, words) in wrong {
        rewrite(&orchestrator, &text);
        let rejected = events.wait_until(words, |event| event["event_type"] == "config_rejected");
        assert!(rejected["error"].as_str().expect("text").contains(words), "{words}: {rejected}");
        assert!(!rejected.to_string().contains("hunter2"), "everybody is told: {rejected}");
    }
    std::fs::remove_file(orchestrator.directory.path().join("registry.yaml")).expect("removed");
    let rejected = events.wait_until("the file is gone", |event| event["event_type"] == "config_rejected");
    assert!(rejected["error"].as_str().expect("text").contains("cannot be read"), "{rejected}");
    rewrite(&orchestrator, &good.replace("name: a", "group: x\n    name: a"));
    events.wait_until("the reload", |event| event["event_type"] == "config_reloaded");
    assert_eq!((names(&orchestrator), orchestrator.pid_of("a")), (vec!["a".to_owned()], pid));
}

#[test]
fn what_a_reload_cannot_change_is_said() {
    let good = registry(&[sample("a", free_port())]);
    let orchestrator = Orchestrator::start_with(&good);
    let mut events = orchestrator.events();
    events.wait_for("a", "status_changed");
    let pid = i32::try_from(orchestrator.pid()).expect("a pid");
    signal(pid, "HUP");
    let reloaded = events.wait_until("the reload", |event| event["event_type"] == "config_reloaded");
    assert_eq!(reloaded["needs_restart"], Value::Null);
    rewrite(&orchestrator, &format!("{good}listen: {{orchestrator: '127.0.0.1:1'}}\nretention: {{events: {{count: 200000}}}}\n"));
    let reloaded = events.wait_until("the reload", |event| event["event_type"] == "config_reloaded");
    assert_eq!(reloaded["needs_restart"], serde_json::json!(["listen", "retention"]));
}

/// What runs goes on as it is; the next start is with what is written now.
#[test]
fn what_a_child_is_started_with_changes_at_its_next_start_and_that_is_said() {
    let good = registry(&[sample("a", free_port())]);
    let orchestrator = Orchestrator::start_with(&good);
    let mut events = orchestrator.events();
    events.wait_for("a", "status_changed");
    let pid = orchestrator.pid_of("a");
    let carries = |pid: i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).expect("its environment");
        String::from_utf8_lossy(&environment).contains("MARK=new")
    };

    rewrite(&orchestrator, &good.replace("kind: process", "env: { MARK: new }, kind: process"));

    let updated = events.wait_for("a", "server_updated");
    assert_eq!((updated["reason"].as_str(), updated["phase"].as_str()), (Some("next_start"), Some("healthy")));
    assert!(orchestrator.pid_of("a") == pid && !carries(pid), "it is not touched");
    signal(pid, "KILL");
    events.wait_for("a", "recovery_successful");
    assert!(carries(orchestrator.pid_of("a")));

    // How it would be ended is no such change.
    let stop = "stop: { term_seconds: 3 }, env: { MARK: new }, kind: process";
    rewrite(&orchestrator, &good.replace("kind: process", stop));
    events.wait_until("the reload", |event| event["event_type"] == "config_reloaded");
    let told = events.types("a").iter().filter(|told| **told == "server_updated").count();
    assert_eq!(told, 1);
}

/// Where a server is checked is no part of its policy.
#[test]
fn one_that_is_checked_elsewhere_is_said_to_be_updated() {
    let entry = |path: &str, port: u16| {
        sample("a", port).replace(&format!("port: {port}"), &format!("health_url: \"http://127.0.0.1:{port}{path}\""))
    };
    let (port, b) = (free_port(), sample("b", free_port()));
    let orchestrator = Orchestrator::start_with(&registry(&[entry("/health", port), b.clone()]));
    let mut events = orchestrator.events();
    events.wait_for("a", "status_changed");

    rewrite(&orchestrator, &registry(&[entry("/health?more", port), b]));

    let updated = events.wait_for("a", "server_updated");
    assert_eq!((updated["reason"].as_str(), updated["phase"].as_str()), (Some("registry"), Some("healthy")));
    signal(orchestrator.pid_of("a"), "KILL");
    events.wait_for("a", "recovery_successful");
    let told = |name: &str| events.types(name).iter().filter(|told| **told == "server_updated").count();
    assert_eq!((told("a"), told("b")), (1, 0));
}

/// Restarting a server would not teach it to answer where it never did.
#[test]
fn a_wrong_address_is_not_held_against_a_server_that_was_well_at_another() {
    let server = |path: &str, port: u16| format!("  - {{name: w, health_url: 'http://127.0.0.1:{port}{path}'}}\n");
    let port = free_port();
    let runs = sample("a", port);
    let orchestrator = Orchestrator::start_with(&registry(&[runs.clone(), server("/health", port)]));
    let mut events = orchestrator.events();
    let status = |name: &str| orchestrator.get(&format!("/servers/{name}"))["status"].as_str().map(str::to_owned);
    until("both to be well", || (status("a")? == "ok" && status("w")? == "ok").then_some(()));

    rewrite(&orchestrator, &registry(&[runs, server("/nowhere", port)]));

    events.wait_until("the reload", |event| event["event_type"] == "config_reloaded");
    let next = events.wait_until("its next change", |event| {
        event["server_name"] == "w" && matches!(event["event_type"].as_str(), Some("status_changed" | "server_down"))
    });
    assert_eq!((next["event_type"].as_str(), next["status"].as_str()), (Some("status_changed"), Some("degraded")), "{next}");
    signal(orchestrator.pid_of("a"), "KILL");
}
