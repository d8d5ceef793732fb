//! How a run is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use plan::apply::ApplyLimits;

use super::report::HostReport;
use crate::limits::Limits;

/// The hosts that a run works on at the same time.
const PARALLEL: usize = 64;

/// Looks after a wave whether its hosts are well, given what came of each; an error says why not.
pub type HealthCheck = Arc<dyn Fn(Vec<HostReport>) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// How a run is done; `Default` stops at the first host that fails.
#[derive(Clone)]
pub struct ApplyOptions {
    /// Limits of connections. [`Limits::host_timeout`] and [`Limits::concurrent_hosts_max`] do not count here.
    pub limits: Limits,
    /// Limits of scripts.
    pub apply: ApplyLimits,
    /// The hosts that are worked on at the same time. Default 64.
    pub parallel: usize,
    /// How long everything about one host may take. `None` = as long as its steps' time limits allow.
    pub host_deadline: Option<Duration>,
    /// How many hosts may fail before no further one is begun.
    pub failures: FailureLimit,
    /// Looks after each wave whether the next one may begin.
    pub health: Option<HealthCheck>,
    /// Lets somebody stop the run.
    pub stop: StopSignal,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            apply: ApplyLimits::default(),
            parallel: PARALLEL,
            host_deadline: None,
            failures: FailureLimit::Hosts(0),
            health: None,
            stop: StopSignal::default(),
        }
    }
}

/// How many hosts may fail (or be in doubt, or out of reach) before no further one is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureLimit {
    /// So many.
    Hosts(usize),
    /// So many of a hundred hosts in the waves begun so far. 100 = the run never stops by itself.
    Percent(u8),
}

impl FailureLimit {
    /// Says whether so many failures of so many hosts are too many.
    pub(crate) fn is_exceeded(self, failed: usize, hosts: usize) -> bool {
        match self {
            Self::Hosts(max) => failed > max,
            Self::Percent(max) => failed * 100 > hosts * usize::from(max),
        }
    }
}

/// Stops a run: hosts at work come to their end, no further one is begun.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// Asks the run to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Says whether it was asked to.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_or_shared() {
        for (limit, failed, hosts, expected) in [
            (FailureLimit::Hosts(0), 0, 10, false),
            (FailureLimit::Hosts(0), 1, 10, true),
            (FailureLimit::Hosts(2), 2, 2, false),
            (FailureLimit::Percent(10), 1, 10, false),
            (FailureLimit::Percent(10), 2, 10, true),
            (FailureLimit::Percent(10), 1, 1, true),
            (FailureLimit::Percent(100), 10, 10, false),
            (FailureLimit::Percent(0), 1, 1000, true),
        ] {
            assert_eq!(limit.is_exceeded(failed, hosts), expected, "{limit:?} {failed}/{hosts}");
        }
    }
}
