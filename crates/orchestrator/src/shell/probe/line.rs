//! An open HTTP/1.1 connection: a request out, an answer in. Never follows a redirect, never reads more than it may.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use health_spec::verdict::{Phases, Reason};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::deadline::{Deadline, milliseconds};
use super::dial::{Wire, dial};
use super::http::HttpTarget;
use super::resolve::Resolver;
use super::tls::{Secured, is_about_ours, refused};
use super::{Fault, Impaired};

/// The most that is read of an answer's headers: as much as of its body.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// An answer as it came, its body cut one byte after the limit.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// How much of a body is read.
pub(super) struct Enough<'a> {
    /// At most so many bytes, and one.
    pub(super) most: usize,
    /// Whether what has come is all that is wanted, though the body goes on. Asked first when only the head has come.
    pub(super) said: Option<&'a mut Suffices<'a>>,
}

/// Whether what has come of a body is all that is wanted.
type Suffices<'a> = dyn FnMut(&HeaderMap, &[u8]) -> bool + Send + 'a;

/// The whole body, which is not longer than that.
pub(super) fn all_of(most: usize) -> Enough<'static> {
    Enough { most, said: None }
}

type Sender = http1::SendRequest<Full<Bytes>>;
type Connection = http1::Connection<TokioIo<Box<dyn Wire>>, Full<Bytes>>;

/// An open connection.
pub(super) struct Line {
    sender: Sender,
    /// `None`: it is over.
    connection: Option<Pin<Box<Connection>>>,
    /// A certificate of ours was shown, if the server wanted one.
    shows_own: bool,
}

impl Line {
    pub(super) async fn open(
        target: &HttpTarget,
        resolver: &Resolver,
        deadline: Deadline,
        phases: &mut Phases,
    ) -> Result<Self, Fault> {
        let wire = dial(target.address.to(), target.secured.as_deref(), resolver, deadline, phases).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEADER_BYTES);
        let (sender, connection) = builder.handshake(TokioIo::new(wire)).await.map_err(|error| fault(&error))?;
        let shows_own = target.secured.as_deref().is_some_and(Secured::shows_own);
        Ok(Self { sender, connection: Some(Box::pin(connection)), shows_own })
    }

    /// Whether another request can go out on it.
    pub(super) fn is_open(&self) -> bool {
        self.connection.is_some() && self.sender.is_ready()
    }

    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
        enough: &mut Enough<'_>,
        deadline: Deadline,
        phases: &mut Phases,
    ) -> Result<Raw, Fault> {
        let shows_own = self.shows_own;
        self.exchange(request, enough, deadline, phases).await.map_err(|fault| match fault {
            Fault::Ours(Impaired::Certificate(cause)) => refused(cause, shows_own),
            other => other,
        })
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        enough: &mut Enough<'_>,
        deadline: Deadline,
        phases: &mut Phases,
    ) -> Result<Raw, Fault> {
        let mut answer = std::pin::pin!(exchange(&mut self.sender, request, enough, deadline, phases));
        let Some(connection) = &mut self.connection else { return answer.await };
        let ended = tokio::select! {
            answer = &mut answer => return answer,
            ended = connection => ended,
        };
        self.connection = None;
        // The connection is over, the answer may still be on its way from its buffer.
        match (answer.await, ended) {
            (Err(Fault::Server(Reason::ConnectionReset, _)), Err(cause)) => Err(fault(&cause)),
            (answer, _) => answer,
        }
    }
}

async fn exchange(
    sender: &mut Sender,
    request: Request<Full<Bytes>>,
    enough: &mut Enough<'_>,
    deadline: Deadline,
    phases: &mut Phases,
) -> Result<Raw, Fault> {
    let began = Instant::now();
    let asked = deadline.hold("no answer", sender.send_request(request)).await;
    *phases.answer_ms.get_or_insert_default() += milliseconds(began.elapsed());
    let (head, body) = asked?.map_err(|error| fault(&error))?.into_parts();
    let began = Instant::now();
    let body = deadline.hold("no whole answer", read(&head.headers, Response::new(body), enough)).await;
    *phases.body_ms.get_or_insert_default() += milliseconds(began.elapsed());
    Ok(Raw { status: head.status.as_u16(), headers: head.headers, body: body?? })
}

/// Reads the body, and stops once it is known to be too large.
async fn read(headers: &HeaderMap, response: Response<hyper::body::Incoming>, enough: &mut Enough<'_>) -> Result<Vec<u8>, Fault> {
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    if enough.said.as_mut().is_some_and(|said| said(headers, &body)) {
        return Ok(body);
    }
    while body.len() <= enough.most {
        let Some(frame) = incoming.frame().await else { break };
        if let Ok(piece) = frame.map_err(|error| fault(&error))?.into_data() {
            let room = (enough.most + 1).saturating_sub(body.len());
            body.extend_from_slice(&piece[..piece.len().min(room)]);
            if enough.said.as_mut().is_some_and(|said| said(headers, &body)) {
                break;
            }
        }
    }
    Ok(body)
}

/// What an error in the middle of the exchange says about the server.
fn fault(error: &hyper::Error) -> Fault {
    let cause = io_cause(error);
    if let Some(code) = cause.and_then(io::Error::raw_os_error) {
        let copy = io::Error::from_raw_os_error(code);
        if Impaired::is_ours(&copy) {
            return Fault::Ours(Impaired::of(copy));
        }
    }
    if error.is_parse_too_large() {
        return Fault::Server(Reason::InvalidBody, "its headers are too large".to_owned());
    }
    let not_http = error.is_parse() || cause.is_some_and(|cause| is_nonsense(cause.kind()));
    if let Some(tls) = cause.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        // Of TLS 1.3, what a server says about our certificate comes after the handshake.
        return if is_about_ours(tls) {
            Fault::Ours(Impaired::Certificate(tls.clone()))
        } else {
            Fault::Server(Reason::Tls, format!("no secure connection: {tls}"))
        };
    }
    if not_http {
        return Fault::Server(Reason::InvalidBody, format!("it does not speak HTTP: {}", deepest(error)));
    }
    Fault::Server(Reason::ConnectionReset, "the connection closed before a whole answer".to_owned())
}

/// What hyper makes of broken chunks.
fn is_nonsense(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

fn io_cause(error: &hyper::Error) -> Option<&io::Error> {
    std::error::Error::source(error).and_then(|source| source.downcast_ref())
}

fn deepest(error: &hyper::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
