//! One check's conversation over HTTP: requests on one fresh connection, opened again when the server closes it.

use bytes::Bytes;
use health_spec::MAX_BODY_BYTES;
use health_spec::verdict::Phases;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};

use super::known::{Opened, SessionId};
use super::message::{Form, ID, LEGACY, Message, SESSION, VERSION};
use super::reply::{Listener, Reply};
use crate::shell::probe::Glimpse;
use crate::shell::probe::deadline::Deadline;
use crate::shell::probe::http::HttpTarget;
use crate::shell::probe::line::{Enough, Line};
use crate::shell::probe::{Fault, Question};

/// Without both, every server answers 406.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The most that is read of a list of tools or of a tool's result: more than a health answer, since servers with hundreds of
/// tools are well, and still nothing that a thousand of them could hurt us with.
const MAX_LIST_BYTES: usize = 1024 * 1024;

/// How long the line is that names an endpoint.
const ENDPOINT: usize = b"event: endpoint".len();

/// A conversation.
pub(super) struct Talk<'a> {
    target: &'a HttpTarget,
    pub(super) question: &'a Question<'a>,
    deadline: Deadline,
    phases: &'a mut Phases,
    opened: &'a Opened,
    line: Option<Line>,
    /// What came back last: evidence.
    pub(super) last: Option<Glimpse>,
}

impl<'a> Talk<'a> {
    /// With this server, until the deadline; what sessions it opens is noted in `opened`.
    pub(super) fn new(
        target: &'a HttpTarget,
        question: &'a Question<'a>,
        deadline: Deadline,
        phases: &'a mut Phases,
        opened: &'a Opened,
    ) -> Self {
        Self { target, question, deadline, phases, opened, line: None, last: None }
    }

    /// Says something, and hears the answer.
    pub(super) async fn say(&mut self, message: &Message, form: Form<'_>) -> Result<Reply, Fault> {
        let headers = [vec![(ACCEPT, BOTH), (CONTENT_TYPE, JSON)], message.headers(form)].concat();
        let most = if message.method.starts_with("tools/") { MAX_LIST_BYTES } else { MAX_BODY_BYTES };
        // Some servers open a session for whatever comes without one, and keep it though they answer 400.
        let mut opens = !matches!(form, Form::In(_));
        let (mut listener, opened) = (Listener::default(), self.opened);
        let mut said = |headers: &HeaderMap, body: &[u8]| {
            if std::mem::take(&mut opens) {
                let version = HeaderValue::from_static(LEGACY);
                headers
                    .get(SESSION)
                    .into_iter()
                    .for_each(|id| opened.note(SessionId { id: id.clone(), version: version.clone() }));
            }
            listener.is_answered(headers, body)
        };
        self.exchange(Method::POST, message.body(form, ID), headers, &mut Enough { most, said: Some(&mut said) }).await
    }

    /// Ends a session.
    pub(super) async fn end(&mut self, session: &SessionId) -> Result<Reply, Fault> {
        let headers = vec![(ACCEPT, BOTH), (SESSION, session.id.clone()), (VERSION, session.version.clone())];
        self.exchange(Method::DELETE, String::new(), headers, &mut Enough { most: MAX_BODY_BYTES, said: None }).await
    }

    /// A session is of no more use, and was not ended.
    pub(super) fn leave(&self, session: SessionId) {
        self.opened.note(session);
    }

    /// Whether a server of the oldest kind opens its stream: the first event says where requests go.
    pub(super) async fn opens_stream(&mut self) -> Result<bool, Fault> {
        let (mut is_open, mut read) = (false, 0_usize);
        let mut said = |_: &HeaderMap, body: &[u8]| {
            // What came earlier is not looked at again, but for a beginning.
            let new = &body[read.saturating_sub(ENDPOINT - 1)..];
            is_open = new.windows(ENDPOINT).any(|part| part == b"event: endpoint" || part == b"event:endpoint\n");
            read = body.len();
            is_open
        };
        let mut enough = Enough { most: MAX_BODY_BYTES, said: Some(&mut said) };
        let reply = self.exchange(Method::GET, String::new(), vec![(ACCEPT, STREAM)], &mut enough).await?;
        // Its stream goes on; so the connection is of no more use.
        self.line = None;
        Ok(reply.is_success() && is_open)
    }

    async fn exchange(
        &mut self,
        method: Method,
        body: String,
        headers: Vec<(HeaderName, HeaderValue)>,
        enough: &mut Enough<'_>,
    ) -> Result<Reply, Fault> {
        let mut request = self.target.request(Bytes::from(body), self.question, self.deadline).await?;
        *request.method_mut() = method;
        // What the configuration says of the same header gives way: without these no server would answer.
        for (name, value) in headers {
            request.headers_mut().insert(name, value);
        }
        let mut line = match self.line.take().filter(Line::is_open) {
            Some(line) => line,
            None => Line::open(self.target, self.question.resolver, self.deadline, self.phases).await?,
        };
        let most = enough.most;
        let raw = line.ask(request, enough, self.deadline, self.phases).await?;
        self.line = Some(line);
        self.last = Some(Glimpse::of(raw.status, &raw.body));
        Ok(Reply::of(raw, most))
    }
}
