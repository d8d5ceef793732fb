//! A stream that its owner can cut and that carries a bounded number of bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// In how many spells a silence is counted.
const SPELLS: u32 = 16;

/// The stream's end given to the SSH library. The library runs a session in a task of its own and
/// notices a dropped handle only between key exchanges, so a host that stalls one would keep task
/// and socket for good: here every read and write fails once the [`Leash`] is gone.
pub(crate) struct BoundedStream<S> {
    stream: S,
    cut: oneshot::Receiver<()>,
    seen: Arc<Seen>,
    /// How long the other side may take no byte. The library sends no keepalive while it writes.
    stall_limit: Duration,
    /// Ends a write that has waited since it was set.
    stall: Option<Pin<Box<Sleep>>>,
}

/// The owner's end: dropping it cuts the stream.
pub(crate) struct Leash {
    cut: oneshot::Sender<()>,
    seen: Arc<Seen>,
}

/// What both ends know of the stream.
#[derive(Default)]
struct Seen {
    bytes_left: AtomicUsize,
    is_exhausted: AtomicBool,
    /// How often something came.
    reads: AtomicUsize,
    /// Whether the system has found the other side to be gone.
    is_dead: AtomicBool,
}

impl Leash {
    /// Says whether the stream ended because its bytes were used up.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.seen.is_exhausted.load(Ordering::Relaxed)
    }

    /// Says whether the stream ended because the other side's machine no longer answers this one.
    pub(crate) fn is_dead(&self) -> bool {
        self.seen.is_dead.load(Ordering::Relaxed)
    }

    /// Waits until nothing has come for so long. It is counted in short spells, of which one that took long counts
    /// like any other: a machine that itself stood still blames nobody.
    pub(crate) async fn silence(&self, limit: Duration) {
        let (mut reads, mut spells) = (self.reads(), 0);
        while spells < SPELLS {
            sleep(limit / SPELLS).await;
            let now = self.reads();
            spells = if now == reads { spells + 1 } else { 0 };
            reads = now;
        }
    }

    /// Waits until the library has given the stream back, with all that it had to write written.
    pub(crate) async fn ended(mut self) {
        self.cut.closed().await;
    }

    fn reads(&self) -> usize {
        self.seen.reads.load(Ordering::Relaxed)
    }

    /// Allows the stream more bytes.
    pub(crate) fn grant(&self, bytes: usize) {
        let add = |left: usize| Some(left.saturating_add(bytes));
        // The closure never refuses.
        self.seen.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok();
    }
}

/// Says whether the system has found the other side to be gone.
pub(crate) fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable)
}

impl Seen {
    fn note<T>(&self, result: &Poll<io::Result<T>>) {
        if let Poll::Ready(Err(error)) = result
            && is_silence(error)
        {
            self.is_dead.store(true, Ordering::Relaxed);
        }
    }
}

impl<S> BoundedStream<S> {
    /// Wraps a stream; at most `bytes_max` are read from it, counted before decryption, and a write waits
    /// for at most `stall_limit` until the other side takes something.
    pub(crate) fn new(stream: S, bytes_max: usize, stall_limit: Duration) -> (Self, Leash) {
        let (sender, receiver) = oneshot::channel();
        let seen = Arc::new(Seen { bytes_left: AtomicUsize::new(bytes_max), ..Seen::default() });
        let leash = Leash { cut: sender, seen: Arc::clone(&seen) };
        (Self { stream, cut: receiver, seen, stall_limit, stall: None }, leash)
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match Pin::new(&mut self.cut).poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(_) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "given up by ifrit")),
        }
    }

    /// Ends a write that has waited for too long.
    fn check_stall<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let limit = self.stall_limit;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        match stall.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the other side takes no more bytes",
            ))),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        if self.seen.bytes_left.load(Ordering::Relaxed) == 0 {
            self.seen.is_exhausted.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(io::Error::other("more bytes came than the limit allows")));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let count = buffer.filled().len() - before;
        if count > 0 {
            let take = |left: usize| Some(left.saturating_sub(count));
            self.seen.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok();
            self.seen.reads.fetch_add(1, Ordering::Relaxed);
        }
        self.seen.note(&result);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BoundedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        let written = Pin::new(&mut self.stream).poll_write(context, data);
        self.seen.note(&written);
        self.check_stall(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_write_ends_where_nobody_takes_it_and_goes_on_where_somebody_does() {
        let limit = Duration::from_millis(100);
        let (near, _far) = tokio::io::duplex(16);
        let (mut stream, _leash) = BoundedStream::new(near, 0, limit);
        let error = stream.write_all(&[0; 64]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        let (near, mut far) = tokio::io::duplex(16);
        let (mut stream, _leash) = BoundedStream::new(near, 0, limit);
        let reader = tokio::spawn(async move { far.read_exact(&mut [0; 64]).await.map(drop) });
        stream.write_all(&[0; 64]).await.expect("somebody reads");
        reader.await.expect("no panic").expect("all of it");
    }

    #[tokio::test]
    async fn a_silence_begins_anew_with_each_byte() {
        let limit = Duration::from_millis(160);
        let (near, mut far) = tokio::io::duplex(16);
        let (mut stream, leash) = BoundedStream::new(near, 16, limit);
        let begun = Instant::now();
        let speak = async {
            for _ in 0..8 {
                sleep(limit / 2).await;
                far.write_all(&[0]).await.expect("room");
                stream.read_exact(&mut [0]).await.expect("a byte");
            }
        };
        tokio::join!(leash.silence(limit), speak);
        assert!(begun.elapsed() >= 4 * limit, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_standstill_of_ours_is_no_silence() {
        let limit = Duration::from_millis(160);
        let (near, _far) = tokio::io::duplex(16);
        let (_stream, leash) = BoundedStream::new(near, 16, limit);
        let silence = leash.silence(limit);
        tokio::pin!(silence);
        tokio::time::timeout(Duration::from_millis(1), &mut silence).await.expect_err("not yet");
        std::thread::sleep(2 * limit);
        tokio::time::timeout(Duration::from_millis(1), &mut silence).await.expect_err("one spell was long");
        silence.await;
    }
}
