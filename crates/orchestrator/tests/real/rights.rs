//! The rights by which an orchestrator that is not root starts servers as other users stay its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::{Orchestrator, QUICK, free_port, run, until};
use crate::root::is_root;

/// Of `capabilities(7)`: `CAP_SETGID` and `CAP_SETUID`.
const BOTH: &str = "00000000000000c0";
const NONE: &str = "0000000000000000";

/// Started as systemd does it that has `AmbientCapabilities=CAP_SETUID CAP_SETGID`: they go with every program, unless that is prevented.
/// Even user 0 has no others then.
const WITH_RIGHTS: [&str; 7] = [
    "--securebits",
    "+noroot",
    "--bounding-set=-all,+setuid,+setgid",
    "--inh-caps=-all,+setuid,+setgid",
    "--ambient-caps=-all,+setuid,+setgid",
    "--",
    env!("CARGO_BIN_EXE_orchestrator"),
];

/// The same where it may also end what it starts, or may not.
fn with(rights: &str) -> Vec<String> {
    let set = |option: &str| format!("--{option}=-all,{rights}");
    let sets = ["bounding-set", "inh-caps", "ambient-caps"].map(set);
    ["setpriv", "--securebits", "+noroot"].map(str::to_owned).into_iter().chain(sets).chain(["--".to_owned()]).collect()
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0.id()).expect("a pid");
        crate::harness::signal(pid, "TERM");
        let _ = self.0.wait();
    }
}

/// Sets of rights by their names in `/proc/PID/status`, once they are written.
fn rights(status: &Path) -> Option<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(status).ok()?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("Cap")?.split_once(":\t"));
    let rights: BTreeMap<_, _> = lines.map(|(name, set)| (name.to_owned(), set.to_owned())).collect();
    (rights.len() == 5).then_some(rights)
}

#[test]
fn neither_a_server_nor_a_hook_has_the_rights_of_the_orchestrator() {
    if !is_root("rights::neither_a_server_nor_a_hook_has_the_rights_of_the_orchestrator") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let script = |file: &str| format!("[sh, -c, \"cp /proc/self/status {file}; exit 1\"]");
    let (server, hook) = (script("of-server"), script("of-hook"));
    let registry = format!(
        "{QUICK}servers:\n  - name: a\n    port: {}\n    runtime: {{kind: process, command: env, args: {server}}}\n    recovery: {{before: {{command: {hook}}}}}\n",
        free_port()
    );
    std::fs::write(directory.path().join("registry.yaml"), registry).expect("written");
    let mut command = Command::new("setpriv");
    command.args(WITH_RIGHTS).args(["run", "registry.yaml", "--state-dir", "state", "--listen", "127.0.0.1:0"]);
    let orchestrator = command.current_dir(directory.path()).stdin(Stdio::null()).spawn().expect("util-linux is installed");
    let orchestrator = Ended(orchestrator);
    for file in ["of-server", "of-hook"] {
        let rights = until("its rights are known", || rights(&directory.path().join(file)));
        assert_eq!((rights["Prm"].as_str(), rights["Eff"].as_str(), rights["Amb"].as_str()), (NONE, NONE, NONE), "{file}");
    }
    let own = rights(Path::new(&format!("/proc/{}/status", orchestrator.0.id()))).expect("it runs");
    assert_eq!((own["Prm"].as_str(), own["Eff"].as_str()), (BOTH, BOTH), "it needs them itself");
}

#[test]
fn a_server_of_another_user_is_started_only_where_it_can_be_ended() {
    if !is_root("rights::a_server_of_another_user_is_started_only_where_it_can_be_ended") {
        return;
    }
    let registry = format!(
        "{QUICK}servers:\n  - {{name: a, port: {}, runtime: {{kind: process, command: sleep, args: ['1000'], user: nobody, cwd: /}}}}\n",
        free_port()
    );
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("registry.yaml"), &registry).expect("written");
    let words = with("+setuid,+setgid");
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args([env!("CARGO_BIN_EXE_orchestrator"), "run", "registry.yaml", "--state-dir", "state"]);
    let refused = command.current_dir(directory.path()).stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("CAP_KILL"), "{said}");

    let words = with("+setuid,+setgid,+kill");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut orchestrator = Orchestrator::start_under(&words, directory, registry);
    let record = orchestrator.state().join("processes/a.json");
    until("it runs", || std::fs::read_to_string(&record).ok().filter(|text| text.contains("\"running\"")));
    let first = orchestrator.pid_of("a");
    let (code, text) = run(orchestrator.directory.path(), &["restart", "a", "--state-dir", "state", "--url", &orchestrator.api]);
    assert_eq!(code, 0, "{text}");
    let runs_anew = |text: &String| text.contains("\"running\"") && !text.contains(&first.to_string());
    until("another runs", || std::fs::read_to_string(&record).ok().filter(runs_anew));
    let second = orchestrator.pid_of("a");
    assert!(orchestrator.stop().success());
    for pid in [first, second] {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} is left");
    }
}
