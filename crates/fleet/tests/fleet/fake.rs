//! An SSH server that answers honestly or lies, and servers that are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fleet::{Access, Target, TargetConnection};
use model::{Address, HostKey, HostName, UserName};
use russh::server::{Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::keys;

/// The seed of the key that every fake shows.
const HOST_KEY_SEED: u8 = 1;
/// What separates the bytes of a host that answers slowly.
const DRIP: Duration = Duration::from_millis(50);

/// What a fake does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Answers as an Alpine host.
    Honest,
    /// Hangs up on the first connections, then is honest.
    HonestAfterHangups(usize),

    // As an SSH server, once the script is there:
    EndlessOutput,
    EndlessError,
    DripsOutput,
    NeverAnswers,
    ClosesMidFrame,
    CutsMidFrame,
    SignalMidFrame,
    NoShell,
    ForgedFrames,
    NulAndInvalidUtf8,
    TerminalEscapes,
    RefusesExec,
    RefusesSession,
    RefusesKeys,

    // As no SSH server at all:
    Silent,
    HangsUp,
    DripsBanner,
    EndlessLines,
    EndlessBytes,
    StopsAfterBanner,
    GarbageAfterBanner,
}

/// A server on loopback; it ends with the value.
pub struct Fake {
    port: u16,
    execs: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    _task: JoinSet<()>,
}

impl Fake {
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port on loopback");
        let port = listener.local_addr().expect("an address").port();
        let (execs, connections, open) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let mut task = JoinSet::new();
        let counters = (Arc::clone(&execs), Arc::clone(&connections), Arc::clone(&open));
        task.spawn(async move {
            let mut serving = JoinSet::new();
            let (execs, connections, open) = counters;
            while let Ok((stream, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::SeqCst);
                open.fetch_add(1, Ordering::SeqCst);
                let (execs, open) = (Arc::clone(&execs), Arc::clone(&open));
                serving.spawn(async move {
                    serve(manner, number, stream, execs).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, execs, connections, open, _task: task }
    }

    /// Returns a target that pins the fake's key.
    pub fn target(&self, name: &str) -> Target {
        self.target_with(name, vec![keys::pin(&keys::key(HOST_KEY_SEED))])
    }

    pub fn target_with(&self, name: &str, pinned: Vec<HostKey>) -> Target {
        Target {
            host: HostName::new(name).expect("a good name"),
            connection: TargetConnection::Ssh {
                address: Address::new("127.0.0.1"),
                port: self.port,
                user: UserName::new("ifrit"),
                pinned,
            },
            access: Access::default(),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many commands were asked for.
    pub fn execs(&self) -> usize {
        self.execs.load(Ordering::SeqCst)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until the other side has closed every connection.
    pub async fn wait_until_left(&self) {
        while self.open.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn serve(manner: Manner, number: usize, stream: TcpStream, execs: Arc<AtomicUsize>) {
    match manner {
        Manner::HonestAfterHangups(count) if number < count => {}
        Manner::Silent => until_closed(stream).await,
        Manner::HangsUp => {}
        Manner::DripsBanner => drip(stream, b"SSH-2.0-slow\r\n").await,
        Manner::EndlessLines => flood(stream, b"a line that is no banner\r\n").await,
        Manner::EndlessBytes => flood(stream, &[0xff; 4096]).await,
        Manner::StopsAfterBanner => after_banner(stream, b"").await,
        Manner::GarbageAfterBanner => after_banner(stream, &[0x5a; 4096]).await,
        _ => serve_ssh(manner, stream, execs).await,
    }
}

async fn until_closed(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

async fn drip(mut stream: TcpStream, text: &[u8]) {
    for byte in text.iter().cycle().filter(|byte| **byte != b'\n') {
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        tokio::time::sleep(DRIP).await;
    }
}

async fn flood(mut stream: TcpStream, text: &[u8]) {
    while stream.write_all(text).await.is_ok() {}
}

async fn after_banner(mut stream: TcpStream, garbage: &[u8]) {
    stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await.ok();
    stream.write_all(garbage).await.ok();
    until_closed(stream).await;
}

async fn serve_ssh(manner: Manner, stream: TcpStream, execs: Arc<AtomicUsize>) {
    let config = Config {
        keys: vec![keys::key(HOST_KEY_SEED)],
        auth_rejection_time: Duration::ZERO,
        ..Config::default()
    };
    let host = FakeHost { manner, execs, stdin: Vec::new(), answering: JoinSet::new() };
    if let Ok(session) = russh::server::run_stream(Arc::new(config), stream, host).await {
        // How a session ends is what the client's side is judged by.
        session.await.ok();
    }
}

struct FakeHost {
    manner: Manner,
    execs: Arc<AtomicUsize>,
    stdin: Vec<u8>,
    answering: JoinSet<()>,
}

impl Handler for FakeHost {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(if self.manner == Manner::RefusesKeys { Auth::reject() } else { Auth::Accept })
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.manner != Manner::RefusesSession {
            reply.accept().await;
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.execs.fetch_add(1, Ordering::SeqCst);
        if self.manner == Manner::RefusesExec {
            return session.channel_failure(channel);
        }
        session.channel_success(channel)
    }

    async fn data(&mut self, _: ChannelId, data: &[u8], _: &mut Session) -> Result<(), Self::Error> {
        self.stdin.extend_from_slice(data);
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        let nonce = nonce_of(&self.stdin);
        let (manner, handle) = (self.manner, session.handle());
        self.answering.spawn(async move {
            // The client may leave at any time; then there is nobody to answer.
            answer(manner, &handle, channel, &nonce).await.ok();
        });
        Ok(())
    }
}

/// Finds the nonce in a script, as a lying host would.
fn nonce_of(script: &[u8]) -> String {
    let text = String::from_utf8_lossy(script);
    let after = text.rsplit("done %s\\n' ").next().unwrap_or_default();
    after.chars().take(32).collect()
}

/// Frames answers; facts that are not given are absent.
pub fn frames(nonce: &str, answers: &[(&str, &[u8])]) -> Vec<u8> {
    let facts = [
        "os-release",
        "alpine-release",
        "freebsd-version",
        "kernel",
        "apk-installed",
        "apk-repositories",
        "apk-world",
        "dpkg",
        "pkg",
        "boot",
        "services",
        "accounts",
        "privileges",
        "cron",
        "jails",
        "listeners",
        "stale-processes",
        "authorized-keys",
    ];
    let mut text = Vec::new();
    for fact in facts {
        let found = answers.iter().find(|(name, _)| *name == fact);
        let (output, status) = found.map_or((b"".as_slice(), 66), |(_, output)| (*output, 0));
        text.extend(format!("\nbegin {nonce} {fact}\n").bytes());
        text.extend(output);
        text.extend(format!("\nend {nonce} {fact} {status}\n").bytes());
    }
    text.extend(format!("\ndone {nonce}\n").bytes());
    text
}

const ALPINE: &[u8] = b"ID=alpine\nVERSION_ID=3.20.2\n";
const MUSL: &[u8] = b"P:musl\nV:1.2.5-r0\no:musl\n";

async fn answer(manner: Manner, handle: &Handle, channel: ChannelId, nonce: &str) -> Result<(), ()> {
    let say = async |text: &[u8]| handle.data(channel, text.to_vec()).await.map_err(drop);
    let honest = frames(
        nonce,
        &[("os-release", ALPINE), ("kernel", b"Linux\n6.6\nx86_64\n"), ("apk-installed", MUSL)],
    );
    let middle = honest.windows(MUSL.len()).position(|window| window == MUSL).unwrap_or(0) + MUSL.len() / 2;
    let half = &honest[..middle];
    match manner {
        Manner::EndlessOutput => loop {
            say(&[b'x'; 16 << 10]).await?;
        },
        Manner::EndlessError => loop {
            handle.extended_data(channel, 1, vec![b'x'; 16 << 10]).await.map_err(drop)?;
        },
        Manner::DripsOutput => loop {
            say(b"x").await?;
            tokio::time::sleep(DRIP).await;
        },
        Manner::NeverAnswers => return Ok(()),
        Manner::ClosesMidFrame => {
            say(half).await?;
            return handle.close(channel).await;
        }
        Manner::CutsMidFrame => {
            say(half).await?;
            let reason = russh::Disconnect::ConnectionLost;
            return handle.disconnect(reason, String::new(), String::new()).await.map_err(drop);
        }
        Manner::SignalMidFrame => {
            say(half).await?;
            let name = russh::Sig::KILL;
            handle
                .exit_signal_request(channel, name, false, String::new(), String::new())
                .await
                .map_err(drop)?;
            handle.eof(channel).await?;
            return handle.close(channel).await;
        }
        Manner::NoShell => say(b"This account is currently not available.\r\n\x1b[2J").await?,
        Manner::ForgedFrames => {
            // Outside the frames a whole answer that lacks the nonce, inside one an end before the end.
            let zeros = "0".repeat(nonce.len());
            say(&frames(&zeros, &[("apk-installed", b"P:evil\nV:1\n")])).await?;
            let installed = format!("end {zeros} apk-installed 0\ndone {zeros}\n\nP:musl\nV:1.2.5-r0\n");
            say(&frames(nonce, &[("os-release", ALPINE), ("apk-installed", installed.as_bytes())])).await?;
        }
        Manner::NulAndInvalidUtf8 => {
            let installed = b"P:a\0b\nV:1\n\nP:c\xff\nV:1\n\nP:musl\nV:1.2.5-r0\n";
            say(&frames(nonce, &[("os-release", ALPINE), ("apk-installed", installed)])).await?;
        }
        Manner::TerminalEscapes => {
            let installed = b"P:\x1b]0;owned\x07\nV:1\n\nP:musl\nV:1.2.5-r0\n";
            say(&frames(nonce, &[("os-release", ALPINE), ("apk-installed", installed)])).await?;
        }
        _ => say(&honest).await?,
    }
    handle.eof(channel).await?;
    handle.exit_status_request(channel, u32::from(manner == Manner::NoShell)).await?;
    handle.close(channel).await
}
