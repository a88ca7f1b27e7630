//! From what several probes found to one verdict: the worst counts.

use health_spec::verdict::{Probed, Verdict};

use super::{Impaired, Seen, milliseconds};
use crate::shell::causes::causes;

/// The worst verdict, with what every probe found. A failure counts even when another probe could not be made;
/// anything better does not, since the probe that is missing may be the one that sees.
pub(super) fn combine(seen: Vec<Seen>) -> Result<Verdict, Impaired> {
    let several = seen.len() > 1;
    let probed: Vec<Probed> = seen.iter().map(|one| evidence(one, several)).collect();
    let (mut worst, mut impaired) = (None::<Verdict>, None);
    let mut session = None;
    for one in seen {
        match one.found {
            Ok(mut verdict) => {
                session = verdict.session.max(session);
                if several {
                    verdict.message = verdict.message.map(|message| format!("{}: {message}", one.kind.as_str()));
                }
                worst = Some(worst.map_or_else(|| verdict.clone(), |known| merged(known, verdict.clone())));
            }
            Err(error) => impaired = impaired.or(Some(error)),
        }
    }
    match (worst, impaired) {
        (Some(verdict), None) => Ok(Verdict { probed, session, ..verdict }),
        (Some(verdict), Some(_)) if verdict.outcome == health_spec::Outcome::Failed => Ok(Verdict { probed, session, ..verdict }),
        (_, Some(error)) => Err(error),
        // A target has at least one probe.
        (None, None) => Ok(Verdict { probed, ..Verdict::new(health_spec::Outcome::Ok, None, None) }),
    }
}

/// The first of the worst says why; what a body said is kept, whoever read it.
fn merged(known: Verdict, other: Verdict) -> Verdict {
    let (mut worst, better) = if other.outcome > known.outcome { (other, known) } else { (known, other) };
    worst.reading = worst.reading.or(better.reading);
    worst.clock_skew |= better.clock_skew;
    worst.retry_after = worst.retry_after.max(better.retry_after);
    worst
}

/// A reading is copied only where the verdict's own may be another probe's.
fn evidence(seen: &Seen, several: bool) -> Probed {
    let (outcome, reason, message) = match &seen.found {
        Ok(verdict) => (Some(verdict.outcome), verdict.reason, verdict.message.clone()),
        Err(error) => (None, None, Some(causes(error))),
    };
    let reading = seen.found.as_ref().ok().filter(|_| several).and_then(|verdict| verdict.reading.clone()).map(Box::new);
    Probed { kind: seen.kind, outcome, reason, message, took_ms: milliseconds(seen.took), phases: seen.phases, reading }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use health_spec::registry::ProbeKind;
    use health_spec::verdict::{Phases, Reason, Session};
    use health_spec::{Outcome, Verdict};

    use super::*;

    fn seen(kind: ProbeKind, found: Result<Verdict, Impaired>) -> Seen {
        Seen { kind, found, took: Duration::from_millis(3), phases: Phases::default(), glimpse: None }
    }

    fn well() -> Verdict {
        Verdict::new(Outcome::Ok, None, None)
    }

    fn impaired() -> Result<Verdict, Impaired> {
        Err(Impaired::Engine("away".to_owned()))
    }

    fn refused() -> Verdict {
        Verdict::failed(Reason::ConnectRefused, "nothing listens")
    }

    #[test]
    fn the_worst_counts_and_everything_is_kept() {
        let degraded = Ok(Verdict {
            session: Some(Session::Lost),
            ..Verdict::new(Outcome::Degraded, Some(Reason::NeedsAuth), Some("locked".to_owned()))
        });
        let all = vec![seen(ProbeKind::Http, Ok(well())), seen(ProbeKind::Tcp, Ok(refused())), seen(ProbeKind::Mcp, degraded)];
        let verdict = combine(all).expect("a verdict");
        assert_eq!((verdict.outcome, verdict.reason), (Outcome::Failed, Some(Reason::ConnectRefused)));
        assert_eq!(verdict.message.as_deref(), Some("tcp: nothing listens"));
        assert_eq!((verdict.session, verdict.probed.len()), (Some(Session::Lost), 3));
        assert_eq!((verdict.probed[0].outcome, verdict.probed[0].took_ms), (Some(Outcome::Ok), 3.0));
    }

    #[test]
    fn what_could_not_be_looked_at_is_no_verdict_unless_something_failed() {
        assert!(combine(vec![seen(ProbeKind::Http, Ok(well())), seen(ProbeKind::Container, impaired())]).is_err());
        let failed =
            combine(vec![seen(ProbeKind::Container, impaired()), seen(ProbeKind::Http, Ok(refused()))]).expect("a verdict");
        assert_eq!((failed.outcome, failed.probed[0].outcome), (Outcome::Failed, None));
        assert!(combine(vec![seen(ProbeKind::Container, impaired())]).is_err());
    }
}
