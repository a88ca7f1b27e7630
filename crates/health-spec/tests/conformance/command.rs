//! Runs the built program.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What a run gave.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let code = output.status.code().expect("it was not killed");
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// `health-spec WORDS`.
pub(crate) fn run(words: &[&str]) -> Run {
    Run::of(program().args(words).stdin(Stdio::null()).output().expect("it runs"))
}

/// `health-spec WORDS`, with `input` on stdin.
pub(crate) fn run_with_input(words: &[&str], input: &[u8]) -> Run {
    let mut child =
        program().args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    // It may have read enough before the end.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    Run::of(child.wait_with_output().expect("it ends"))
}

/// The program, which knows nothing of the environment's colours and proxies.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_health-spec"))
}

/// The report on `url`, with the exit code.
pub(crate) fn conformance(url: &str, words: &[&str]) -> (i32, Value) {
    let run = run(&[&["conformance", "--json", url], words].concat());
    let report = serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr));
    (run.code, report)
}

/// The names of the rules of `report` that are broken.
pub(crate) fn broken(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().expect("findings");
    let broken = findings.iter().filter(|finding| finding["result"] == "broken");
    broken.map(|finding| finding["name"].as_str().expect("a name")).collect()
}
