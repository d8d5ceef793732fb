//! Every limit of a run, with its unit.

use std::time::Duration;

/// The hosts that are worked on at the same time.
const CONCURRENT_HOSTS_MAX: usize = 64;
/// How long one TCP connection and SSH handshake with authentication may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long everything about one host may take, connecting and retries included.
const HOST_TIMEOUT: Duration = Duration::from_secs(120);
/// The bytes of standard output kept of one exec: 32 MiB.
const STDOUT_BYTES_MAX: usize = 32 << 20;
/// The bytes of standard error kept of one exec: 64 KiB.
const STDERR_BYTES_MAX: usize = 64 << 10;
/// How often a connection is tried again after it was refused or reset before the exec was sent.
const CONNECT_RETRIES_MAX: u32 = 2;
/// How long to wait before the first retry; doubled for each further one.
const RETRY_BACKOFF: Duration = Duration::from_millis(500);
/// After how long without a sign of life a connection counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(40);
/// After how long without a sign of life a host is given up that is only connected to or asked.
const SILENT_AFTER: Duration = Duration::from_secs(4);
/// How often a silent host is asked for a sign of life before the shorter of both times is over.
const SIGNS_ASKED: u32 = 4;

/// The slowest link that a script is waited for on, in bytes per second: 32 KiB/s.
pub(crate) const LINK_BYTES_PER_SEC: usize = 32 << 10;

/// The limits of a run over hosts; `Default` gives each constant's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The hosts that are worked on at the same time. Default 64.
    pub concurrent_hosts_max: usize,
    /// How long one TCP connection and SSH handshake with authentication may take. Default 15 s.
    pub connect_timeout: Duration,
    /// How long everything about one host may take, connecting and retries included. Default 120 s.
    pub host_timeout: Duration,
    /// The bytes of standard output kept of one exec. Default 32 MiB.
    pub stdout_bytes_max: usize,
    /// The bytes of standard error kept of one exec. Default 64 KiB.
    pub stderr_bytes_max: usize,
    /// How often a connection that was refused or reset is tried again, never after the exec was
    /// sent. Default 2.
    pub connect_retries_max: u32,
    /// How long to wait before the first retry; doubled for each further one. Default 500 ms.
    pub retry_backoff: Duration,
    /// After how long without a sign of life a connection counts as lost. Default 40 s. A command that is merely
    /// silent gives signs of life: its host answers keepalives.
    pub lost_after: Duration,
    /// The same for as long as a host is only connected to or asked: nothing is changed there yet, so that nothing is
    /// lost with it, and others wait for its answer. Default 4 s.
    pub silent_after: Duration,
}

impl Limits {
    /// Returns how often a silent host is asked for a sign of life, and after how many unanswered questions its
    /// connection is lost.
    pub(crate) fn keepalive(&self) -> (Duration, usize) {
        let interval = self.silent_after.min(self.lost_after) / SIGNS_ASKED;
        let questions = self.lost_after.as_nanos() / interval.as_nanos().max(1);
        (interval, usize::try_from(questions).unwrap_or(usize::MAX).saturating_sub(1).max(1))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent_hosts_max: CONCURRENT_HOSTS_MAX,
            connect_timeout: CONNECT_TIMEOUT,
            host_timeout: HOST_TIMEOUT,
            stdout_bytes_max: STDOUT_BYTES_MAX,
            stderr_bytes_max: STDERR_BYTES_MAX,
            connect_retries_max: CONNECT_RETRIES_MAX,
            retry_backoff: RETRY_BACKOFF,
            lost_after: LOST_AFTER,
            silent_after: SILENT_AFTER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_unanswered_question_ends_a_connection_in_time() {
        for (lost, silent, expected) in [
            (LOST_AFTER, SILENT_AFTER, (Duration::from_secs(1), 39)),
            (Duration::from_secs(4), SILENT_AFTER, (Duration::from_secs(1), 3)),
            (Duration::from_secs(3600), Duration::from_secs(1), (Duration::from_millis(250), 14_399)),
            (Duration::ZERO, Duration::ZERO, (Duration::ZERO, 1)),
        ] {
            let limits = Limits { lost_after: lost, silent_after: silent, ..Limits::default() };
            assert_eq!(limits.keepalive(), expected, "{lost:?} {silent:?}");
        }
    }
}
