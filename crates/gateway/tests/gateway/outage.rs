//! Orchestrators over HTTP: followed, lost, and found again.

use gateway::source::Source;
use health_spec::status::Observed;

use crate::client::{Socket, ecosystem_until};
use crate::orchestrator::Orchestrator;
use crate::{Running, start};

async fn following(fake: &Orchestrator) -> Running {
    let running = start(vec![Source::Http(fake.url())]).await;
    ecosystem_until(running.address, |seen| seen["sources"][0]["status"] == "connected").await;
    running
}

#[tokio::test]
async fn events_come_with_the_server_as_it_is_then() {
    let fake = Orchestrator::start(&["a", "b"]).await;
    let running = following(&fake).await;
    let mut socket = Socket::open(running.address, "").await;
    assert_eq!(socket.next_short(2).await, ["current ok", "current ok"]);
    fake.say("a", Observed::Down);
    assert_eq!(socket.next_short(1).await, ["1 down"]);
    ecosystem_until(running.address, |seen| seen["servers"]["down"] == 1).await;
}

#[tokio::test]
async fn what_this_version_does_not_know_is_passed_on() {
    let fake = Orchestrator::start(&["a"]).await;
    let running = following(&fake).await;
    let mut socket = Socket::open(running.address, "").await;
    socket.next().await;
    fake.say_as("a", Observed::Ok, |event| {
        event["event_type"] = "server_teleported".into();
        event["to"] = "mars".into();
    });
    let event = socket.next().await;
    assert_eq!(
        (&event["event_type"], &event["to"], &event["server"]),
        (&"server_teleported".into(), &"mars".into(), &"a".into())
    );
}

#[tokio::test]
async fn a_lost_source_goes_stale_and_comes_back_without_losing_an_event() {
    let mut fake = Orchestrator::start(&["a"]).await;
    let running = following(&fake).await;
    let mut socket = Socket::open(running.address, "").await;
    assert_eq!(socket.next_short(1).await, ["current ok"]);
    fake.say("a", Observed::Down);
    assert_eq!(socket.next_short(1).await, ["1 down"]);

    fake.cut_off();
    let seen = ecosystem_until(running.address, |seen| seen["sources"][0]["stale"] == true).await;
    assert_eq!((&seen["details"][0]["stale"], &seen["details"][0]["status"]), (&true.into(), &"down".into()));
    let current = socket.next().await;
    assert_eq!((&current["event_type"], &current["stale"]), (&"current".into(), &true.into()));

    for status in [Observed::Ok, Observed::Degraded] {
        fake.say("a", status);
    }
    fake.come_back().await;
    let mut numbers = Vec::new();
    while numbers.len() < 2 {
        let message = socket.next().await;
        assert_ne!(message["event_type"], "gap");
        numbers.extend(message["seq"].as_u64());
    }
    assert_eq!(numbers, [2, 3]);
    let seen = ecosystem_until(running.address, |seen| seen["details"][0]["stale"] == false).await;
    assert_eq!(seen["details"][0]["status"], "degraded");
}

#[tokio::test]
async fn what_the_source_has_forgotten_is_told_as_a_gap() {
    let mut fake = Orchestrator::start(&["a"]).await;
    let running = following(&fake).await;
    let mut socket = Socket::open(running.address, "").await;
    assert_eq!(socket.next_short(1).await, ["current ok"]);
    fake.cut_off();
    ecosystem_until(running.address, |seen| seen["sources"][0]["stale"] == true).await;
    for _ in 0..5 {
        fake.say("a", Observed::Down);
    }
    fake.forget(4);
    fake.come_back().await;
    let mut told = Vec::new();
    while told.last().is_none_or(|last| last != "5 down") {
        let message = socket.next().await;
        if message["event_type"] == "gap" {
            assert_eq!((&message["from"], &message["to"]), (&1.into(), &3.into()));
        }
        told.push(crate::client::short(&message));
    }
    told.retain(|message| !message.starts_with("current"));
    assert_eq!(told, ["gap", "4 down", "5 down"]);
}

#[tokio::test]
async fn a_gateway_starts_before_its_orchestrator() {
    let mut fake = Orchestrator::start(&["a"]).await;
    fake.cut_off();
    let running = start(vec![Source::Http(fake.url())]).await;
    let seen = ecosystem_until(running.address, |seen| seen["sources"][0]["status"] == "lost").await;
    assert_eq!((&seen["status"], &seen["sources"][0]["name"]), (&"unknown".into(), &fake.url().into()));
    fake.come_back().await;
    ecosystem_until(running.address, |seen| seen["status"] == "ok").await;
}

#[tokio::test]
async fn a_cursor_stays_good_across_a_restart_of_the_gateway() {
    let fake = Orchestrator::start(&["a"]).await;
    let running = following(&fake).await;
    let mut socket = Socket::open(running.address, "").await;
    assert_eq!(socket.next_short(1).await, ["current ok"]);
    fake.say("a", Observed::Down);
    let cursor = socket.next().await["cursor"].as_str().expect("a cursor").to_owned();
    drop((socket, running));
    for status in [Observed::Ok, Observed::Degraded] {
        fake.say("a", status);
    }
    let running = start(vec![Source::Http(fake.url())]).await;
    let mut socket = Socket::open(running.address, &format!("?since={cursor}")).await;
    assert_eq!([socket.next_event().await, socket.next_event().await], ["2 ok", "3 degraded"]);
    fake.say("a", Observed::Ok);
    assert_eq!(socket.next_event().await, "4 ok");
    let seen = ecosystem_until(running.address, |seen| seen["sources"][0]["seq"] == 4).await;
    assert_eq!(seen["details"][0]["status"], "ok");
}
