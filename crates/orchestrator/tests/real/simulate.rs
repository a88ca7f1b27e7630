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

/// A mistake within the section does not make it one that is not there.
#[test]
fn a_mistake_in_the_script_is_shown_with_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let says = |script: &str| {
        let registry = format!("servers: [{{ name: a }}]\nsimulate:\n{script}");
        std::fs::write(directory.path().join("script.yaml"), registry).expect("written");
        run(directory.path(), &["simulate", "script.yaml"])
    };
    for (script, place, words) in [
        ("  duration_seconds: 9\n  script: [{ at: 1, server: a, becomes: hangs }]\n", "4:", "did you mean `hang`?"),
        ("  duration_seconds: soon\n", "3:21:", "`duration_seconds` cannot be `soon`"),
        ("  duration_seconds: 9\n  script: [{ at: 1, server: a, become: hang }]\n", "4:", "did you mean `becomes`?"),
        ("  duration_seconds: 9\n  script: [{ at: x, server: a }, { at: 2, server: b, becomes: hang }]\n", "4:", "no server `b`"),
    ] {
        let (code, text) = says(script);
        assert_eq!(code, 78, "{text}");
        assert!(text.contains(&format!("script.yaml:{place}")) && text.contains(words), "{text}");
        assert!(!text.contains("section"), "{text}");
    }
}
