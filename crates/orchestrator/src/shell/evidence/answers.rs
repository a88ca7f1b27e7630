//! The last answers of every server, as they came: kept in memory, so that they are there when something breaks.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use health_spec::incident::Answer;
use health_spec::registry::ProbeKind;
use health_spec::verdict::{Phases, Probed};
use health_spec::{Outcome, Reason, Status, Verdict};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::machine::ServerId;
use crate::shell::probe::{Glimpse, KEPT_BYTES};
use crate::shell::secrets::Mask;
use crate::shell::text::{beginning, cut, decoded, escaped};

/// So many answers are kept of a server (contract, section 3.2).
const KEPT: usize = 10;

/// So much of each body is shown (contract, section 3.2).
const SHOWN_BYTES: usize = 512;

/// At the end of a body that was cut may stand the beginning of a secret that nothing recognises any more: so much is never shown.
const UNSURE_BYTES: usize = KEPT_BYTES - SHOWN_BYTES;

/// The last answers, by server.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Vec<Ring>>);

/// One server's answers, oldest first: as bytes in one piece, since ten are kept of every server.
#[derive(Debug, Default)]
struct Ring {
    count: usize,
    bytes: Vec<u8>,
}

/// An answer as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    at_ms: i64,
    took_ms: u32,
    verdict: Status,
    reason: Option<Reason>,
    http_status: Option<u16>,
    message: Option<String>,
    spent: Vec<Spent>,
    body: Option<Vec<u8>>,
    body_bytes: usize,
}

/// How long the phases of a probe took, in milliseconds: in the order of [`PHASES`], as far as they were reached.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Spent {
    kind: ProbeKind,
    took: [Option<f32>; PHASES.len()],
}

/// As they are called.
const PHASES: [&str; 5] = ["dns", "connect", "tls", "answer", "body"];

impl Spent {
    fn of(probed: &Probed) -> Self {
        let Phases { dns_ms, connect_ms, tls_ms, answer_ms, body_ms } = probed.phases;
        Self { kind: probed.kind, took: [dns_ms, connect_ms, tls_ms, answer_ms, body_ms] }
    }
}

impl Ring {
    fn keep(&mut self, kept: &Kept) -> Result<(), postcard::Error> {
        let bytes = postcard::to_allocvec(kept)?;
        if self.count == KEPT {
            let (_, behind) = postcard::take_from_bytes::<Kept>(&self.bytes)?;
            let first = self.bytes.len() - behind.len();
            self.bytes.drain(..first);
            self.count -= 1;
        }
        // Exactly so many: doubling would keep room for more.
        self.bytes.reserve_exact(bytes.len());
        self.bytes.extend(bytes);
        self.count += 1;
        Ok(())
    }

    fn kept(&self) -> impl Iterator<Item = Kept> {
        let mut bytes = &*self.bytes;
        std::iter::from_fn(move || {
            let (kept, behind) = postcard::take_from_bytes(bytes).ok()?;
            bytes = behind;
            Some(kept)
        })
    }
}

impl Answers {
    /// A check that ended at `ended` has found this.
    pub fn keep(&self, server: ServerId, verdict: &Verdict, took: Duration, glimpse: Option<&Glimpse>, ended: Timestamp) {
        let kept = Kept::new(verdict, took, glimpse, ended);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() <= server.0 {
            all.resize_with(server.0 + 1, Ring::default);
        }
        if let Err(error) = all[server.0].keep(&kept) {
            debug_assert!(false, "an answer cannot be kept: {error}");
            all[server.0] = Ring::default();
        }
    }

    /// A server is gone, and so are its answers.
    pub fn forget(&self, server: ServerId) {
        if let Some(ring) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(server.0) {
            *ring = Ring::default();
        }
    }

    /// The last answers of a server that came after `since`, oldest first, as they came.
    pub(super) fn kept(&self, server: ServerId, since: Option<Timestamp>) -> Vec<Kept> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(server.0).into_iter().flat_map(Ring::kept).filter(|kept| since.is_none_or(|since| kept.at() > since)).collect()
    }
}

impl Kept {
    fn new(verdict: &Verdict, took: Duration, glimpse: Option<&Glimpse>, ended: Timestamp) -> Self {
        let started = ended.checked_sub(jiff::SignedDuration::try_from(took).unwrap_or_default()).unwrap_or(ended);
        Self {
            at_ms: started.as_millisecond(),
            took_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
            verdict: match verdict.outcome {
                Outcome::Ok => Status::Ok,
                Outcome::Degraded => Status::Degraded,
                Outcome::Failed => Status::Down,
            },
            reason: verdict.reason,
            http_status: glimpse.and_then(|glimpse| glimpse.http_status),
            message: verdict.message.clone(),
            spent: verdict.probed.iter().map(Spent::of).collect(),
            body: glimpse.map(|glimpse| glimpse.body.to_vec()),
            body_bytes: glimpse.map_or(0, |glimpse| glimpse.body_bytes),
        }
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.at_ms).unwrap_or_default()
    }

    pub(super) fn shown(&self, mask: &Mask) -> Answer {
        Answer {
            at: self.at(),
            verdict: self.verdict,
            reason: self.reason.map(|reason| reason.as_str().to_owned()),
            message: self.message.as_deref().map(|message| cut(&escaped(&mask.text(message)), SHOWN_BYTES)),
            took_ms: self.took_ms.into(),
            http_status: self.http_status,
            phases: phases(&self.spent),
            body: self.body.as_deref().map(|body| shown_body(body, self.body_bytes > body.len(), mask)),
            body_bytes: self.body_bytes as u64,
        }
    }
}

/// By name; of several probes, each behind its kind.
fn phases(spent: &[Spent]) -> BTreeMap<String, f32> {
    let of = |Spent { kind, took }: &Spent| {
        let prefix = if spent.len() > 1 { format!("{}.", kind.as_str()) } else { String::new() };
        let reached = PHASES.into_iter().zip(*took).filter_map(|(name, took)| Some((name, took?)));
        reached.map(|(name, took)| (format!("{prefix}{name}"), took)).collect::<Vec<_>>()
    };
    spent.iter().flat_map(of).collect()
}

fn shown_body(body: &[u8], is_cut: bool, mask: &Mask) -> String {
    let masked = mask.text(&decoded(body));
    let sure = if is_cut { masked.len().saturating_sub(UNSURE_BYTES) } else { masked.len() };
    beginning(&escaped(beginning(&masked, sure)), SHOWN_BYTES).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a timestamp")
    }

    fn shown(answers: &Answers, server: usize, since: Option<Timestamp>) -> Vec<Answer> {
        answers.kept(ServerId(server), since).iter().map(|kept| kept.shown(&Mask::default())).collect()
    }

    #[test]
    fn the_last_ten_are_kept_each_of_512_bytes() {
        let answers = Answers::default();
        for second in 0..15 {
            let glimpse = Glimpse::of(200, &vec![b'a'; 3_000]);
            let verdict = Verdict::new(Outcome::Ok, None, None);
            answers.keep(ServerId(2), &verdict, Duration::from_millis(500), Some(&glimpse), at(second));
        }
        let kept = shown(&answers, 2, None);
        assert_eq!(kept.len(), 10);
        assert_eq!((kept[0].at, kept[0].took_ms), (at(4) + Duration::from_millis(500), 500));
        assert_eq!((kept[9].body.as_ref().map(String::len), kept[9].body_bytes), (Some(512), 3_000));
        assert_eq!(shown(&answers, 2, Some(at(12))).len(), 2);
        assert!(shown(&answers, 0, None).is_empty());
        answers.forget(ServerId(2));
        assert!(shown(&answers, 2, None).is_empty());
    }

    #[test]
    fn phases_that_were_reached_are_told_by_name_and_by_probe_where_there_are_several() {
        let probed =
            |kind, phases| Probed { kind, outcome: None, reason: None, message: None, took_ms: 1.0, phases, reading: None };
        let http = probed(ProbeKind::Http, Phases { connect_ms: Some(0.25), body_ms: Some(0.0), ..Phases::default() });
        let tcp = probed(ProbeKind::Tcp, Phases { connect_ms: Some(2.0), ..Phases::default() });
        let told = |all: &[&Probed]| {
            let verdict =
                Verdict { probed: all.iter().map(|it| (*it).clone()).collect(), ..Verdict::failed(Reason::Timeout, "no") };
            let kept = Kept::new(&verdict, Duration::ZERO, Some(&Glimpse::said(b"body")), at(1)).shown(&Mask::default());
            assert_eq!((kept.message.as_deref(), kept.body.as_deref(), kept.http_status), (Some("no"), Some("body"), None));
            kept.phases
        };
        assert_eq!(told(&[&http]), [("body".to_owned(), 0.0), ("connect".to_owned(), 0.25)].into());
        let both = [("http.body", 0.0), ("http.connect", 0.25), ("tcp.connect", 2.0)];
        assert_eq!(told(&[&http, &tcp]), both.map(|(name, took)| (name.to_owned(), took)).into());
        assert_eq!(told(&[]), [].into());
    }

    #[test]
    fn a_secret_in_an_answer_is_hidden_also_at_its_cut_end() {
        let answers = Answers::default();
        let body = format!("{}\"password\": \"hunter2hunter2\"", " ".repeat(500));
        let verdict = Verdict::failed(Reason::HttpStatus, "token=hunter2hunter2 refused");
        let glimpse = Glimpse::of(503, body.as_bytes());
        answers.keep(ServerId(0), &verdict, Duration::ZERO, Some(&glimpse), at(1));
        let kept = shown(&answers, 0, None).remove(0);
        assert_eq!((kept.reason.as_deref(), kept.http_status), (Some("http_status"), Some(503)));
        assert_eq!(kept.message.as_deref(), Some("token=*** refused"));
        assert!(!kept.body.expect("a body").contains("hunter"));
    }

    #[test]
    fn a_known_value_at_the_cut_end_is_hidden_also_where_another_secret_made_room() {
        let mask = Mask::of(["swordfish-under-the-sea".to_owned()]);
        let token = format!("eyJ{}", "aB3".repeat(100));
        let body = format!("{token} {} swordfish-under-the-sea", "x".repeat(KEPT_BYTES - token.len() - 14));
        assert!(body[..KEPT_BYTES].ends_with("swordfish-un"));
        let said = |length| shown_body(&body.as_bytes()[..length], length < body.len(), &mask);
        assert!(said(KEPT_BYTES).starts_with("*** xxx") && !said(KEPT_BYTES).contains("swo"));
        assert!(said(body.len()).ends_with("x ***"), "of a whole body nothing is missing");
    }
}
