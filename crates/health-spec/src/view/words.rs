//! An explanation as lines of text, the same for the API and the command line.

use jiff::Timestamp;

use super::{Planned, Why};

impl Why {
    /// What it waits for, what comes next and what its belief rests on, a line each; times are told from `now`.
    pub fn lines(&self, now: Timestamp) -> Vec<String> {
        let held = self.waiting_for.iter().map(|what| format!("held: {what}"));
        let next = self.next.iter().map(|step| format!("next: {}", step.words(now)));
        let because = self.evidence.iter().map(|what| format!("because: {what}"));
        held.chain(next).chain(because).collect()
    }
}

impl Planned {
    /// Such as `attempt 2 of 3: restart, in 4 s`.
    pub fn words(&self, now: Timestamp) -> String {
        let Some(at) = self.at else { return self.what.clone() };
        let seconds = (at.duration_since(now).as_millis().max(0) + 999) / 1_000;
        match seconds {
            0 => format!("{}, now", self.what),
            1..=119 => format!("{}, in {seconds} s", self.what),
            120..=7_199 => format!("{}, in {} min", self.what, seconds / 60),
            _ => format!("{}, in {} h", self.what, seconds / 3_600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_says_how_long_it_is_until_then() {
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().expect("a timestamp");
        let at = |text: &str| Planned { what: "a check".into(), at: Some(text.parse().expect("a timestamp")) }.words(now);
        assert_eq!(at("2026-01-02T11:00:00Z"), "a check, now");
        assert_eq!(at("2026-01-02T12:00:03.2Z"), "a check, in 4 s");
        assert_eq!(at("2026-01-02T12:10:59Z"), "a check, in 10 min");
        assert_eq!(at("2026-01-04T12:10:59Z"), "a check, in 48 h");
        assert_eq!(Planned { what: "it ends".into(), at: None }.words(now), "it ends");
    }

    #[test]
    fn what_holds_it_comes_first() {
        let why = Why {
            evidence: vec!["it has ended".into()],
            next: vec![Planned { what: "a check".into(), at: None }],
            waiting_for: Some("observe mode".into()),
            ..Why::default()
        };
        assert_eq!(why.lines(Timestamp::UNIX_EPOCH), ["held: observe mode", "next: a check", "because: it has ended"]);
    }
}
