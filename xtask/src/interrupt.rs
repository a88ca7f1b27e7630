//! Ctrl-C and a request to end: a flag that the loops look at, so that everything started is stopped first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::outcome::{Context, Outcome};

/// Set once a signal has come. Stopping has deadlines of its own, so a second signal changes nothing.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From here on signals only set the flag.
    pub(crate) fn install() -> Outcome<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag)).context("watch for signals")?;
        }
        Ok(Self(flag))
    }

    /// Whether somebody wants the end.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits, but not past a signal. Says whether to go on.
    pub(crate) fn pause(&self, how_long: Duration) -> bool {
        let end = Instant::now() + how_long;
        while !self.is_set() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50).min(end.saturating_duration_since(Instant::now())));
        }
        !self.is_set()
    }
}
