//! All servers together, as `GET /health/ecosystem` says it (contract, section 6).

use std::sync::Arc;

use health_spec::ServerView;
use health_spec::ecosystem::{Counts, Ecosystem, SourceStatus, SourceView, aggregate};
use health_spec::status::Observed;
use jiff::Timestamp;

use super::state::State;

/// What is shown of a state. Taken at once, so that nobody waits while it is put into words.
#[derive(Debug)]
pub(crate) struct Shown {
    at: Timestamp,
    servers: Vec<Arc<ServerView>>,
    sources: Vec<SourceView>,
}

impl Shown {
    /// The present state.
    pub(crate) fn of(state: &State) -> Self {
        let servers = state.view.servers().cloned().collect();
        let sources = state.view.sources().iter().map(super::view::Followed::shown).collect();
        Self { at: state.changed_at, servers, sources }
    }

    /// The answer.
    pub(crate) fn ecosystem(self) -> Ecosystem {
        Ecosystem {
            status: self.status(),
            timestamp: self.at,
            servers: Counts::of(self.servers.iter().map(|server| (server.status, server.phase))),
            details: self.servers.into_iter().map(Arc::unwrap_or_clone).collect(),
            sources: self.sources,
        }
    }

    /// One status of many. Nothing is claimed of sources that have never been heard.
    fn status(&self) -> Observed {
        let judged = self.servers.iter().filter(|server| server.maintenance_until.is_none());
        let counts = Counts::of(judged.map(|server| (server.status, server.phase)));
        let waiting = self.sources.iter().any(|source| source.status != SourceStatus::Connected);
        if counts.total == 0 && waiting { Observed::Unknown } else { aggregate(counts) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::sample;
    use crate::source::Frame;

    fn ecosystem(state: &State) -> Ecosystem {
        Shown::of(state).ecosystem()
    }

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
