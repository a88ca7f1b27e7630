//! All servers together, as `GET /health/ecosystem` says it (contract, section 6).

use health_spec::ecosystem::{Counts, Ecosystem, SourceStatus, aggregate};
use health_spec::status::Observed;

use super::state::State;

/// The present state.
pub(crate) fn ecosystem(state: &State) -> Ecosystem {
    Ecosystem {
        status: status(state),
        timestamp: state.changed_at,
        servers: Counts::of(state.view.servers().map(|server| (server.status, server.phase))),
        details: state.view.servers().cloned().collect(),
        sources: state.view.sources().iter().map(super::view::Followed::shown).collect(),
    }
}

/// One status of many. Nothing is claimed of sources that have never been heard.
fn status(state: &State) -> Observed {
    let judged = state.view.servers().filter(|server| server.maintenance_until.is_none());
    let counts = Counts::of(judged.map(|server| (server.status, server.phase)));
    let waiting = state.view.sources().iter().any(|source| source.status() != SourceStatus::Connected);
    if counts.total == 0 && waiting { Observed::Unknown } else { aggregate(counts) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::sample;
    use crate::source::Frame;

    fn state(frames: impl IntoIterator<Item = Frame>) -> State {
        let mut state = State::new(vec![None], sample::at());
        for frame in frames {
            state.fold(0, frame, sample::at());
        }
        state
    }

    #[test]
    fn nothing_is_claimed_before_a_source_is_heard() {
        assert_eq!(ecosystem(&state([])).status, Observed::Unknown);
        assert_eq!(ecosystem(&state([sample::lost()])).status, Observed::Unknown);
        assert_eq!(ecosystem(&state([sample::snapshot(1, &[])])).status, Observed::Ok);
    }

    #[test]
    fn one_down_of_two_is_degraded_and_counted() {
        let shown = ecosystem(&state([sample::snapshot(1, &["a", "b"]), sample::said(2, "a", Observed::Down)]));
        assert_eq!(shown.status, Observed::Degraded);
        assert_eq!((shown.servers.total, shown.servers.healthy, shown.servers.down), (2, 1, 1));
    }

    #[test]
    fn a_server_in_maintenance_does_not_count() {
        let mut frame = sample::said(2, "a", Observed::Down);
        if let Frame::Event { view: Some(view), .. } = &mut frame {
            view.maintenance_until = Some(sample::at());
        }
        let shown = ecosystem(&state([sample::snapshot(1, &["a", "b"]), frame]));
        assert_eq!((shown.status, shown.servers.down), (Observed::Ok, 1));
    }

    #[test]
    fn a_lost_source_keeps_its_servers_stale() {
        let mut state = state([sample::snapshot(1, &["a"]), sample::lost()]);
        let shown = ecosystem(&state);
        assert!(shown.details[0].stale && shown.sources[0].stale);
        assert_eq!(shown.sources[0].as_of, Some(sample::at()));
        state.fold(0, sample::snapshot(1, &["a"]), sample::at());
        assert!(!ecosystem(&state).details[0].stale);
    }
}
