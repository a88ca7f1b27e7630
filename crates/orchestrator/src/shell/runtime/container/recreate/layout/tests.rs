//! Which of the containers that are there is which.

use serde_json::json;

use super::*;

fn container(id: &str, name: &str, replaced: Option<&str>, ended: &str) -> ContainerInspectResponse {
    let labels = replaced.map(|id| json!({ LABEL: id })).unwrap_or_default();
    let told = json!({ "Id": id, "Name": format!("/{name}"), "Config": { "Labels": labels }, "State": { "FinishedAt": ended } });
    serde_json::from_value(told).expect("an engine's answer")
}

fn kept(id: &str, ended: &str) -> ContainerInspectResponse {
    container(id, &old_name("a", id), None, ended)
}

fn id(container: Option<&ContainerInspectResponse>) -> Option<&str> {
    container?.id.as_deref()
}

#[test]
fn who_is_kept_had_a_name() {
    assert_eq!(kept_of(&old_name("a-b", "0123456789abcdef")), Some("a-b"));
    for ordinary in ["a", "a-mcp-health-old-", "a-mcp-health-old-notes", "mcp-health-old-0123456789ab"] {
        assert_eq!(kept_of(ordinary), None, "{ordinary}");
    }
}

#[test]
fn the_present_one_says_whom_it_has_replaced() {
    let all = || vec![kept("11", "2026-01-01T00:00:01Z"), kept("22", "2026-01-01T00:00:03Z"), kept("33", "2026-01-01T00:00:02Z")];
    let layout = Layout::among(Some(container("44", "a", Some("33"), "")), all());
    assert_eq!(id(layout.old.as_ref()), Some("33"));
    let (current, old) = layout.replaceable("a").expect("it is ours");
    assert_eq!((id(Some(&current)), id(old.as_ref())), (Some("44"), Some("33")));
    assert_eq!(id(Layout::among(None, all()).old.as_ref()), Some("22"), "the one that ended last");
}

#[test]
fn what_is_kept_of_somebody_else_is_no_reason_to_remove_the_present_one() {
    for replaced in [None, Some("99")] {
        let layout = Layout::among(Some(container("44", "a", replaced, "")), vec![kept("11", "2026-01-01T00:00:01Z")]);
        let error = layout.replaceable("a").expect_err("it has not replaced that one");
        let text = error.to_string();
        assert!(text.contains("`a-mcp-health-old-11`") && text.contains("remove or rename"), "{text}");
    }
    let alone = Layout::among(Some(container("44", "a", Some("99"), "")), Vec::new());
    assert!(alone.replaceable("a").is_ok_and(|(_, old)| old.is_none()));
    assert!(matches!(Layout::among(None, Vec::new()).replaceable("a"), Err(RecreateError::Gone(_))));
}
