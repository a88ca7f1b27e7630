//! Whether a child ended together with us: who stops us as a unit of systemd sends the same signal to our children.
//!
//! It may come to them a moment earlier, or be noticed by them a moment earlier. So the end of one that ends as one does that was asked
//! to is not said before it is known that we are not to end as well.

use std::time::Duration;

use rustix::process::Signal;
use tokio_util::sync::CancellationToken;

use crate::machine::Death;

/// systemd signals a whole group within a millisecond; the rest is for a machine that is busy.
const MOMENT: Duration = Duration::from_millis(100);

/// Waits a moment where it may be so. `ours` says that we end.
pub(super) async fn is_ours(death: &Death, ours: &CancellationToken) -> bool {
    was_asked_to(death) && tokio::time::timeout(MOMENT, ours.cancelled()).await.is_ok()
}

/// By a signal that asks, or with an exit code that says so. How an adopted one ended is not known.
fn was_asked_to(death: &Death) -> bool {
    let asks = [Signal::TERM, Signal::INT, Signal::HUP].map(Signal::as_raw);
    match (death.signal, death.exit_code) {
        (Some(signal), _) => asks.contains(&signal),
        (None, Some(code)) => code == 0 || asks.iter().any(|signal| code == 128 + i64::from(*signal)),
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_who_was_asked_to_end_may_have_ended_with_us() {
        let (ours, not_yet) = (CancellationToken::new(), CancellationToken::new());
        ours.cancel();
        for (exit_code, signal, may) in [
            (None, Some(15), true),
            (None, Some(2), true),
            (None, Some(9), false),
            (None, Some(11), false),
            (Some(0), None, true),
            (Some(143), None, true),
            (Some(1), None, false),
            (None, None, true),
        ] {
            let death = Death { exit_code, signal, ..Death::default() };
            assert_eq!((is_ours(&death, &ours).await, is_ours(&death, &not_yet).await), (may, false), "{death:?}");
        }
    }
}
