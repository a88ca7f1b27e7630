//! `orchestrator simulate` as it is called: the calendar is the program's, not the machine's.

use std::path::Path;

use serde_json::Value;

use crate::harness::run;

#[test]
fn a_maintenance_window_is_where_the_start_says() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/simulate");
    let (code, said) = run(&examples, &["simulate", "maintenance.yaml", "--json"]);
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let at = |event: &str| {
        lines.iter().find(|line| line["event_type"] == event).map(|line| (line["at"].as_u64(), line["reason"].clone()))
    };
    assert_eq!(code, 0, "{said}");
    assert_eq!(at("recovery_held"), Some((Some(300), "maintenance".into())), "{said}");
    assert_eq!(at("recovery_released"), Some((Some(720), "maintenance".into())), "{said}");
    let (code, said) = run(&examples, &["simulate", "storm.yaml"]);
    assert!(code == 0 && said.contains("- healthy") && said.contains("monitor_impaired"), "{code}: {said}");
}
