//! Runs, hosts in doubt, and claims.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Code, HostName, Place as Spot, Problem, RunId, StepOutcome};
use store::{
    ClientScope, HostClaim, HostEnd, HostIntent, HostStart, NewRecord, NewRun, PlanId, RecordNumber,
    RunHostState, RunStep, Store, StoreError, StoreErrorKind, Via,
};

use crate::Place;
use crate::concurrency::broken_off;
use crate::fleet::{at, host, inventory, only};
use crate::plans::with_plan;
use crate::postings::execute;
use crate::record_log::{event, intent, outcome};

const ALL: ClientScope = ClientScope::All;

pub fn run_id(byte: u8) -> RunId {
    RunId::from_bytes([byte; 16])
}

fn hosts(names: &[&str]) -> Vec<HostName> {
    names.iter().map(|name| host(name)).collect()
}

pub async fn begin(store: &Store, run: &RunId, plan: &PlanId, names: &[&str]) {
    let hosts = hosts(names);
    let new = NewRun { id: run, plan, actor: "eva", via: Via::Cli, begun_at: at(10), hosts: &hosts };
    store.begin_run(&new, &[event("run")]).await.expect("begun");
}

pub async fn claim(store: &Store, run: &RunId, names: &[&str], now: i64, until: i64) -> Vec<HostClaim> {
    store.claim_hosts(run, &hosts(names), at(now), at(until)).await.expect("claimed")
}

pub fn free() -> HostClaim {
    HostClaim::Claimed { unsettled: vec![] }
}

fn start_of(name: &str) -> HostIntent {
    HostIntent { host: host(name), deadline: Some(at(500)), record: intent(&format!("apply {name}")) }
}

pub async fn start(store: &Store, run: &RunId, names: &[&str], now: i64) -> Vec<HostStart> {
    let intents: Vec<_> = names.iter().map(|name| start_of(name)).collect();
    store.start_hosts(run, &intents, at(now)).await.expect("asked")
}

pub fn number_of(start: HostStart) -> RecordNumber {
    let HostStart::Started { intent } = start else { panic!("{start:?}") };
    intent
}

pub fn end_of(name: &str, state: RunHostState, record: NewRecord) -> HostEnd {
    HostEnd { host: host(name), state, last_step: None, problem: None, steps: vec![], record }
}

fn step(step: usize, outcome: StepOutcome) -> RunStep {
    RunStep { step, outcome, duration: None, stdout: vec![], stderr: vec![] }
}

pub async fn states(store: &Store, run: &RunId) -> BTreeMap<String, RunHostState> {
    let found = store.run(&ALL, run.as_str()).await.expect("found");
    found.hosts.into_iter().map(|it| (it.host.to_string(), it.state)).collect()
}

pub async fn a_run_goes_from_claim_to_end(place: Place) {
    let (store, plan) = with_plan(&place, &["acme/a", "acme/b", "acme/c"]).await;
    let run = run_id(1);
    assert_eq!(claim(&store, &run, &["a", "b", "c"], 9, 100).await, [free(), free(), free()]);
    begin(&store, &run, &plan, &["a", "b", "c"]).await;
    let started = start(&store, &run, &["b", "a"], 11).await;
    assert_eq!(started, [2, 3].map(|number| HostStart::Started { intent: RecordNumber(number) }));
    let first = store.records(&ALL, RecordNumber(2), 1).await.expect("read");
    assert_eq!(first[0].record, start_of("b").record, "the intent is on record");
    store.note_steps(&run, &[(host("a"), 0), (host("b"), 1), (host("a"), 2)]).await.expect("noted");

    let problem = Problem::new(Code::CollectUnreachable, Spot::Nowhere, "it broke");
    let failed = StepOutcome::Failed { status: Some(7), why: "no space\0".to_owned() };
    let broken = RunStep {
        duration: Some(Duration::from_millis(1500)),
        stdout: [vec![b'x'; 100], b"\0\xffend".to_vec()].concat(),
        stderr: vec![b'y'; 1_000_000],
        ..step(1, failed)
    };
    let end = HostEnd {
        last_step: Some(1),
        problem: Some(problem.clone()),
        steps: vec![broken, step(0, StepOutcome::Changed), step(2, StepOutcome::NotReached)],
        ..end_of("b", RunHostState::Stopped, outcome(number_of(started[0]), "apply b"))
    };
    let done = end_of("a", RunHostState::Done, outcome(number_of(started[1]), "apply a"));
    store.finish_hosts(&run, &[end, done], at(20)).await.expect("finished");
    let left = end_of("c", RunHostState::NotStarted, event("leave c"));
    store.finish_hosts(&run, &[left], at(21)).await.expect("finished");
    store.end_run(&run, at(22), &[event("end")]).await.expect("ended");

    let found = store.run(&ALL, &run.as_str()[..6].to_uppercase()).await.expect("found");
    let counts = [RunHostState::Done, RunHostState::Stopped, RunHostState::NotStarted].map(|it| (it, 1));
    assert_eq!(found.record.hosts, BTreeMap::from(counts));
    assert_eq!((found.record.begun_at, found.record.ended_at), (at(10), Some(at(22))));
    assert_eq!((&found.record.plan, found.record.deploy.as_str()), (&plan, "web/tls"));
    assert_eq!(store.runs(&ALL, 9).await.expect("read"), [found.record]);
    let [a, b, c] = found.hosts.as_slice() else { panic!("three hosts") };
    assert_eq!(
        (a.last_step, a.steps.len(), a.deadline),
        (Some(2), 0, Some(at(500))),
        "the last that was noted"
    );
    assert_eq!((b.started_at, b.ended_at, b.last_step), (Some(at(11)), Some(at(20)), Some(1)));
    assert_eq!(b.problem, Some(problem));
    let outcomes: Vec<_> = b.steps.iter().map(|it| (it.step, it.outcome.clone())).collect();
    let failed = StepOutcome::Failed { status: Some(7), why: "no space\u{fffd}".to_owned() };
    assert_eq!(outcomes, [(0, StepOutcome::Changed), (1, failed), (2, StepOutcome::NotReached)]);
    assert_eq!(b.steps[1].duration, Some(Duration::from_millis(1500)));
    assert_eq!((c.started_at, c.intent), (None, None));
    let output = store.run_output(&ALL, &run, &host("b")).await.expect("read");
    assert!(output[&1].is_cut && output[&1].stderr == vec![b'y'; store::STEP_OUTPUT_BYTES_MAX]);
    assert!(output[&1].stdout.ends_with(b"x\0\xffend") && !output[&0].is_cut);
    assert_eq!(store.unanswered(&ALL, 9).await.expect("read"), [], "each intent has its outcome");
    assert_eq!(claim(&store, &run_id(2), &["a", "b", "c"], 23, 99).await, [free(), free(), free()]);
}

pub async fn every_outcome_of_a_step_comes_back(place: Place) {
    let (store, plan) = with_plan(&place, &["acme/a"]).await;
    let run = run_id(1);
    claim(&store, &run, &["a"], 1, 100).await;
    begin(&store, &run, &plan, &["a"]).await;
    let number = number_of(start(&store, &run, &["a"], 2).await[0]);
    let why = || "because".to_owned();
    let outcomes = vec![
        StepOutcome::Unchanged,
        StepOutcome::Changed,
        StepOutcome::Skipped,
        StepOutcome::Stale { found: String::new() },
        StepOutcome::Failed { status: Some(255), why: why() },
        StepOutcome::Failed { status: None, why: why() },
        StepOutcome::NotReached,
        StepOutcome::InDoubt,
    ];
    let steps = outcomes.iter().cloned().enumerate().map(|(place, outcome)| step(place, outcome)).collect();
    let end = HostEnd { steps, ..end_of("a", RunHostState::InDoubt, outcome(number, "apply")) };
    store.finish_hosts(&run, &[end], at(3)).await.expect("finished");
    let found = store.run(&ALL, run.as_str()).await.expect("found").hosts.remove(0);
    assert_eq!(found.steps.into_iter().map(|it| it.outcome).collect::<Vec<_>>(), outcomes);

    for (change, why) in [
        ("outcome = 'lost'", "outcome `lost` of a step is not known"),
        ("outcome = 'changed', detail = 'x'", "has other details"),
        ("outcome = 'failed', detail = 'x', status = 300", "out of range"),
        ("step = -1", "out of range"),
    ] {
        execute(&place, &format!("UPDATE run_step SET {change} WHERE step = 0")).await;
        let error = store.run(&ALL, run.as_str()).await.expect_err(change);
        assert!(matches!(&error, StoreError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
        execute(&place, "UPDATE run_step SET step = 0 WHERE step = -1").await;
    }
    execute(&place, "UPDATE run_host SET state = 'odd'").await;
    let error = store.runs(&ALL, 1).await.expect_err("damaged").to_string();
    assert!(error.contains("state `odd` of a host in a run is not known"), "{error}");
}

pub async fn a_run_that_died_is_settled(place: Place) {
    let (store, plan) = with_plan(&place, &["acme/a", "acme/b"]).await;
    let (run, other) = (run_id(1), run_id(2));
    claim(&store, &run, &["a", "b"], 9, 100).await;
    begin(&store, &run, &plan, &["a", "b"]).await;
    let number = number_of(start(&store, &run, &["a"], 11).await[0]);
    store.note_steps(&run, &[(host("a"), 3)]).await.expect("noted");
    // Here the controller is killed. Its claim protects the host for a while.
    let held = HostClaim::Held { by: run.clone(), until: at(100) };
    assert_eq!(claim(&store, &other, &["a"], 99, 200).await, [held]);
    let [alive] = store.unsettled(&ALL, at(99)).await.expect("read").try_into().expect("one host");
    assert_eq!((alive.held_until, alive.last_step, alive.intent), (Some(at(100)), Some(3), number));
    assert_eq!((&alive.run, &alive.plan, alive.state), (&run, &plan, RunHostState::Started));
    let [dead] = store.unsettled(&ALL, at(100)).await.expect("read").try_into().expect("one host");
    assert_eq!((dead.held_until, dead.started_at, dead.host), (None, at(11), host("a")));

    let again = start(&store, &run, &["a"], 101).await;
    assert_eq!(again, [HostStart::NotStartable { state: RunHostState::Started }]);
    let doubt = end_of("a", RunHostState::InDoubt, outcome(number, "apply"));
    store.finish_hosts(&run, &[doubt], at(101)).await.expect("finished");
    assert_eq!(store.unsettled(&ALL, at(101)).await.expect("read")[0].state, RunHostState::InDoubt);
    assert_eq!(start(&store, &run, &["a"], 102).await, [HostStart::NotClaimed]);
    let unsettled = HostClaim::Claimed { unsettled: vec![run.clone()] };
    assert_eq!(claim(&store, &other, &["a", "b"], 103, 110).await, [unsettled.clone(), free()]);
    store.release_claims(&other).await.expect("given back");
    assert_eq!(claim(&store, &run, &["a"], 104, 200).await, [unsettled]);
    let number = number_of(start(&store, &run, &["a"], 105).await[0]);
    let done = end_of("a", RunHostState::Done, outcome(number, "resume"));
    store.finish_hosts(&run, &[done], at(106)).await.expect("finished");
    assert_eq!(store.unsettled(&ALL, at(107)).await.expect("read"), []);
    let over = start(&store, &run, &["a"], 108).await;
    assert_eq!(over, [HostStart::NotStartable { state: RunHostState::Done }]);
    let last = states(&store, &run).await;
    assert_eq!((last["a"], last["b"]), (RunHostState::Done, RunHostState::Waiting));
}

pub async fn what_a_run_may_not_do_is_refused(place: Place) {
    let (store, plan) = with_plan(&place, &["acme/a", "acme/b"]).await;
    let run = run_id(1);
    let new = |plan, hosts| NewRun { id: &run, plan, actor: "eva", via: Via::Cli, begun_at: at(1), hosts };
    let nothing = PlanId::new(at(0), [9; 10]);
    let check = |error: StoreError, why: &str| assert!(error.to_string().contains(why), "{error}");
    let known = hosts(&["a", "b"]);
    let cases = [
        (&nothing, hosts(&["a"]), "there is no plan"),
        (&plan, hosts(&["x"]), "host x is not declared"),
        (&plan, vec![], "no host, or one twice"),
        (&plan, hosts(&["a", "a"]), "no host, or one twice"),
    ];
    for (plan, names, why) in &cases {
        let error = store.begin_run(&new(plan, names), &[event("run")]).await.expect_err("refused");
        check(error, why);
    }
    assert_eq!(store.record_count(&ALL).await.expect("read"), 0);
    begin(&store, &run, &plan, &["a"]).await;
    assert!(store.begin_run(&new(&plan, &known[1..]), &[]).await.is_err(), "the id is taken");
    assert_eq!(start(&store, &run, &["a"], 2).await, [HostStart::NotClaimed]);
    claim(&store, &run, &["a", "b"], 3, 10).await;
    assert_eq!(start(&store, &run, &["a"], 10).await, [HostStart::NotClaimed], "the claim has ended");
    check(store.start_hosts(&run, &[start_of("b")], at(4)).await.expect_err("not in it"), "host b");
    let twice = [start_of("a"), start_of("a")];
    check(store.start_hosts(&run, &twice, at(4)).await.expect_err("twice"), "host a is named twice");
    let odd = HostIntent { record: event("x"), ..start_of("a") };
    check(store.start_hosts(&run, &[odd], at(4)).await.expect_err("no intent"), "of kind event");

    let number = store.append(&intent("other")).await.expect("written");
    let finish = async |state, record| {
        let end = end_of("a", state, record);
        store.finish_hosts(&run, &[end], at(5)).await.expect_err("refused")
    };
    check(finish(RunHostState::Done, event("x")).await, "host a is waiting (intent none)");
    let mine = number_of(start(&store, &run, &["a"], 4).await[0]);
    for (state, record) in [
        (RunHostState::Done, outcome(number, "x")),
        (RunHostState::Done, event("x")),
        (RunHostState::NotStarted, event("x")),
        (RunHostState::Waiting, outcome(mine, "x")),
        (RunHostState::Started, outcome(mine, "x")),
    ] {
        check(finish(state, record).await, "host a is started (intent 3)");
    }
    let good = end_of("a", RunHostState::Done, outcome(mine, "x"));
    store.finish_hosts(&run, std::slice::from_ref(&good), at(5)).await.expect("finished");
    check(finish(RunHostState::Done, outcome(mine, "x")).await, "host a is done");
    assert!(matches!(store.end_run(&run_id(9), at(6), &[]).await, Err(StoreError::NoSuch { .. })));
    for id in ["", "zz", "ffff"] {
        let error = store.run(&ALL, id).await.expect_err("none");
        assert_eq!(error.kind(), StoreErrorKind::NotFound, "{error:?}");
    }
}

pub async fn runs_are_seen_through_the_scope(place: Place) {
    let (store, plan) = with_plan(&place, &["acme/a", "zeta/z"]).await;
    let (both, one) = (run_id(0xaa), RunId::from_bytes([0xab; 16]));
    for (run, names) in [(&both, &["a", "z"][..]), (&one, &["z"])] {
        claim(&store, run, names, 1, 100).await;
        begin(&store, run, &plan, names).await;
        for name in names {
            let number = number_of(start(&store, run, &[name], 2).await[0]);
            let steps = vec![step(0, StepOutcome::Changed)];
            let end = HostEnd { steps, ..end_of(name, RunHostState::InDoubt, outcome(number, "x")) };
            store.finish_hosts(run, &[end], at(3)).await.expect("finished");
        }
    }
    for (scope, expected) in [
        (ALL, vec!["a", "z", "z"]),
        (only(&["acme"]), vec!["a"]),
        (only(&["zeta"]), vec!["z", "z"]),
        (only(&["nobody"]), vec![]),
        (only(&[]), vec![]),
    ] {
        let mut shown = Vec::new();
        for record in store.runs(&scope, 9).await.expect("read") {
            let detail = store.run(&scope, record.id.as_str()).await.expect("found");
            assert_eq!(detail.record, record);
            assert_eq!(record.hosts.values().sum::<usize>(), detail.hosts.len());
            assert!(detail.hosts.iter().all(|host| host.steps.len() == 1));
            shown.extend(detail.hosts.into_iter().map(|it| it.host.to_string()));
        }
        shown.sort();
        assert_eq!(shown, expected);
        let doubt = store.unsettled(&scope, at(4)).await.expect("read");
        let mut doubt: Vec<_> = doubt.into_iter().map(|it| it.host.to_string()).collect();
        doubt.sort();
        assert_eq!(doubt, expected);
        for name in ["a", "z"] {
            let output = store.run_output(&scope, &both, &host(name)).await.expect("read");
            assert_eq!(!output.is_empty(), expected.contains(&name), "{name}");
        }
    }
    let error = store.run(&ALL, "a").await.expect_err("two begin so");
    assert!(matches!(&error, StoreError::Ambiguous { count: 2, .. }), "{error:?}");
    assert_eq!(store.run(&only(&["acme"]), "a").await.expect("the only one that it sees").record.id, both);
}

pub async fn claims_end_are_renewed_and_given_back(place: Place) {
    let store = place.open().await;
    let declared = inventory(&["acme/a", "acme/b", "acme/c"]);
    store.sync_inventory(&declared, None, at(0)).await.expect("synced");
    let (mine, yours) = (run_id(1), run_id(2));
    let asked = claim(&store, &mine, &["b", "x", "a", "b"], 1, 10).await;
    assert_eq!(asked, [free(), HostClaim::Undeclared, free(), free()]);
    let held = |until| HostClaim::Held { by: run_id(1), until: at(until) };
    assert_eq!(claim(&store, &yours, &["a", "c"], 2, 20).await, [held(10), free()]);
    assert_eq!(store.renew_claims(&mine, at(15)).await.expect("renewed"), hosts(&["a", "b"]));
    assert_eq!(claim(&store, &yours, &["a"], 14, 20).await, [held(15)]);
    assert_eq!(claim(&store, &yours, &["a"], 15, 20).await, [free()], "it has ended");
    assert_eq!(store.renew_claims(&mine, at(30)).await.expect("renewed"), hosts(&["b"]), "a is lost");
    store.release_claims(&yours).await.expect("given back");
    assert_eq!(claim(&store, &mine, &["a", "c"], 16, 40).await, [free(), free()]);
    // A host that moves to another client is another host: nobody works on that one.
    let moved = inventory(&["zeta/a", "acme/b", "acme/c"]);
    store.sync_inventory(&moved, None, at(17)).await.expect("synced");
    assert_eq!(claim(&store, &yours, &["a"], 18, 40).await, [free()]);
}

pub async fn a_start_or_finish_that_is_dropped_anywhere_leaves_nothing(place: Place) {
    let (store, plan) = with_plan(&place, &["acme/a", "acme/b"]).await;
    for round in 0..2 {
        let run = run_id(round);
        claim(&store, &run, &["a", "b"], 1, 100).await;
        begin(&store, &run, &plan, &["a", "b"]).await;
        let intents = ["a", "b"].map(start_of);
        let mut polls = 1;
        while !broken_off(store.start_hosts(&run, &intents, at(2)), polls).await {
            let states = states(&store, &run).await;
            let started = states.values().filter(|state| **state == RunHostState::Started).count();
            assert_eq!(store.unanswered(&ALL, 99).await.expect("read").len(), started, "after {polls} polls");
            assert!(started != 1, "both or none");
            polls += 1;
        }
        let open = store.unanswered(&ALL, 99).await.expect("read");
        let ends: Vec<_> = open
            .iter()
            .map(|it| {
                let name = it.record.action.strip_prefix("apply ").expect("a host");
                let steps = (0..40).map(|place| step(place, StepOutcome::Changed)).collect();
                HostEnd { steps, ..end_of(name, RunHostState::Done, outcome(it.number, "apply")) }
            })
            .collect();
        let mut polls = 1;
        // Once it was done in spite of being dropped, it is refused.
        while !broken_off(store.finish_hosts(&run, &ends, at(3)), polls).await {
            let found = store.run(&ALL, run.as_str()).await.expect("found").hosts;
            let done =
                found.iter().filter(|it| it.state == RunHostState::Done && it.steps.len() == 40).count();
            let untouched =
                found.iter().filter(|it| it.state == RunHostState::Started && it.steps.is_empty());
            let untouched = untouched.count();
            assert!([(0, 2), (2, 0)].contains(&(done, untouched)), "after {polls} polls");
            assert_eq!(store.unanswered(&ALL, 99).await.expect("read").len(), untouched);
            polls += 1;
        }
        assert!(store.unanswered(&ALL, 99).await.expect("read").is_empty());
        store.end_run(&run, at(4), &[]).await.expect("ended");
    }
}
