//! Tests that want a process of their own, or one of root's: whoever is not root becomes it, or says what the machine lacks. None passes
//! without having been run.

use std::process::Command;

/// How one who is not root may run a test as root.
const WAYS: [&[&str]; 2] = [&["sudo", "-n"], &["unshare", "--user", "--map-auto", "--map-root-user"]];

/// Whether we are root. If not, this test is run by one who is, and need not be run here any more.
pub(crate) fn is_root(test: &str) -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let works = |way: &&&[&str]| Command::new(way[0]).args(&way[1..]).arg("true").output().is_ok_and(|it| it.status.success());
    let way = WAYS.iter().find(works).expect(
        "this test has to be run by root: `sudo` that asks for no password, or user namespaces with subordinate ids \
         (Debian's package uidmap, /etc/subuid), would do",
    );
    again(way, test);
    false
}

/// Whether this test has its process for itself. If not, it is run in one that it has, and need not be run here any more.
pub(crate) fn is_alone(test: &str) -> bool {
    const ALONE: &str = "MCP_HEALTH_TEST_ALONE";
    let alone = std::env::var_os(ALONE).is_some_and(|it| it == test);
    if !alone {
        again(&["env", &format!("{ALONE}={test}")], test);
    }
    alone
}

/// Runs one test of this binary in a process of its own, begun by these words.
pub(crate) fn again(words: &[&str], test: &str) {
    let itself = std::env::current_exe().expect("a test binary");
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(itself).args(["--exact", test, "--nocapture"]);
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    // No test of that name would be a success too.
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{words:?}: {said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
