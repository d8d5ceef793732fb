//! How things stand in made-up histories.

use std::collections::BTreeSet;

use model::Severity;

use super::*;
use crate::bell::tests::{World, advisory};
use crate::report::{PostureQuery, PostureReport, posture, render_text};

const OPENSSH: &str = "CVE-2024-6387";

async fn ask(world: &World, view: View, late_after: Option<u64>) -> PostureReport {
    let late_after = late_after.map(Duration::from_secs);
    let query = PostureQuery { scope: ClientScope::All, view, late_after };
    posture(&world.session, &query).await.expect("a posture")
}

/// Three hosts with a vulnerable openssh, two of acme and one of globex; one of acme's was upgraded.
async fn world() -> World {
    let world = World::new("").await;
    let advisories = [
        advisory(OPENSSH, "openssh", "9.7-r3", Some(Severity::Critical)),
        advisory("CVE-2024-0001", "curl", "8.9.0-r0", None),
    ];
    world.feed(&advisories).await;
    for host in ["web-1", "web-2", "db-1"] {
        world.scan(host, &[("openssh", "9.6-r0"), ("openssh-server@openssh", "9.6-r0")]).await;
    }
    world.scan("web-1", &[("openssh", "9.7-r3"), ("openssh-server@openssh", "9.6-r0")]).await;
    world.scan("web-1", &[("openssh", "9.7-r3"), ("openssh-server@openssh", "9.7-r3")]).await;
    world
}

#[tokio::test]
async fn a_finding_counts_once_on_each_host_and_is_closed_once() {
    let world = world().await;
    let all = ask(&world, View::Internal, None).await;
    assert_eq!((all.open.findings, all.open.distinct, all.open.hosts, all.hosts), (2, 1, 2, 3));
    assert_eq!((all.open.exploited, all.open.late, all.unfixed), (0, 0, 0));
    assert_eq!(
        all.ages.iter().map(|row| (row.severity.as_str(), row.by_age)).collect::<Vec<_>>(),
        [("critical", [2, 0, 0, 0])]
    );
    let closed: Vec<_> = all.time_to_fix.rows.iter().map(|row| (row.severity.as_str(), row.closed)).collect();
    assert_eq!(closed, [("all", 1), ("critical", 1)], "two packages of one source are one finding");
    let clients: Vec<_> =
        all.clients.iter().map(|it| (it.client.as_str(), it.hosts, it.open.findings)).collect();
    assert_eq!(clients, [("acme", 2, 1), ("globex", 1, 1)]);
    world.exploited(&[OPENSSH]).await;
    assert_eq!(ask(&world, View::Internal, None).await.open.exploited, 2);
}

#[tokio::test]
async fn what_is_open_for_too_long_is_named() {
    let world = world().await;
    let late = ask(&world, View::Internal, Some(0)).await;
    assert_eq!(late.open.late, 2);
    let rows: Vec<_> =
        late.late.iter().map(|row| (row.id.as_str(), row.package.as_str(), row.hosts)).collect();
    assert_eq!(rows, [(OPENSSH, "openssh", 2)]);
    assert_eq!(ask(&world, View::Internal, Some(3600)).await.late, []);
}

#[tokio::test]
async fn what_was_gone_before_its_advisory_came_was_never_open() {
    let world = World::new("").await;
    world.scan("web-1", &[("curl", "8.0.0-r0")]).await;
    world.scan("web-1", &[("curl", "8.9.0-r0")]).await;
    world.feed(&[advisory("CVE-2024-0001", "curl", "8.9.0-r0", None)]).await;
    let report = ask(&world, View::Internal, None).await;
    assert_eq!((report.open.findings, report.time_to_fix.rows.len()), (0, 0));
    assert_eq!(report.summary[0], "No finding with a fix is open on the 1 host that could be judged.");
    assert_eq!(report.summary[1], "Nothing is late; 2 hosts could not be judged.");
}

#[tokio::test]
async fn nothing_known_is_not_well() {
    let world = World::new("").await;
    let report = ask(&world, View::Internal, None).await;
    assert_eq!(report.summary[0], "None of 3 hosts could be judged, so nothing is known.");
    assert_eq!(report.summary[1], "Whether anything is late cannot be told; 3 hosts could not be judged.");
    let words = render_text(&report.document());
    assert!(words.contains("not measured"), "{words}");
    assert!(words.contains("there is no trend yet"), "{words}");
}

#[tokio::test]
async fn what_is_left_open_by_decision_is_counted_apart_until_it_expires() {
    let mut world = world().await;
    let declare = |until: &str| {
        format!(
            "client(\"acme\")\nclient(\"globex\")\nperson(\"jane\")\n\
             host(\"web-1\", client = \"acme\", address = \"192.0.2.1\")\n\
             host(\"web-2\", client = \"acme\", address = \"192.0.2.2\")\n\
             host(\"db-1\", client = \"globex\", address = \"192.0.2.3\")\n\
             exception(\"{OPENSSH}\", hosts = \"web-2\", owner = \"jane\", reason = \"jane replaces it\", until = \"{until}\")\n"
        )
    };
    for (until, accepted, open) in [("2999-01-01", 1, 1), ("2020-01-01", 0, 2)] {
        world.write("inventory/hosts.star", &declare(until));
        world.reopen().await;
        let report = ask(&world, View::Internal, None).await;
        assert_eq!((report.open.accepted, report.open.findings), (accepted, open), "{until}");
        assert_eq!(report.exceptions[0].is_expired, accepted == 0);
    }
    let client = ask(&world, acme(), None).await;
    assert_eq!((client.exceptions[0].owner.as_str(), &client.exceptions[0].reason), (TEAM, &None));
    let other = ask(&world, View::Client(super::client("globex")), None).await;
    assert_eq!((other.exceptions.len(), other.hosts, other.open.findings), (0, 1, 1));
    let said = format!("{} {}", other.to_json(), render_text(&other.document()));
    assert!(["acme", "web-", "jane"].iter().all(|name| !said.contains(name)), "{said}");
}

#[tokio::test]
async fn an_unknown_client_is_no_safe_one() {
    let world = World::new("").await;
    let query =
        PostureQuery { scope: ClientScope::All, view: View::Client(client("acne")), late_after: None };
    assert!(posture(&world.session, &query).await.is_err());
    let scope = ClientScope::Only(BTreeSet::from([client("acne")]));
    let query = PostureQuery { scope, view: View::Internal, late_after: None };
    assert!(posture(&world.session, &query).await.is_err());
}
