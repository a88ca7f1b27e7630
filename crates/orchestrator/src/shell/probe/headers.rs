//! The headers of a request: what everybody gets, what a target wants, and secrets from files.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use tokio::sync::Mutex as Turn;
use tokio::time::{Instant, timeout, timeout_at};

use super::deadline::Deadline;
use super::{Fault, Impaired};
use crate::shell::asked;
use crate::shell::config::Stamp;

/// Between two looks at a file: one check makes several requests, and many checks are made in a second.
const LOOK: Duration = Duration::from_secs(1);

/// How long a disk is waited for while there is a value from before.
const PATIENCE: Duration = Duration::from_millis(500);

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
    path: Arc<Path>,
    known: Arc<Mutex<Option<Known>>>,
    /// One look at a time: a disk that hangs holds one thread.
    turn: Arc<Turn<()>>,
}

/// The value, the file that it was read from, and when that was looked at.
#[derive(Clone, Debug)]
struct Known {
    value: HeaderValue,
    version: Stamp,
    looked: Instant,
}

impl Secret {
    /// The header `name` with what stands in the file, after `before`.
    pub fn new(name: HeaderName, before: &'static str, path: PathBuf) -> Self {
        Self { name, before, path: path.into(), known: Arc::default(), turn: Arc::default() }
    }

    /// As it is now; blocks until the disk has answered. A file that has not changed is not read again.
    pub fn value(&self) -> Result<HeaderValue, Impaired> {
        look(&self.path, self.before, &self.known).map_err(|source| self.unreadable(source))
    }

    /// As it was a moment ago, or before that while the disk does not answer.
    async fn current(&self, deadline: Deadline) -> Result<HeaderValue, Impaired> {
        let last = lock(&self.known).clone();
        if let Some(known) = last.as_ref().filter(|known| known.looked.elapsed() < LOOK) {
            return Ok(known.value.clone());
        }
        let looked = timeout_at(deadline.at(), self.looked());
        let found = match last {
            None => looked.await,
            Some(last) => {
                if let Ok(Ok(found)) = timeout(PATIENCE, looked).await {
                    return found;
                }
                // The next request of the same check need not wait again.
                if let Some(known) = lock(&self.known).as_mut() {
                    known.looked = Instant::now();
                }
                return Ok(last.value);
            }
        };
        let silent = |_| self.unreadable(std::io::Error::new(std::io::ErrorKind::TimedOut, "the disk does not answer"));
        found.map_err(silent)?
    }

    async fn looked(&self) -> Result<HeaderValue, Impaired> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (path, before, known) = (Arc::clone(&self.path), self.before, Arc::clone(&self.known));
        let look = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            look(&path, before, &known)
        });
        let found = look.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        found.map_err(|source| self.unreadable(source))
    }

    fn unreadable(&self, source: std::io::Error) -> Impaired {
        Impaired::Secret { path: self.path.to_path_buf(), source }
    }
}

/// Whoever only wants to know the value never waits for the disk: nothing is held while it is asked.
fn look(path: &Path, before: &str, known: &Mutex<Option<Known>>) -> std::io::Result<HeaderValue> {
    let version = Stamp::of(path)?;
    let last = lock(known).clone().filter(|known| known.version == version);
    let value = match last {
        Some(known) => known.value,
        None => read(path, before)?,
    };
    *lock(known) = Some(Known { value: value.clone(), version, looked: Instant::now() });
    Ok(value)
}

fn read(path: &Path, before: &str) -> std::io::Result<HeaderValue> {
    let text = asked::of(path, || std::fs::read_to_string(path))?;
    let text = text.trim();
    if text.is_empty() {
        // Somebody is writing it, or failed to: a server that refuses an empty token is not to blame.
        return Err(std::io::Error::other("it is empty"));
    }
    let made = HeaderValue::try_from(format!("{before}{text}"));
    let mut value = made.map_err(|_| std::io::Error::other("it holds what no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn lock(known: &Mutex<Option<Known>>) -> std::sync::MutexGuard<'_, Option<Known>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
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
pub(super) async fn of_request(
    authority: &str,
    wanted: Option<&Headers>,
    trace: &Trace,
    deadline: Deadline,
) -> Result<HeaderMap, Fault> {
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
        headers.insert(secret.name.clone(), secret.current(deadline).await.map_err(Fault::Ours)?);
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
        let written = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
        let beside = directory.path().join("beside");
        std::fs::write(&beside, "somethi").expect("written");
        std::fs::File::options().write(true).open(&beside).and_then(|file| file.set_modified(written)).expect("as old");
        std::fs::rename(&beside, &path).expect("renamed");
        forget_the_look(&secret);
        assert_eq!(secret.value().expect("it reads"), "Bearer somethi", "another file of the same size and time");
        std::fs::remove_file(&path).expect("removed");
        forget_the_look(&secret);
        assert!(matches!(secret.value(), Err(Impaired::Secret { .. })));
    }

    #[test]
    fn an_empty_file_is_no_token() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        for before in ["", "Bearer "] {
            for text in ["", " \r\n\n"] {
                std::fs::write(&path, text).expect("written");
                let secret = Secret::new(AUTHORIZATION, before, path.clone());
                let error = secret.value().expect_err("nothing to send");
                let said = crate::shell::causes::causes(&error);
                assert!(said.ends_with("token cannot be used: it is empty"), "{said}");
            }
        }
    }

    /// A pipe that nobody writes to is a disk that does not answer.
    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_nobody_and_the_last_value_goes_on() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        std::fs::write(&path, "one").expect("written");
        let secret = Secret::new(AUTHORIZATION, "Bearer ", path.clone());
        let soon = || Deadline::new(Instant::now(), Duration::from_secs(30));
        assert_eq!(secret.current(soon()).await.expect("it reads"), "Bearer one");
        std::fs::remove_file(&path).expect("removed");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        forget_the_look(&secret);
        assert_eq!(secret.current(soon()).await.expect("the last one"), "Bearer one");
        let fresh = Secret::new(AUTHORIZATION, "Bearer ", path.clone());
        let found = fresh.current(Deadline::new(Instant::now(), Duration::from_millis(50))).await;
        assert!(matches!(found, Err(Impaired::Secret { .. })), "{found:?}");
        // Whoever waits for the pipe goes on, and nobody comes after: the runtime does not end before.
        let both_ends = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("opened");
        std::fs::remove_file(&path).expect("removed");
        drop(both_ends);
    }

    #[tokio::test]
    async fn a_check_names_its_workflow_and_a_trace_of_its_own() {
        let deadline = Deadline::new(Instant::now(), Duration::from_secs(30));
        let trace = Trace { id: Some(HeaderValue::from_static("rollout-7")) };
        let headers = of_request("a:1", None, &trace, deadline).await.expect("headers");
        assert_eq!(headers[TRACE_ID], "rollout-7");
        let parent = headers[TRACEPARENT].to_str().expect("text").to_owned();
        assert_eq!((parent.len(), &parent[..3], &parent[52..]), (55, "00-", "-00"), "{parent}");
        let other = of_request("a:1", None, &trace, deadline).await.expect("headers");
        assert_ne!(other[TRACEPARENT], parent);
        let untold = of_request("a:1", None, &Trace::default(), deadline).await.expect("headers");
        assert!(!untold.contains_key(TRACEPARENT));
    }
}
