//! Did you mean ...? The nearest of the words that are known.

/// Below this two words have little in common (Jaro-Winkler, 1 is the same word).
const ALIKE: f64 = 0.84;

/// The word most like `written`, if any is like it at all.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase().replace('-', "_");
    let scored = known.into_iter().map(|word| (strsim::jaro_winkler(&written, word), word));
    scored.filter(|(score, _)| *score >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_find_their_word_and_strangers_none() {
        let known = ["interval_seconds", "timeout_seconds", "failure_threshold", "health_url", "restart"];
        let cases = [
            ("interval", Some("interval_seconds")),
            ("timeout-seconds", Some("timeout_seconds")),
            ("failure_treshold", Some("failure_threshold")),
            ("healthurl", Some("health_url")),
            ("Restart", Some("restart")),
            ("colour", None),
            ("x", None),
        ];
        for (written, expected) in cases {
            assert_eq!(nearest(written, known), expected, "{written}");
        }
    }
}
