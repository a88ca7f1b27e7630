//! The published vectors.

use health_spec::ecosystem::{Counts, aggregate};
use health_spec::status::Observed;
use health_spec::validate::validate;
use health_spec::{HealthResponse, Phase};
use serde::Deserialize;
use serde_json::Value;

use crate::table;

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
    let vectors: Vec<ResponseVector> = lines(include_str!("../vectors/health_responses.jsonl"));
    assert!(vectors.len() > 30);
    for vector in vectors {
        let violations = validate(&vector.body);
        assert_eq!(violations.is_empty(), vector.valid, "schema, {}: {violations:?}", vector.name);
        let read = HealthResponse::parse(vector.body.to_string().as_bytes());
        assert_eq!(read.is_ok(), vector.valid, "type, {}: {read:?}", vector.name);
        assert_eq!(table::accepts(&vector.body), vector.valid, "table, {}", vector.name);
    }
}

#[test]
fn the_aggregate_vectors_hold() {
    let vectors: Vec<AggregateVector> = lines(include_str!("../vectors/aggregate.jsonl"));
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
