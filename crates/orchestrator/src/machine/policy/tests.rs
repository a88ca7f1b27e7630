//! What is refused, and what the defaults become.

use super::*;

fn compiled(yaml: &str) -> Result<Vec<Policy>, Vec<String>> {
    let file: File = serde_saphyr::from_str(yaml).expect("the file reads");
    compile(&file, Purpose::Run)
        .map_err(|issues| issues.into_iter().map(|issue| format!("{}: {}", issue.pointer, issue.message)).collect())
}

#[test]
fn the_defaults_are_the_contracts() {
    let policy = &compiled("servers: [{name: a, port: 1, runtime: {kind: process, command: x}}]").expect("compiles")[0];
    let seconds = Duration::from_secs;
    assert_eq!((policy.interval, policy.timeout, policy.confirm_interval), (seconds(30), seconds(5), seconds(1)));
    assert_eq!((policy.start_period, policy.max_backoff), (seconds(30), seconds(120)));
    assert_eq!((policy.failure_threshold, policy.success_threshold), (3, 3));
    assert_eq!(policy.recovery.verify_timeout, seconds(30));
    assert_eq!(policy.recovery.backoff, Backoff::Schedule(vec![seconds(1), seconds(5), seconds(30)]));
    assert_eq!(policy.recovery.budget, (10, seconds(86400)));
    assert_eq!(policy.recovery.strategy, Strategy::Restart.into());
}

#[test]
fn a_server_without_a_runtime_is_only_watched() {
    let policies = compiled("servers: [{name: a, port: 1}]").expect("compiles");
    assert!(policies[0].recovery.strategy.is_manual());
}

#[test]
fn a_servers_keys_go_over_the_files_one_by_one() {
    let yaml = "
health_check: {interval_seconds: 10, timeout_seconds: 2}
recovery: {backoff: {schedule: [7]}}
servers: [{name: a, port: 1, health_check: {timeout_seconds: 1}, recovery: {backoff: {initial_delay: 2}, max_attempts: 3}}]";
    let policy = &compiled(yaml).expect("compiles")[0];
    assert_eq!((policy.interval, policy.timeout), (Duration::from_secs(10), Duration::from_secs(1)));
    assert_eq!(policy.recovery.backoff.attempts(), 3);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let yaml = "
health_check: {interval_seconds: 10, confirm_interval_seconds: 20}
recovery: {max_attempts: 4, backoff: {schedule: [1]}, verify_timeout_seconds: 5}
servers:
  - {name: a, port: 1, depends_on: [b, nobody]}
  - {name: b, port: 2, depends_on: [a]}
  - {name: a, port: 3}
  - {name: c, runtime: {kind: process, container: x}}
  - {name: d, port: 4, runtime: {kind: docker, container: x, engine: moon}}";
    let problems = compiled(yaml).expect_err("it is wrong");
    let expected = [
        "/servers/2/name: the name `a` is taken by server number 1",
        "/servers/0/depends_on/1: `a` depends on `nobody`, which is not in this registry",
        "/servers/0/depends_on: a cycle: a -> b -> a",
        "/health_check/confirm_interval_seconds: confirm_interval_seconds is 20 s, but interval_seconds is 10 s",
        "/recovery/max_attempts: max_attempts stands beside schedule",
        "/recovery/verify_timeout_seconds: verify_timeout_seconds is 5 s, but start_period_seconds is 30 s",
        "/servers/3: `c` has nothing to check",
        "/servers/3/runtime/container: `container` does not belong to a runtime of kind process",
        "/servers/3/runtime: a runtime of kind process needs `command`",
        "/servers/4/runtime/engine: there is no engine `moon`",
    ];
    for line in expected {
        assert!(problems.iter().any(|problem| problem == line), "missing: {line}\nfound: {problems:#?}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

const HOOK: &str = "repair: {command: [fix]}";

#[test]
fn a_ladder_of_the_file_is_what_fits_each_server() {
    let yaml = format!(
        "
recovery: {{strategy: [repair, restart, recreate], {HOOK}}}
servers:
  - {{name: a, port: 1}}
  - {{name: b, port: 2, runtime: {{kind: process, command: x}}}}
  - {{name: c, port: 3, runtime: {{kind: docker, container: x}}}}"
    );
    let ladders: Vec<_> = compiled(&yaml).expect("compiles").iter().map(|policy| policy.recovery.strategy.to_string()).collect();
    assert_eq!(ladders, ["repair", "repair, restart", "repair, restart, recreate"]);
}

#[test]
fn what_cannot_be_done_is_a_mistake() {
    let process = "runtime: {kind: process, command: x}";
    let cases = [
        ("strategy: recreate", process, "`recreate` cannot be carried out for `a`: only containers can be recreated"),
        ("strategy: restart", "group: x", "`restart` cannot be carried out for `a`: this server has no runtime that could do it"),
        ("strategy: [repair, recreate], repair: {command: [x]}", process, "only containers can be recreated"),
        ("strategy: repair", process, "`repair` has no hook to run"),
        ("strategy: [restart, manual]", process, "`manual` stands in a ladder"),
        ("repair: {command: [x]}", process, "the hook `repair` is never run: the strategy is restart"),
        ("before: {timeout_seconds: 3}", process, "this hook has nothing to run"),
        ("before: {command: [x], url: \"http://h/\"}", process, "`url` stands beside `command`"),
        ("before: {command: [\"\"]}", process, "`command` has no program"),
        ("after: {command: [x], method: PUT}", process, "`method` belongs to a request, and this hook is a command"),
        ("after: {command: [x], tls: {ca_file: y}}", process, "`tls` belongs to a request, and this hook is a command"),
        ("after: {url: \"http://h/\", timeout_seconds: 0}", process, "timeout_seconds is too short for anything to run"),
    ];
    for (recovery, runtime, expected) in cases {
        let yaml = format!("servers: [{{name: a, port: 1, {runtime}, recovery: {{{recovery}}}}}]");
        let problems = compiled(&yaml).expect_err(recovery);
        assert!(problems.len() == 1 && problems[0].contains(expected), "{recovery}: {problems:?}");
    }
}

#[test]
fn a_server_that_is_only_watched_can_be_repaired_by_a_hook() {
    let yaml = format!("servers: [{{name: a, port: 1, recovery: {{strategy: repair, {HOOK}}}}}]");
    let policy = &compiled(&yaml).expect("compiles")[0].recovery;
    assert_eq!((policy.strategy.to_string().as_str(), policy.restartable), ("repair", false));
}
