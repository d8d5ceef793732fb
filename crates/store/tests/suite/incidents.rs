//! Incidents, their evidence and time line; exceptions.

use std::collections::BTreeMap;

use model::{
    ClientName, Exception, Fix, IncidentId, IncidentKind, Inventory, Mark, PackageName, PersonName,
    Place as Spot, Rung, Selector, Stage, Verdict, Version, VulnerabilityId,
};
use sha2::{Digest, Sha256};
use store::{
    ClientScope, EVIDENCE_OUTPUT_BYTES_MAX, INCIDENT_RECORDS_MAX, IncidentFinding, IncidentHost,
    IncidentHostState, IncidentLink, NewEvidence, NewIncident, NewMark, NewRecord, RecordBody, RecordNumber,
    Store, StoreError,
};

use crate::Place;
use crate::feeds::sync;
use crate::fleet::{advisory, at, collection, host, inventory, only, record};
use crate::plans::{plan, planned, with_plan};
use crate::postings::try_execute;
use crate::record_log::{event, of_client, tamper};
use crate::runs::{begin, claim, run_id};

const ALL: ClientScope = ClientScope::All;

fn ids(names: &[&str]) -> Vec<VulnerabilityId> {
    names.iter().map(|name| VulnerabilityId::new(*name)).collect()
}

fn finding(package: &str, installed: &str, fix: Fix) -> IncidentFinding {
    IncidentFinding {
        id: VulnerabilityId::new("CVE-2026-1"),
        package: PackageName::new(package),
        installed: Version::new(installed),
        fix,
        remedy: "upgrade it".to_owned(),
    }
}

/// A host of an incident, as `client/host`.
fn of_incident(path: &str, rank: u32, state: IncidentHostState) -> IncidentHost {
    let (client, name) = path.split_once('/').expect("client/host");
    IncidentHost {
        client: ClientName::new(client).expect("a client's name"),
        host: host(name),
        rank,
        reasons: vec![format!("listens on *:{rank}"), "\"quoted\"\n".to_owned()],
        findings: vec![finding("curl", "1", Fix::In(Version::new("2"))), finding("musl", "1", Fix::NotYet)],
        state,
    }
}

fn mark_at(mark: Mark, path: &str, second: i64) -> NewMark {
    let (client, name) = path.split_once('/').unwrap_or((path, ""));
    NewMark {
        mark,
        client: (!client.is_empty()).then(|| ClientName::new(client).expect("a client's name")),
        host: (!name.is_empty()).then(|| host(name)),
        at: at(second),
    }
}

fn evidence(incident: Option<IncidentId>, path: &str, output: &[u8]) -> NewEvidence {
    let (client, name) = path.split_once('/').expect("client/host");
    NewEvidence {
        incident,
        client: ClientName::new(client).expect("a client's name"),
        host: host(name),
        package: PackageName::new("curl"),
        rung: Rung::Files,
        verdict: Verdict::Failed,
        detail: "/usr/bin/curl is not what the package brought".to_owned(),
        output: output.to_vec(),
        is_cut: false,
        taken_at: at(50),
        record: None,
    }
}

async fn open(store: &Store, second: i64, hosts: &[IncidentHost]) -> IncidentId {
    let ids = ids(&["CVE-2026-1", "DSA-1"]);
    let new = NewIncident {
        kind: IncidentKind::Emergency,
        title: "curl is broken",
        opened_at: at(second),
        opened_by: "eva",
        ids: &ids,
        scope: &ALL,
        selector: Some("client:acme or client:zeta"),
        words: &["curl".to_owned()],
        deploy: None,
        hosts,
        marks: &[mark_at(Mark::Seen, "", 5), mark_at(Mark::Matched, "acme/a", 6)],
    };
    let opened = NewRecord { target: String::new(), ..event("incident.open") };
    store.open_incident(&new, &[opened]).await.expect("opened")
}

async fn with_hosts(place: &Place, paths: &[&str]) -> Store {
    let store = place.open().await;
    store.sync_inventory(&inventory(paths), None, at(0)).await.expect("synced");
    store
}

fn actions(entries: &[store::RecordEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.record.action.as_str()).collect()
}

pub async fn an_incident_comes_back_as_it_was_opened(place: Place) {
    let store = with_hosts(&place, &["acme/a", "acme/b"]).await;
    let hosts = [
        of_incident("acme/b", 2, IncidentHostState::NoFix),
        of_incident("acme/a", 1, IncidentHostState::Vulnerable),
    ];
    let id = open(&store, 10, &hosts).await;
    assert_eq!(id, IncidentId::new(2026, 1));
    let found = store.incident(&ALL, id).await.expect("found");
    assert_eq!(found.hosts, [hosts[1].clone(), hosts[0].clone()], "by rank");
    assert_eq!(found.marks, [mark_at(Mark::Seen, "", 5), mark_at(Mark::Matched, "acme/a", 6)]);
    let it = &found.record;
    assert_eq!(
        (it.kind, it.stage, it.title.as_str()),
        (IncidentKind::Emergency, Stage::Opened, "curl is broken")
    );
    assert_eq!((it.opened_at, it.opened_by.as_str(), it.closed_at), (at(10), "eva", None));
    assert_eq!((&it.ids, &it.scope), (&ids(&["CVE-2026-1", "DSA-1"]), &ALL));
    assert_eq!((it.words.as_slice(), it.deploy.as_deref()), (&["curl".to_owned()][..], None));
    assert_eq!(it.selector.as_deref(), Some("client:acme or client:zeta"));
    let states = [(IncidentHostState::Vulnerable, 1), (IncidentHostState::NoFix, 1)];
    assert_eq!(it.hosts, BTreeMap::from(states));
    assert_eq!(store.incidents(&ALL, 9).await.expect("read"), std::slice::from_ref(it));
    let records = store.incident_records(&ALL, id, 9).await.expect("read");
    assert_eq!(records[0].record.target, "inc-2026-0001", "an empty target is filled in");
}

pub async fn incidents_are_numbered_within_their_year(place: Place) {
    let store = with_hosts(&place, &["acme/a"]).await;
    let year = 366 * 24 * 60 * 60;
    for (second, expected) in [(1, (2026, 1)), (2, (2026, 2)), (year, (2027, 1)), (3, (2026, 3))] {
        assert_eq!(open(&store, second, &[]).await, IncidentId::new(expected.0, expected.1));
    }
    let all = store.incidents(&ALL, 9).await.expect("read");
    let named: Vec<String> = all.iter().map(|it| it.id.to_string()).collect();
    assert_eq!(named, ["inc-2027-0001", "inc-2026-0003", "inc-2026-0002", "inc-2026-0001"]);
    assert_eq!(store.incidents(&ALL, 1).await.expect("read"), all[..1]);
    let (a, b) = (place.open().await, place.open().await);
    let (one, other) = tokio::join!(open(&a, 4, &[]), open(&b, 5, &[]));
    assert_eq!(one.number() + other.number(), 4 + 5, "{one} and {other}");
}

pub async fn an_incident_goes_its_way(place: Place) {
    use IncidentHostState as State;
    let (store, plan_id) = with_plan(&place, &["acme/a", "acme/b"]).await;
    let id = open(&store, 10, &[of_incident("acme/a", 1, State::Vulnerable)]).await;
    let about = |action: &str| NewRecord { target: id.to_string(), ..event(action) };
    let hosts = [of_incident("acme/b", 2, State::Vulnerable), of_incident("acme/a", 1, State::Patched)];
    store.set_incident_hosts(id, &hosts, &[about("hosts")]).await.expect("set");
    store.set_incident_stage(id, Stage::Planned, None, &[about("stage")]).await.expect("set");
    // The first of a kind at a place counts, in one call and over several.
    let marks = [
        mark_at(Mark::Patched, "acme/a", 20),
        mark_at(Mark::Patched, "acme/a", 19),
        mark_at(Mark::Patched, "acme/b", 21),
        mark_at(Mark::Reported, "acme", 30),
        mark_at(Mark::Matched, "acme/a", 1),
    ];
    store.add_marks(id, &marks, &[about("mark")]).await.expect("set");
    store.add_marks(id, &[mark_at(Mark::Reported, "acme", 99)], &[]).await.expect("set");
    let link = IncidentLink::Plan(plan_id.clone());
    for _ in 0..2 {
        store.link_incident(id, &link, &[]).await.expect("linked");
    }
    let run = run_id(7);
    claim(&store, &run, &["a"], 9, 100).await;
    begin(&store, &run, &plan_id, &["a"]).await;
    store.link_incident(id, &IncidentLink::Run(run.clone()), &[about("link")]).await.expect("linked");

    // A host that is retired keeps its place and can still be spoken of.
    store.sync_inventory(&inventory(&["acme/a"]), None, at(40)).await.expect("synced");
    store
        .set_incident_hosts(id, &[of_incident("acme/b", 2, State::NotAffected)], &[])
        .await
        .expect("still in the incident");
    store.add_marks(id, &[mark_at(Mark::Verified, "acme/b", 41)], &[]).await.expect("set");
    let found = store.incident(&ALL, id).await.expect("found");
    let states: Vec<_> = found.hosts.iter().map(|it| (it.host.as_str(), it.state)).collect();
    assert_eq!(states, [("a", State::Patched), ("b", State::NotAffected)]);
    let marks: Vec<_> =
        found.marks.iter().map(|it| (it.mark, it.at.as_second() - at(0).as_second())).collect();
    use Mark::{Matched, Patched, Reported, Seen, Verified};
    assert_eq!(
        marks,
        [(Seen, 5), (Matched, 6), (Patched, 20), (Patched, 21), (Reported, 30), (Verified, 41)]
    );
    assert_eq!((found.plans, found.runs), (vec![plan_id], vec![run]));

    store.set_incident_stage(id, Stage::Closed, Some(at(60)), &[about("close")]).await.expect("closed");
    let found = store.incident(&ALL, id).await.expect("found").record;
    assert_eq!((found.stage, found.closed_at), (Stage::Closed, Some(at(60))));
    let records = store.incident_records(&ALL, id, 99).await.expect("read");
    assert_eq!(actions(&records), ["incident.open", "hosts", "stage", "mark", "link", "close"]);
    assert_eq!(store.incident_records(&ALL, id, 2).await.expect("read"), records[..2]);
}

pub async fn what_cannot_be_said_of_an_incident_is_refused(place: Place) {
    let store = with_hosts(&place, &["acme/a", "zeta/z"]).await;
    let id = open(&store, 10, &[]).await;
    let before = store.incident(&ALL, id).await.expect("found");
    let count = store.record_count(&ALL).await.expect("read");
    let unknown = IncidentId::new(2026, 77);
    let vulnerable = IncidentHostState::Vulnerable;
    let records = [event("x")];
    let no_such = |error: StoreError| assert!(matches!(error, StoreError::NoSuch { .. }), "{error:?}");
    no_such(store.incident(&ALL, unknown).await.expect_err("none"));
    no_such(store.incident_records(&ALL, unknown, 9).await.expect_err("none"));
    no_such(store.set_incident_hosts(unknown, &[], &records).await.expect_err("none"));
    no_such(store.set_incident_stage(unknown, Stage::Closed, None, &records).await.expect_err("none"));
    no_such(store.add_marks(unknown, &[], &records).await.expect_err("none"));
    let run = IncidentLink::Run(run_id(1));
    no_such(store.link_incident(unknown, &run, &records).await.expect_err("none"));
    let taken = [evidence(Some(unknown), "acme/a", b"")];
    no_such(store.add_evidence(&taken, &records).await.expect_err("none"));
    no_such(store.add_marks(id, &[mark_at(Mark::Reported, "nobody", 1)], &records).await.expect_err("none"));
    // Another client's host is no host of this one.
    for path in ["acme/z", "acme/nobody"] {
        let error = store
            .set_incident_hosts(id, &[of_incident(path, 1, vulnerable)], &records)
            .await
            .expect_err("refused");
        assert!(matches!(error, StoreError::UnknownHost { .. }), "{error:?}");
        let error = store.add_evidence(&[evidence(None, path, b"")], &records).await.expect_err("refused");
        assert!(matches!(error, StoreError::UnknownHost { .. }), "{error:?}");
    }
    let nobodys = NewMark { client: None, ..mark_at(Mark::Patched, "acme/a", 1) };
    let error = store.add_marks(id, &[nobodys], &records).await.expect_err("refused").to_string();
    assert!(error.contains("the mark of host a has no client"), "{error}");
    let beyond = NewEvidence { record: Some(1), ..evidence(Some(id), "acme/a", b"") };
    let error = store.add_evidence(&[beyond], &records).await.expect_err("refused").to_string();
    assert!(error.contains("record 1 of 1 is named"), "{error}");
    assert_eq!(store.incident(&ALL, id).await.expect("found"), before);
    assert_eq!(store.record_count(&ALL).await.expect("read"), count, "nothing is left of it");
}

pub async fn evidence_is_kept_and_cannot_be_changed(place: Place) {
    let store = with_hosts(&place, &["acme/a"]).await;
    let id = open(&store, 10, &[of_incident("acme/a", 1, IncidentHostState::Patched)]).await;
    let long = vec![b'x'; EVIDENCE_OUTPUT_BYTES_MAX + 1];
    let first = NewEvidence { record: Some(1), ..evidence(Some(id), "acme/a", b"\0\xff not text") };
    let second = evidence(Some(id), "acme/a", &long);
    let outside = NewEvidence { verdict: Verdict::NotApplicable, ..evidence(None, "acme/a", b"") };
    let all = [first.clone(), outside, second.clone()];
    store.add_evidence(&all, &[event("other"), event("evidence")]).await.expect("kept");
    let found = store.incident(&ALL, id).await.expect("found").evidence;
    assert_eq!(found.len(), 2, "what was taken outside of it is not its");
    assert_eq!((found[0].output.as_slice(), found[0].is_cut), (&b"\0\xff not text"[..], false));
    assert_eq!((found[0].rung, found[0].verdict, found[0].taken_at), (Rung::Files, Verdict::Failed, at(50)));
    assert_eq!(found[0].output_hash, <[u8; 32]>::from(Sha256::digest(b"\0\xff not text")));
    assert_eq!((found[0].output_hash, found[0].record), (first.output_hash(), Some(RecordNumber(3))));
    assert_eq!((found[1].output.len(), found[1].is_cut), (EVIDENCE_OUTPUT_BYTES_MAX, true));
    assert_eq!((found[1].output_hash, found[1].is_intact), (second.output_hash(), true));
    // In the order of the call, whatever it belongs to; the last one first.
    let of_host = store.evidence_of(&ALL, &host("a"), 9).await.expect("read");
    assert_eq!(of_host.iter().map(|it| it.incident).collect::<Vec<_>>(), [Some(id), None, Some(id)]);

    for change in ["UPDATE evidence SET verdict = 'passed'", "DELETE FROM evidence"] {
        let error = try_execute(&place, change).await.expect_err("refused").to_string();
        assert!(error.contains("evidence is append-only"), "{error}");
    }
    tamper(&place, "evidence", "UPDATE evidence SET output = output_hash WHERE id = 1").await;
    let found = store.incident(&ALL, id).await.expect("found").evidence;
    assert_eq!(found.iter().map(|it| it.is_intact).collect::<Vec<_>>(), [false, true]);
}

pub async fn the_time_line_is_the_incidents_own(place: Place) {
    let (store, plan_id) = with_plan(&place, &["acme/a"]).await;
    let hosts = [planned("acme/a", 1)];
    let same = store.save_plan(&plan(b"a plan", &hosts, 2, 0), &[]).await.expect("saved");
    let id = open(&store, 10, &[of_incident("acme/a", 1, IncidentHostState::Vulnerable)]).await;
    let other = open(&store, 11, &[]).await;
    let (mine, foreign) = (run_id(1), run_id(2));
    store.link_incident(id, &IncidentLink::Plan(plan_id.clone()), &[]).await.expect("linked");
    store.link_incident(id, &IncidentLink::Run(mine.clone()), &[]).await.expect("linked");
    let hash = <[u8; 32]>::from(Sha256::digest(b"a plan"));
    let of_plan = |action: &str, body: RecordBody| NewRecord { plan: Some(hash), body, ..event(action) };
    let body = RecordBody::default;
    let naming = |action: &str, id: IncidentId| NewRecord {
        body: body().with("a", 1).with("incident", id.to_string()).with("z", true),
        ..event(action)
    };
    // A text that only looks like a body that names it.
    let text = format!("\"incident\":\"{id}\"");
    let records = [
        naming("verify", id),
        naming("verify the other", other),
        event("nothing to do with it"),
        of_plan("approve", body()),
        of_plan("run", body().with("run", mine.as_str()).with("plan", plan_id.as_str())),
        of_plan("another run", body().with("run", foreign.as_str())),
        of_plan("another plan", body().with("plan", same.as_str())),
        NewRecord { plan: Some([7; 32]), ..event("a plan of something else") },
        NewRecord { body: body().with("text", text.as_str()), ..event("forged") },
        NewRecord { target: "inc-2026-00010".to_owned(), ..event("another target") },
        NewRecord { target: id.to_string(), reason: Some(text), ..event("note") },
    ];
    store.append_all(&records).await.expect("written");
    let found = store.incident_records(&ALL, id, INCIDENT_RECORDS_MAX).await.expect("read");
    assert_eq!(actions(&found), ["incident.open", "verify", "approve", "run", "note"]);
    let found = store.incident_records(&ALL, other, 99).await.expect("read");
    assert_eq!(actions(&found), ["incident.open", "verify the other"]);
}

pub async fn an_incident_is_seen_through_the_scope(place: Place) {
    let (store, both) = with_plan(&place, &["acme/a", "zeta/z"]).await;
    let hosts = [planned("zeta/z", 1)];
    let of_zeta = store.save_plan(&plan(b"zeta's", &hosts, 2, 0), &[]).await.expect("saved");
    let vulnerable = IncidentHostState::Vulnerable;
    let hosts = [of_incident("acme/a", 1, vulnerable), of_incident("zeta/z", 2, vulnerable)];
    let id = open(&store, 10, &hosts).await;
    let nobodys = open(&store, 11, &[]).await;
    let marks = ["acme/a", "zeta/z", "acme", "zeta"].map(|path| mark_at(Mark::Reported, path, 20));
    let named = |action: &str| NewRecord { target: id.to_string(), ..event(action) };
    let records =
        [of_client(named("of acme"), "acme"), of_client(named("of zeta"), "zeta"), named("of none")];
    store.add_marks(id, &marks, &records).await.expect("set");
    for plan in [&both, &of_zeta] {
        store.link_incident(id, &IncidentLink::Plan(plan.clone()), &[]).await.expect("linked");
    }
    let taken = ["acme/a", "zeta/z"].map(|path| evidence(Some(id), path, path.as_bytes()));
    store.add_evidence(&taken, &[]).await.expect("kept");

    let acme = store.incident(&only(&["acme"]), id).await.expect("seen");
    assert_eq!(acme.hosts, hosts[..1]);
    assert_eq!((&acme.record.scope, acme.record.selector.as_deref()), (&only(&["acme"]), None));
    assert_eq!(acme.record.hosts, BTreeMap::from([(vulnerable, 1)]));
    let expected = [
        mark_at(Mark::Seen, "", 5),
        mark_at(Mark::Matched, "acme/a", 6),
        mark_at(Mark::Reported, "acme", 20),
        mark_at(Mark::Reported, "acme/a", 20),
    ];
    assert_eq!(acme.marks, expected);
    assert_eq!(acme.plans, [both]);
    let seen: Vec<_> = acme.evidence.iter().map(|it| it.host.as_str()).collect();
    assert_eq!(seen, ["a"]);
    let records = store.incident_records(&only(&["acme"]), id, 9).await.expect("read");
    assert_eq!(actions(&records), ["of acme"]);
    assert_eq!(store.evidence_of(&only(&["acme"]), &host("z"), 9).await.expect("read"), []);

    assert_eq!(store.incidents(&only(&["acme"]), 9).await.expect("read"), [acme.record]);
    assert_eq!(store.incidents(&ALL, 9).await.expect("read").len(), 2);
    for scope in [only(&[]), only(&["nobody"])] {
        assert_eq!(store.incidents(&scope, 9).await.expect("read"), []);
        for id in [id, nobodys] {
            assert!(matches!(store.incident(&scope, id).await, Err(StoreError::NoSuch { .. })));
            assert!(matches!(store.incident_records(&scope, id, 9).await, Err(StoreError::NoSuch { .. })));
        }
    }
    let everybody = store.incident(&only(&["acme", "zeta"]), id).await.expect("seen");
    let all = store.incident(&ALL, id).await.expect("seen");
    assert_eq!((everybody.hosts, everybody.marks, everybody.plans), (all.hosts, all.marks, all.plans));
}

fn exception(id: &str, hosts: &str, until: i64) -> Exception {
    Exception {
        vulnerability: VulnerabilityId::new(id),
        hosts: Selector::parse(hosts).expect("a selector"),
        owner: PersonName::new("maria").expect("a name"),
        reason: "no way in".to_owned(),
        until: at(until),
        place: Spot::Nowhere,
    }
}

async fn exceptions(store: &Store, scope: &ClientScope) -> Vec<(String, Vec<String>)> {
    let found = store.exceptions(scope).await.expect("read");
    let named = |it: store::DeclaredException| {
        let hosts = it.hosts.values().map(|(client, host)| format!("{client}/{host}")).collect();
        (it.vulnerability.to_string(), hosts)
    };
    found.into_iter().map(named).collect()
}

pub async fn exceptions_are_those_of_the_last_inventory(place: Place) {
    let store = place.open().await;
    let hosts = ["acme/a", "acme/b", "zeta/z"];
    let declared =
        |exceptions: &[Exception]| Inventory { exceptions: exceptions.to_vec(), ..inventory(&hosts) };
    let first = [
        exception("CVE-2026-1", "client:acme", 9),
        exception("CVE-2026-2", "b or z", 9),
        exception("CVE-3", "x", 9),
    ];
    store.sync_inventory(&declared(&first), None, at(0)).await.expect("synced");
    let named = |id: &str, hosts: &[&str]| (id.to_owned(), hosts.iter().map(ToString::to_string).collect());
    let expected = [named("CVE-2026-1", &["acme/a", "acme/b"]), named("CVE-2026-2", &["acme/b", "zeta/z"])];
    assert_eq!(exceptions(&store, &ALL).await, expected);
    let of_acme = [named("CVE-2026-1", &["acme/a", "acme/b"]), named("CVE-2026-2", &["acme/b"])];
    assert_eq!(exceptions(&store, &only(&["acme"])).await, of_acme);
    assert_eq!(exceptions(&store, &only(&[])).await, []);
    let one = &store.exceptions(&only(&["zeta"])).await.expect("read")[0];
    assert_eq!(
        (one.selector.as_deref(), one.owner.as_str(), one.reason.as_str()),
        (None, "maria", "no way in")
    );
    assert_eq!((one.counts_at(at(8)), one.counts_at(at(9))), (true, false));
    assert_eq!(store.exceptions(&ALL).await.expect("read")[1].selector.as_deref(), Some("b or z"));

    // Whatever of it changes is taken over; without any, nothing is left.
    let later = [exception("CVE-2026-1", "client:acme", 99)];
    store.sync_inventory(&declared(&later), None, at(1)).await.expect("synced");
    assert_eq!(store.exceptions(&ALL).await.expect("read")[0].until, at(99));
    let fewer = Inventory { exceptions: later.to_vec(), ..inventory(&hosts[1..]) };
    store.sync_inventory(&fewer, None, at(2)).await.expect("synced");
    assert_eq!(exceptions(&store, &ALL).await, [named("CVE-2026-1", &["acme/b"])]);
    store.sync_inventory(&declared(&[]), None, at(3)).await.expect("synced");
    assert_eq!(exceptions(&store, &ALL).await, []);
}

pub async fn an_exception_of_a_host_is_for_its_jails(place: Place) {
    let store = place.open().await;
    let declared =
        Inventory { exceptions: vec![exception("CVE-1", "a", 9)], ..inventory(&["acme/a", "acme/b"]) };
    store.sync_inventory(&declared, None, at(0)).await.expect("synced");
    let mut look = collection("a", 10, &["musl=1"]);
    look.observed.jails = Some(vec![crate::observed::jail("mail", &["curl=1"])]);
    record(&store, &[look]).await;
    let expected = [("CVE-1".to_owned(), vec!["acme/a".to_owned(), "acme/mail.a".to_owned()])];
    assert_eq!(exceptions(&store, &ALL).await, expected);
}

pub async fn it_is_known_since_when_a_host_has_something(place: Place) {
    let store = with_hosts(&place, &["acme/a", "acme/b", "acme/c", "acme/d"]).await;
    let look = |name, second, packages: &[&str]| collection(name, second, packages);
    record(&store, &[look("a", 10, &["curl=1"]), look("b", 10, &["curl=1"]), look("c", 10, &["curl=0"])])
        .await;
    // Other packages change, the one in question stays.
    record(
        &store,
        &[look("a", 20, &["curl=1", "vim=1"]), look("b", 20, &["curl=2"]), look("c", 20, &["curl=1"])],
    )
    .await;
    record(
        &store,
        &[look("a", 30, &["curl=1", "vim=2"]), look("b", 30, &["curl=1"]), look("c", 30, &["curl=1"])],
    )
    .await;
    let hosts: Vec<IncidentHost> = ["acme/a", "acme/b", "acme/c", "acme/d"]
        .iter()
        .map(|path| of_incident(path, 1, IncidentHostState::Vulnerable))
        .collect();
    let since = store.installed_since(&hosts).await.expect("read");
    let since: Vec<_> =
        since.iter().map(|(host, then)| (host.as_str(), then.as_second() - at(0).as_second())).collect();
    assert_eq!(since, [("a", 10), ("b", 30), ("c", 20)], "b had it, was fixed, and has it again");
    record(&store, &[look("a", 40, &["curl=3"])]).await;
    assert_eq!(store.installed_since(&hosts[..1]).await.expect("read"), BTreeMap::new());
    assert_eq!(store.installed_since(&[]).await.expect("read"), BTreeMap::new());
}

pub async fn the_first_word_of_a_feed_is_known(place: Place) {
    let store = place.open().await;
    let wanted = ids(&["cve-2026-1"]);
    assert_eq!(store.first_known(&wanted).await.expect("read"), None);
    let entry = advisory("osv", "k", &["CVE-2026-1"], "curl", "2");
    sync(&store, "osv", &[entry], 50).await;
    let changed = advisory("osv", "k", &["CVE-2026-1", "GHSA-1"], "curl", "3");
    sync(&store, "osv", &[changed], 70).await;
    assert_eq!(store.first_known(&wanted).await.expect("read"), Some(at(50)));
    assert_eq!(store.first_known(&ids(&["GHSA-1"])).await.expect("read"), Some(at(70)));
    assert_eq!(
        store.first_known(&ids(&["CVE-9", "GHSA-1", "CVE-2026-1"])).await.expect("read"),
        Some(at(50))
    );
    assert_eq!(store.first_known(&[]).await.expect("read"), None);
}
