//! Barriers, failures and stops, at hosts that are played.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fleet::{
    Access, ApplyOptions, ApplyRequest, ConnectError, Connector, ExecOutput, FailureLimit, HostOutcome,
    HostReport, Limits, NotStarted, RunReport, StopSignal, Target, TargetConnection, apply,
};
use futures::future::BoxFuture;
use model::{HostName, Plan, RunId};
use plan::StreamEnd;
use tokio::sync::mpsc::channel;

use crate::plans;

/// Hosts whose names begin with `bad` fail at their first step; `lost` hosts break off, `gone` ones are
/// out of reach.
#[derive(Default)]
struct Played {
    begun: Mutex<Vec<String>>,
}

impl Connector for Played {
    fn exec<'a>(
        &'a self,
        target: &'a Target,
        stdin: &'a [u8],
        _: &'a Limits,
    ) -> BoxFuture<'a, Result<ExecOutput, ConnectError>> {
        Box::pin(async move {
            let name = target.host.as_str();
            self.begun.lock().expect("no panic").push(name.to_owned());
            if name.starts_with("gone") {
                return Err(ConnectError::WrongConnector);
            }
            let script = String::from_utf8_lossy(stdin);
            let nonce =
                script.split("nonce='").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce");
            let words = match name {
                name if name.starts_with("bad") => "begin,start 0,end 0 failed 7 -,done",
                name if name.starts_with("lost") => "begin,start 0",
                _ => "begin,start 0,end 0 changed - -,done",
            };
            let frames = words.split(',').map(|words| format!("\n{nonce} {words}\n"));
            let (stdout, stderr) = (frames.collect::<String>().into_bytes(), Vec::new());
            Ok(ExecOutput { stdout, stderr, exit_status: Some(0), end: StreamEnd::Complete })
        })
    }
}

struct Run {
    report: RunReport,
    begun: Vec<String>,
}

impl Run {
    fn words(&self) -> BTreeMap<&str, &str> {
        self.report.hosts.iter().map(|host| (host.host.as_str(), host.outcome.as_str())).collect()
    }
}

async fn run(waves: &[&[&str]], options: ApplyOptions) -> Run {
    run_without(waves, &[], options).await
}

/// Runs a plan of which some hosts are absent: they have failed already.
async fn run_without(waves: &[&[&str]], absent: &[&str], options: ApplyOptions) -> Run {
    let names: Vec<String> =
        waves.iter().flat_map(|wave| wave.iter().map(|name| (*name).to_owned())).collect();
    let name = |name: &str| HostName::new(name).expect("a name");
    let waves = waves.iter().map(|wave| wave.iter().map(|host| name(host)).collect()).collect();
    let plan = Plan { waves, ..plans::plan(&names, 1) };
    let target = |host: &String| Target {
        host: name(host),
        connection: TargetConnection::Local,
        access: Access::default(),
    };
    let played = Arc::new(Played::default());
    let request = ApplyRequest {
        plan: Arc::new(plans::approved(plan)),
        run: RunId::from_bytes([9; 16]),
        targets: names.iter().filter(|name| !absent.contains(&name.as_str())).map(target).collect(),
        earlier: BTreeMap::new(),
        restarts: BTreeMap::new(),
        failed: absent.iter().map(|host| name(host)).collect(),
        rerun: false,
        secrets: Arc::new(|_| None),
    };
    let (sender, mut receiver) = channel(4);
    let drain = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
    let report = apply(request, Arc::clone(&played) as Arc<dyn Connector>, &options, sender).await;
    drain.await.expect("no panic");
    let begun = played.begun.lock().expect("no panic").clone();
    Run { report, begun }
}

fn limit(failures: FailureLimit) -> ApplyOptions {
    ApplyOptions { failures, ..ApplyOptions::default() }
}

#[tokio::test]
async fn every_host_gets_its_turn_wave_by_wave() {
    let run = run(&[&["c", "a"], &["b"]], ApplyOptions::default()).await;
    assert!(run.report.is_complete() && run.report.stopped.is_none());
    assert_eq!(run.begun.last().map(String::as_str), Some("b"));
    assert_eq!(run.words().into_values().collect::<Vec<_>>(), ["done"; 3]);
}

#[tokio::test]
async fn a_wave_with_too_many_failures_is_the_last() {
    for (bad, word) in [("bad", "stopped"), ("lost", "in-doubt"), ("gone", "unreachable")] {
        let run = run(&[&["canary", bad], &["b"], &["c"]], ApplyOptions::default()).await;
        assert_eq!(run.words()[bad], word);
        assert_eq!((run.words()["b"], run.words()["c"]), ("not-started", "not-started"));
        assert_eq!(run.report.stopped, Some(NotStarted::TooManyFailures { failed: 1 }));
        assert_eq!(run.begun.len(), 2);
    }
}

#[tokio::test]
async fn failures_within_the_limit_stop_nothing() {
    let waves: &[&[&str]] = &[&["a", "bad-1"], &["b", "bad-2"], &["c"]];
    for (failures, begun) in [
        (FailureLimit::Hosts(2), 5),
        (FailureLimit::Hosts(1), 4),
        (FailureLimit::Percent(50), 5),
        (FailureLimit::Percent(49), 2),
    ] {
        let run = run(waves, limit(failures)).await;
        assert_eq!(run.begun.len(), begun, "{failures:?}: {:?}", run.words());
    }
}

#[tokio::test]
async fn within_a_wave_no_host_is_begun_after_the_limit() {
    let options = ApplyOptions { parallel: 1, ..ApplyOptions::default() };
    let run = run(&[&["a", "bad", "b", "c"]], options).await;
    assert_eq!(run.begun, ["a", "bad"]);
    assert_eq!(run.words()["c"], "not-started");
}

#[tokio::test]
async fn a_canary_that_has_no_turn_proves_nothing() {
    let waves: &[&[&str]] = &[&["canary"], &["b"], &["c"]];
    let run = run_without(waves, &["canary"], limit(FailureLimit::Percent(20))).await;
    assert!(run.begun.is_empty(), "{:?}", run.begun);
    assert_eq!(run.report.stopped, Some(NotStarted::TooManyFailures { failed: 1 }));
    // The others of its own wave go on, as they do beside a host that fails.
    let run = run_without(&[&["a", "b"], &["c"]], &["a"], limit(FailureLimit::Percent(20))).await;
    assert_eq!((run.begun.as_slice(), run.words()["c"]), (["b".to_owned()].as_slice(), "not-started"));
    let run = run_without(waves, &["canary"], limit(FailureLimit::Percent(100))).await;
    assert_eq!(run.begun, ["b", "c"]);
}

#[tokio::test]
async fn an_ill_wave_is_the_last() {
    let health: fleet::HealthCheck = Arc::new(|wave: Vec<HostReport>| {
        Box::pin(
            async move { if wave[0].host.as_str() == "b" { Err("b is ill".to_owned()) } else { Ok(()) } },
        )
    });
    let options = ApplyOptions { health: Some(health), ..ApplyOptions::default() };
    let run = run(&[&["a"], &["b"], &["c"]], options).await;
    assert_eq!(run.begun, ["a", "b"]);
    assert_eq!(run.report.stopped, Some(NotStarted::Unhealthy { why: "b is ill".into() }));
}

#[tokio::test]
async fn a_stopped_run_begins_no_host() {
    let stop = StopSignal::default();
    stop.request();
    let run = run(&[&["a"], &["b"]], ApplyOptions { stop, ..ApplyOptions::default() }).await;
    assert!(run.begun.is_empty());
    let is_left = |outcome: &HostOutcome| *outcome == HostOutcome::NotStarted(NotStarted::Stopped);
    assert!(run.report.hosts.iter().all(|host| is_left(&host.outcome)));
}
