//! Type, schema and table accept the same bodies: bodies that nobody wrote by hand.

use health_spec::HealthResponse;
use health_spec::validate::{validate, validate_body};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::table;

/// A field's value: often right, sometimes anything, sometimes absent.
fn field(right: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    prop_oneof![6 => right.prop_map(Some), 1 => anything().prop_map(Some), 1 => Just(None)].boxed()
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        Just(json!([])),
        Just(json!(["ok"])),
        Just(json!({ "a": 1 })),
        Just(json!({ "status": "ok" })),
    ]
}

fn status() -> impl Strategy<Value = Value> {
    prop_oneof![6 => one_of(&["ok", "degraded", "down"]), 1 => one_of(&["OK", "healthy", "ok ", ""])].prop_map(Value::from)
}

/// Around the grammar: mostly in it, often just beside it.
fn time() -> impl Strategy<Value = Value> {
    let date = prop_oneof![
        4 => (0..10_000, 1..=12, 1..=28).prop_map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}")),
        1 => (1999..2025, 0..14, 0..33).prop_map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}")),
        1 => one_of(&["2026-1-2", "20260102", "+02026-01-02", "2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29"]),
    ];
    let separator = prop_oneof![8 => Just("T"), 1 => Just("t"), 1 => select(&[" ", "", "_"][..])];
    let clock = prop_oneof![
        4 => (0..24, 0..60, 0..60).prop_map(|(hour, minute, second)| format!("{hour:02}:{minute:02}:{second:02}")),
        1 => (0..26, 58..62, 58..62).prop_map(|(hour, minute, second)| format!("{hour:02}:{minute:02}:{second:02}")),
        1 => one_of(&["23:59:60", "3:04:05", "03:04", "030405", "03:04:5"]),
    ];
    let fraction = prop_oneof![3 => Just(String::new()), 2 => "\\.[0-9]{1,12}", 1 => "[.,][0-9]{0,2}"];
    let zone = prop_oneof![
        3 => Just("Z".to_owned()),
        3 => (any::<bool>(), 0..24, 0..60).prop_map(|(east, h, m)| format!("{}{h:02}:{m:02}", if east { '+' } else { '-' })),
        1 => one_of(&["", "z", "+23:59", "+24:00", "+02:60", "-00:00", "+0200", "+02", "Z ", "Z[UTC]", "+00:59", "-23:59"]),
    ];
    (date, separator, clock, fraction, zone)
        .prop_map(|(date, separator, clock, fraction, zone)| format!("{date}{separator}{clock}{fraction}{zone}").into())
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(texts).prop_map(str::to_owned)
}

fn uptime() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3i32..4).prop_map(|number| json!(f64::from(number) / 2.0)),
        prop_oneof![Just(1e19), Just(1e30), Just(-0.0), Just(1e-300), Just(9e15 + 0.5)].prop_map(Value::from),
    ]
}

fn checks() -> impl Strategy<Value = Value> {
    let entry = prop_oneof![4 => status(), 1 => anything()];
    prop::collection::btree_map("[a-z_]{0,4}|[a-zA-Z_0-9 é-]{0,4}", entry, 0..4).prop_map(|checks| json!(checks))
}

fn text() -> impl Strategy<Value = Value> {
    "\\PC{0,12}".prop_map(Value::from)
}

/// Bodies that are valid, nearly valid, or not even objects.
fn body() -> impl Strategy<Value = Value> {
    let fields = (
        field(status()),
        field(time()),
        field(uptime()),
        field(time()),
        field(text()),
        field(checks()),
        field(text()),
        field(Just(json!({ "draining": true }))),
        field(anything()),
    );
    let names =
        ["status", "timestamp", "uptime_seconds", "last_check", "version", "checks", "error", "metadata", "something_else"];
    let object = fields.prop_map(move |(a, b, c, d, e, f, g, h, i)| {
        let values = [a, b, c, d, e, f, g, h, i];
        names.iter().zip(values).filter_map(|(&name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
    });
    prop_oneof![30 => object, 1 => anything()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn type_schema_and_table_agree(body in body()) {
        let by_table = table::accepts(&body);
        let text = body.to_string();
        prop_assert_eq!(validate(&body).is_empty(), by_table, "schema: {}", body);
        prop_assert_eq!(HealthResponse::parse(text.as_bytes()).is_ok(), by_table, "type: {}", body);
        match validate_body(text.as_bytes()) {
            Ok(_) => prop_assert!(by_table, "{}", body),
            Err(violations) => prop_assert!(!by_table && !violations.is_empty(), "{}", body),
        }
    }

    #[test]
    fn what_the_type_writes_is_valid_and_reads_back(body in body()) {
        let Ok(response) = HealthResponse::parse(body.to_string().as_bytes()) else { return Ok(()) };
        let written = serde_json::to_value(&response).expect("a response is JSON");
        prop_assert_eq!(validate(&written), [], "{}", written);
        let again = HealthResponse::parse(written.to_string().as_bytes()).expect("it reads back");
        prop_assert_eq!(serde_json::to_value(&again).expect("a response is JSON"), written);
    }
}

#[test]
fn a_lenient_list_is_no_response_for_any_of_them() {
    let list = json!(["ok", "2026-01-02T03:04:05Z", 10]);
    assert!(!table::accepts(&list) && !validate(&list).is_empty());
    assert!(HealthResponse::parse(list.to_string().as_bytes()).is_err());
}
