//! A server that fails now and then, and never often enough in a row (rule 11).

use health_spec::Phase;
use health_spec::status::Observed;

use super::{Server, Turn};
use crate::machine::Mono;

/// So many episodes make it flapping.
const EPISODES: usize = 5;

/// Within so many intervals; and so many quiet ones end it.
const INTERVALS: u32 = 10;

impl Server {
    /// A failed check: from `healthy` or `starting` that begins an episode.
    pub(super) fn suspect(&mut self, turn: &mut Turn<'_>) {
        if self.state.phase != Phase::Suspect {
            self.enter(Phase::Suspect);
            self.state.episodes.push_back(turn.now);
            self.forget_episodes(turn.now);
        }
        if self.state.episodes.len() >= EPISODES && !self.state.is_flapping {
            self.state.is_flapping = true;
            self.publish_status(turn, Observed::Degraded, "flapping");
        }
    }

    /// What an answer of a server that is up makes the world see.
    pub(super) fn publish_answer(&mut self, turn: &mut Turn<'_>, status: Observed) {
        self.forget_episodes(turn.now);
        if self.state.episodes.is_empty() {
            self.state.is_flapping = false;
        }
        if self.state.is_flapping && status == Observed::Ok {
            self.publish_status(turn, Observed::Degraded, "flapping");
        } else {
            self.publish_status(turn, status, "check");
        }
    }

    /// It is down: that is no flapping any more.
    pub(super) fn settle_down(&mut self) {
        self.state.episodes.clear();
        self.state.is_flapping = false;
    }

    fn forget_episodes(&mut self, now: Mono) {
        let window = self.policy.interval.saturating_mul(INTERVALS);
        self.state.episodes.retain(|at| now.since(*at) < window);
        // While it flaps, only the latest counts for when it ends.
        let excess = self.state.episodes.len().saturating_sub(EPISODES);
        self.state.episodes.drain(..excess);
    }
}
