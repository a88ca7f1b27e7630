//! The rest of the command line: `validate`, `schema`, outputs, exit codes.

use std::process::Stdio;

use serde_json::Value;

use crate::command::{program, run, run_with_input};
use crate::server::{free_port, http, root, scripted};

const VALID: &[u8] = br#"{"status":"ok","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":1}"#;

#[test]
fn validate_reads_files_standard_input_and_addresses() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("answer.json");
    std::fs::write(&file, VALID).expect("written");
    let file = file.to_str().expect("a path");
    let url = scripted(|_| http("503 Service Unavailable", "", std::str::from_utf8(VALID).expect("text")));
    let all = run_with_input(&["validate", "--json", file, "-", &url], VALID);
    assert_eq!(all.code, 0, "{}", all.stderr);
    let lines: Vec<Value> = all.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line["valid"] == true && line["violations"] == serde_json::json!([])));
}

#[test]
fn validate_names_every_violation_and_what_a_monitor_would_read() {
    let wrong = run_with_input(&["validate", "-"], br#"{"status":"UP","uptime_seconds":"1"}"#);
    assert_eq!(wrong.code, 1);
    let expected = "-: not valid
  /status: found \"UP\", allowed is \"ok\", \"degraded\" or \"down\"
  /timestamp: found nothing, allowed is an RFC 3339 date and time with an offset, such as \"2026-01-02T03:04:05Z\" (required)
  /uptime_seconds: found \"1\", allowed is an integer
";
    assert_eq!(wrong.stdout, expected);
    let note = "note: a monitor reads it all the same, in the dialect \"ietf\"; lost: /uptime_seconds is unreadable, /timestamp is missing\n";
    assert_eq!(wrong.stderr, note);
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let nobody = format!("http://127.0.0.1:{}/health", free_port());
    let cases: [(&[&str], i32); 11] = [
        (&["validate", "/does/not/exist"], 2),
        (&["validate"], 2),
        (&["validate", &nobody], 69),
        (&["validate", "http://user:secret@127.0.0.1/"], 2),
        (&["conformance", "ftp://127.0.0.1/"], 2),
        (&["conformance", &nobody], 69),
        (&["conformance", "http://127.0.0.1:70000/"], 2),
        (&["validate", "localhost:1/health"], 2),
        (&["validate", "/does/not/exist", &nobody], 69),
        (&["schema", "nonsense"], 2),
        (&["conformance", "--timeout", "0", &nobody], 2),
    ];
    for (words, code) in cases {
        let run = run(words);
        assert_eq!(run.code, code, "{words:?}: {}{}", run.stdout, run.stderr);
    }
}

#[test]
fn schema_prints_what_is_published() {
    let names = run(&["schema"]).stdout;
    assert!(names.lines().count() >= 6, "{names}");
    for name in names.lines() {
        let published = std::fs::read_to_string(root().join(format!("schemas/{name}.json"))).expect(name);
        assert_eq!(run(&["schema", name]).stdout, published, "{name}");
    }
}

#[test]
fn junit_goes_to_a_file_beside_the_table_or_to_stdout() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("report.xml");
    let nobody = format!("http://127.0.0.1:{}/health", free_port());
    let both = run(&["conformance", &format!("--junit={}", file.display()), &nobody]);
    assert!(both.stdout.contains("not conformant with health-check v1.0: 0 passed, 1 MUST broken"), "{}", both.stdout);
    let xml = std::fs::read_to_string(&file).expect("the report");
    assert!(xml.contains(r#"tests="21" skipped="20" errors="0" failures="1""#), "{xml}");
    assert!(xml.contains(r#"<testcase name="HC-01 MUST route" classname="health-check">"#), "{xml}");
    let alone = run(&["conformance", "--junit", &nobody]).stdout;
    assert!(alone.starts_with("<?xml"), "{alone}");
}

/// `health-spec conformance URL | head -1` is no crash.
#[test]
fn a_reader_that_stops_reading_is_no_failure_of_ours() {
    let nobody = format!("http://127.0.0.1:{}/health", free_port());
    let mut child =
        program().args(["conformance", &nobody]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
    assert_eq!(output.status.code(), Some(69));
}
