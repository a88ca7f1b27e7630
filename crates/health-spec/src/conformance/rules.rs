//! The rules, each with what it wants, why, and how it is judged. An id is never used again for another rule.

mod answer;
mod series;

use std::time::Duration;

use super::evidence::{Evidence, Exchange};
use super::report::{Finding, Level, Outcome};

/// The longest that an answer may take: a monitor's default deadline (contract, section 2).
pub(super) const LONGEST_ANSWER: Duration = Duration::from_secs(5);

/// Beyond this an answer is too slow for one out of memory, on whatever machine.
pub(super) const SLOW_ANSWER: Duration = Duration::from_secs(1);

/// One rule of the gate.
#[derive(Debug)]
pub struct Rule {
    /// Stable, such as `HC-01`.
    pub id: &'static str,
    /// Stable, such as `route`.
    pub name: &'static str,
    /// How binding it is.
    pub level: Level,
    /// What it wants.
    pub requirement: &'static str,
    /// Why it wants that.
    pub reason: &'static str,
    judge: fn(&Evidence) -> Judged,
}

/// `Ok`: it holds; and what was seen.
pub(super) type Judged = Result<String, Not>;

/// Why a rule does not hold.
#[derive(Debug)]
pub(super) enum Not {
    /// It is broken; what was seen.
    Held(String),
    /// Nothing was seen that it could judge, and why.
    Judged(&'static str),
}

/// For a rule that needs a readable answer to `GET`.
const UNREADABLE: Not = Not::Judged("GET has no health answer (HC-01)");

/// Every rule, in the order in which a reader understands them.
pub const RULES: [Rule; 21] = [
    Rule {
        id: "HC-01",
        name: "route",
        level: Level::Must,
        requirement: "Every GET is answered with 200 or 503",
        reason: "Without an answer there is nothing to read; any other status code means something else.",
        judge: answer::route,
    },
    Rule {
        id: "HC-02",
        name: "no_redirect",
        level: Level::Must,
        requirement: "GET is not answered with a redirect",
        reason: "A monitor follows none: the health of another address is not the health of this one.",
        judge: answer::no_redirect,
    },
    Rule {
        id: "HC-03",
        name: "no_authentication",
        level: Level::Should,
        requirement: "GET is answered without credentials",
        reason: "Load balancers, engines and monitors ask without any; the answer holds nothing to protect.",
        judge: answer::no_authentication,
    },
    Rule {
        id: "HC-04",
        name: "schema",
        level: Level::Must,
        requirement: "Every body is valid by the v1.0 schema",
        reason: "What is not valid is guessed at, and some monitors will not guess.",
        judge: series::schema,
    },
    Rule {
        id: "HC-05",
        name: "http_status",
        level: Level::Must,
        requirement: "The status code is 200 for ok and degraded, 503 for down and while draining",
        reason: "Load balancers read the status code alone; it has to say what the body says.",
        judge: series::http_status,
    },
    Rule {
        id: "HC-06",
        name: "content_type",
        level: Level::Must,
        requirement: "The Content-Type is application/json, in UTF-8, unless the request names application/health+json",
        reason: "A body that is not declared as JSON is read as plain text: as a sign of life, and no more.",
        judge: answer::content_type,
    },
    Rule {
        id: "HC-07",
        name: "negotiation",
        level: Level::Should,
        requirement: "A request that accepts application/health+json gets that Content-Type",
        reason: "Clients that ask for the media type by name may refuse another one.",
        judge: answer::negotiation,
    },
    Rule {
        id: "HC-08",
        name: "root",
        level: Level::Should,
        requirement: "GET / with Accept: application/health+json answers the same",
        reason: "Then a monitor finds the health of a server of which it knows only the address.",
        judge: answer::root,
    },
    Rule {
        id: "HC-09",
        name: "head",
        level: Level::Must,
        requirement: "HEAD has the status code and Content-Type of GET",
        reason: "Many load balancers and uptime checks send HEAD.",
        judge: answer::head,
    },
    Rule {
        id: "HC-10",
        name: "other_methods",
        level: Level::Should,
        requirement: "POST is refused with 405 and an Allow header that names GET",
        reason: "Health is read and never written; a refusal that says so tells a mistake from an outage.",
        judge: answer::other_methods,
    },
    Rule {
        id: "HC-11",
        name: "unknown_query",
        level: Level::Must,
        requirement: "An unknown query string changes nothing",
        reason: "Probes add one to get past caches.",
        judge: answer::unknown_query,
    },
    Rule {
        id: "HC-12",
        name: "no_store",
        level: Level::Should,
        requirement: "Cache-Control is no-store",
        reason: "A cached answer says that a dead server is well.",
        judge: answer::no_store,
    },
    Rule {
        id: "HC-13",
        name: "size",
        level: Level::Must,
        requirement: "No body is larger than 64 KiB",
        reason: "A monitor reads no more.",
        judge: series::size,
    },
    Rule {
        id: "HC-14",
        name: "fresh_timestamp",
        level: Level::Must,
        requirement: "The timestamp is at most 60 s away from the Date header, or from the caller's clock",
        reason: "An old answer is a frozen one; one from the future hides how old it is.",
        judge: series::fresh_timestamp,
    },
    Rule {
        id: "HC-15",
        name: "timestamp_advances",
        level: Level::Must,
        requirement: "The timestamp moves on from answer to answer, and never goes back",
        reason: "One that stands still belongs to an answer that was made long ago.",
        judge: series::timestamp_advances,
    },
    Rule {
        id: "HC-16",
        name: "uptime_grows",
        level: Level::Must,
        requirement: "uptime_seconds grows with time, and never goes back",
        reason: "Going back means that the server restarted: it would be reported at every check.",
        judge: series::uptime_grows,
    },
    Rule {
        id: "HC-17",
        name: "answer_time",
        level: Level::Must,
        requirement: "Every answer is complete within 5 s",
        reason: "That is a monitor's deadline; a slow check belongs into the background.",
        judge: series::answer_time,
    },
    Rule {
        id: "HC-18",
        name: "answer_time_spread",
        level: Level::Should,
        requirement: "The slowest of 20 answers takes at most 1 s",
        reason: "Answers out of memory take milliseconds; one that waits for a database fails with it.",
        judge: series::answer_time_spread,
    },
    Rule {
        id: "HC-19",
        name: "concurrent_requests",
        level: Level::Must,
        requirement: "Requests at the same time are all answered, validly and within 5 s",
        reason: "More than one monitor may look; one slow reader must not make the server look dead.",
        judge: series::concurrent_requests,
    },
    Rule {
        id: "HC-20",
        name: "no_secrets",
        level: Level::Must,
        requirement: "No body holds what looks like a secret",
        reason: "The answer is public, and monitors keep it as evidence.",
        judge: series::no_secrets,
    },
    Rule {
        id: "HC-21",
        name: "status_of_checks",
        level: Level::Must,
        requirement: "status is ok only when every component in checks is",
        reason: "The status is the worst of the components; somebody would trust an ok that is none.",
        judge: series::status_of_checks,
    },
];

impl Rule {
    pub(super) fn apply(&self, evidence: &Evidence) -> Finding {
        let (result, evidence) = match (self.judge)(evidence) {
            Ok(seen) => (Outcome::Passed, seen),
            Err(Not::Held(seen)) => (Outcome::Broken, seen),
            Err(Not::Judged(why)) => (Outcome::NotJudged, why.to_owned()),
        };
        let Self { id, name, level, requirement, reason, .. } = *self;
        Finding { id, name, level, result, requirement, reason, evidence }
    }
}

/// A rule's verdict from what was seen.
fn held(holds: bool, seen: String) -> Judged {
    if holds { Ok(seen) } else { Err(Not::Held(seen)) }
}

/// An exchange that was made because there was something to judge.
fn made(exchange: Option<&Exchange>) -> Result<&Exchange, Not> {
    exchange.ok_or(UNREADABLE)
}
