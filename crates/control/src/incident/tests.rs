//! An incident from its opening to its end, on a database of its own.

use std::time::Duration;

use model::{
    ClientName, Fix, HostName, IncidentKind, Mark, PackageName, Severity, Stage, Version, VulnerabilityId,
};

use super::*;
use crate::bell::tests::{World, advisory};
use crate::deploy::record::event;

const ALL: ClientScope = ClientScope::All;

fn host(client: &str, name: &str, state: IncidentHostState) -> IncidentHost {
    IncidentHost {
        client: ClientName::new(client).expect("a name"),
        host: HostName::new(name).expect("a name"),
        rank: 1,
        reasons: Vec::new(),
        findings: vec![IncidentFinding {
            id: VulnerabilityId::new("CVE-2026-1"),
            package: PackageName::new("curl"),
            installed: Version::new("1"),
            fix: Fix::In(Version::new("2")),
            remedy: "upgrade".to_owned(),
        }],
        state,
    }
}

fn mark_of(mark: Mark, host: &IncidentHost, at: Timestamp) -> NewMark {
    NewMark { mark, client: Some(host.client.clone()), host: Some(host.host.clone()), at }
}

async fn open_one(session: &Session, hosts: &[IncidentHost]) -> IncidentId {
    let new = OpenIncident {
        kind: IncidentKind::Emergency,
        title: "curl is broken".to_owned(),
        ids: vec![VulnerabilityId::new("cve-2026-1")],
        scope: ALL,
        selector: None,
        words: Vec::new(),
        deploy: None,
        hosts: hosts.to_vec(),
    };
    open(session, &new).await.expect("opened")
}

fn told(view: &IncidentView) -> Vec<String> {
    let line = |entry: &TimelineEntry| {
        let client = entry.client.as_ref().map(|client| format!("{client}: ")).unwrap_or_default();
        format!("{client}{}", entry.what)
    };
    view.timeline.iter().map(line).collect()
}

#[tokio::test]
async fn clocks_start_with_what_is_known() {
    let world = World::new("").await;
    let session = &world.session;
    // db-1 is looked at after the advisory is there, web-1 before.
    world.scan("web-1", &[("curl", "1")]).await;
    let before = session.clock.now();
    world.feed(&[advisory("CVE-2026-1", "curl", "2", Some(Severity::High))]).await;
    let between = session.clock.now();
    world.scan("db-1", &[("curl", "1")]).await;
    let after = session.clock.now();
    let hosts = [
        host("acme", "web-1", IncidentHostState::Vulnerable),
        host("globex", "db-1", IncidentHostState::Vulnerable),
        host("acme", "web-2", IncidentHostState::Unknown),
    ];
    let id = open_one(session, &hosts).await;
    let view = view(session, &ALL, id).await.expect("seen");
    let seen = view.marks[&Mark::Seen];
    assert!(before < seen && seen < between, "{seen}");
    let matched = |name: &str| {
        let host = view.hosts.iter().find(|it| it.host.as_str() == name).expect("in it");
        host.marks.get(&Mark::Matched).copied()
    };
    assert_eq!(matched("web-1"), Some(seen));
    assert!(matched("db-1").is_some_and(|at| between < at && at < after));
    assert_eq!(matched("web-2"), None, "nobody knows whether it has it");
    let standings: Vec<_> = view.deadline.standings.iter().map(|(it, hosts)| (it.as_str(), *hosts)).collect();
    assert_eq!(standings, [("open", 2), ("unmatched", 1)]);
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    assert_eq!((view.deadline.limit, view.deadline.is_exploited), (week, false));
    assert_eq!(view.deadline.next_due, seen.checked_add(week).ok());
    let expected = [
        "opened inc-2026-0001",
        "acme: 2 hosts: web-1 vulnerable, web-2 unknown",
        "globex: 1 host: db-1 vulnerable",
    ];
    assert_eq!(told(&view), expected);

    world.exploited(&["CVE-2026-1"]).await;
    let view = super::view(session, &ALL, id).await.expect("seen");
    let two_days = Duration::from_secs(48 * 60 * 60);
    assert_eq!((view.deadline.limit, view.deadline.is_exploited), (two_days, true));
}

#[tokio::test]
async fn an_incident_is_found_by_what_it_is_about() {
    let world = World::new("").await;
    let session = &world.session;
    let ids = |ids: &[&str]| ids.iter().map(|id| VulnerabilityId::new(*id)).collect::<Vec<_>>();
    let about = async |kind, names: &[&str]| open_about(session, kind, &ids(names)).await.expect("read");
    assert_eq!(about(IncidentKind::Emergency, &["CVE-2026-1"]).await, None);
    let id = open_one(session, &[]).await;
    assert_eq!(about(IncidentKind::Emergency, &["DSA-1", "CVE-2026-1"]).await, Some(id));
    assert_eq!(about(IncidentKind::Exercise, &["CVE-2026-1"]).await, None);
    assert_eq!(about(IncidentKind::Emergency, &["CVE-2026-2"]).await, None);
    assert_eq!(find(session, "INC-2026-1").await.expect("found"), id);
    for text in ["inc-2026-0002", "CVE-2026-1", "", "\u{1b}[2J"] {
        let error = find(session, text).await.expect_err("none");
        assert!(matches!(error, Error::NoIncident { .. }), "{error:?}");
        assert!(!error.to_string().contains('\u{1b}') && error.hint().is_some());
    }
    close(session, id, "nobody has it", false).await.expect("closed");
    assert_eq!(about(IncidentKind::Emergency, &["CVE-2026-1"]).await, None);
    assert_eq!(list(session, &ALL, true).await.expect("read"), []);
    assert_eq!(list(session, &ALL, false).await.expect("read").len(), 1);
}

#[tokio::test]
async fn what_was_said_before_is_not_said_again() {
    let world = World::new("").await;
    let session = &world.session;
    let mut web = host("acme", "web-1", IncidentHostState::Vulnerable);
    let id = open_one(session, std::slice::from_ref(&web)).await;
    advance(session, id, Stage::Approved).await.expect("reached");
    for stage in [Stage::Planned, Stage::Approved, Stage::Closed] {
        advance(session, id, stage).await.expect("nothing to do");
    }
    let at = session.clock.now();
    for _ in 0..2 {
        mark(session, id, &[mark_of(Mark::Patched, &web, at)]).await.expect("marked");
        mark_now(session, id, Mark::Triaged).await.expect("marked");
        set_hosts(session, id, std::slice::from_ref(&web)).await.expect("set");
        web.rank = 7;
    }
    web.state = IncidentHostState::Verified;
    let new = host("globex", "db-1", IncidentHostState::NoFix);
    set_hosts(session, id, &[web.clone(), new]).await.expect("set");
    note(session, id, "  all is well \n", Some(&web.client)).await.expect("noted");
    let view = view(session, &ALL, id).await.expect("seen");
    assert_eq!(view.stage, Stage::Approved);
    let expected = [
        "opened inc-2026-0001",
        "acme: 1 host: web-1 vulnerable",
        "reached the stage `approved`",
        "acme: clock: patched on 1 host: web-1",
        "clock: triaged",
        "acme: 1 host: web-1 verified",
        "globex: 1 host: db-1 no-fix",
        "acme: noted",
    ];
    assert_eq!(told(&view), expected);
    assert_eq!(view.timeline[7].reason.as_deref(), Some("all is well"));
    let db = view.hosts.iter().find(|it| it.host.as_str() == "db-1").expect("in it");
    assert!(db.marks.contains_key(&Mark::Matched), "who comes later is matched too");
    assert_eq!(view.hosts.iter().map(|it| it.rank).max(), Some(7));
    assert_eq!(
        view.spread(Mark::Matched, Mark::Patched, None).map(|it| (it.hosts, it.missing)),
        Some((1, 1))
    );
    let globex = ClientName::new("globex").expect("a name");
    assert_eq!(view.spread(Mark::Matched, Mark::Patched, Some(&globex)), None);
}

#[tokio::test]
async fn open_hosts_keep_an_incident_open() {
    let world = World::new("").await;
    let session = &world.session;
    let hosts = [
        host("acme", "web-1", IncidentHostState::Waits),
        host("acme", "web-2", IncidentHostState::Excepted),
        host("globex", "db-1", IncidentHostState::Patched),
    ];
    let id = open_one(session, &hosts).await;
    let error = close(session, id, "done", false).await.expect_err("open hosts");
    assert_eq!(error.to_string(), "inc-2026-0001 is not done: db-1 (patched), web-1 (waits)");
    assert!(error.hint().is_some_and(|hint| hint.contains("--force")));
    for reason in ["", " \n", &"x".repeat(5_000)] {
        let error = close(session, id, reason, true).await.expect_err("no reason");
        assert!(matches!(error, Error::IncidentText { .. }), "{error:?}");
    }
    close(session, id, "they go away", true).await.expect("closed");
    let error = close(session, id, "again", true).await.expect_err("closed already");
    assert!(matches!(error, Error::IncidentClosed { .. }), "{error:?}");
    let view = view(session, &ALL, id).await.expect("seen");
    assert_eq!(told(&view).last().map(String::as_str), Some("closed it with hosts open"), "told once");
    let globex = ClientScope::Only([ClientName::new("globex").expect("a name")].into());
    let view = super::view(session, &globex, id).await.expect("seen");
    assert_eq!(told(&view), ["globex: 1 host: db-1 patched", "globex: closed it"]);
}

#[tokio::test]
async fn records_of_others_that_name_it_are_in_its_time_line() {
    let world = World::new("").await;
    let session = &world.session;
    let web = host("acme", "web-1", IncidentHostState::Vulnerable);
    let id = open_one(session, std::slice::from_ref(&web)).await;
    let looked = Action {
        client: Some(web.client.clone()),
        target: "web-1".to_owned(),
        action: "verify.host",
        outcome: Some("proven".to_owned()),
        more: vec![("incident", id.to_string().into())],
        ..Action::default()
    };
    session.store.append(&event(session, looked).expect("made")).await.expect("written");
    let view = view(session, &ALL, id).await.expect("seen");
    let last = view.timeline.last().expect("a line");
    assert_eq!((last.what.as_str(), last.outcome.as_deref()), ("verify host: web-1", Some("proven")));
    assert_eq!(last.host.as_ref(), Some(&web.host));
}
