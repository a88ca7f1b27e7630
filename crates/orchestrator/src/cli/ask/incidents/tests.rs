use super::*;

#[path = "../../../../tests/engine/variants.rs"]
mod variants;

/// Invariant: `orchestrator incidents` shows everything that the API has of an incident. Whatever is changed in one changes what is shown.
#[test]
fn every_field_of_an_incident_is_shown() {
    let (whole, varied) = variants::of_incident();
    let shown = |incident: &serde_json::Value| one(&serde_json::from_value(incident.clone()).expect("an incident"));
    let text = shown(&whole);
    let unseen: Vec<_> = varied.iter().filter(|(_, incident)| shown(incident) == text).map(|(path, _)| path).collect();
    assert!(unseen.is_empty(), "{unseen:?} are shown nowhere in\n{text}");
    assert!(varied.len() > 80 && varied.iter().any(|(path, _)| path == "/evidence/captures/0/host/pressure/io"), "{varied:?}");
}

#[test]
fn spans_and_sizes_are_for_people() {
    for (milliseconds, expected) in [(7, "7 ms"), (1_250, "1.2 s"), (61_000, "1 min 1 s"), (3_660_000, "1 h 1 min")] {
        assert_eq!(span(milliseconds), expected);
    }
    let sizes = [7, 60_000, 64 << 20, 16 << 30].map(page::bytes);
    assert_eq!(sizes, ["7 B", "58 KiB", "64 MiB", "16 GiB"]);
}

#[test]
fn an_incident_is_told_in_sections() {
    let incident = serde_json::json!({
        "id": "e-3", "server_name": "search", "opened_at": "2026-01-02T03:04:05.000Z", "closed_at": null, "outcome": "open",
        "exhausted": true, "reason": "container_died", "detected_by": "engine", "detection_ms": 0, "recovery_ms": null,
        "attempts": [{ "attempt": 1, "strategy": "restart", "started_at": "2026-01-02T03:04:06.000Z",
                       "ended_at": "2026-01-02T03:04:36.500Z", "result": "failed", "error": "verify_timeout" }],
        "evidence": {
            "noticed": { "by": "engine", "at": "2026-01-02T03:04:05.000Z", "how": "the engine reported that it ended, exit code 3" },
            "death": { "at": "2026-01-02T03:04:05.000Z", "exit_code": 3, "signal": null, "oom_killed": false, "core_dumped": null,
                       "error": null },
            "well_at": "2026-01-02T03:00:00.000Z",
            "changed": [{ "what": "image.digest", "before": "a", "after": "b" }],
            "captures": [{ "at": "2026-01-02T03:04:05.100Z", "moment": "before_attempt", "attempt": 1, "took_ms": 30,
                           "logs": { "source": "docker logs search",
                                     "lines": [{ "text": "\u{1b}[31mfatal" }, { "stream": "stderr", "text": "the end" }] },
                           "state": { "kind": "docker", "name": "search", "status": "exited", "health": "unhealthy", "restarts": 2,
                                      "started_at": "2026-01-02T03:00:00.000Z", "finished_at": "2026-01-02T03:04:05.000Z" },
                           "orchestrator_version": "0.1.0", "missing": ["engine load: not within 5.0 s"] }],
        },
    });
    let text = one(&serde_json::from_value(incident).expect("an incident"));
    for expected in [
        "incident e-3 of search: given up\n",
        "  1            2026-01-02T03:04:06.000Z  restart  failed after 30.5 s: verify_timeout\n",
        "  exit code    3\n",
        "changed since it became well at 2026-01-02T03:00:00Z\n  image.digest a -> b\n",
        "before attempt 1, 2026-01-02T03:04:05.100Z (looked for 30 ms)\n",
        "    | \u{fffd}[31mfatal\n    | stderr  the end\n",
        "  status       exited\n  its own check unhealthy\n",
        "started 2026-01-02T03:00:00.000Z, last ended 2026-01-02T03:04:05.000Z, restarted 2 times by what runs it\n",
        "  missing      engine load: not within 5.0 s\n",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
}
