//! Time in pieces of one length: the piece that is being counted, and runs of equal ones that are closed.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Resolution, Standing, Steady, Tally};

/// Neighbouring pieces of time with the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// When the first piece begins.
    pub start: Steady,
    /// How many.
    pub pieces: u32,
    /// What each of them holds.
    pub each: Tally,
}

/// What is to be written of one resolution: nothing stays before `first`, and `rows` replace whatever begins with the first of
/// them or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Of which length.
    pub resolution: Resolution,
    /// The start of the first run that is kept; nothing is kept when there is none.
    pub first: Option<Steady>,
    /// Everything since the last run that may have changed, the piece that is being counted included.
    pub rows: Vec<Run>,
}

/// One server's pieces of one length.
#[derive(Clone, Debug)]
pub(super) struct Series {
    resolution: Resolution,
    closed: VecDeque<Run>,
    /// The piece that is being counted, once there is something in it.
    open: Option<(Steady, Tally)>,
    /// Closed runs that begin before this are on disk as they are.
    saved_before: Steady,
}

impl Series {
    pub(super) fn new(resolution: Resolution) -> Self {
        Self { resolution, closed: VecDeque::new(), open: None, saved_before: Steady::default() }
    }

    /// Takes a run from disk; they come in the order of time. One that makes no sense is left out.
    pub(super) fn load(&mut self, run: Run) {
        let fits = self.closed.back().is_none_or(|last| self.end(last) <= run.start);
        let makes_sense = run.each.up_ms <= run.each.counted_ms
            && Duration::from_millis(run.each.counted_ms) <= self.resolution.length()
            && run.pieces > 0;
        if fits && makes_sense && run.start == run.start.floor(self.resolution) {
            self.closed.push_back(run);
        }
    }

    /// Goes on with the last piece when it is not over yet.
    pub(super) fn take_up(&mut self, now: Steady) {
        let start = now.floor(self.resolution);
        if let Some(last) = self.closed.back().copied()
            && self.end(&last) > start
        {
            self.closed.pop_back();
            if last.pieces > 1 {
                self.closed.push_back(Run { pieces: last.pieces - 1, ..last });
            }
            self.open = Some((self.end(&last).before(self.resolution.length()), last.each));
        }
        self.saved();
    }

    /// Adds the time between two moments, to each piece its part.
    pub(super) fn count(&mut self, standing: Standing, from: Steady, to: Steady) {
        let mut from = from;
        while from < to && standing != Standing::Uncounted {
            let start = from.floor(self.resolution);
            let until = to.min(start.after(self.resolution.length()));
            self.open_at(start).add(Tally::of(standing, until.since(from)));
            from = until;
        }
    }

    /// The open piece, which begins at `start`; an older one is closed.
    fn open_at(&mut self, start: Steady) -> &mut Tally {
        self.close(start);
        let (_, tally) = self.open.get_or_insert((start, Tally::default()));
        tally
    }

    /// Closes the open piece when it is over at `now`.
    pub(super) fn close(&mut self, now: Steady) {
        let Some((start, each)) = self.open.take_if(|(start, _)| start.after(self.resolution.length()) <= now) else { return };
        match self.closed.back() {
            Some(last) if self.end(last) == start && last.each == each => {
                if let Some(last) = self.closed.back_mut() {
                    last.pieces += 1;
                }
            }
            _ => {
                // Exactly one more: of most servers there is only ever one, and a ledger is kept of each.
                self.closed.reserve_exact(1);
                self.closed.push_back(Run { start, pieces: 1, each });
            }
        }
    }

    /// Runs that ended before `limit` are dropped. One that reaches beyond it stays whole: its start is its name.
    pub(super) fn forget(&mut self, limit: Steady) {
        while self.closed.front().is_some_and(|first| self.end(first) <= limit) {
            self.closed.pop_front();
        }
    }

    /// The open piece.
    pub(super) fn open(&self) -> Tally {
        self.open.map(|(_, tally)| tally).unwrap_or_default()
    }

    /// The closed pieces that begin at `since` or later.
    pub(super) fn sum(&self, since: Steady) -> Tally {
        let mut sum = Tally::default();
        for run in self.closed.iter().rev().take_while(|run| self.end(run) > since) {
            sum.add(run.each.times(run.pieces.min(self.pieces_from(run, since))));
        }
        sum
    }

    /// How many of a run's pieces begin at `since` or later.
    fn pieces_from(&self, run: &Run, since: Steady) -> u32 {
        let length = self.resolution.length().as_millis();
        let before = since.since(run.start).as_millis().div_ceil(length);
        run.pieces.saturating_sub(u32::try_from(before).unwrap_or(u32::MAX))
    }

    pub(super) fn changes(&self) -> Changes {
        let open = self.open.map(|(start, each)| Run { start, pieces: 1, each });
        let changed = self.closed.iter().skip_while(|run| run.start < self.saved_before);
        let rows: Vec<_> = changed.copied().chain(open).collect();
        let first = self.closed.front().map(|run| run.start).or(open.map(|run| run.start));
        Changes { resolution: self.resolution, first, rows }
    }

    /// Only the last closed run can still grow.
    pub(super) fn saved(&mut self) {
        self.saved_before = self.closed.back().map(|run| run.start).unwrap_or_default();
    }

    fn end(&self, run: &Run) -> Steady {
        run.start.after(self.resolution.length().saturating_mul(run.pieces))
    }
}
