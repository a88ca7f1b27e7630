//! The published vectors, and the agreement of type and schema on bodies nobody wrote by hand.
#![cfg(feature = "validate")]

use health_spec::ecosystem::{Counts, aggregate};
use health_spec::status::Observed;
use health_spec::validate::validate;
use health_spec::{HealthResponse, Phase};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct ResponseVector {
    name: String,
    body: Value,
    valid: bool,
}

#[derive(Deserialize)]
struct AggregateVector {
    servers: Vec<String>,
    status: Observed,
}

fn lines<T: for<'de> Deserialize<'de>>(text: &str) -> Vec<T> {
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn schema_and_type_judge_the_response_vectors_as_expected() {
    let vectors: Vec<ResponseVector> = lines(include_str!("vectors/health_responses.jsonl"));
    assert!(vectors.len() > 30);
    for vector in vectors {
        let violations = validate(&vector.body);
        assert_eq!(violations.is_empty(), vector.valid, "schema, {}: {violations:?}", vector.name);
        let read = HealthResponse::parse(vector.body.to_string().as_bytes());
        assert_eq!(read.is_ok(), vector.valid, "type, {}: {read:?}", vector.name);
    }
}

#[test]
fn the_aggregate_vectors_hold() {
    let vectors: Vec<AggregateVector> = lines(include_str!("vectors/aggregate.jsonl"));
    assert!(vectors.len() > 15);
    for vector in vectors {
        let counts = Counts::of(vector.servers.iter().map(|word| match word.as_str() {
            "stopped" => (Observed::Down, Phase::Stopped),
            word => (serde_json::from_value(word.into()).expect("a status"), Phase::Healthy),
        }));
        assert_eq!(counts.total, vector.servers.len());
        assert_eq!(aggregate(counts), vector.status, "{:?}", vector.servers);
    }
}

#[test]
fn a_violation_names_its_place() {
    let body = json!({ "status": "fine", "timestamp": "2026-01-02T03:04:05Z", "uptime_seconds": -1 });
    let mut paths: Vec<_> = validate(&body).into_iter().map(|violation| violation.path).collect();
    paths.sort();
    assert_eq!(paths, ["/status", "/uptime_seconds"]);
}

/// A field's value: often right, sometimes anything.
fn field(right: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    let anything = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z]{0,6}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({ "a": 1 })),
    ];
    prop_oneof![4 => right.prop_map(Some), 1 => anything.prop_map(Some), 1 => Just(None)].boxed()
}

fn status() -> impl Strategy<Value = Value> {
    prop_oneof![Just("ok"), Just("degraded"), Just("down"), Just("OK")].prop_map(Value::from)
}

fn time() -> impl Strategy<Value = Value> {
    prop_oneof![Just("2026-01-02T03:04:05Z"), Just("2026-01-02T03:04:05.5+02:00"), Just("2026-01-02T03:04:05")]
        .prop_map(Value::from)
}

fn uptime() -> impl Strategy<Value = Value> {
    prop_oneof![any::<u64>().prop_map(Value::from), (-5i64..5).prop_map(Value::from), Just(json!(1.0)), Just(json!(1.5))]
}

fn checks() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-zA-Z_0-9]{0,4}", status(), 0..3).prop_map(|checks| json!(checks))
}

proptest! {
    #[test]
    fn type_and_schema_agree(
        status in field(status()), timestamp in field(time()), last_check in field(time()), uptime in field(uptime()),
        checks in field(checks()), error in field("[a-z]{0,6}".prop_map(Value::from)), metadata in field(Just(json!({}))),
    ) {
        let fields = [
            ("status", status), ("timestamp", timestamp), ("last_check", last_check), ("uptime_seconds", uptime),
            ("checks", checks), ("error", error), ("metadata", metadata),
        ];
        let body: Value = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<serde_json::Map<_, _>>().into();
        let by_schema = validate(&body).is_empty();
        let by_type = HealthResponse::parse(body.to_string().as_bytes()).is_ok();
        prop_assert_eq!(by_schema, by_type, "{}", body);
    }
}
