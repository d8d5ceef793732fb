//! The dispatcher: order, concurrency, progress, connectors that break their promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fleet::{
    Access, ConnectError, Connector, ExecOutput, Limits, LocalConnector, ProgressState, Target,
    TargetConnection, collect,
};
use futures::future::BoxFuture;
use model::{Code, HostName};
use plan::{FactRequests, StreamEnd};

use crate::{limits, within};

fn targets(count: usize) -> Vec<Target> {
    let target = |index| Target {
        host: HostName::new(&format!("host-{index}")).expect("a good name"),
        connection: TargetConnection::Local,
        access: Access::default(),
    };
    (0..count).map(target).collect()
}

/// A connector that counts how many execs run at the same time; the first target's panics, the
/// second's hangs beyond its limit, the later ones end in reverse order.
#[derive(Default)]
struct Counting {
    running: AtomicUsize,
    running_max: AtomicUsize,
}

impl Connector for Counting {
    fn exec<'a>(
        &'a self,
        target: &'a Target,
        _stdin: &'a [u8],
        _limits: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        Box::pin(async move {
            let index: u32 = target.host.as_str()[5..].parse().expect("a number");
            assert_ne!(index, 0, "the first target's connector has a bug");
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.running_max.fetch_max(running, Ordering::SeqCst);
            if index == 1 {
                futures::future::pending::<()>().await;
            }
            for _ in index..20 {
                tokio::task::yield_now().await;
            }
            self.running.fetch_sub(1, Ordering::SeqCst);
            let (stdout, stderr) = (Vec::new(), Vec::new());
            Ok(ExecOutput { stdout, stderr, exit_status: Some(0), end: StreamEnd::Complete })
        })
    }
}

#[tokio::test]
async fn one_bug_and_one_hang_cost_two_hosts() {
    let counting = Arc::new(Counting::default());
    let limits = Limits { concurrent_hosts_max: 3, host_timeout: Duration::from_millis(200), ..limits() };
    let (sender, mut receiver) = tokio::sync::mpsc::channel(100);
    let targets = targets(20);
    let connector: Arc<dyn Connector> = Arc::clone(&counting) as _;
    let collections =
        within(collect(&targets, &FactRequests::scan(), connector, &limits, Some(sender))).await;

    let hosts: Vec<_> = collections.iter().map(|collection| &collection.host).collect();
    assert_eq!(hosts, targets.iter().map(|target| &target.host).collect::<Vec<_>>());
    assert_eq!(collections[0].problems[0].code, Code::CollectCut);
    assert_eq!(collections[1].problems[0].code, Code::CollectTimeout);
    assert_eq!(counting.running_max.load(Ordering::SeqCst), 3);

    let mut finished = Vec::new();
    while let Some(progress) = receiver.recv().await {
        assert_eq!(progress.total, 20);
        if let ProgressState::Finished { problems } = progress.state {
            assert!(problems > 0);
            finished.push(progress.finished);
        }
    }
    assert_eq!(finished, (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_progress_channel_does_not_hold_the_run() {
    let (sender, _receiver) = tokio::sync::mpsc::channel(1);
    let targets = targets(3);
    let connector = Arc::new(LocalConnector);
    let collections =
        within(collect(&targets, &FactRequests::scan(), connector, &limits(), Some(sender))).await;
    assert_eq!(collections.len(), 3);
}

#[tokio::test]
async fn no_targets_are_no_collections() {
    let connector = Arc::new(LocalConnector);
    assert_eq!(within(collect(&[], &FactRequests::scan(), connector, &limits(), None)).await, []);
}

#[tokio::test]
async fn this_machine_answers_for_itself() {
    let connector = Arc::new(LocalConnector);
    let limits = Limits::default();
    let collections = within(collect(&targets(1), &FactRequests::scan(), connector, &limits, None)).await;
    let collection = &collections[0];
    assert!(collection.kernel.is_some(), "{:?}", collection.problems);
    assert!(collection.started_at <= collection.finished_at);
}
