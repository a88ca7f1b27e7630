//! Whether what came of each blow is right.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::account::{Account, Struck};
use super::blow::Blow;
use super::cast::{Cast, HOPELESS};
use super::member::{Kind, Member};
use crate::harness::{Orchestrator, get};

/// What an engine says of a container that SIGKILL has ended.
const KILLED: i64 = 137;

/// Every incident that the log names, as the API tells it.
pub(crate) fn incidents(orchestrator: &Orchestrator, log: &[Value]) -> HashMap<String, Value> {
    let ids = log.iter().filter(|event| event["event_type"] == "server_down").filter_map(|event| event["incident_id"].as_str());
    ids.map(|id| (id.to_owned(), get(&format!("{}/incidents/{id}", orchestrator.api)))).collect()
}

/// Everything that has happened is right, and everything that should have happened has.
pub(crate) fn judge(cast: &Cast<'_>, account: &Account, log: &[Value], incidents: &HashMap<String, Value>) {
    for member in cast.members() {
        let story = Story::of(&member.name, log, incidents);
        story.check_attempts();
        story.check_starts(cast, member, account);
        story.check_blows(member, account.of(&member.name));
    }
    let hopeless = Story::of(HOPELESS, log, incidents);
    hopeless.check_attempts();
    assert_eq!((hopeless.count("recovery_exhausted"), hopeless.incidents.len()), (1, 1), "{:#?}", hopeless.events);
    assert_eq!(hopeless.incidents[0]["outcome"], "open");
    check_coverage(account, log);
    eprintln!("chaos: {} incidents", incidents.len());
}

/// Each kind of blow was dealt, and the monitor said each time that an engine was away.
fn check_coverage(account: &Account, log: &[Value]) {
    let dealt = Blow::ALL.map(|blow| (blow, account.dealt(blow)));
    eprintln!("chaos: {dealt:?}");
    assert!(dealt.iter().all(|(_, count)| *count > 0), "that was not everything: {dealt:?}");
    let is_impaired = |event: &&Value| event["event_type"] == "monitor_impaired" && event["reason"] == "engine";
    let away = account.dealt(Blow::EngineCut) + account.dealt(Blow::EngineRestart);
    assert!(log.iter().filter(is_impaired).count() >= away, "an engine was away and that was not said");
}

/// What the log and the API tell of one server.
struct Story<'a> {
    name: &'a str,
    events: Vec<&'a Value>,
    incidents: Vec<&'a Value>,
}

impl<'a> Story<'a> {
    fn of(name: &'a str, log: &'a [Value], incidents: &'a HashMap<String, Value>) -> Self {
        let is_told = |event: &&Value| event["server_name"] == name && event["event_type"] != "health_check_completed";
        let events: Vec<_> = log.iter().filter(is_told).collect();
        let downs = events.iter().filter(|event| event["event_type"] == "server_down");
        let incidents = downs.map(|down| &incidents[down["incident_id"].as_str().expect("an outage belongs to an incident")]);
        Self { name, incidents: incidents.collect(), events }
    }

    fn count(&self, event_type: &str) -> usize {
        self.events.iter().filter(|event| event["event_type"] == event_type).count()
    }

    /// One action at a time: what has started ends before the next one starts.
    fn check_attempts(&self) {
        let mut running = false;
        for event in &self.events {
            match event["event_type"].as_str().unwrap_or_default() {
                "recovery_started" => {
                    assert!(!std::mem::replace(&mut running, true), "two actions at once for {}: {:#?}", self.name, self.events);
                }
                "recovery_successful" | "recovery_failed" | "server_stopped" | "server_recovered" => running = false,
                _ => {}
            }
        }
        assert!(!running, "an action of {} has no end: {:#?}", self.name, self.events);
    }

    /// Nobody was started without a reason: an attempt, a person, or an engine that does so by itself.
    fn check_starts(&self, cast: &Cast<'_>, member: &Member<'_>, account: &Account) {
        let struck = |blows: &[Blow]| account.of(self.name).iter().filter(|struck| blows.contains(&struck.blow)).count();
        let attempts = self.count("recovery_started");
        let mut reasons = attempts;
        if let Kind::Container { container, is_kept, .. } = &member.kind {
            let is_recreated = member.keys.contains("recreate");
            let of_the_engine = if *is_kept { struck(&[Blow::Crash, Blow::Memory, Blow::EngineRestart]) } else { 0 };
            // A recreate that does not help is put back.
            let put_back = if is_recreated { self.count("recovery_failed") } else { 0 };
            reasons += struck(&[Blow::Stop]) + of_the_engine + put_back;
            let created = if is_recreated { attempts } else { 0 };
            assert!(container.count("create") <= created, "{} was created too often: {:#?}", self.name, self.events);
            assert!(container.count("restart") <= attempts, "{} was restarted too often: {:#?}", self.name, self.events);
        }
        let starts = cast.starts(member);
        assert!(starts <= reasons, "{} was started {starts} times, for {reasons} reasons: {:#?}", self.name, self.events);
    }

    /// Each failure has led to exactly one incident, everything else to one at most; and nothing has led to any other.
    fn check_blows(&self, member: &Member<'_>, blows: &[Struck]) {
        assert_eq!(self.count("recovery_exhausted"), 0, "{} was given up: {:#?}", self.name, self.events);
        let opened = |incident: &Value| time(&incident["opened_at"]);
        let before = self.incidents.iter().filter(|incident| blows.first().is_none_or(|first| opened(incident) < first.at));
        assert_eq!(before.count(), 0, "{} was down and nobody had broken it: {:#?}", self.name, self.events);
        for (index, struck) in blows.iter().enumerate() {
            let next = blows.get(index + 1).map(|next| next.at);
            let belongs = |incident: &&&Value| opened(incident) >= struck.at && next.is_none_or(|next| opened(incident) < next);
            let its: Vec<_> = self.incidents.iter().filter(belongs).collect();
            let least = usize::from(struck.blow.is_a_failure());
            assert!((least..=1).contains(&its.len()), "{}: {struck:?} led to {its:#?}; {:#?}", self.name, self.events);
            if let Some(incident) = its.first().filter(|_| struck.blow.is_a_failure()) {
                check_end(member, incident);
                check_evidence(member, struck.blow, incident);
            }
        }
        if member.is_foreign() {
            let is_held = |event: &&&Value| event["event_type"] == "recovery_held" && event["reason"] == "manual";
            let held = self.events.iter().filter(is_held).count();
            assert_eq!((held, self.count("recovery_started")), (blows.len(), 0), "{}: {:#?}", self.name, self.events);
        }
    }
}

fn check_end(member: &Member<'_>, incident: &Value) {
    assert_eq!(incident["server_name"], member.name);
    let outcome = incident["outcome"].as_str().expect("an outcome");
    let attempts = incident["attempts"].as_array().expect("attempts");
    assert!(outcome == "recovered" || (outcome == "successful" && !member.is_foreign()), "{incident:#}");
    assert!(!(attempts.is_empty() && outcome == "successful") && (attempts.is_empty() || !member.is_foreign()), "{incident:#}");
}

/// What was kept tells what was done, and was found before it could be destroyed.
fn check_evidence(member: &Member<'_>, blow: Blow, incident: &Value) {
    let captures = list(incident, "/evidence/captures");
    let before: Vec<_> = captures.iter().filter(|capture| capture["moment"] != "after_attempt").collect();
    let first = list(incident, "/attempts").first();
    let in_time = before.iter().any(|capture| first.is_none_or(|attempt| is_before(capture, attempt, captures)));
    assert!(in_time, "{blow:?}: nothing was kept before the first attempt: {incident:#}");
    let by = incident["detected_by"].as_str().expect("who noticed");
    let fits = match &member.kind {
        _ if !blow.is_a_death() => by == "probe",
        Kind::Foreign(_) | Kind::Watched { .. } => by == "probe",
        Kind::Process { .. } | Kind::Piped { .. } => by == "process",
        Kind::Unit(_) => by == "engine",
        // Checks may be quicker than an engine, and are where that is away.
        Kind::Container { .. } => by == "engine" || by == "probe",
    };
    assert!(fits, "{blow:?} of {} was noticed by {by}: {incident:#}", member.name);
    let answers = || captures.iter().flat_map(|capture| list(capture, "/answers"));
    let has_reason = |reason: &str| answers().any(|answer| answer["reason"] == reason);
    let shown = match blow {
        Blow::Kill if member.is_foreign() => has_reason("connect_refused"),
        Blow::Kill => ended(incident, |signal, code| signal == Some(9) || code == Some(KILLED)),
        Blow::Crash => ended(incident, |signal, code| signal.is_some() || code.is_some_and(|code| code > 128)),
        Blow::Memory => is_out_of_memory(incident, &before),
        Blow::Hang | Blow::Freeze | Blow::Cut => has_reason("timeout"),
        Blow::Down => answers().any(|answer| answer["http_status"] == 503),
        Blow::Stop | Blow::Pause | Blow::EngineCut | Blow::EngineRestart => true,
    };
    assert!(shown, "{blow:?} of {} is not seen in {incident:#}", member.name);
}

/// Begun before the attempt was said; or for this attempt, and done before its engine had started it again.
fn is_before(capture: &Value, attempt: &Value, captures: &[Value]) -> bool {
    let number = &attempt["attempt"];
    if time(&capture["at"]) <= time(&attempt["started_at"]) {
        return true;
    }
    let after = captures.iter().find(|it| it["moment"] == "after_attempt" && it["attempt"] == *number);
    let of_an_engine = after.filter(|it| it["state"]["kind"] != "process");
    let began = of_an_engine.and_then(|it| it["state"]["started_at"].as_str()?.parse::<Timestamp>().ok());
    let took = SignedDuration::from_millis(capture["took_ms"].as_i64().unwrap_or_default());
    capture["attempt"] == *number && began.is_none_or(|began| time(&capture["at"]) + took <= began)
}

/// Whether its death, or how it was found before an action, is like this: signal and exit code.
fn ended(incident: &Value, fits: impl Fn(Option<i64>, Option<i64>) -> bool) -> bool {
    let death = &incident["evidence"]["death"];
    let found = list(incident, "/evidence/captures").iter().filter(|capture| capture["moment"] != "after_attempt");
    fits(death["signal"].as_i64(), death["exit_code"].as_i64())
        || found.map(|capture| capture["state"]["exit_code"].as_i64()).any(|code| fits(None, code))
}

fn is_out_of_memory(incident: &Value, before: &[&Value]) -> bool {
    incident["evidence"]["death"]["oom_killed"] == true || before.iter().any(|capture| capture["state"]["oom_killed"] == true)
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no time"))
}
