//! A server on loopback that publishes feeds, and can be made to publish something else.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The longest request that is read, in bytes.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// What the server publishes at a path, with its ETag.
type Pages = Arc<Mutex<BTreeMap<String, (String, Vec<u8>)>>>;

/// A server; it ends with the test's process.
pub struct FeedServer {
    pub url: String,
    pages: Pages,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FeedServer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (pages, requests) = (Pages::default(), Arc::default());
        let server = Self { url, pages: Arc::clone(&pages), requests: Arc::clone(&requests) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &pages, &requests);
            }
        });
        server
    }

    /// Publishes something at a path from now on.
    pub fn publish(&self, path: &str, etag: &str, body: impl Into<Vec<u8>>) {
        let page = (etag.to_owned(), body.into());
        self.pages.lock().expect("pages").insert(path.to_owned(), page);
    }

    /// Returns the answers since the last call: `200 /kev.json`, sorted.
    pub fn answers(&self) -> Vec<String> {
        let mut answers = std::mem::take(&mut *self.requests.lock().expect("requests"));
        answers.sort();
        answers
    }
}

fn answer(mut stream: TcpStream, pages: &Pages, requests: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && request.len() < REQUEST_BYTES_MAX {
        match stream.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let pages = pages.lock().expect("pages");
    let (status, etag, body) = match pages.get(path) {
        None => ("404 Not Found", "", &b""[..]),
        Some((etag, _)) if request.contains(&format!("\"{etag}\"")) => {
            ("304 Not Modified", etag.as_str(), &b""[..])
        }
        Some((etag, body)) => ("200 OK", etag.as_str(), body.as_slice()),
    };
    requests.lock().expect("requests").push(format!("{} {path}", &status[..3]));
    let head = format!(
        "HTTP/1.1 {status}\r\nETag: \"{etag}\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // The client may have hung up.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}
