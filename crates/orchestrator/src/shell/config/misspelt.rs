//! Variables that are nearly settings: nothing reads them, and nobody would notice.
//!
//! Only what begins as ours and is a slip away from one of them, or lacks its unit: other programs have variables, too.

use std::path::Path;

use super::environment::settings;
use super::problem::Problem;

/// So many letters may be wrong, missing, or too many.
const SLIPS: usize = 2;

/// What is left out most easily.
const UNIT: &str = "_SECONDS";

/// A warning for each of these names of variables that are set. Whether a value is empty is the caller's to look at.
pub fn misspelt(names: impl IntoIterator<Item = String>) -> Vec<Problem> {
    let known: Vec<String> = settings().into_iter().map(|setting| setting.variable).collect();
    let mut found: Vec<_> = names
        .into_iter()
        .filter(|name| !known.contains(name))
        .filter_map(|name| meant(&name, &known).map(|meant| problem(&name, meant)))
        .collect();
    found.sort_by(|a, b| a.variable.cmp(&b.variable));
    found
}

/// The first word is right, and nearly all of the rest is.
fn meant<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let begun = known.iter().filter(|known| first_word(known) == first_word(name));
    let near = begun.filter_map(|known| Some((distance(name, known)?, known.as_str())));
    near.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

fn first_word(name: &str) -> Option<&str> {
    name.split('_').next()
}

/// In slips; `None`: too far to be meant.
fn distance(name: &str, known: &str) -> Option<usize> {
    if known.strip_suffix(UNIT) == Some(name) {
        return Some(0);
    }
    Some(strsim::osa_distance(name, known)).filter(|slips| *slips <= SLIPS)
}

fn problem(name: &str, meant: &str) -> Problem {
    let problem = Problem::of_file(Path::new("environment"), "nothing reads it".to_owned());
    Problem { variable: Some(name.to_owned()), help: Some(format!("did you mean `{meant}`?")), ..problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_seen_and_strangers_are_not() {
        for (name, expected) in [
            ("HEALTH_CHECK_INTERVAL_SECOND", Some("HEALTH_CHECK_INTERVAL_SECONDS")),
            ("HEALTH_CHECK_INTERVAL", Some("HEALTH_CHECK_INTERVAL_SECONDS")),
            ("HEALTH_CHEK_TIMEOUT_SECONDS", Some("HEALTH_CHECK_TIMEOUT_SECONDS")),
            ("RECOVERY_ENABLE", Some("RECOVERY_ENABLED")),
            ("RECOVERY_MDOE", Some("RECOVERY_MODE")),
            ("RECOVERY_ENABLED", None),
            ("HEALTH_CHECK_PATH", None),
            ("HEALTHCHECK_INTERVAL", None),
            ("LISTEN_FDS", None),
            ("LISTEN_PID", None),
            ("EVENT_LOOP", None),
            ("PATH", None),
            ("", None),
        ] {
            let found = misspelt([name.to_owned()]);
            let help = expected.map(|expected| format!("did you mean `{expected}`?"));
            assert_eq!(found.first().and_then(|problem| problem.help.clone()), help, "{name}");
        }
        let text = misspelt(["RECOVERY_MDOE".to_owned()])[0].to_string();
        assert_eq!(text, "environment variable RECOVERY_MDOE: nothing reads it\n  help: did you mean `RECOVERY_MODE`?");
    }
}
