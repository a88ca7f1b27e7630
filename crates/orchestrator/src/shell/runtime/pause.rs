//! How long a lost engine or bus is left alone before it is tried again.

use std::time::Duration;

/// Short enough for a restart of the engine to be over unnoticed.
const FIRST: Duration = Duration::from_millis(500);

/// Nobody waits much longer than this for one that is back.
const LAST: Duration = Duration::from_secs(10);

/// Between two attempts: doubled from the first to the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Pause {
    /// The next one.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LAST);
        pause
    }

    /// It has been reached.
    pub(super) fn begin_again(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_until_it_is_reached() {
        let mut pause = Pause::default();
        let pauses: Vec<_> = (0..7).map(|_| pause.next().as_millis()).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        pause.begin_again();
        assert_eq!(pause.next(), FIRST);
    }
}
