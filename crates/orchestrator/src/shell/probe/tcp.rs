//! A connection opens. Nothing is said on it, and it is closed at once.

use health_spec::verdict::{Outcome, Phases, Verdict};

use super::address::To;
use super::deadline::Deadline;
use super::dial::dial;
use super::http::verdict_of;
use super::{Impaired, Question};

pub(super) async fn check(
    to: &To,
    question: &Question<'_>,
    deadline: Deadline,
    phases: &mut Phases,
) -> Result<Verdict, Impaired> {
    match dial(to, None, question.resolver, deadline, phases).await {
        Ok(_) => Ok(Verdict::new(Outcome::Ok, None, None)),
        Err(fault) => verdict_of(fault, false),
    }
}
