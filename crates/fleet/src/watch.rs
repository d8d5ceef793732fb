//! Having the system notice soon that a peer is gone, while SSH cannot: it answers no questions before the login.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// How often the peer's machine is asked for a sign of life.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Ends a TCP connection whose peer's *machine* does not answer this one any more, for as long as this lives. A peer
/// that only thinks for long is not meant: its machine answers.
pub(crate) struct Watch(OwnedFd);

impl Watch {
    /// Begins; `None` where the system has no means to, and other limits must do.
    pub(crate) fn begin(stream: &TcpStream, limit: Duration) -> Option<Self> {
        let watch = Self(stream.as_fd().try_clone_to_owned().ok()?);
        watch.set(limit).ok()?;
        Some(watch)
    }

    /// Acknowledges what has come at once. The system would rather wait for something to send along, and a peer that
    /// sends nothing small before the last is acknowledged (Nagle) would wait with it.
    pub(crate) fn acknowledge(&self) {
        #[cfg(target_os = "linux")]
        sockopt::set_tcp_quickack(&self.0, true).ok();
    }

    fn set(&self, limit: Duration) -> rustix::io::Result<()> {
        let questions = limit.as_secs().clamp(1, 100);
        sockopt::set_tcp_keepidle(&self.0, ASK_EVERY)?;
        sockopt::set_tcp_keepintvl(&self.0, ASK_EVERY)?;
        sockopt::set_tcp_keepcnt(&self.0, u32::try_from(questions).unwrap_or(u32::MAX))?;
        // The questions are for a peer that has taken all; this is for one that has not.
        set_patience(&self.0, limit)?;
        sockopt::set_socket_keepalive(&self.0, true)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A connection that has ended needs neither.
        sockopt::set_socket_keepalive(&self.0, false).ok();
        set_patience(&self.0, Duration::ZERO).ok();
    }
}

/// Sets how long a peer may leave bytes unacknowledged; 0 = as long as the system likes.
#[cfg(target_os = "linux")]
fn set_patience(socket: &OwnedFd, limit: Duration) -> rustix::io::Result<()> {
    sockopt::set_tcp_user_timeout(socket, u32::try_from(limit.as_millis()).unwrap_or(u32::MAX))
}

#[cfg(not(target_os = "linux"))]
fn set_patience(_: &OwnedFd, _: Duration) -> rustix::io::Result<()> {
    Ok(())
}
