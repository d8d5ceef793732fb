//! Reports of made-up incidents: what they say, who may read what, and that they say the same in every form.

mod postures;
mod redacted;
mod samples;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::{
    ClientName, Fix, HostName, IncidentId, IncidentKind, Mark, PackageName, PersonName, Rung, Stage, Verdict,
    Version, VulnerabilityId,
};
use store::{ClientScope, IncidentFinding, IncidentHostState};

use super::compose::{Surrounding, View, compose};
use super::incident::{CheckpointReport, HostOutcome, IncidentReport, PlanReport, RunReport};
use super::redaction::{Redaction, TEAM};
use crate::incident::{
    ClockLine, DeadlineStanding, DeadlineView, EvidenceView, ExceptionView, HostDeadline, IncidentHostView,
    IncidentView, Spread, TimelineEntry,
};

/// Seconds of the made-up incident.
fn at(seconds: i64) -> Timestamp {
    let begin: Timestamp = "2026-11-23T09:58:00Z".parse().expect("a time");
    begin.checked_add(SignedDuration::from_secs(seconds)).expect("a time")
}

fn client(name: &str) -> ClientName {
    ClientName::new(name).expect("a name")
}

fn host(client_name: &str, name: &str, rank: u32, state: IncidentHostState) -> IncidentHostView {
    let patched = 360 + i64::from(rank) * 35;
    let mut marks = BTreeMap::from([(Mark::Matched, at(9))]);
    let is_patched =
        matches!(state, IncidentHostState::Verified | IncidentHostState::Waits | IncidentHostState::Patched);
    if is_patched {
        marks.insert(Mark::Patched, at(patched));
    }
    if state == IncidentHostState::Verified {
        marks.insert(Mark::Verified, at(patched + 64));
    }
    let standing = match state {
        IncidentHostState::Excepted => DeadlineStanding::Excepted,
        IncidentHostState::NoFix => DeadlineStanding::NoFix,
        _ if is_patched => DeadlineStanding::Met,
        _ => DeadlineStanding::Open,
    };
    let finding = IncidentFinding {
        id: VulnerabilityId::new("CVE-2026-1234"),
        package: PackageName::new("openssh-server"),
        installed: Version::new("1:9.2p1-2+deb12u2"),
        fix: Fix::In(Version::new("1:9.2p1-2+deb12u3")),
        remedy: "upgrade".to_owned(),
    };
    IncidentHostView {
        client: client(client_name),
        host: HostName::new(name).expect("a name"),
        rank,
        reasons: if rank == 1 { vec!["sshd (critical) listens on *:22".to_owned()] } else { Vec::new() },
        findings: vec![finding],
        state,
        marks,
        exception: None,
        deadline: HostDeadline { due_at: Some(at(48 * 3600 + 9)), standing },
        evidence: Vec::new(),
    }
}

fn evidence(rung: Rung, verdict: Verdict, detail: &str, seconds: i64) -> EvidenceView {
    EvidenceView {
        package: PackageName::new("openssh-server"),
        rung,
        verdict,
        detail: detail.to_owned(),
        output: b"as the host said it".to_vec(),
        is_cut: false,
        output_hash: format!("{:02x}", rung.number()).repeat(32),
        is_intact: true,
        taken_at: at(seconds),
        record: Some(40 + seconds / 10),
    }
}

/// A ladder on which all passed, but for what is given.
fn ladder(seconds: i64, but: &[(Rung, Verdict, &str)]) -> Vec<EvidenceView> {
    let of = |rung: Rung| {
        let usual = match rung {
            Rung::Kernel => (Verdict::NotApplicable, "the package is no kernel"),
            _ => (Verdict::Passed, "as it should be"),
        };
        let (verdict, detail) =
            but.iter().find(|(it, ..)| *it == rung).map_or(usual, |(_, verdict, detail)| (*verdict, *detail));
        evidence(rung, verdict, detail, seconds)
    };
    Rung::ALL.into_iter().map(of).collect()
}

fn entry(seconds: i64, action: &str, what: &str) -> TimelineEntry {
    TimelineEntry {
        at: at(seconds),
        number: 10 + seconds,
        actor: "jane".to_owned(),
        action: action.to_owned(),
        what: what.to_owned(),
        reason: None,
        client: None,
        host: None,
        outcome: None,
    }
}

fn note(seconds: i64, of: Option<&str>, text: &str) -> TimelineEntry {
    let client = of.map(client);
    TimelineEntry { reason: Some(text.to_owned()), client, ..entry(seconds, "incident.note", "noted") }
}

fn applied(seconds: i64, of: &str, name: &str) -> TimelineEntry {
    TimelineEntry {
        client: Some(client(of)),
        host: Some(HostName::new(name).expect("a name")),
        outcome: Some("done".to_owned()),
        ..entry(seconds, "run.host", &format!("applied it to {name}"))
    }
}

fn spread(hosts: usize, p50: u64, max: u64) -> Spread {
    let secs = Duration::from_secs;
    Spread { hosts, missing: 0, first: secs(p50), p50: secs(p50), p95: secs(max), max: secs(max) }
}

fn clock(from: Mark, to: Mark, p50: u64, max: u64) -> ClockLine {
    let clients =
        BTreeMap::from([(client("acme"), spread(4, p50, max)), (client("globex"), spread(1, p50, max))]);
    ClockLine { from, to, all: Some(spread(5, p50, max)), clients }
}

/// An emergency at two clients: of acme's four hosts two are proven, one waits, one is left open by decision.
fn emergency() -> IncidentView {
    let mut hosts = vec![
        host("acme", "web-1", 1, IncidentHostState::Verified),
        host("acme", "web-2", 2, IncidentHostState::Verified),
        host("acme", "mail-1", 3, IncidentHostState::Waits),
        host("globex", "shop-1", 4, IncidentHostState::Verified),
        host("acme", "build-1", 5, IncidentHostState::Excepted),
    ];
    hosts[0].evidence = ladder(460, &[]);
    hosts[1].evidence = ladder(495, &[(Rung::Network, Verdict::Unknown, "the banner names no version")]);
    hosts[2].evidence = ladder(
        520,
        &[(Rung::Processes, Verdict::Failed, "2 processes still run the old /usr/sbin/sshd: 812, 901")],
    );
    hosts[3].evidence = ladder(540, &[]);
    hosts[4].exception = Some(ExceptionView {
        vulnerability: VulnerabilityId::new("CVE-2026-1234"),
        owner: PersonName::new("bob").expect("a name"),
        reason: "it is replaced next month and cannot be reached from outside".to_owned(),
        until: "2026-12-31T00:00:00Z".parse().expect("a time"),
        is_expired: false,
    });
    let marks = [(Mark::Published, -4 * 3600), (Mark::Seen, 0), (Mark::Triaged, 75), (Mark::Approved, 310)];
    IncidentView {
        id: IncidentId::new(2026, 7),
        kind: IncidentKind::Emergency,
        title: "remote code execution in OpenSSH".to_owned(),
        stage: Stage::Verified,
        opened_at: at(70),
        opened_by: "jane".to_owned(),
        closed_at: None,
        ids: ["CVE-2026-1234", "DSA-6001-1"].map(VulnerabilityId::new).to_vec(),
        scope: ClientScope::All,
        selector: Some("tag:edge or client:globex".to_owned()),
        words: vec!["CVE-2026-1234".to_owned()],
        deploy: None,
        now: at(900),
        clocks: vec![
            clock(Mark::Published, Mark::Seen, 14_400, 14_400),
            clock(Mark::Matched, Mark::Triaged, 66, 66),
            clock(Mark::Approved, Mark::Patched, 155, 225),
            clock(Mark::Patched, Mark::Verified, 64, 64),
        ],
        deadline: DeadlineView {
            limit: Duration::from_secs(48 * 3600),
            is_exploited: true,
            standings: BTreeMap::new(),
            next_due: None,
        },
        hosts,
        marks: marks.map(|(mark, seconds)| (mark, at(seconds))).into(),
        client_marks: BTreeMap::new(),
        plans: Vec::new(),
        runs: Vec::new(),
        timeline: vec![
            entry(70, "incident.open", "opened inc-2026-0007"),
            note(80, None, "globex does not pick up the phone"),
            note(90, Some("acme"), "impact: sshd was restarted on web-1 and web-2; sessions stayed open"),
            note(95, None, "cause: the images of both hosts were built in August and not since"),
            note(97, None, "action: bob 2026-12-01 rebuild the images each week"),
            note(
                98,
                Some("acme"),
                "report: call us about the restart of mail-1, which needs a quarter of an hour",
            ),
            entry(300, "plan.approve", "approved the plan"),
            TimelineEntry { outcome: None, ..applied(380, "acme", "web-1") },
            applied(395, "acme", "web-1"),
            applied(430, "acme", "web-2"),
            applied(465, "acme", "mail-1"),
            applied(500, "globex", "shop-1"),
        ],
    }
}

fn surrounding(of: &View) -> Surrounding {
    let mut redaction = Redaction::default();
    let mut names = vec!["jane", "bob"];
    match of.client().map(ClientName::as_str) {
        Some("acme") => names.extend(["globex", "shop-1"]),
        Some(_) => names.extend(["acme", "web-1", "web-2", "mail-1", "build-1"]),
        None => names.clear(),
    }
    names.into_iter().for_each(|name| redaction.add(name));
    let by = if of.client().is_some() { TEAM } else { "jane" };
    let plan = PlanReport {
        plan: "20261123-100240-9f31c2".to_owned(),
        about: of.client().is_none().then(|| "patch CVE-2026-1234".to_owned()),
        sha256: "5e".repeat(32),
        commit: Some("3f9a51c7d20b".to_owned()),
        made_at: at(280),
        by: by.to_owned(),
        hosts: 3,
    };
    let run = RunReport {
        run: "7c1d40aa".to_owned(),
        plan: plan.plan.clone(),
        begun_at: at(370),
        ended_at: Some(at(502)),
        by: by.to_owned(),
        hosts: vec![("done".to_owned(), 3)],
    };
    let checkpoint = CheckpointReport {
        size: 18_204,
        root: "d2hhdCBhIHJvb3QgbG9va3MgbGlrZSwgMzIgYnl0ZXM=".to_owned(),
        signed_at: at(620),
    };
    Surrounding {
        titles: BTreeMap::from([(client("acme"), "Acme GmbH".to_owned())]),
        plans: vec![plan],
        runs: vec![run],
        notes: Vec::new(),
        checkpoint: Some(checkpoint),
        redaction,
        redactions: BTreeMap::new(),
    }
}

fn report(view: &IncidentView, of: &View) -> IncidentReport {
    compose(view, of, surrounding(of))
}

fn acme() -> View {
    View::Client(client("acme"))
}

#[test]
fn the_first_sentences_tell_it_all() {
    let check = |states: &[IncidentHostState], kind: IncidentKind, expected: [&str; 2]| {
        let mut view = emergency();
        view.kind = kind;
        view.hosts = (1_u32..)
            .zip(states)
            .map(|(rank, state)| host("acme", &format!("web-{rank}"), rank, *state))
            .collect();
        assert_eq!(report(&view, &acme()).summary, expected, "{states:?}");
    };
    use IncidentHostState::{Excepted, NoFix, NotAffected, Patched, Unknown, Verified, Vulnerable, Waits};
    use IncidentKind::{Emergency, Exercise};
    let knew = "CVE-2026-1234 affected";
    check(
        &[Verified],
        Emergency,
        [
            &format!("{knew} one of your hosts; we knew this on 23 November 2026 at 09:58 UTC."),
            "It is fixed and proven so, 7 min 30 s after we knew.",
        ],
    );
    check(
        &[Verified, Verified],
        Exercise,
        [
            &format!(
                "This was an exercise: {knew} 2 of your hosts; we knew this on 23 November 2026 at 09:58 UTC."
            ),
            "All of them are fixed and proven so, the last one 8 min 5 s after we knew.",
        ],
    );
    check(
        &[Verified, Patched, Waits, NotAffected, Excepted, NoFix, Unknown, Vulnerable],
        Emergency,
        [
            &format!("{knew} 8 of your hosts; we knew this on 23 November 2026 at 09:58 UTC."),
            "Of these 8 hosts, 1 is fixed and proven so; 1 is not affected any more; 1 is left open for now by decision; 1 \
             cannot be fixed yet, for want of a fix; 1 is fixed, which is not proven yet; 1 is fixed on disk, to be \
             restarted; 1 could not be judged; 1 is still vulnerable. What is left to do is listed below.",
        ],
    );
    let none = "CVE-2026-1234: none of your hosts is known to be affected, as far as they were scanned.";
    check(&[], Emergency, [none, "Nothing was changed."]);
}

#[test]
fn what_is_left_to_do_has_an_owner_and_a_day() {
    let report = report(&emergency(), &View::Internal);
    let said: Vec<_> = report
        .actions
        .iter()
        .map(|it| (it.what.as_str(), it.hosts.join(" "), it.owner.as_str(), it.due.as_deref()))
        .collect();
    let expected = [
        ("rebuild the images each week", String::new(), "bob", Some("2026-12-01")),
        ("restart what still runs the old version", "mail-1".to_owned(), TEAM, Some("2026-11-25")),
        (
            "decide anew; left open for now: it is replaced next month and cannot be reached from outside",
            "build-1".to_owned(),
            "bob",
            Some("2026-12-31"),
        ),
    ];
    assert_eq!(said, expected);
}

#[test]
fn records_that_say_the_same_are_one_row() {
    let report = report(&emergency(), &acme());
    let rows: Vec<_> = report
        .timeline
        .iter()
        .filter(|row| row.record.is_some())
        .map(|row| (row.what.as_str(), row.hosts.len()))
        .collect();
    assert_eq!(
        rows,
        [("the change was applied to", 3)],
        "the intent of web-1 was answered, and shop-1 is not acme's"
    );
}

#[test]
fn the_last_look_counts_and_a_worse_one_of_the_same_moment_is_not_hidden() {
    let mut view = emergency();
    view.hosts[0].evidence = vec![
        evidence(Rung::Version, Verdict::Failed, "old", 400),
        evidence(Rung::Version, Verdict::Passed, "new", 460),
        evidence(Rung::Files, Verdict::Failed, "changed", 460),
        evidence(Rung::Files, Verdict::Passed, "unchanged", 460),
    ];
    let report = report(&view, &acme());
    let seen: Vec<_> = report
        .evidence
        .iter()
        .filter(|it| it.host == "web-1")
        .map(|it| (it.rung, it.verdict.as_str()))
        .collect();
    assert_eq!(seen, [(1, "passed"), (2, "failed")]);
    assert_eq!(report.earlier_evidence, 2);
    assert!(report.summary[1].contains("; on 2 a check failed"), "{:?}", report.summary);
}

#[test]
fn changed_evidence_is_told_first_and_never_passes() {
    let mut view = emergency();
    view.hosts[0].evidence[0].is_intact = false;
    let report = report(&view, &acme());
    assert!(report.actions.iter().any(|it| it.what.contains("is not what its hash was made of")));
    let words = super::render_text(&report.document());
    assert!(words.contains("the kept output is not what its hash was made of"), "{words}");
    let row =
        words.lines().find(|line| line.starts_with("web-1") && line.contains("passed")).expect("the ladder");
    assert!(row.contains("unknown"), "{row}");
    assert_eq!(report.hosts_with(HostOutcome::Proven), 2);
}
