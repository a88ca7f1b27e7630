//! The bytes of an answer, made at most once in a millisecond.
//!
//! Its timestamp has milliseconds, so within one of them an answer can differ only when something has changed; a crowd
//! of monitors then costs little more than one.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use health_spec::{HealthResponse, MAX_BODY_BYTES};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::clock::Moment;
use crate::evaluate::http_status;

/// The last answer.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    last: Mutex<Option<(Key, Answer)>>,
}

/// A response as it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// What an answer is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    wall_ms: i64,
    elapsed_ms: u128,
    /// Rises when something has changed.
    generation: u64,
}

impl Key {
    pub(crate) fn new(now: Moment, generation: u64) -> Self {
        Self { wall_ms: now.wall.as_millisecond(), elapsed_ms: now.elapsed.as_millis(), generation }
    }
}

impl Rendered {
    /// The answer for `key`: the last one, or a new one.
    pub(crate) fn get(&self, key: Key, make: impl FnOnce() -> HealthResponse) -> Answer {
        // Nothing panics while it is held; if something did, an answer would still be an answer.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((of, answer)) if *of == key => answer.clone(),
            _ => {
                let answer = Answer::of(&make());
                *last = Some((key, answer.clone()));
                answer
            }
        }
    }
}

impl Answer {
    pub(crate) fn of(response: &HealthResponse) -> Self {
        match serde_json::to_vec(response) {
            Ok(body) if body.len() > MAX_BODY_BYTES && response.metadata.is_some() => Self::of(&shortened(response)),
            Ok(body) => Self { status: http_status(response), body: body.into() },
            // Names and reasons are strings and metadata is JSON already, so this does not happen; if it did, this is what it would mean.
            Err(_) => Self { status: StatusCode::INTERNAL_SERVER_ERROR, body: Bytes::new() },
        }
    }
}

/// Without what is not needed to judge the server: a monitor reads no more than 64 KiB, and takes it for broken otherwise.
fn shortened(response: &HealthResponse) -> HealthResponse {
    let draining = response.is_draining().then(|| ("draining".to_owned(), Value::Bool(true)));
    let note = ("truncated".to_owned(), Value::from("the answer was larger than 64 KiB"));
    let metadata: Map<_, _> = draining.into_iter().chain([note]).collect();
    let error = response.error.as_ref().map(|error| error.chars().take(SHORT_ERROR).collect());
    // A second time there is nothing left to cut: hundreds of components stay below the limit by themselves.
    HealthResponse { metadata: Some(metadata).filter(|_| !is_shortened(response)), error, ..response.clone() }
}

fn is_shortened(response: &HealthResponse) -> bool {
    response.metadata.as_ref().is_some_and(|metadata| metadata.contains_key("truncated"))
}

/// What is left of the reasons of a response that is too large, in characters.
const SHORT_ERROR: usize = 2_000;

#[cfg(test)]
mod tests {
    #[test]
    fn an_answer_is_never_larger_than_what_a_monitor_reads() {
        let large = |metadata: usize, error: usize| HealthResponse {
            metadata: Some(Map::from_iter([("draining".into(), true.into()), ("x".into(), "y".repeat(metadata).into())])),
            error: Some("z".repeat(error)),
            ..HealthResponse::new(health_spec::Status::Ok, jiff::Timestamp::UNIX_EPOCH, 1)
        };
        for (metadata, error) in [(100_000, 10), (10, 100_000), (100_000, 100_000)] {
            let answer = Answer::of(&large(metadata, error));
            let read = HealthResponse::parse(&answer.body).expect("it is valid and short enough");
            assert!(read.is_draining() && read.metadata.is_some_and(|metadata| metadata.contains_key("truncated")));
        }
        assert!(Answer::of(&large(10, 10)).body.len() < 300);
    }

    use std::time::Duration;

    use health_spec::Status;

    use super::*;

    fn now(micros: u64) -> Moment {
        let start: jiff::Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        Moment { wall: start + Duration::from_micros(micros), elapsed: Duration::from_micros(micros) }
    }

    #[test]
    fn an_answer_is_made_anew_with_the_millisecond_or_a_change() {
        let (rendered, mut made) = (Rendered::default(), 0);
        for (micros, generation, expected) in [(0, 0, 1), (999, 0, 1), (1000, 0, 2), (1000, 1, 3), (1999, 1, 3)] {
            let at = now(micros);
            rendered.get(Key::new(at, generation), || {
                made += 1;
                HealthResponse::new(Status::Ok, at.wall, 0)
            });
            assert_eq!(made, expected, "at {micros} µs, generation {generation}");
        }
    }
}
