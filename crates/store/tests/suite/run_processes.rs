//! Runs in several processes: who gets a host, and what a killed one leaves.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use store::{ClientScope, DatabaseUrl, HostClaim, RecordNumber, RunHostState, Store};

use crate::Place;
use crate::fleet::{at, inventory};
use crate::plans::with_plan;
use crate::record_log::{of_client, outcome};
use crate::runs::{begin, claim, end_of, free, number_of, run_id, start, states};

const ALL: ClientScope = ClientScope::All;

/// What a child process is told: what to do, where, and who it is.
const CHILD: &str = "IFRIT_STORE_CHILD";

/// Starts this test program again, with only [`works_in_a_process_of_its_own`].
fn child(place: &Place, what: &str, number: u8) -> Child {
    // The link also leads to a program that was built anew meanwhile.
    let link = PathBuf::from("/proc/self/exe");
    let program = if link.exists() { link } else { std::env::current_exe().expect("this program") };
    let mut command = Command::new(program);
    command.args(["--exact", "run_processes::works_in_a_process_of_its_own", "--nocapture"]);
    command.env(CHILD, format!("{what}\n{}\n{number}", place.text));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the child starts")
}

/// Not a test of its own: what the children of the others do.
#[test]
fn works_in_a_process_of_its_own() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let [what, url, number] = told.splitn(3, '\n').collect::<Vec<_>>().try_into().expect("three lines");
    let run = run_id(number.parse().expect("a number"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&DatabaseUrl::parse(url).expect("a URL")).await.expect("opened");
        if what == "claim" {
            let claimed = claim(&store, &run, &["a"], 1, 100).await;
            assert!(claimed == [free()], "another process has it");
            return;
        }
        said("ready");
        loop {
            let number = number_of(start(&store, &run, &["a"], 2).await[0]);
            let end = end_of("a", RunHostState::Stopped, outcome(number, "apply"));
            store.finish_hosts(&run, &[end], at(3)).await.expect("finished");
            claim(&store, &run, &["a"], 4, 100).await;
        }
    });
}

#[expect(clippy::print_stdout, reason = "how a child tells its parent that it is ready")]
fn said(word: &str) {
    println!("{word}");
}

pub async fn one_of_several_processes_gets_a_host(place: Place) {
    let store = place.open().await;
    store.sync_inventory(&inventory(&["acme/a"]), None, at(0)).await.expect("synced");
    let children: Vec<Child> = (0..4).map(|number| child(&place, "claim", number)).collect();
    let outcomes = children.into_iter().map(|mut child| child.wait().expect("the child ends").success());
    assert_eq!(outcomes.filter(|won| *won).count(), 1);
    let refused = claim(&store, &run_id(9), &["a"], 99, 100).await;
    assert!(matches!(refused.as_slice(), [HostClaim::Held { .. }]), "{refused:?}");
}

pub async fn a_process_that_is_killed_leaves_whole_records(place: Place) {
    let (store, plan) = with_plan(&place, &["acme/a"]).await;
    let mut count = 0;
    for round in 1..=3 {
        let run = run_id(round);
        claim(&store, &run, &["a"], 1, 100).await;
        begin(&store, &run, &plan, &["a"]).await;
        let mut child = child(&place, "work", round);
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        assert!(lines.any(|line| line.expect("a line").ends_with("ready")), "the child works");
        // It works until something new is on record; where it is then, nobody knows.
        while store.record_count(&ALL).await.expect("read") < count + 5 {
            tokio::task::yield_now().await;
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        let entries = store.records(&ALL, RecordNumber(1), 10_000).await.expect("every leaf is right");
        assert!(entries.iter().zip(1..).all(|(entry, number)| entry.number.0 == number), "no gap");
        count = store.record_count(&ALL).await.expect("read");
        let state = states(&store, &run).await["a"];
        let open = store.unanswered(&ALL, 9).await.expect("read");
        let unsettled = store.unsettled(&ALL, Timestamp::MAX).await.expect("read");
        assert_eq!(open.len(), usize::from(state == RunHostState::Started), "{state:?}");
        assert_eq!(unsettled.len(), open.len(), "what has no outcome is in doubt");
        for (host, record) in unsettled.iter().zip(&open) {
            assert_eq!(host.intent, record.number);
            let end = end_of("a", RunHostState::InDoubt, outcome(host.intent, "settle"));
            store.finish_hosts(&run, &[end], at(5)).await.expect("settled");
            claim(&store, &run, &["a"], 6, 100).await;
            let number = number_of(start(&store, &run, &["a"], 7).await[0]);
            let done = end_of("a", RunHostState::Done, of_client(outcome(number, "resume"), "acme"));
            store.finish_hosts(&run, &[done], at(8)).await.expect("finished");
        }
        store.end_run(&run, at(9), &[]).await.expect("ended");
        count = count.max(store.record_count(&ALL).await.expect("read"));
    }
}
