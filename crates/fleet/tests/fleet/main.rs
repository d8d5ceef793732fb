//! fleet against shells and SSH servers: this machine's shell, a real sshd on loopback, and an SSH
//! server of our own that misbehaves in every way we could think of.

mod certificates;
mod collect;
mod conformance;
mod escalation;
mod fake;
mod hostile;
mod keys;
mod real;
mod shell;
mod sshd;
mod way;

use std::time::Duration;

use fleet::Limits;

/// Far beyond what any test takes; a test that hangs fails here and not in the night.
const HANG: Duration = Duration::from_secs(120);

/// Waits for something that must come to an end.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("it must end in bounded time")
}

/// Limits for tests: small where a test waits for them to strike.
fn limits() -> Limits {
    Limits {
        connect_timeout: Duration::from_secs(20),
        host_timeout: Duration::from_secs(40),
        stdout_bytes_max: 1 << 20,
        retry_backoff: Duration::from_millis(10),
        ..Limits::default()
    }
}
