//! What a service says to somebody who connects: the second, independent look at a version.
//!
//! Nothing is logged in to and nothing is asked but what every client of the protocol begins with: SSH,
//! SMTP, FTP, IMAP, POP3 and the like speak first; whoever stays silent is asked as HTTP is.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);
/// How long a service may take to speak first.
const GREETING_LIMIT: Duration = Duration::from_secs(2);
/// How long it may take to answer a request.
const ANSWER_LIMIT: Duration = Duration::from_secs(4);
/// The bytes that are read of what a service says.
const BANNER_BYTES_MAX: usize = 2048;
/// The connections that are open at the same time.
const CONNECTIONS_MAX: usize = 64;
/// What a silent service is asked. HTTP/1.0 needs no name of a host.
const REQUEST: &[u8] = b"HEAD / HTTP/1.0\r\n\r\n";

/// What came of connecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Banner {
    /// It sent these bytes; they may be none.
    Said(Vec<u8>),
    /// Nothing listens there.
    Refused,
    /// It could not be connected to, for another reason.
    Unreachable(String),
}

/// Connects to each place (a DNS name or an IP address, and a TCP port), at most 64 at a time, and returns what each said, in the same order.
///
/// Cancellation: dropping the future ends all connections.
pub async fn banners(places: &[(String, u16)]) -> Vec<Banner> {
    let places_free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut running = JoinSet::new();
    for (index, place) in places.iter().cloned().enumerate() {
        let places_free = Arc::clone(&places_free);
        running.spawn(async move {
            // It is never closed; without a permit it would merely be one connection more.
            let _permit = places_free.acquire().await;
            (index, banner(place).await)
        });
    }
    let mut seen = vec![Banner::Unreachable("asking it came to no end".to_owned()); places.len()];
    while let Some(joined) = running.join_next().await {
        if let Ok((index, banner)) = joined {
            seen[index] = banner;
        }
    }
    seen
}

async fn banner(place: (String, u16)) -> Banner {
    let mut stream = match timeout(CONNECT_LIMIT, TcpStream::connect(place)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => return Banner::Refused,
        Ok(Err(error)) => return Banner::Unreachable(error.to_string()),
        Err(_) => return Banner::Unreachable(format!("no connection within {} s", CONNECT_LIMIT.as_secs())),
    };
    let greeting = read(&mut stream, GREETING_LIMIT).await;
    if !greeting.is_empty() {
        return Banner::Said(greeting);
    }
    match timeout(ANSWER_LIMIT, stream.write_all(REQUEST)).await {
        Ok(Ok(())) => Banner::Said(read(&mut stream, ANSWER_LIMIT).await),
        Ok(Err(_)) | Err(_) => Banner::Said(Vec::new()),
    }
}

/// Reads what comes until there is a line's end and a pause, the limit, or the end.
async fn read(stream: &mut TcpStream, limit: Duration) -> Vec<u8> {
    let mut said = Vec::new();
    let mut buffer = [0; BANNER_BYTES_MAX];
    let reading = async {
        while said.len() < BANNER_BYTES_MAX {
            match stream.read(&mut buffer[said.len()..]).await {
                Ok(0) | Err(_) => break,
                Ok(bytes) => {
                    let from = said.len();
                    said.extend_from_slice(&buffer[from..from + bytes]);
                }
            }
            let is_http = said.starts_with(b"HTTP/");
            let ends =
                if is_http { said.windows(4).any(|it| it == b"\r\n\r\n") } else { said.ends_with(b"\n") };
            if ends {
                break;
            }
        }
    };
    // What came in time counts.
    timeout(limit, reading).await.ok();
    said
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Serves one connection, and returns where.
    async fn serve(greeting: &'static [u8], answer: &'static [u8]) -> (String, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let place = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            stream.write_all(greeting).await.expect("sent");
            let mut request = [0; 64];
            if greeting.is_empty() && stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                stream.write_all(answer).await.expect("sent");
            }
            // Until the client hangs up.
            while stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {}
        });
        (place.ip().to_string(), place.port())
    }

    #[tokio::test]
    async fn services_say_what_they_are() {
        let ssh = serve(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", b"").await;
        let http = serve(b"", b"HTTP/1.0 200 OK\r\nServer: nginx/1.26.2\r\n\r\n").await;
        let gone = {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            ("127.0.0.1".to_owned(), listener.local_addr().expect("an address").port())
        };
        let seen = banners(&[ssh, http, gone]).await;
        assert_eq!(seen[0], Banner::Said(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n".to_vec()));
        assert_eq!(seen[1], Banner::Said(b"HTTP/1.0 200 OK\r\nServer: nginx/1.26.2\r\n\r\n".to_vec()));
        assert_eq!(seen[2], Banner::Refused);
    }

    #[tokio::test]
    async fn a_flood_is_cut() {
        let flood: &'static [u8] = Box::leak(vec![b'x'; 100_000].into_boxed_slice());
        let place = serve(flood, b"").await;
        let seen = banners(&[place]).await;
        assert!(matches!(&seen[0], Banner::Said(said) if said.len() == BANNER_BYTES_MAX));
    }
}
