//! What a client must never read. Every field of another client and every internal one holds a canary; no form of the
//! client's report may hold any.

use super::*;
use crate::report::{render_markdown, render_text};

/// Stands in every text that acme must not read.
const CANARY: &str = "canary";

fn canary(number: u32) -> String {
    format!("{CANARY}-{number}")
}

/// An incident in which everything that is not acme's is a canary.
fn laid_with_canaries() -> IncidentView {
    let mut view = emergency();
    view.opened_by = canary(1);
    view.selector = Some(canary(2));
    view.words = vec![canary(3)];
    view.deploy = Some(canary(4));
    view.title = format!("OpenSSH, and {} too", canary(5));
    let other = client(&canary(6));
    for foreign in view.hosts.iter_mut().filter(|it| it.client != client("acme")) {
        foreign.client = other.clone();
        foreign.host = HostName::new(&canary(7)).expect("a name");
        foreign.reasons = vec![canary(8)];
        let finding = &mut foreign.findings[0];
        finding.package = PackageName::new(canary(9));
        finding.installed = Version::new(canary(10));
        finding.fix = Fix::In(Version::new(canary(11)));
        finding.remedy = canary(12);
        for seen in &mut foreign.evidence {
            seen.package = PackageName::new(canary(13));
            seen.detail = canary(14);
            seen.output = canary(15).into_bytes();
            seen.output_hash = canary(16);
        }
        foreign.exception = Some(ExceptionView {
            vulnerability: VulnerabilityId::new(canary(17)),
            owner: PersonName::new(&canary(18)).expect("a name"),
            reason: canary(19),
            until: at(0),
            is_expired: true,
        });
    }
    // Of acme's own hosts: who answers for it, what hosts said as it came, and words that name somebody else.
    for own in view.hosts.iter_mut().filter(|it| it.client == client("acme")) {
        own.evidence.iter_mut().for_each(|seen| seen.output = canary(20).into_bytes());
        own.findings[0].remedy = canary(21);
        own.reasons.push(format!("as on {}", canary(7)));
        if let Some(exception) = &mut own.exception {
            exception.owner = PersonName::new(&canary(22)).expect("a name");
            exception.reason = format!("{} said so", canary(23));
        }
        if let Some(seen) = own.evidence.first_mut() {
            seen.detail = format!("seen from {}", canary(24));
        }
    }
    for line in &mut view.clocks {
        line.clients.remove(&client("globex"));
        line.clients.insert(other.clone(), spread(1, 1, 1));
    }
    view.client_marks = BTreeMap::from([(other.clone(), BTreeMap::from([(Mark::Reported, at(7_777_777))]))]);
    view.timeline = timeline(&other);
    view
}

/// Records of the team, of the other client, and of acme that name somebody else.
fn timeline(other: &ClientName) -> Vec<TimelineEntry> {
    let foreign_host = HostName::new(&canary(7)).expect("a name");
    let mut entries = vec![
        entry(70, "incident.open", &canary(30)),
        note(80, None, &format!("internal: {}", canary(31))),
        note(81, None, &canary(32)),
        note(82, Some("acme"), &canary(33)),
        note(83, None, &format!("cause: {} was late", canary(6))),
        note(84, None, &format!("impact: {}", canary(7))),
        note(85, Some("acme"), &format!("report: ask {}", canary(22))),
        note(86, None, &format!("action: {} 2026-12-01 call", canary(22))),
        note(87, None, &format!("action: someone 2026-12-01 call {}", canary(22))),
        TimelineEntry { client: Some(other.clone()), ..note(88, None, &format!("cause: {}", canary(34))) },
        TimelineEntry {
            client: Some(other.clone()),
            host: Some(foreign_host),
            outcome: Some("done".to_owned()),
            ..entry(500, "run.host", &format!("applied it to {}", canary(7)))
        },
        TimelineEntry { client: Some(other.clone()), ..entry(501, "incident.hosts", &canary(35)) },
        TimelineEntry { client: Some(client("acme")), ..entry(502, "incident.hosts", &canary(36)) },
        applied(395, "acme", "web-1"),
        TimelineEntry { what: format!("applied it as {} did", canary(22)), ..applied(430, "acme", "web-2") },
    ];
    entries.iter_mut().for_each(|entry| {
        entry.actor = canary(22);
        if entry.action != "incident.note" {
            entry.reason = Some(canary(37));
        }
    });
    entries
}

fn surrounding_with_canaries(of: &View) -> Surrounding {
    let mut surrounding = surrounding(of);
    // As of an inventory in which these are the names of the others; what they are called is all that is known of them.
    (0..40).for_each(|number| surrounding.redaction.add(&canary(number)));
    surrounding.titles.insert(client(&canary(6)), canary(40));
    surrounding
}

#[test]
fn a_client_reads_nothing_of_others_and_nothing_internal() {
    let view = laid_with_canaries();
    let report = compose(&view, &acme(), surrounding_with_canaries(&acme()));
    let document = report.document();
    let forms = [
        ("JSON", report.to_json()),
        ("text", render_text(&document)),
        ("Markdown", render_markdown(&document)),
        // HTML is made of this alone.
        ("the document", format!("{document:?}")),
    ];
    for (form, said) in forms {
        let found: Vec<&str> = said.lines().filter(|line| line.to_lowercase().contains(CANARY)).collect();
        assert_eq!(found, Vec::<&str>::new(), "{form}");
        for name in ["jane", "bob", "globex", "shop-1", "2027"] {
            assert!(!said.contains(name), "{form} names {name}:\n{said}");
        }
        // What is acme's own is there: an empty report would pass every test above.
        for own in ["web-1", "mail-1", "CVE-2026-1234", "1:9.2p1-2+deb12u3"] {
            assert!(said.replace('\\', "").contains(own), "{form} lacks {own}:\n{said}");
        }
    }
}

#[test]
fn the_team_reads_all_of_it() {
    let view = laid_with_canaries();
    let mut surrounding = surrounding(&View::Internal);
    let redaction = surrounding_with_canaries(&acme()).redaction;
    surrounding.redactions = BTreeMap::from([(client("acme"), redaction)]);
    let report = compose(&view, &View::Internal, surrounding);
    let said = report.to_json();
    for number in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 16, 18, 19, 30, 31, 32, 33, 34, 35, 36] {
        assert!(said.contains(&canary(number)), "canary {number} is missing:\n{said}");
    }
    let withheld = report.internal.expect("for the team").withheld;
    assert_eq!(withheld.len(), 6, "{withheld:#?}");
    assert!(withheld.iter().all(|it| it.starts_with("acme's report leaves out ")), "{withheld:#?}");
}

#[test]
fn another_client_reads_its_own_part() {
    let view = emergency();
    let of = View::Client(client("globex"));
    let report = report(&view, &of);
    assert_eq!(report.hosts.iter().map(|it| it.host.as_str()).collect::<Vec<_>>(), ["shop-1"]);
    let said = report.to_json();
    for name in ["acme", "web-1", "mail-1", "build-1", "jane", "bob", "phone", "restart of"] {
        assert!(!said.contains(name), "it names {name}:\n{said}");
    }
    assert!(said.contains("images of both hosts"), "a cause of everybody is told to everybody:\n{said}");
}
