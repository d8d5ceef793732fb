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
/// After how much silence a keepalive is sent.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// After how many keepalives without answer a connection counts as dead.
const KEEPALIVE_UNANSWERED_MAX: usize = 3;

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
    /// After how much silence a keepalive is sent. Default 10 s.
    pub keepalive_interval: Duration,
    /// After how many keepalives without answer a connection counts as dead. Default 3.
    pub keepalive_unanswered_max: usize,
}

impl Limits {
    /// Sets after how long without a sign of life a connection counts as dead; [`Limits::lost_after`] tells it.
    /// A command that is merely silent gives signs of life: its host answers keepalives.
    #[must_use]
    pub fn with_lost_after(self, after: Duration) -> Self {
        let questions = u32::try_from(self.keepalive_unanswered_max).unwrap_or(u32::MAX).saturating_add(1);
        Self { keepalive_interval: after / questions, ..self }
    }

    /// Returns after how long without a sign of life a connection counts as dead. Default 40 s.
    pub fn lost_after(&self) -> Duration {
        let questions = u32::try_from(self.keepalive_unanswered_max).unwrap_or(u32::MAX).saturating_add(1);
        self.keepalive_interval.saturating_mul(questions)
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
            keepalive_interval: KEEPALIVE_INTERVAL,
            keepalive_unanswered_max: KEEPALIVE_UNANSWERED_MAX,
        }
    }
}
