//! `ifrit incidents`, `ifrit incident` and exceptions, as a user runs them.

use jiff::Timestamp;
use model::{
    ClientName, Fix, HostName, IncidentId, IncidentKind, Mark, PackageName, Rung, Verdict, Version,
    VulnerabilityId,
};
use serde_json::Value;
use store::{
    ClientScope, DatabaseUrl, IncidentFinding, IncidentHost, IncidentHostState, NewEvidence, NewIncident,
    NewMark, Store,
};

use crate::command::Ifrit;
use crate::who::{INVENTORY, workspace};

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn client(name: &str) -> ClientName {
    ClientName::new(name).expect("a client's name")
}

fn name(name: &str) -> HostName {
    HostName::new(name).expect("a host's name")
}

fn host(its_client: &str, host: &str, rank: u32, state: IncidentHostState) -> IncidentHost {
    IncidentHost {
        client: client(its_client),
        host: name(host),
        rank,
        reasons: vec!["sshd *:22 is exposed \u{1b}[2J".to_owned()],
        findings: vec![IncidentFinding {
            id: VulnerabilityId::new("CVE-2024-6387"),
            package: PackageName::new("openssh-server"),
            installed: Version::new("9.7_p1-r1"),
            fix: Fix::In(Version::new("9.7_p1-r4")),
            remedy: "upgrade".to_owned(),
        }],
        state,
    }
}

fn mark(mark: Mark, of: Option<(&str, &str)>, at: &str) -> NewMark {
    let (its_client, host) = of.unzip();
    NewMark { mark, client: its_client.map(client), host: host.map(name), at: time(at) }
}

/// An incident of two clients: web-1 is verified within minutes, db-1 is open and its deadline is over.
async fn fill(store: &Store) -> IncidentId {
    let hosts = [
        host("acme", "web-1", 1, IncidentHostState::Verified),
        host("globex", "db-1", 2, IncidentHostState::Vulnerable),
    ];
    let (web_1, db_1) = (Some(("acme", "web-1")), Some(("globex", "db-1")));
    let marks = [
        mark(Mark::Published, None, "2026-03-02T00:00:00Z"),
        mark(Mark::Seen, None, "2026-03-02T10:00:00Z"),
        mark(Mark::Matched, web_1, "2026-03-02T10:00:05Z"),
        mark(Mark::Matched, db_1, "2026-03-02T10:00:07Z"),
        mark(Mark::Triaged, None, "2026-03-02T10:01:00Z"),
        mark(Mark::Approved, None, "2026-03-02T10:02:00Z"),
        mark(Mark::Patched, web_1, "2026-03-02T10:05:12Z"),
        mark(Mark::Verified, web_1, "2026-03-02T10:06:00Z"),
    ];
    let new = NewIncident {
        kind: IncidentKind::Emergency,
        title: "CVE-2024-6387: OpenSSH race",
        opened_at: time("2026-03-02T10:01:00Z"),
        opened_by: "eva",
        ids: &[VulnerabilityId::new("CVE-2024-6387")],
        scope: &ClientScope::All,
        selector: None,
        words: &[],
        deploy: None,
        hosts: &hosts,
        marks: &marks,
    };
    let id = store.open_incident(&new, &[]).await.expect("opened");
    let evidence = NewEvidence {
        incident: Some(id),
        client: client("acme"),
        host: name("web-1"),
        package: PackageName::new("openssh-server"),
        rung: Rung::Version,
        verdict: Verdict::Passed,
        detail: "9.7_p1-r4 is installed".to_owned(),
        output: b"openssh-server-9.7_p1-r4\n".to_vec(),
        is_cut: false,
        taken_at: time("2026-03-02T10:06:00Z"),
        record: None,
    };
    store.add_evidence(&[evidence], &[]).await.expect("kept");
    id
}

fn in_store<T>(ifrit: &Ifrit, work: impl AsyncFnOnce(&Store) -> T) -> T {
    let path = ifrit.directory().join("fleet.db");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let store = Store::open(&DatabaseUrl::sqlite(&path)).await.expect("opened");
        let done = work(&store).await;
        store.close().await;
        done
    })
}

/// A workspace with one incident, inc-2026-0001.
pub fn with_incident() -> Ifrit {
    let ifrit = workspace();
    in_store(&ifrit, async |store| fill(store).await);
    ifrit
}

#[track_caller]
fn contains(text: &str, expected: &[&str]) {
    for words in expected {
        assert!(text.contains(words), "`{words}` is missing in\n{text}");
    }
}

#[test]
fn an_incident_is_listed_and_shown() {
    let ifrit = workspace();
    let output = ifrit.run(&["incidents"]).expect_exit(0);
    assert_eq!(output.stdout, "no incident was ever opened\n");
    in_store(&ifrit, async |store| fill(store).await);
    let output = ifrit.run(&["incidents", "--open"]).expect_exit(0);
    contains(&output.stdout, &["inc-2026-0001", "emergency", "opened", "1 vulnerable, 1 verified"]);

    let output = ifrit.run(&["incident", "show", "INC-2026-1"]).expect_exit(0);
    contains(
        &output.stdout,
        &[
            "inc-2026-0001: CVE-2024-6387: OpenSSH race",
            "opened 2026-03-02 10:01Z by eva; stage: opened",
            "openssh-server 9.7_p1-r1 -> 9.7_p1-r4",
            "1 passed",
            "missed, ",
            "10 h",
            "3 min 12 s",
            "1 of 2",
            "not measured yet: verified -> reported, in all (seen -> reported)",
            // CISA's catalogue names it.
            "deadline: 2 d from matched, since it is being exploited: 1 met, 1 missed",
            "\\u{1b}[2J",
        ],
    );
    assert!(!output.stdout.contains('\u{1b}'), "{}", output.stdout);
}

#[test]
fn json_has_what_the_text_has() {
    let ifrit = with_incident();
    let rows = ifrit.run(&["incidents", "--json"]).expect_exit(0).rows();
    assert_eq!((rows.len(), &rows[0]["incident"]), (1, &"inc-2026-0001".into()));
    assert_eq!(rows[0]["hosts"], serde_json::json!({"verified": 1, "vulnerable": 1}));
    let rows = ifrit.run(&["incident", "show", "inc-2026-0001", "--json"]).expect_exit(0).rows();
    let types: Vec<&Value> = rows.iter().map(|row| &row["kind"]).collect();
    assert_eq!(types, ["incident", "host", "host"]);
    let patched = &rows[0]["clocks"][4];
    assert_eq!((&patched["from"], &patched["to"]), (&"approved".into(), &"patched".into()));
    assert_eq!((&patched["all"]["p95"], &patched["all"]["missing"]), (&192.0.into(), &1.into()));
    assert_eq!(patched["clients"]["acme"]["hosts"], 1);
    assert_eq!((&rows[1]["deadline"], &rows[2]["deadline"]), (&"met".into(), &"missed".into()));
    assert_eq!(rows[1]["evidence"][0]["verdict"], "passed");
    assert_eq!(rows[1]["evidence"][0]["output_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(rows[0]["marks"]["triaged"], "2026-03-02T10:01:00Z");
}

#[test]
fn a_client_sees_its_own_alone() {
    let ifrit = with_incident();
    let note = |text: &str, more: &[&str]| {
        let arguments = [&["incident", "note", "inc-2026-0001", text], more].concat();
        let _ = ifrit.run(&arguments).expect_exit(0);
    };
    note("the provider's filter is off", &[]);
    note("told globex' people", &["--client", "globex"]);
    note("acme knows", &["--client", "acme"]);
    let of = |client: &str| {
        let arguments = ["incident", "show", "inc-2026-0001", "--client", client];
        let text = ifrit.run(&arguments).expect_exit(0).stdout;
        let json = ifrit.run(&[&arguments[..], &["--json"]].concat()).expect_exit(0).stdout;
        text + &json
    };
    let acme = of("acme");
    contains(&acme, &["web-1", "noted: acme knows", "tester"]);
    for word in ["db-1", "globex", "provider's filter"] {
        assert!(!acme.contains(word), "{word}: {acme}");
    }
    contains(&of("globex"), &["db-1", "told globex' people"]);
    let all = ifrit.run(&["incident", "show", "inc-2026-0001"]).expect_exit(0).stdout;
    contains(&all, &["the provider's filter is off", "told globex' people", "acme knows"]);

    let output = ifrit.run(&["incident", "show", "inc-2026-0001", "--client", "initech"]).expect_exit(2);
    contains(&output.stderr, &["there is no incident `inc-2026-0001`"]);
    let output = ifrit.run(&["incidents", "--client", "acmee"]).expect_exit(2);
    contains(&output.stderr, &["no client `acmee` is known"]);
    let rows = ifrit.run(&["incidents", "--client", "acme", "--json"]).expect_exit(0).rows();
    assert_eq!(rows[0]["hosts"], serde_json::json!({"verified": 1}));
    assert_eq!(ifrit.run(&["incidents", "--client", "initech", "--json"]).expect_exit(0).rows().len(), 0);
}

#[test]
fn an_incident_with_open_hosts_is_closed_by_force_alone() {
    let ifrit = with_incident();
    let close = |more: &[&str]| {
        let arguments = ["incident", "close", "inc-2026-0001", "--reason", "db-1 goes away on Friday"];
        ifrit.run(&[&arguments[..], more].concat())
    };
    let output = close(&[]).expect_exit(2);
    contains(&output.stderr, &["inc-2026-0001 is not done: db-1 (vulnerable)", "--force"]);
    let output = close(&["--force"]).expect_exit(0);
    contains(&output.stderr, &["inc-2026-0001 is closed"]);
    let output = close(&["--force"]).expect_exit(2);
    contains(&output.stderr, &["is closed already"]);
    assert_eq!(ifrit.run(&["incidents", "--open"]).expect_exit(0).stdout, "no incident is open\n");
    let text = ifrit.run(&["incident", "show", "inc-2026-0001"]).expect_exit(0).stdout;
    contains(&text, &["stage: closed, closed ", "closed it with hosts open: db-1 goes away on Friday"]);
}

#[test]
fn what_makes_no_sense_is_said() {
    let ifrit = with_incident();
    for id in ["inc-2026-0002", "CVE-2024-6387", "", "inc-2026-\u{1b}"] {
        for verb in [["show", id].as_slice(), &["note", id, "x"], &["close", id, "--reason", "x"]] {
            let output = ifrit.run(&[&["incident"], verb].concat()).expect_exit(2);
            contains(&output.stderr, &["no incident", "`ifrit incidents` lists them"]);
        }
    }
    let long = "x".repeat(5_000);
    for text in ["", "  ", &long] {
        let output = ifrit.run(&["incident", "note", "inc-2026-0001", text]).expect_exit(2);
        contains(&output.stderr, &["expected 1 to 4000"]);
    }
    let _ = ifrit.run(&["incident", "close", "inc-2026-0001"]).expect_exit(2);
}

/// Adds a person and an exception to what is declared.
fn accept(ifrit: &Ifrit, hosts: &str, until: &str) {
    let exception = format!(
        "maria = person(\"maria\")\nexception(\"CVE-2024-6387\", hosts = \"{hosts}\", owner = maria, \
         reason = \"no way in from outside\", until = \"{until}\")\n"
    );
    ifrit.write("inventory/hosts.star", &format!("{INVENTORY}\n{exception}"));
}

#[test]
fn an_exception_takes_its_hosts_out_of_the_findings() {
    let ifrit = workspace();
    let of_openssh = |rows: &[Value]| {
        let rows = rows.iter().filter(|row| row["id"] == "CVE-2024-6387");
        let line = |row: &Value| {
            (row["clients"].to_string(), row["accepted"][0]["owner"].as_str().map(str::to_owned))
        };
        rows.map(line).collect::<Vec<_>>()
    };
    let findings = |more: &[&str]| {
        let rows = ifrit.run(&[&["findings", "--json"], more].concat()).expect_exit(1).rows();
        of_openssh(&rows)
    };
    let open = |clients: &str| (clients.to_owned(), None);
    let accepted = |clients: &str| (clients.to_owned(), Some("maria".to_owned()));
    assert_eq!(findings(&[]), [open(r#"{"acme":1,"globex":1}"#)]);
    accept(&ifrit, "client:globex", "2999-12-31");
    assert_eq!(findings(&[]), [open(r#"{"acme":1}"#), accepted(r#"{"globex":1}"#)]);
    // Asked with and without evaluating what is declared.
    assert_eq!(findings(&[]), [open(r#"{"acme":1}"#), accepted(r#"{"globex":1}"#)]);
    assert_eq!(findings(&["--client", "globex"]), [accepted(r#"{"globex":1}"#)]);
    assert_eq!(findings(&["client:acme"]), [open(r#"{"acme":1}"#)]);
    let text = ifrit.run(&["findings"]).expect_exit(1).stdout;
    contains(
        &text,
        &[
            "accepted for now:",
            "until 2999-12-31 by maria: no way in from outside",
            "1 accepted (not counted)",
        ],
    );
    accept(&ifrit, "*", "2999-12-31");
    assert_eq!(findings(&[]), [accepted(r#"{"acme":1,"globex":1}"#)]);

    accept(&ifrit, "client:globex", "2026-01-31");
    assert_eq!(findings(&[]), [open(r#"{"acme":1,"globex":1}"#)], "it has expired");
    let output = ifrit.run(&["check"]).expect_exit(0);
    contains(
        &output.stdout,
        &[
            "warning[inventory.exception-expired]: the exception of CVE-2024-6387 by maria has expired on 2026-01-31",
        ],
    );
}

#[test]
fn an_incident_shows_who_answers_for_what_stays_open() {
    let ifrit = with_incident();
    let show = || ifrit.run(&["incident", "show", "inc-2026-0001"]).expect_exit(0).stdout;
    accept(&ifrit, "db-1", "2999-12-31");
    contains(
        &show(),
        &[
            "db-1: CVE-2024-6387 is accepted until 2999-12-31, maria answers for it: no way in from outside",
            "1 met, 1 excepted",
        ],
    );
    accept(&ifrit, "db-1", "2026-01-31");
    contains(&show(), &["was accepted, expired 2026-01-31", "1 met, 1 missed"]);
}
