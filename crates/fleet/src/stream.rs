//! A stream that its owner can cut and that carries a bounded number of bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

/// The stream's end given to the SSH library. The library runs a session in a task of its own and
/// notices a dropped handle only between key exchanges, so a host that stalls one would keep task
/// and socket for good: here every read and write fails once the [`Leash`] is gone.
pub(crate) struct BoundedStream<S> {
    stream: S,
    cut: oneshot::Receiver<()>,
    bytes_left: Arc<AtomicUsize>,
    is_exhausted: Arc<AtomicBool>,
    /// How long the other side may take no byte. The library sends no keepalive while it writes.
    stall_limit: Duration,
    /// Ends a write that has waited since it was set.
    stall: Option<Pin<Box<Sleep>>>,
}

/// The owner's end: dropping it cuts the stream.
pub(crate) struct Leash {
    _cut: oneshot::Sender<()>,
    bytes_left: Arc<AtomicUsize>,
    is_exhausted: Arc<AtomicBool>,
}

impl Leash {
    /// Says whether the stream ended because its bytes were used up.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.is_exhausted.load(Ordering::Relaxed)
    }

    /// Allows the stream more bytes.
    pub(crate) fn grant(&self, bytes: usize) {
        let add = |left: usize| Some(left.saturating_add(bytes));
        // The closure never refuses.
        self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok();
    }
}

impl<S> BoundedStream<S> {
    /// Wraps a stream; at most `bytes_max` are read from it, counted before decryption, and a write waits
    /// for at most `stall_limit` until the other side takes something.
    pub(crate) fn new(stream: S, bytes_max: usize, stall_limit: Duration) -> (Self, Leash) {
        let (sender, receiver) = oneshot::channel();
        let is_exhausted = Arc::new(AtomicBool::new(false));
        let bytes_left = Arc::new(AtomicUsize::new(bytes_max));
        let leash = Leash {
            _cut: sender,
            bytes_left: Arc::clone(&bytes_left),
            is_exhausted: Arc::clone(&is_exhausted),
        };
        (Self { stream, cut: receiver, bytes_left, is_exhausted, stall_limit, stall: None }, leash)
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
        if self.bytes_left.load(Ordering::Relaxed) == 0 {
            self.is_exhausted.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(io::Error::other("more bytes came than the limit allows")));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let count = buffer.filled().len() - before;
        let take = |left: usize| Some(left.saturating_sub(count));
        self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok();
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
}
