//! Orchestrator and gateway as two processes, one of which is killed.

use serde_json::Value;

use crate::harness::{Events, Gateway, Orchestrator, free_port, get, log, sample, signal, until};

/// Everything that concerns a server and happens here, the checks too.
const TYPES: &str = "types=health_check_completed,status_changed,server_registered,container_died,server_down,recovery_started,\
recovery_successful,recovery_failed,server_recovered,server_restarted,server_stopped,server_started,recovery_held,recovery_released";

fn ecosystem(gateway: &Gateway) -> Value {
    get(&format!("{}/health/ecosystem", gateway.url))
}

/// The answer stays 200 whatever happens; `get` sees to that.
fn wait_for_stale(gateway: &Gateway, stale: bool) {
    until(&format!("stale is {stale}"), || (ecosystem(gateway)["details"][0]["stale"] == stale).then_some(()));
}

fn wait_for_status(stream: &mut Events, status: &str) {
    let changed = |event: &Value| event["event_type"] == "status_changed" && event["status"] == status;
    stream.wait_until(&format!("change to {status}"), changed);
}

/// Killed, and brought back by the orchestrator.
fn kill_server(orchestrator: &Orchestrator, stream: &mut Events) {
    signal(orchestrator.pid_of("calculator"), "KILL");
    wait_for_status(stream, "down");
    wait_for_status(stream, "ok");
}

fn seq(event: &Value) -> u64 {
    event["seq"].as_u64().expect("a number")
}

/// What a client was told, without what is no event of the log.
fn told(stream: &Events) -> Vec<&Value> {
    stream.seen.iter().filter(|event| event["event_type"] != "current").collect()
}

#[test]
fn a_client_of_the_gateway_loses_nothing_when_the_orchestrator_is_killed() {
    let mut orchestrator = Orchestrator::start_alone(&sample("calculator", free_port()));
    let gateway = Gateway::start(&orchestrator.api);
    let history = until("the gateway has events", || {
        let history = get(&format!("{}/health/events?limit=1&{TYPES}", gateway.url));
        (history["events"][0]["status"] == "ok").then_some(history)
    });
    let mut stream = Events::stream(&gateway.url, &format!("since={}&{TYPES}", history["next"].as_str().expect("a cursor")));
    kill_server(&orchestrator, &mut stream);

    orchestrator.crash();

    wait_for_stale(&gateway, true);
    let left = ecosystem(&gateway);
    assert_eq!((&left["sources"][0]["stale"], &left["details"][0]["status"]), (&true.into(), &"ok".into()), "{left}");

    let orchestrator = orchestrator.start_again();

    wait_for_stale(&gateway, false);
    kill_server(&orchestrator, &mut stream);

    let (first, told) = (seq(&history["events"][0]), told(&stream));
    let last = seq(told.last().expect("events"));
    let of_server = |event: &&Value| event["server_name"] == "calculator" && (first + 1..=last).contains(&seq(event));
    let expected: Vec<_> =
        log(&orchestrator).iter().filter(of_server).map(|event| (seq(event), event["event_type"].clone())).collect();
    let seen: Vec<_> = told.iter().map(|event| (seq(event), event["event_type"].clone())).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_client_that_resumes_at_a_gateway_started_again_loses_nothing() {
    let orchestrator = Orchestrator::start_alone(&sample("calculator", free_port()));
    let mut gateway = Gateway::start(&orchestrator.api);
    let mut events = orchestrator.events();
    events.wait_for("calculator", "status_changed");
    let mut stream = Events::stream(&gateway.url, TYPES);
    kill_server(&orchestrator, &mut stream);

    gateway.crash();
    // Meanwhile something happens.
    signal(orchestrator.pid_of("calculator"), "KILL");
    events.wait_for("calculator", "recovery_successful");
    events.wait_for("calculator", "recovery_successful");
    let gateway = gateway.start_again();
    let before: Vec<_> = told(&stream).into_iter().map(seq).collect();
    let cursor = stream.seen.last().expect("events")["cursor"].as_str().expect("a cursor").to_owned();
    let mut stream = Events::stream(&gateway.url, &format!("since={cursor}&{TYPES}"));
    wait_for_status(&mut stream, "down");
    wait_for_status(&mut stream, "ok");
    kill_server(&orchestrator, &mut stream);

    assert!(stream.seen.iter().all(|event| event["event_type"] != "gap"), "a gap");
    let seen: Vec<_> = before.into_iter().chain(told(&stream).into_iter().map(seq)).collect();
    let (first, last) = (seen[0], seen[seen.len() - 1]);
    let of_server = |event: &&Value| event["server_name"] == "calculator" && (first..=last).contains(&seq(event));
    assert_eq!(seen, log(&orchestrator).iter().filter(of_server).map(seq).collect::<Vec<_>>());
}
