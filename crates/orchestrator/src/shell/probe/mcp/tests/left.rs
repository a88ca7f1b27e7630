//! Servers written byte by byte: sessions whose beginning goes wrong, and answers that say too much or something else.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::shell::probe::headers::Headers;

/// Longer than it takes to get to what hangs, and no longer than one has to wait for it.
const SHORT: Duration = Duration::from_millis(800);

/// What was asked, in order: the method, and the session that it was asked in.
#[derive(Debug, Default)]
struct Seen {
    asked: Vec<(String, String)>,
    /// How many `accept` lines each request had.
    accepts: Vec<usize>,
}

type Door = Arc<Mutex<Seen>>;

/// What is sent; `goes_on`: and then nothing more comes.
struct Sent {
    text: String,
    goes_on: bool,
}

fn whole(status: &str, headers: &str, body: &str) -> Sent {
    let text =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    Sent { text, goes_on: false }
}

fn begun(head: &str) -> Sent {
    Sent { text: format!("{head}\r\n\r\n"), goes_on: true }
}

fn error(code: i64, text: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": code, "message": text } }).to_string()
}

fn well() -> Sent {
    whole("200 OK", "", r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18"}}"#)
}

/// The usual way of a server with sessions; `answer` says what is otherwise, by the method and how often that has been asked.
async fn serve(answer: fn(&str, usize) -> Option<Sent>) -> (Door, String) {
    let door = Door::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    let shared = Arc::clone(&door);
    spawned(async move {
        while let Ok((stream, _)) = listener.accept().await {
            spawned(converse(stream, Arc::clone(&shared), answer));
        }
    });
    (door, url)
}

async fn converse(mut stream: TcpStream, door: Door, answer: fn(&str, usize) -> Option<Sent>) {
    while let Some((head, body)) = heard(&mut stream).await {
        let sent = {
            let mut seen = door.lock().expect("not poisoned");
            let message: Value = serde_json::from_str(&body).unwrap_or_default();
            let verb = head.split(' ').next().unwrap_or_default();
            let method = message["method"].as_str().unwrap_or(verb).to_owned();
            let lines = || head.lines().map(str::to_ascii_lowercase);
            let session = lines().find_map(|line| line.strip_prefix("mcp-session-id: ").map(str::to_owned));
            seen.accepts.push(lines().filter(|line| line.starts_with("accept:")).count());
            seen.asked.push((method.clone(), session.clone().unwrap_or_default()));
            let times = seen.asked.iter().filter(|(asked, _)| *asked == method).count();
            answer(&method, times).unwrap_or_else(|| match (method.as_str(), session) {
                ("DELETE", _) => whole("204 No Content", "", ""),
                ("initialize", _) => {
                    Sent { text: well().text.replacen("\r\n", &format!("\r\nmcp-session-id: s{times}\r\n"), 1), ..well() }
                }
                ("notifications/initialized", _) => whole("202 Accepted", "", ""),
                (_, Some(_)) => well(),
                (_, None) => whole("400 Bad Request", "", &error(-32_600, "no session")),
            })
        };
        if stream.write_all(sent.text.as_bytes()).await.is_err() || sent.goes_on {
            // Until the other end goes.
            let _ = stream.read_u8().await;
            return;
        }
    }
}

/// The next request.
async fn heard(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

/// A check, and what is done after it.
async fn look_and_clear(target: &Target, timeout: Duration) -> Verdict {
    let (resolver, history) = (Resolver::default(), History::default());
    let found = crate::shell::probe::check(target, &question(timeout, &history, &resolver)).await.expect("a verdict").verdict;
    for session in target.sessions() {
        session.clear(&question(PATIENT, &history, &resolver)).await;
    }
    found
}

fn of(door: &Door, method: &str) -> Vec<String> {
    let seen = door.lock().expect("not poisoned");
    seen.asked.iter().filter(|(asked, _)| asked == method).map(|(_, session)| session.clone()).collect()
}

#[tokio::test]
async fn a_session_of_which_only_the_head_has_come_is_ended() {
    let (door, url) = serve(|method, times| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nmcp-session-id: s";
        (method == "initialize").then(|| begun(&format!("{head}{times}")))
    })
    .await;
    let target = target(&url, Depth::List, None);
    for ended in [&["s1"][..], &["s1", "s2"]] {
        let found = look_and_clear(&target, SHORT).await;
        assert_eq!(found.reason, Some(Reason::Timeout), "{:?}", found.message);
        assert_eq!(of(&door, "DELETE"), ended);
    }
}

#[tokio::test]
async fn a_server_of_the_oldest_kind_that_opens_no_stream_any_more_has_failed_and_is_met_anew() {
    let (door, url) = serve(|method, times| match (method, times) {
        ("GET", 4) => Some(whole("200 OK", "", "{}")),
        ("GET", _) => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            Some(Sent { text: format!("{head}event: endpoint\ndata: /message?sessionId=1\n\n"), goes_on: true })
        }
        _ => Some(whole("404 Not Found", "", "")),
    })
    .await;
    let target = target(&url, Depth::Discover, None);
    let deep = super::target(&url, Depth::List, None);
    // At first contact its stream is opened twice, then once.
    assert_eq!(look(&target).await.outcome, Outcome::Ok);
    assert_eq!(look(&target).await.outcome, Outcome::Ok);
    let found = look(&target).await;
    assert_eq!((found.outcome, found.reason), (Outcome::Failed, Some(Reason::InvalidBody)));
    assert_eq!(found.message.as_deref(), Some("it no longer opens its stream"));
    assert_eq!((of(&door, "server/discover").len(), of(&door, "GET").len()), (1, 4));
    assert_eq!(look(&target).await.outcome, Outcome::Ok);
    assert_eq!(of(&door, "server/discover").len(), 2);
    let found = look(&deep).await;
    assert_eq!((found.outcome, found.reason), (Outcome::Degraded, Some(Reason::NotConformant)));
}

#[tokio::test]
async fn a_session_that_comes_with_an_error_is_ended() {
    let (door, url) = serve(|method, _| {
        (method == "initialize").then(|| whole("200 OK", "mcp-session-id: s1\r\n", &error(-32_603, "not now")))
    })
    .await;
    let found = look(&target(&url, Depth::List, None)).await;
    assert_eq!(found.reason, Some(Reason::McpError), "{:?}", found.message);
    assert_eq!(of(&door, "DELETE"), ["s1"]);
}

/// A server may keep what it has answered until the session ends.
#[tokio::test]
async fn no_session_is_asked_in_for_ever_and_another_one_is_no_restart() {
    let (door, url) = serve(|method, times| {
        // The first time it does not want another one.
        (method == "initialize" && times == 2).then(|| whole("503 Service Unavailable", "", ""))
    })
    .await;
    let target = target(&url, Depth::List, None);
    let most = meet::MOST_ASKED as usize;
    for _ in 0..2 * most {
        let found = look(&target).await;
        assert_eq!((found.outcome, found.session), (Outcome::Ok, Some(Session::Kept)), "{:?}", found.message);
    }
    // The second one was refused, and the third came with the next check.
    let asked = |session: &str| of(&door, "tools/list").iter().filter(|it| *it == session).count();
    assert_eq!((asked("s1"), asked("s3"), of(&door, "initialize").len()), (most + 1, most - 1, 3));
    assert_eq!(of(&door, "DELETE"), ["s1"]);
}

/// As mcp up to 1.29 does it, which keeps them for good.
#[tokio::test]
async fn sessions_that_a_server_opens_for_questions_that_it_refuses_are_ended() {
    let (door, url) = serve(|method, times| {
        let refused =
            |id: &str| Some(whole("400 Bad Request", &format!("mcp-session-id: {id}{times}\r\n"), &error(-32_600, "no")));
        match method {
            "server/discover" => refused("d"),
            "ping" => refused("p"),
            _ => None,
        }
    })
    .await;
    let target = target(&url, Depth::List, None);
    for _ in 0..2 {
        let found = look(&target).await;
        assert_eq!((found.outcome, found.session), (Outcome::Ok, Some(Session::Kept)), "{:?}", found.message);
    }
    assert_eq!(of(&door, "DELETE"), ["d1", "p1"]);
    assert_eq!(of(&door, "tools/list"), ["s1", "s1"]);
}

#[tokio::test]
async fn a_first_contact_that_fails_half_way_goes_on_with_its_session() {
    let (door, url) = serve(|method, times| {
        (method == "notifications/initialized" && times == 1).then(|| begun("HTTP/1.1 202 Accepted\r\ncontent-length: 5"))
    })
    .await;
    let target = target(&url, Depth::List, None);
    assert_eq!(look_and_clear(&target, SHORT).await.reason, Some(Reason::Timeout));
    for _ in 0..2 {
        let found = look_and_clear(&target, PATIENT).await;
        assert_eq!((found.outcome, found.session), (Outcome::Ok, Some(Session::Kept)), "{:?}", found.message);
    }
    assert_eq!((of(&door, "initialize").len(), of(&door, "tools/list")), (1, vec!["s1".to_owned(), "s1".to_owned()]));
    assert!(of(&door, "DELETE").is_empty());
}

#[tokio::test]
async fn a_server_of_another_version_is_alive_and_its_tool_was_not_called() {
    for (depth, tool, outcome, says) in [
        (Depth::Discover, None, Outcome::Ok, None),
        (Depth::List, None, Outcome::Degraded, Some("it speaks another version: its tools were not listed")),
        (Depth::Call, Some("add"), Outcome::Degraded, Some("it speaks another version: the tool was not called")),
    ] {
        let (_, url) = serve(|_, _| Some(whole("400 Bad Request", "", &error(-32_022, "unsupported")))).await;
        let call = tool.map(|tool| Call { tool: tool.to_owned(), arguments: Map::new(), expect: None });
        let found = look(&target(&url, depth, call)).await;
        assert_eq!((found.outcome, found.message.as_deref()), (outcome, says));
        assert_eq!(found.reason, says.map(|_| Reason::NotConformant));
    }
}

#[tokio::test]
async fn of_an_endless_error_no_more_is_kept_than_anybody_looks_at() {
    let (_, url) =
        serve(|method, _| (method == "tools/list").then(|| whole("200 OK", "", &error(-32_603, &"x".repeat(1_000_000))))).await;
    let found = look(&target(&url, Depth::List, None)).await;
    assert_eq!(found.reason, Some(Reason::McpError));
    assert!(found.message.is_some_and(|message| message.len() < 3_000));
}

#[tokio::test]
async fn a_header_of_the_configuration_does_not_stand_beside_one_of_the_protocol() {
    let (door, url) = serve(|_, _| None).await;
    let accept = (hyper::header::ACCEPT, hyper::header::HeaderValue::from_static("text/plain"));
    let headers = Headers { fixed: vec![accept], ..Headers::default() };
    let http = HttpTarget { headers: Some(Arc::new(headers)), ..HttpTarget::new(Address::parse(&url).expect("an address")) };
    let mcp = McpTarget::new(Channel::Http(Box::new(http)), Depth::List, None);
    let target = Target { looks: [Look::Mcp(Box::new(mcp))].into(), trace_id: None };
    assert_eq!(look(&target).await.outcome, Outcome::Ok);
    let accepts = door.lock().expect("not poisoned").accepts.clone();
    assert!(accepts.len() > 3 && accepts.iter().all(|count| *count == 1), "{accepts:?}");
}

#[tokio::test]
async fn what_was_well_before_a_restart_of_the_monitor_is_not_forgiven_after_it() {
    let (_, url) = start(Nature { status: Some(404), ..Nature::default() }).await;
    let target = target(&url, Depth::List, None);
    let (resolver, mut history) = (Resolver::default(), History::default());
    let forgiven = crate::shell::probe::check(&target, &question(PATIENT, &history, &resolver)).await.expect("a verdict").verdict;
    assert_eq!(forgiven.reason, Some(Reason::NotConformant));
    let probed = health_spec::verdict::Probed { outcome: Some(Outcome::Ok), ..forgiven.probed[0].clone() };
    history.learn(&Verdict { probed: vec![probed], ..Verdict::new(Outcome::Ok, None, None) }, now());
    let found = crate::shell::probe::check(&target, &question(PATIENT, &history, &resolver)).await.expect("a verdict").verdict;
    assert_eq!((found.outcome, found.reason), (Outcome::Failed, Some(Reason::HttpStatus)));
}
