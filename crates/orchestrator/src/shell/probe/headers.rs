//! The headers of a request: what everybody gets, what a target wants, and secrets from files.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use tokio::time::Instant;

use super::{Fault, Impaired};

/// Between two looks at a file: one check makes several requests, and many checks are made in a second.
const LOOK: Duration = Duration::from_secs(1);

/// Who asks.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("mcp-health/", env!("CARGO_PKG_VERSION")));

/// W3C Trace Context.
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The workflow that a check belongs to: the `trace_id` of its events, verbatim.
pub(super) const TRACE_ID: HeaderName = HeaderName::from_static("x-chora-trace-id");

/// What a target wants beside the usual.
#[derive(Debug, Default, PartialEq)]
pub struct Headers {
    /// The `Host` header, instead of the URL's host and port.
    pub host: Option<HeaderValue>,
    /// As they are written.
    pub fixed: Vec<(HeaderName, HeaderValue)>,
    /// With values from files.
    pub secrets: Vec<Secret>,
}

/// A header whose value stands in a file, which may change at any time.
#[derive(Debug)]
pub struct Secret {
    name: HeaderName,
    before: &'static str,
    path: PathBuf,
    known: Mutex<Option<Known>>,
}

/// The value, the file that it was read from, and when that was looked at.
#[derive(Debug)]
struct Known {
    value: HeaderValue,
    version: (Option<SystemTime>, u64),
    looked: Instant,
}

impl Secret {
    /// The header `name` with what stands in the file, after `before`.
    pub fn new(name: HeaderName, before: &'static str, path: PathBuf) -> Self {
        Self { name, before, path, known: Mutex::default() }
    }

    /// As it was a moment ago; a file that has not changed is not read again.
    pub fn value(&self) -> Result<HeaderValue, Impaired> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.looked.elapsed() < LOOK) {
            return Ok(known.value.clone());
        }
        let metadata = std::fs::metadata(&self.path).map_err(|source| self.unreadable(source))?;
        let version = (metadata.modified().ok(), metadata.len());
        let value = match known.take().filter(|known| known.version == version) {
            Some(known) => known.value,
            None => self.read()?,
        };
        *known = Some(Known { value: value.clone(), version, looked: Instant::now() });
        Ok(value)
    }

    fn read(&self) -> Result<HeaderValue, Impaired> {
        let text = std::fs::read_to_string(&self.path).map_err(|source| self.unreadable(source))?;
        let made = HeaderValue::try_from(format!("{}{}", self.before, text.trim()));
        let odd = |_| self.unreadable(std::io::Error::other("it holds what no header can carry"));
        let mut value = made.map_err(odd)?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn unreadable(&self, source: std::io::Error) -> Impaired {
        Impaired::Secret { path: self.path.clone(), source }
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.before, &self.path) == (&other.name, other.before, &other.path)
    }
}

/// Who asks for what workflow.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The `trace_id` of the server's events; `None`: nothing is said about traces.
    pub id: Option<HeaderValue>,
}

impl Trace {
    /// A new span of a new trace, not sampled: nobody exports it.
    fn traceparent() -> Option<HeaderValue> {
        let trace = uuid::Uuid::new_v4().simple();
        let span = uuid::Uuid::new_v4().simple().to_string();
        HeaderValue::try_from(format!("00-{trace}-{}-00", &span[..16])).ok()
    }
}

/// All of them but what the kind of check adds. `authority` is the URL's.
pub(super) fn of_request(authority: &str, wanted: Option<&Headers>, trace: &Trace) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::with_capacity(8);
    let host = wanted.and_then(|wanted| wanted.host.clone()).or_else(|| HeaderValue::try_from(authority).ok());
    headers.extend(host.map(|host| (HOST, host)));
    headers.insert(USER_AGENT, AGENT);
    if let Some(id) = &trace.id {
        headers.extend(Trace::traceparent().map(|parent| (TRACEPARENT, parent)));
        headers.insert(TRACE_ID, id.clone());
    }
    for (name, value) in wanted.into_iter().flat_map(|wanted| &wanted.fixed) {
        headers.insert(name.clone(), value.clone());
    }
    for secret in wanted.into_iter().flat_map(|wanted| &wanted.secrets) {
        headers.insert(secret.name.clone(), secret.value().map_err(Fault::Ours)?);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use hyper::header::AUTHORIZATION;

    use super::*;

    /// As if a second had passed.
    fn forget_the_look(secret: &Secret) {
        secret.known.lock().expect("not poisoned").iter_mut().for_each(|known| known.looked -= LOOK);
    }

    #[test]
    fn a_secret_is_read_again_within_a_second_of_a_change_of_its_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        std::fs::write(&path, "one\n").expect("written");
        let secret = Secret::new(AUTHORIZATION, "Bearer ", path.clone());
        assert_eq!(secret.value().expect("it reads"), "Bearer one");
        std::fs::write(&path, "another").expect("written");
        forget_the_look(&secret);
        let value = secret.value().expect("it reads");
        assert_eq!(value, "Bearer another");
        assert!(!format!("{value:?}{secret:?}").contains("another"), "nobody sees it");
        std::fs::remove_file(&path).expect("removed");
        forget_the_look(&secret);
        assert!(matches!(secret.value(), Err(Impaired::Secret { .. })));
    }

    #[test]
    fn a_check_names_its_workflow_and_a_trace_of_its_own() {
        let trace = Trace { id: Some(HeaderValue::from_static("rollout-7")) };
        let headers = of_request("a:1", None, &trace).expect("headers");
        assert_eq!(headers[TRACE_ID], "rollout-7");
        let parent = headers[TRACEPARENT].to_str().expect("text").to_owned();
        assert_eq!((parent.len(), &parent[..3], &parent[52..]), (55, "00-", "-00"), "{parent}");
        assert_ne!(of_request("a:1", None, &trace).expect("headers")[TRACEPARENT], parent);
        assert!(!of_request("a:1", None, &Trace::default()).expect("headers").contains_key(TRACEPARENT));
    }
}
