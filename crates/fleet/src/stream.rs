//! A stream that its owner can cut and that carries a bounded number of bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// The stream's end given to the SSH library. The library runs a session in a task of its own and
/// notices a dropped handle only between key exchanges, so a host that stalls one would keep task
/// and socket for good: here every read and write fails once the [`Leash`] is gone.
pub(crate) struct BoundedStream<S> {
    stream: S,
    cut: oneshot::Receiver<()>,
    bytes_left: Arc<AtomicUsize>,
    is_exhausted: Arc<AtomicBool>,
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
    /// Wraps a stream; at most `bytes_max` are read from it, counted before decryption.
    pub(crate) fn new(stream: S, bytes_max: usize) -> (Self, Leash) {
        let (sender, receiver) = oneshot::channel();
        let is_exhausted = Arc::new(AtomicBool::new(false));
        let bytes_left = Arc::new(AtomicUsize::new(bytes_max));
        let leash = Leash {
            _cut: sender,
            bytes_left: Arc::clone(&bytes_left),
            is_exhausted: Arc::clone(&is_exhausted),
        };
        (Self { stream, cut: receiver, bytes_left, is_exhausted }, leash)
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match Pin::new(&mut self.cut).poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(_) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "given up by ifrit")),
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
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
