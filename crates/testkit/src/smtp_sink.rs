//! A mail server on loopback that keeps what it gets (RFC 5321, as little of it as a client needs).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// The longest line and the longest mail that are read, in bytes.
const BYTES_MAX: u64 = 1024 * 1024;

/// A mail as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mail {
    /// The lines of the envelope: `MAIL FROM:<...>`, `RCPT TO:<...>`, `AUTH ...`.
    pub envelope: Vec<String>,
    /// Headers and text.
    pub data: String,
}

#[derive(Default)]
struct State {
    mails: Vec<Mail>,
    /// What is answered to `AUTH` and `MAIL` in place of consent.
    refusals: Vec<String>,
}

/// A server; it ends with the test's process.
pub struct SmtpSink {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl SmtpSink {
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
                // Who hangs up in the middle has sent nothing.
                let _ = serve(stream, &shared);
            }
        });
        Ok(Self { address, state })
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Refuses the next mail with a line such as `535 5.7.8 bad password`.
    pub fn refuse(&self, line: &str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).refusals.push(line.to_owned());
    }

    /// Returns the mails since the last call.
    pub fn take(&self) -> Vec<Mail> {
        std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).mails)
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut answer = stream.try_clone()?;
    let mut lines = BufReader::new(stream.take(BYTES_MAX));
    let mut say = |line: &str| answer.write_all(format!("{line}\r\n").as_bytes());
    say("220 sink ESMTP")?;
    let mut mail = Mail::default();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let refusal = || state.lock().unwrap_or_else(PoisonError::into_inner).refusals.pop();
        match verb.as_str() {
            "EHLO" => say("250-sink\r\n250 AUTH PLAIN LOGIN")?,
            "AUTH" | "MAIL" => {
                mail.envelope.push(line.to_owned());
                let consent = if verb == "AUTH" { "235 welcome" } else { "250 ok" };
                say(refusal().as_deref().unwrap_or(consent))?;
            }
            "RCPT" => {
                mail.envelope.push(line.to_owned());
                say("250 ok")?;
            }
            "DATA" => {
                say("354 go on")?;
                loop {
                    let mut line = String::new();
                    if lines.read_line(&mut line)? == 0 {
                        return Ok(());
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    mail.data.push_str(line.strip_prefix('.').unwrap_or(&line));
                }
                state.lock().unwrap_or_else(PoisonError::into_inner).mails.push(std::mem::take(&mut mail));
                say("250 kept")?;
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 ok")?,
        }
    }
}
