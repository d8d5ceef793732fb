//! Waiting until hosts are back from a restart.

use std::sync::Arc;
use std::time::Duration;

use model::HostName;
use plan::Restart;
use tokio::time::{Instant, sleep};

use super::options::StopSignal;
use crate::ask::ask;
use crate::connector::Connector;
use crate::limits::Limits;
use crate::target::Target;

/// How often hosts that restart are asked.
const POLL: Duration = Duration::from_secs(2);
/// How long one question to a host that restarts may take: a try over a connection from before, then a new one.
const QUESTION_LIMIT: Duration = Duration::from_secs(20);
/// How long each of them may take to connect.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A host that restarts.
#[derive(Debug, Clone)]
pub struct Restarting {
    /// How to reach it.
    pub target: Target,
    /// What it said of its restart.
    pub restart: Restart,
    /// How long it is not asked from now on.
    pub quiet: Duration,
    /// How long it is waited for from now on.
    pub limit: Duration,
}

impl Restarting {
    /// A host that has begun its restart just now: its delay comes first.
    pub fn now(target: Target, restart: Restart) -> Self {
        let limit = restart.delay.saturating_add(restart.limit);
        Self { target, quiet: restart.delay, restart, limit }
    }

    /// A host that has begun its restart at an earlier contact, nobody knows when.
    pub fn earlier(target: Target, restart: Restart) -> Self {
        Self { quiet: Duration::ZERO, ..Self::now(target, restart) }
    }
}

/// Waits until each host answers with another boot than before its restart: a host that only answers may
/// be about to go down still. Returns those that did not in their time, with what `limits` say of connecting;
/// nobody is waited for once the run is asked to stop.
///
/// Cancellation: dropping the future ends all connections.
pub async fn await_restarts(
    mut hosts: Vec<Restarting>,
    connector: Arc<dyn Connector>,
    limits: &Limits,
    stop: &StopSignal,
) -> Vec<HostName> {
    let begun = Instant::now();
    let limits = Limits {
        connect_timeout: limits.connect_timeout.min(CONNECT_LIMIT),
        host_timeout: QUESTION_LIMIT,
        connect_retries_max: 0,
        ..limits.clone()
    };
    let mut late = Vec::new();
    while !hosts.is_empty() && !stop.is_requested() {
        sleep(POLL).await;
        let passed = begun.elapsed();
        // Before its delay is over, a host has nothing to tell.
        let (waiting, asked): (Vec<_>, Vec<_>) =
            hosts.into_iter().partition(|host| passed < host.quiet.min(host.limit));
        let questions: Vec<_> =
            asked.iter().map(|host| (host.target.clone(), plan::boot_questions())).collect();
        let answers = ask(&questions, Arc::clone(&connector), &limits, None).await;
        hosts = waiting;
        for (host, answer) in asked.into_iter().zip(answers) {
            let boot = answer.ok().and_then(|answers| plan::read_boot(&host.target.host, &answers));
            match boot {
                Some(boot) if boot != host.restart.boot => {}
                _ if begun.elapsed() >= host.limit => late.push(host.target.host),
                _ => hosts.push(host),
            }
        }
    }
    late
}
