//! Asks a server everything that the rules want to see. It takes about three seconds, since time has to pass.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;

use super::client::{Ask, Client, now};
use super::evidence::{Evidence, Exchange};
use super::rules::LONGEST_ANSWER;

/// How often it is asked one after the other.
const SERIES: u32 = 20;

/// From one of them to the next: over all of them an uptime in whole seconds has to grow.
const PACE: Duration = Duration::from_millis(120);

/// How often it is asked at the same time.
const CONCURRENT: usize = 10;

/// What nobody knows.
const QUERY: &str = "health_spec_conformance=1";

/// A step of the inspection, for those who show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// How many requests have been made.
    pub requests: u32,
    /// How many there will be, about.
    pub of: u32,
}

/// Looks at the server behind `client`. `progress` hears of every step.
pub async fn inspect(client: &Client, mut progress: impl FnMut(Asked)) -> Evidence {
    let (_, began) = now();
    let mut inspection = Inspection { client, requests: 0, progress: &mut progress };
    let plain = inspection.get().await;
    let anonymous = if client.has_token() { Some(inspection.ask(Kind::Anonymous).await) } else { None };
    let mut evidence = Evidence {
        url: client.url().to_string(),
        took: Duration::ZERO,
        plain,
        series: Vec::new(),
        concurrent: Vec::new(),
        head: None,
        negotiated: None,
        root: None,
        post: None,
        query: None,
        anonymous,
    };
    if evidence.is_readable() {
        inspection.look_closer(&mut evidence).await;
    }
    evidence.took = began.elapsed();
    evidence
}

struct Inspection<'a> {
    client: &'a Client,
    requests: u32,
    progress: &'a mut dyn FnMut(Asked),
}

/// A request that differs from the plain one.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Anonymous,
    Head,
    Negotiated,
    Root,
    Post,
    Query,
}

impl Inspection<'_> {
    async fn look_closer(&mut self, evidence: &mut Evidence) {
        evidence.head = Some(self.ask(Kind::Head).await);
        evidence.negotiated = Some(self.ask(Kind::Negotiated).await);
        evidence.query = Some(self.ask(Kind::Query).await);
        evidence.post = Some(self.ask(Kind::Post).await);
        if self.client.url().path() != "/" {
            evidence.root = Some(self.ask(Kind::Root).await);
        }
        self.ask_in_series(evidence).await;
        evidence.concurrent = join_all((0..CONCURRENT).map(|_| self.client.get())).await;
        self.count(u32::try_from(CONCURRENT).unwrap_or(u32::MAX));
    }

    /// One after the other, from start to start. One that has no answer in time ends it: nothing more can be learned.
    async fn ask_in_series(&mut self, evidence: &mut Evidence) {
        let (_, began) = now();
        for number in 1..=SERIES {
            tokio::time::sleep_until(began + PACE * number).await;
            let exchange = self.get().await;
            let lost = exchange.received().is_none() || exchange.took > LONGEST_ANSWER;
            evidence.series.push(exchange);
            if lost {
                break;
            }
        }
    }

    async fn get(&mut self) -> Exchange {
        self.ask(Kind::Plain).await
    }

    async fn ask(&mut self, kind: Kind) -> Exchange {
        let exchange = self.client.ask(kind.ask(self.client)).await;
        self.count(1);
        exchange
    }

    fn count(&mut self, more: u32) {
        self.requests += more;
        (self.progress)(Asked { requests: self.requests, of: SERIES + 6 + u32::try_from(CONCURRENT).unwrap_or(0) });
    }
}

impl Kind {
    fn ask(self, client: &Client) -> Ask {
        let plain = Ask { method: Method::GET, path: None, accept: "*/*", authorized: true };
        match self {
            Self::Plain => plain,
            Self::Anonymous => Ask { authorized: false, ..plain },
            Self::Head => Ask { method: Method::HEAD, ..plain },
            Self::Post => Ask { method: Method::POST, ..plain },
            Self::Negotiated => Ask { accept: "application/health+json", ..plain },
            Self::Root => Ask { accept: "application/health+json", path: Some("/".to_owned()), ..plain },
            Self::Query => Ask { path: Some(with_query(client.url())), ..plain },
        }
    }
}

fn with_query(url: &http::Uri) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}&{QUERY}", url.path()),
        None => format!("{}?{QUERY}", url.path()),
    }
}
