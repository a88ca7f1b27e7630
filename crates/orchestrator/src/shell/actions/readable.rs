//! What a server says of itself becomes events, lines of the log and reasons: before that it is cut, and its secrets are hidden.

use health_spec::Verdict;
use health_spec::dialect::Reading;
use tokio::time::Instant;

use crate::machine::ServerId;
use crate::shell::evidence::{Collector, told, told_word};
use crate::shell::secrets::Mask;

/// So many component checks are told of; a person could not read more.
const MOST_CHECKS: usize = 64;

/// More than that is looked through beside the checks, not between them: one server must not hold up the others.
const SHORT: usize = 1024;

/// What a check that began then has found.
pub(super) async fn readable(collector: &Collector, server: ServerId, verdict: Verdict, began: Instant) -> Verdict {
    if says_nothing(&verdict) {
        return verdict;
    }
    let mask = collector.mask_since(server, began).await;
    if length(&verdict) <= SHORT {
        return hidden(verdict, &mask);
    }
    let bare = Verdict::new(verdict.outcome, verdict.reason, None);
    // Without its words, should they be too much for us: what it means stays.
    tokio::task::spawn_blocking(move || hidden(verdict, &mask)).await.unwrap_or(bare)
}

/// How many bytes there are to look through.
fn length(verdict: &Verdict) -> usize {
    let of_reading = |reading: &Reading| {
        let names: usize = reading.checks.iter().map(|(name, _)| name.len()).sum();
        let paths: usize = reading.lost.iter().map(|lost| lost.path.len()).sum();
        names + paths + [&reading.error, &reading.version].into_iter().flatten().map(String::len).sum::<usize>()
    };
    let messages = verdict.probed.iter().map(|probed| &probed.message).chain([&verdict.message]).flatten();
    let readings = verdict.probed.iter().filter_map(|probed| probed.reading.as_deref()).chain(&verdict.reading);
    messages.map(String::len).sum::<usize>() + readings.map(of_reading).sum::<usize>()
}

fn says_nothing(verdict: &Verdict) -> bool {
    let is_silent = |reading: &Reading| {
        reading.version.is_none() && reading.error.is_none() && reading.checks.is_empty() && reading.lost.is_empty()
    };
    verdict.message.is_none()
        && verdict.reading.as_ref().is_none_or(is_silent)
        && verdict.probed.iter().all(|probed| probed.message.is_none() && probed.reading.as_deref().is_none_or(is_silent))
}

fn hidden(mut verdict: Verdict, mask: &Mask) -> Verdict {
    let probed = verdict.probed.iter_mut().map(|probed| &mut probed.message);
    for message in probed.chain([&mut verdict.message]).flatten() {
        *message = told(message, mask);
    }
    let of_probes = verdict.probed.iter_mut().filter_map(|probed| probed.reading.as_deref_mut());
    for reading in of_probes.chain(&mut verdict.reading) {
        reading.checks.truncate(MOST_CHECKS);
        reading.lost.truncate(MOST_CHECKS);
        let names = reading.checks.iter_mut().map(|(name, _)| name);
        let paths = reading.lost.iter_mut().map(|lost| &mut lost.path);
        for word in names.chain(&mut reading.version).chain(paths).filter(|word| !mask.is_plain(word)) {
            *word = told_word(word, mask);
        }
        reading.error = reading.error.take().map(|error| told(&error, mask));
    }
    verdict
}

#[cfg(test)]
mod tests {
    use health_spec::dialect::{Loss, LossKind};
    use health_spec::verdict::Probed;
    use health_spec::{Outcome, Reason, Status};

    use super::*;

    /// Longer than any text that is told, with what says how much is missing.
    const LONGEST: usize = 550;

    #[test]
    fn a_server_that_says_much_is_told_in_short() {
        let long = "x".repeat(1024 * 1024);
        let probed = Probed {
            kind: health_spec::registry::ProbeKind::Http,
            outcome: Some(Outcome::Failed),
            reason: Some(Reason::HttpStatus),
            message: Some(long.clone()),
            took_ms: 1.0,
            phases: health_spec::verdict::Phases::default(),
            reading: None,
        };
        let checks = (0..10_000).map(|number| (format!("{number} {long:.4000}"), Status::Ok)).collect();
        let reading = Reading { error: Some(long.clone()), version: Some(long.clone()), checks, ..Reading::plain() };
        let verdict = Verdict { reading: Some(reading), probed: vec![probed], ..Verdict::failed(Reason::HttpStatus, long) };
        let told = hidden(verdict, &Mask::default());
        let reading = told.reading.expect("a reading");
        let texts = [told.message, told.probed[0].message.clone(), reading.error, reading.version];
        assert!(texts.iter().flatten().all(|text| text.len() < LONGEST), "{texts:?}");
        assert!(reading.checks.len() == MOST_CHECKS && reading.checks.iter().all(|(name, _)| name.len() < LONGEST));
    }

    #[test]
    fn a_server_that_repeats_our_token_is_not_repeated() {
        let checks = vec![("database".to_owned(), Status::Ok), ("swordfish-1".to_owned(), Status::Down)];
        let said = || Some("you sent swordfish-1".to_owned());
        let lost = vec![Loss { path: "/checks/swordfish-1".to_owned(), kind: LossKind::Unreadable }];
        let reading = Reading { error: said(), version: said(), checks, lost, ..Reading::plain() };
        let verdict = Verdict { reading: Some(reading), ..Verdict::failed(Reason::Reported, "you sent swordfish-1") };
        let told = hidden(verdict, &Mask::of(["swordfish-1".to_owned()]));
        assert!(!format!("{told:?}").contains("swordfish"), "{told:?}");
        let names: Vec<_> = told.reading.expect("a reading").checks.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["database", "***"]);
    }
}
