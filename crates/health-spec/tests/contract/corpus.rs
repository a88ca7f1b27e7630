//! The fuzzer's corpus, as a plain test: every input that once was worth keeping.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/oracle.rs"]
mod oracle;

#[test]
fn every_reader_survives_the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/read");
    let inputs: Vec<_> = fs::read_dir(&folder).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    assert!(inputs.len() >= 30, "{} inputs", inputs.len());
    for path in inputs {
        let body = fs::read(&path).expect("an input");
        eprintln!("{}", path.display());
        oracle::check(&body);
    }
}

#[test]
fn every_reader_survives_what_the_corpus_need_not_store() {
    let deep = |open: &str, levels: usize| open.repeat(levels).into_bytes();
    let full = health_spec::MAX_BODY_BYTES;
    let inside = |text: &str| {
        let start = r#"{"status":"healthy","timestamp":"2026-01-02T03:04:05Z","uptime_seconds":1,"metadata":{"a":"#;
        [start.as_bytes(), text.repeat((full - start.len()) / text.len()).as_bytes()].concat()
    };
    for body in [
        deep("[", full),
        deep("{\"a\":", full / 5),
        deep("[", full + 1),
        inside("["),
        inside("{\"a\":"),
        inside("\"\\u0000"),
        vec![0; full],
        vec![0xff; full],
        vec![b'9'; full],
    ] {
        oracle::check(&body);
    }
}
