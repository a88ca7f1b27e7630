//! How a process or container ended, in words.

/// `, exit code 3`, `, exit code 137 (as after SIGKILL), killed for memory: why it could not even start`. Nothing, where nothing is known.
pub fn ending(exit_code: Option<i64>, signal: Option<i32>, oom_killed: bool, error: Option<&str>) -> String {
    let how = match (signal, exit_code) {
        (Some(signal), _) => format!(", signal {}", killed(signal)),
        (None, Some(code)) => format!(", exit code {}", exit(code)),
        (None, None) => String::new(),
    };
    let memory = if oom_killed { ", killed for memory" } else { "" };
    let error = error.map(|error| format!(": {error}")).unwrap_or_default();
    format!("{how}{memory}{error}")
}

/// `137 (as after SIGKILL)`: engines and shells say 128 + signal of what a signal has ended.
pub fn exit(code: i64) -> String {
    let name = code.checked_sub(128).and_then(|signal| name(i32::try_from(signal).ok()?));
    name.map_or_else(|| code.to_string(), |name| format!("{code} (as after {name})"))
}

/// `9 (SIGKILL)`.
pub fn killed(signal: i32) -> String {
    name(signal).map_or_else(|| signal.to_string(), |name| format!("{signal} ({name})"))
}

/// The signals that end programs, as Linux numbers them where this is built for.
fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_words() {
        assert_eq!(ending(None, None, false, None), "");
        assert_eq!(ending(Some(3), None, false, None), ", exit code 3");
        assert_eq!(ending(Some(137), None, true, None), ", exit code 137 (as after SIGKILL), killed for memory");
        assert_eq!(ending(Some(128), None, false, Some("no such file")), ", exit code 128: no such file");
        assert_eq!(ending(None, Some(11), false, None), ", signal 11 (SIGSEGV)");
        assert_eq!(ending(None, Some(40), false, None), ", signal 40");
        assert_eq!(exit(i64::MIN), i64::MIN.to_string());
    }
}
