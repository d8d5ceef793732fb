//! An HTTP server on loopback that answers as it is told to and remembers what it was asked.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// The longest request that is read, in bytes.
const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// How the server answers one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpAnswer {
    /// A status and, where not empty, further header lines (`Retry-After: 2`).
    Status(u16, Vec<String>),
    /// Nothing: the connection stays open until the other side goes.
    Silence,
    /// The connection is closed without a byte.
    HangUp,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `POST /hook HTTP/1.1`.
    pub line: String,
    /// The header lines.
    pub headers: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// Returns a header's value; names are compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (its_name, value) = line.split_once(':')?;
            its_name.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

#[derive(Default)]
struct State {
    answers: VecDeque<HttpAnswer>,
    requests: Vec<HttpRequest>,
    /// Connections that are kept open in silence.
    silent: Vec<TcpStream>,
}

/// A server; it ends with the test's process.
pub struct HttpSink {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl HttpSink {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// The system's, where there is no port.
    pub fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who hangs up in the middle is not answered.
                let _ = serve(stream, &shared);
            }
        });
        Ok(Self { address, state })
    }

    /// Returns its URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says how the next requests are answered, in turn; all others get 200.
    pub fn answer(&self, answers: impl IntoIterator<Item = HttpAnswer>) {
        lock(&self.state).answers.extend(answers);
    }

    /// Returns the requests since the last call.
    pub fn take(&self) -> Vec<HttpRequest> {
        std::mem::take(&mut lock(&self.state).requests)
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && bytes.len() < REQUEST_BYTES_MAX {
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let mut lines = head.lines().map(str::to_owned);
    let line = lines.next().unwrap_or_default();
    let headers = lines.filter(|line| !line.is_empty()).collect();
    let mut request = HttpRequest { line, headers, body: Vec::new() };
    let length: usize = request.header("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
    request.body = vec![0; length.min(REQUEST_BYTES_MAX)];
    stream.read_exact(&mut request.body)?;
    let mut state = lock(state);
    state.requests.push(request);
    match state.answers.pop_front().unwrap_or_else(|| HttpAnswer::Status(200, Vec::new())) {
        HttpAnswer::HangUp => Ok(()),
        HttpAnswer::Silence => {
            state.silent.push(stream);
            Ok(())
        }
        HttpAnswer::Status(status, headers) => {
            let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
            let answer = format!(
                "HTTP/1.1 {status} Scripted\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes())
        }
    }
}
