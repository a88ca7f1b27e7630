//! A machine that does not show its processes: nothing is started, and nothing has died.

use std::process::Command;

use orchestrator::machine::{EngineId, Input, ServerId, Word};
use orchestrator::shell::runtime::life::{Life, Lives};

use crate::bench::Bench;
use crate::root::{again, is_root};

fn runs(command: &[&str]) {
    assert!(Command::new(command[0]).args(&command[1..]).status().unwrap().success(), "{command:?}");
}

/// In a mount namespace of its own, where `/proc` can be hidden.
#[test]
fn one_that_cannot_be_looked_at_is_not_started_and_has_not_died() {
    const HIDDEN: &str = "MCP_HEALTH_TEST_HIDDEN";
    let name = "process::blind::one_that_cannot_be_looked_at_is_not_started_and_has_not_died";
    if std::env::var_os(HIDDEN).is_none() {
        if is_root(name) {
            again(&["env", &format!("{HIDDEN}=1"), "unshare", "--mount"], name);
        }
        return;
    }
    let bench = Bench::new();
    runs(&["mount", "-t", "tmpfs", "none", "/proc"]);
    let mut life = bench.start(&[bench.shell("exec sleep 1000")]);
    let first = life.next();
    assert!(matches!(&first, Input::EngineLost(EngineId::PROCESSES, why) if why.contains("/proc")), "{first:?}");
    assert!(matches!(life.runtimes.life(ServerId(0)), Life::Unknown(_)));
    runs(&["umount", "/proc"]);
    // Each look that fails says so again.
    let mut next = life.next();
    while matches!(next, Input::EngineLost(..)) {
        next = life.next();
    }
    assert_eq!(next, Input::EngineBack(EngineId::PROCESSES));
    assert_eq!(life.next_word(), Word::Started);
    assert_eq!(bench.leaders().len(), 1);

    runs(&["mount", "-t", "tmpfs", "none", "/proc"]);
    assert!(life.restart().is_err());
    let lost = life.next();
    assert!(matches!(lost, Input::EngineLost(EngineId::PROCESSES, _)), "{lost:?}");
    runs(&["umount", "/proc"]);
    let mut next = life.next();
    while matches!(next, Input::EngineLost(..)) {
        next = life.next();
    }
    assert_eq!(next, Input::EngineBack(EngineId::PROCESSES));
    assert_eq!(bench.leaders().len(), 1, "it has not been touched");
    life.shut_down();
}
