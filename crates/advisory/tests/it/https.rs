//! Fetching, against a server on loopback that does what servers do, and worse.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use advisory::{Content, FeedTransport as _, HttpLimits, HttpsTransport, Validators, Wanted};
use model::{Code, FeedName};

/// The longest request that the server reads, in bytes.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// How long a test waits for a request that must come.
const PATIENCE: Duration = Duration::from_secs(20);

type Answer = Box<dyn Fn(&mut TcpStream, &str) + Send>;

/// Answers requests one after the other, the last answer again and again; hands the requests over.
struct Server {
    url: String,
    requests: Receiver<String>,
}

impl Server {
    fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let Ok(mut stream) = stream else { return };
                let request = read_request(&mut stream);
                if sender.send(request.clone()).is_err() {
                    return;
                }
                answers[number.min(answers.len() - 1)](&mut stream, &request);
            }
        });
        Self { url, requests }
    }
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && request.len() < REQUEST_BYTES_MAX {
        match stream.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&request).into_owned()
}

/// An answer of one piece, after which the connection is closed. The client may have hung up before.
fn raw(text: impl Into<String>) -> Answer {
    let text = text.into();
    Box::new(move |stream, _| drop(stream.write_all(text.as_bytes())))
}

fn ok(headers: &str, body: &str) -> Answer {
    raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()))
}

fn status(line: &str, headers: &str) -> Answer {
    raw(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n{headers}\r\n"))
}

/// Never stops sending.
fn endless(head: &'static str, chunk: &'static str) -> Answer {
    Box::new(move |stream, _| {
        let mut sent = stream.write_all(head.as_bytes());
        while sent.is_ok() {
            sent = stream.write_all(chunk.as_bytes());
        }
    })
}

/// Sends the head and then nothing until the client hangs up.
fn silent(head: &'static str) -> Answer {
    Box::new(move |stream, _| {
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.read(&mut [0]);
    })
}

fn limits() -> HttpLimits {
    HttpLimits {
        timeout: Duration::from_secs(20),
        body_bytes_max: 10_000,
        attempts: 3,
        first_pause: Duration::from_millis(1),
        pause_max: Duration::from_secs(1),
    }
}

fn fetch(url: &str, validators: Validators, limits: HttpLimits) -> (Content, Validators) {
    let transport = HttpsTransport::new(limits).expect("a client");
    let wanted = [Wanted { feed: FeedName::new("cisa-kev"), url: url.to_owned(), validators }];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut deliveries = runtime.block_on(transport.deliver(&wanted)).expect("deliveries");
    assert_eq!((deliveries.len(), deliveries[0].documents.len()), (1, 1));
    let delivered = deliveries.remove(0).documents.remove(0);
    assert_eq!(delivered.label, url);
    (delivered.content, delivered.validators)
}

/// Checks what comes of a document and how many requests that takes.
#[track_caller]
fn check(answers: Vec<Answer>, limits: HttpLimits, expected: &str, requests: usize) {
    let server = Server::start(answers);
    let (content, _) = fetch(&format!("{}/kev.json", server.url), Validators::default(), limits);
    let shown = match content {
        Content::New(bytes) => format!("new {}", String::from_utf8_lossy(&bytes)),
        Content::Unchanged => "unchanged".to_owned(),
        Content::Failed(problem) => format!("{}: {}", problem.code.as_str(), problem.message),
    };
    assert!(shown.contains(expected), "{shown}");
    for number in 1..=requests {
        assert!(server.requests.recv_timeout(PATIENCE).is_ok(), "request {number}: {shown}");
    }
    assert!(server.requests.try_recv().is_err(), "more than {requests} requests: {shown}");
}

#[test]
fn a_new_document_comes_with_its_validators_and_is_not_fetched_again() {
    let server = Server::start(vec![
        ok("ETag: \"v1\"\r\nLast-Modified: Mon, 01 Jul 2024 08:00:00 GMT\r\n", "{}"),
        status("304 Not Modified", ""),
    ]);
    let url = format!("{}/kev.json", server.url);
    let (content, validators) = fetch(&url, Validators::default(), limits());
    assert_eq!(content, Content::New(b"{}".to_vec()));
    let last_modified = Some("Mon, 01 Jul 2024 08:00:00 GMT".to_owned());
    assert_eq!(validators, Validators { etag: Some("\"v1\"".to_owned()), last_modified });
    let first = server.requests.recv().expect("a request").to_ascii_lowercase();
    assert!(
        first.starts_with("get /kev.json http/1.1\r\n") && first.contains("user-agent: ifrit/"),
        "{first}"
    );
    assert!(first.contains("accept-encoding: gzip") && !first.contains("if-none-match"), "{first}");
    assert_eq!(fetch(&url, validators.clone(), limits()), (Content::Unchanged, validators));
    let second = server.requests.recv().expect("a request").to_ascii_lowercase();
    assert!(second.contains("if-none-match: \"v1\"\r\n"), "{second}");
    assert!(second.contains("if-modified-since: mon, 01 jul 2024 08:00:00 gmt"), "{second}");
}

#[test]
fn what_trying_again_cannot_help_is_tried_once() {
    check(
        vec![status("404 Not Found", "")],
        limits(),
        "feed.unreachable: the server answered 404 Not Found",
        1,
    );
    check(vec![status("304 Not Modified", "")], limits(), "the server answered 304", 1);
    check(vec![status("403 Forbidden", "Retry-After: 0\r\n")], limits(), "the server answered 403", 1);
    check(vec![ok("Content-Encoding: br\r\n", "x")], limits(), "content encoding `br`", 1);
}

#[test]
fn what_trying_again_may_help_is_tried_a_few_times() {
    let busy = || status("503 Service Unavailable", "");
    check(vec![busy(), ok("", "{}")], limits(), "new {}", 2);
    check(vec![busy()], limits(), "the server answered 503 Service Unavailable (attempt 3 of 3)", 3);
    let limited = |seconds: &str| status("429 Too Many Requests", &format!("Retry-After: {seconds}\r\n"));
    check(vec![limited("0"), ok("", "{}")], limits(), "new {}", 2);
    check(vec![limited("3600")], limits(), "429 Too Many Requests and asks to come back in 3600 s", 1);
    check(vec![raw(""), ok("", "{}")], limits(), "new {}", 2);
}

#[test]
fn half_a_body_is_no_document() {
    let cut = || raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"vulner");
    check(vec![cut(), ok("", "{}")], limits(), "new {}", 2);
    check(vec![cut()], limits(), "feed.unreachable: ", 3);
    check(
        vec![raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"vul")],
        limits(),
        "feed.unreachable: ",
        3,
    );
}

#[test]
fn endless_and_huge_bodies_end_at_the_limit() {
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    check(
        vec![endless(head, "0123456789")],
        limits(),
        "feed.too-large: the document is larger than 10000 bytes",
        1,
    );
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(vec![endless(chunked, "5\r\n01234\r\n")], limits(), "feed.too-large", 1);
    check(vec![raw("HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n")], limits(), "feed.too-large", 1);
    check(vec![endless("HTTP/1.1 200 OK\r\nX: ", "0123456789")], limits(), "feed.unreachable", 3);
}

#[test]
fn a_silent_server_costs_the_time_limit() {
    let limits = HttpLimits { timeout: Duration::from_millis(300), attempts: 2, ..limits() };
    check(vec![silent("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12")], limits, "feed.unreachable", 2);
    check(vec![silent("")], limits, "feed.unreachable", 2);
}

#[test]
fn redirects_are_few_and_stay_where_they_may() {
    let to = |url: &str| status("302 Found", &format!("Location: {url}\r\n"));
    check(vec![to("/new.json"), ok("", "{}")], limits(), "new {}", 2);
    check(vec![to("/again")], limits(), "more than 5 redirects", 6);
    check(vec![to("http://192.0.2.1/kev.json")], limits(), "a redirect leaves HTTPS", 1);
    check(vec![to("ftp://127.0.0.1/kev.json")], limits(), "feed.unreachable", 1);
}

#[test]
fn urls_that_anybody_on_the_way_can_change_are_refused() {
    for url in ["http://feeds.example/kev.json", "ftp://feeds.example/", "file:///etc/passwd", "kev.json", ""]
    {
        let (content, _) = fetch(url, Validators::default(), limits());
        let Content::Failed(problem) = content else { panic!("{url}") };
        assert_eq!(problem.code, Code::FeedUnreachable, "{url}");
        assert!(problem.message.starts_with("the URL cannot be used: "), "{}", problem.message);
    }
}

#[test]
fn a_server_that_is_away_costs_each_document_and_spoils_no_other() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let away = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let server = Server::start(vec![ok("", "{}")]);
    let wanted = [format!("{away}/a.json"), format!("{away}/b.json"), format!("{}/c.json", server.url)];
    let feed = FeedName::new("alpine-secdb");
    let wanted = wanted.map(|url| Wanted { feed: feed.clone(), url, validators: Validators::default() });
    let transport = HttpsTransport::new(limits()).expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let deliveries = runtime.block_on(transport.deliver(&wanted)).expect("deliveries");
    let failures = deliveries[0].documents.iter().filter_map(|it| match &it.content {
        Content::Failed(problem) => Some(problem.message.contains("(attempt 3 of 3)")),
        _ => None,
    });
    assert_eq!(failures.collect::<Vec<_>>(), [true, false], "the second one is tried once");
    assert_eq!(
        deliveries[0].documents.iter().filter(|it| it.content == Content::New(b"{}".to_vec())).count(),
        1
    );
}
