//! Asking many hosts for facts, without reading the answers.

use std::sync::Arc;

use model::Problem;
use plan::{Answers, FactRequests};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;

use crate::collect::{Progress, Work};
use crate::connector::Connector;
use crate::limits::Limits;
use crate::target::Target;

/// Asks each target its own questions, [`Limits::concurrent_hosts_max`] at a time, in one exec each.
/// Returns the raw answers in the order of the targets; a host that could not be asked, or that did not
/// answer at all, is a problem.
///
/// Cancellation: dropping the future ends all connections.
pub async fn ask(
    targets: &[(Target, FactRequests)],
    connector: Arc<dyn Connector>,
    limits: &Limits,
    progress: Option<Sender<Progress>>,
) -> Vec<Result<Answers, Problem>> {
    let work = Arc::new(Work::new(connector, limits));
    let mut answers: Vec<Option<Result<Answers, Problem>>> = targets.iter().map(|_| None).collect();
    let mut report = crate::collect::Reporter::new(progress, targets.len());
    let mut waiting = targets.iter().enumerate();
    let mut running = JoinSet::new();
    loop {
        while running.len() < limits.concurrent_hosts_max.max(1)
            && let Some((index, (target, requests))) = waiting.next()
        {
            report.started(&target.host);
            let (work, target, requests) = (Arc::clone(&work), target.clone(), requests.clone());
            running.spawn(async move { (index, work.ask(&target, &requests).await) });
        }
        let Some(joined) = running.join_next().await else { break };
        // A panic is a bug of ours; its host has no answer.
        if let Ok((index, answer)) = joined {
            report.asked(&targets[index].0.host, usize::from(answer.is_err()));
            answers[index] = Some(answer);
        }
    }
    let name = |index: usize| &targets[index].0.host;
    answers
        .into_iter()
        .enumerate()
        .map(|(index, answer)| answer.unwrap_or_else(|| Err(Work::crashed(name(index)))))
        .collect()
}
