//! What a server begins with: nothing, or what an earlier run has left.

use std::collections::VecDeque;

use health_spec::Phase;
use health_spec::status::Observed;

use super::pace;
use crate::machine::Mono;
use crate::machine::memory::{Recovery, ServerMemory, Stage, Starter};
use crate::machine::policy::Policy;

/// A server that is seen for the first time.
pub(super) fn born(policy: &Policy, first_check: Mono, now: Mono) -> ServerMemory {
    ServerMemory {
        status: Observed::Unknown,
        phase: Phase::Starting,
        reason: None,
        since: now,
        failures: 0,
        successes: 0,
        first_failure: None,
        pace_from: first_check,
        next_check: Some(first_check),
        alone_until: None,
        grace_until: now.after(policy.start_period),
        distance: policy.interval,
        attempts: 0,
        spent: VecDeque::new(),
        up_since: None,
        was_up: false,
        was_alive_only: false,
        was_stopped: false,
        stop: None,
        starter: Starter::default(),
        is_dead: false,
        is_outlived: false,
        by_checks: false,
        episodes: VecDeque::new(),
        is_flapping: false,
        is_skewed: false,
        is_blind: false,
        unsettled: false,
        proven: false,
        cut: None,
        recovery: Recovery::Idle,
        held: None,
        paused: None,
        signal: None,
        dying: None,
        incident: None,
        last_error: None,
        uptime_seconds: None,
        has_session: false,
        restarts_ours: 0,
        restarts_engine: 0,
    }
}

/// A server that an earlier run has left. An attempt that was open is verified, not repeated (section 3.2), and from now on:
/// what happened while nobody looked is not held against it.
pub(super) fn taken_up(mut memory: ServerMemory, policy: &Policy, first_check: Mono, now: Mono) -> ServerMemory {
    memory.next_check = Some(pace::next_after_a_break(&memory, policy, first_check, now));
    let look = first_check.max(memory.alone_until.unwrap_or_default());
    match &mut memory.recovery {
        // It goes on, and is ordered anew; or somebody stopped the server, which is honoured now: see `Server::take_up`.
        Recovery::Acting { undoing: true, .. } | Recovery::Acting { stopped: true, .. } => memory.next_check = None,
        Recovery::Acting { attempt, .. } | Recovery::Verifying { attempt, .. } => {
            let (until, attempt) = (now.after(policy.recovery.verify_timeout), *attempt);
            let cut_off = matches!(
                memory.recovery,
                Recovery::Acting { stage: Stage::Prepares | Stage::CalledOff | Stage::Overtaken | Stage::Begun, .. }
                    | Recovery::Verifying { cut_off: true, .. }
            );
            let untouched = match memory.recovery {
                Recovery::Acting { stage, .. } => stage.is_before_touching(),
                Recovery::Verifying { untouched, .. } => untouched,
                Recovery::Idle | Recovery::Waiting { .. } => false,
            };
            memory.recovery = Recovery::Verifying { until, attempt, cut_off, untouched };
            memory.successes = 0;
            memory.next_check = Some(look);
        }
        // Its delay ended while nobody looked: it may be well again, and has the time to show it.
        Recovery::Waiting { due, .. } if *due <= now => {
            let confirmed = policy.confirm_interval.saturating_mul(policy.success_threshold);
            *due = look.after(confirmed);
            memory.next_check = Some(look);
        }
        Recovery::Waiting { .. } | Recovery::Idle => {}
    }
    // It is said anew: nobody looks into the log of an earlier run for why nothing is known.
    memory.is_blind = false;
    if memory.phase == Phase::Starting {
        memory.grace_until = now.after(policy.start_period);
    }
    memory
}
