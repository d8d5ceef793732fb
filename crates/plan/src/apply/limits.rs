//! Every limit of applying on one host, with its unit.

use std::time::Duration;

/// How long a script waits for another one on the same host.
const LOCK_WAIT: Duration = Duration::from_secs(30);
/// How long one probe may take.
const PROBE_LIMIT: Duration = Duration::from_secs(60);
/// How long a script that is done waits until its outcomes are acknowledged; then its journal stays.
const ACK_LIMIT: Duration = Duration::from_secs(20);
/// The bytes kept of one step's standard output, and of its standard error: 16 KiB each.
const OUTPUT_BYTES_MAX: usize = 16 << 10;
/// The bytes of output that one script sends: 192 KiB. As much as sshd and the pipe take when nobody
/// reads any more (a cut cable), so that a script does not wait for a reader between two steps.
const STREAM_BYTES_MAX: usize = 192 << 10;
/// The bytes of output that an action may leave on the host's disk before they are dropped: 8 MiB.
const CAPTURE_BYTES_MAX: usize = 8 << 20;
/// The bytes of one action's or probe's text: 256 KiB.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// The bytes of one host's script with its bodies: 64 MiB. The host's shell holds it in memory.
const SCRIPT_BYTES_MAX: usize = 64 << 20;

/// The limits of applying on one host; `Default` gives each constant's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyLimits {
    /// How long a script waits for another one on the same host, in whole seconds. Default 30 s.
    pub lock_wait: Duration,
    /// How long one probe may take, in whole seconds. Default 60 s.
    pub probe_limit: Duration,
    /// How long a script that is done waits for the acknowledgement, in whole seconds. Default 20 s.
    pub ack_limit: Duration,
    /// The bytes kept of one step's standard output, and of its standard error. Default 16 KiB.
    pub output_bytes_max: usize,
    /// The bytes of output that one script sends. Default 192 KiB.
    pub stream_bytes_max: usize,
    /// The bytes of output that an action may leave on the host's disk. Default 8 MiB.
    pub capture_bytes_max: usize,
    /// The bytes of one action's or probe's text. Default 256 KiB.
    pub text_bytes_max: usize,
    /// The bytes of one host's script. Default 64 MiB.
    pub script_bytes_max: usize,
}

impl Default for ApplyLimits {
    fn default() -> Self {
        Self {
            lock_wait: LOCK_WAIT,
            probe_limit: PROBE_LIMIT,
            ack_limit: ACK_LIMIT,
            output_bytes_max: OUTPUT_BYTES_MAX,
            stream_bytes_max: STREAM_BYTES_MAX,
            capture_bytes_max: CAPTURE_BYTES_MAX,
            text_bytes_max: TEXT_BYTES_MAX,
            script_bytes_max: SCRIPT_BYTES_MAX,
        }
    }
}
