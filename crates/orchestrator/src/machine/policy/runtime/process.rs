//! What a child process is told that cannot be.

use health_spec::registry::{OnCrash, Runtime, RuntimeKind, Stdio};

use super::super::Issue;
use super::NO_ZERO;

/// Keys that contradict one another.
pub(super) fn check(index: usize, runtime: &Runtime, issues: &mut Vec<Issue>) {
    if runtime.kind != RuntimeKind::Process {
        return;
    }
    let speaks = runtime.stdio == Some(Stdio::Mcp);
    let mut say = |key: &str, message: &str, help: &str| {
        let pointer = format!("/servers/{index}/runtime/{key}");
        issues.push(Issue { pointer, message: message.to_owned(), help: help.to_owned() });
    };
    if speaks && runtime.on_crash == Some(OnCrash::Adopt) {
        let message = "a process with `stdio: mcp` cannot be adopted: its pipes end with the orchestrator";
        say("on_crash", message, "leave it out: the process ends by itself and is started anew");
    }
    let stop = runtime.stop.unwrap_or_default();
    if stop.stdin_seconds.is_some() && !speaks {
        say("stop/stdin_seconds", "nothing is closed without `stdio: mcp`", "remove it, or add stdio: mcp");
    }
    if stop.kill_seconds.is_some_and(|seconds| seconds.0.is_zero()) {
        say("stop/kill_seconds", "a kill takes a moment, so 0 is never met", "leave it out for the default of 10");
    }
    if runtime.user.as_deref().is_some_and(|user| user.is_empty() || user.starts_with(':') || user.ends_with(':')) {
        say("user", "that is no user", "a name, a number, or either with a group: mcp, 1000, mcp:mcp, 1000:1000");
    }
    let (no_zero, leave_out) = NO_ZERO;
    let texts = [("command", &runtime.command), ("cwd", &runtime.cwd), ("env_file", &runtime.env_file), ("user", &runtime.user)];
    for (key, text) in texts {
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            say(key, no_zero, leave_out);
        }
    }
    for (at, _) in runtime.args.iter().enumerate().filter(|(_, argument)| argument.contains('\0')) {
        say(&format!("args/{at}"), no_zero, leave_out);
    }
    for (name, value) in &runtime.env {
        // As a part of a JSON pointer.
        let key = format!("env/{}", name.replace('~', "~0").replace('/', "~1"));
        if name.is_empty() || name.contains(['=', '\0']) {
            say(
                &key,
                "that is no name of a variable",
                "a name of at least one character, without `=`; the value stands behind the colon",
            );
        }
        if value.contains('\0') {
            say(&key, no_zero, leave_out);
        }
    }
}
