//! `ifrit report`, as a user runs it.

use std::fs;

use serde_json::Value;

use crate::command::Ifrit;
use crate::incidents::with_incident;
use crate::who::workspace;

const INCIDENT: &str = "inc-2026-0001";
const FORMATS: [&str; 4] = ["text", "md", "html", "json"];

fn report(ifrit: &Ifrit, arguments: &[&str]) -> String {
    ifrit.run(&[&["report", "incident", INCIDENT], arguments].concat()).expect_exit(0).stdout
}

#[test]
fn a_client_reads_of_its_own_hosts_in_every_form() {
    let ifrit = with_incident();
    let note = |text: &str, more: &[&str]| {
        let _ = ifrit.run(&[&["incident", "note", INCIDENT, text], more].concat()).expect_exit(0);
    };
    note("globex does not answer the phone", &[]);
    note("impact: nobody noticed", &[]);
    note("cause: globex asked us to wait", &[]);
    note("report: thank you for your patience", &["--client", "acme"]);
    note("report: please call us about db-1", &["--client", "globex"]);
    for format in FORMATS {
        let said = report(&ifrit, &["--client", "acme", "--format", format]);
        for own in ["web-1", "CVE-2024-6387", "nobody noticed", "thank you for your patience"] {
            assert!(said.contains(own), "{format} lacks {own}:\n{said}");
        }
        for foreign in ["globex", "db-1", "eva", "phone", "please call", "\u{1b}"] {
            assert!(!said.contains(foreign), "{format} has {foreign}:\n{said}");
        }
        let all = report(&ifrit, &["--format", format]);
        for word in ["globex", "db-1", "eva", "phone", "please call"] {
            assert!(all.contains(word), "the team's {format} lacks {word}:\n{all}");
        }
    }
    let json: Value =
        serde_json::from_str(&report(&ifrit, &["--client", "globex", "--format", "json"])).expect("JSON");
    assert_eq!(json["hosts"][0]["outcome"], "vulnerable");
    assert_eq!(
        json["summary"][0],
        "CVE-2024-6387 affected one of your hosts; we knew this on 2 March 2026 at 10:00 UTC."
    );
}

#[test]
fn a_written_report_is_on_record_and_stops_the_clients_clock() {
    let ifrit = with_incident();
    let marks = || {
        let shown = ifrit.run(&["incident", "show", INCIDENT, "--json"]).expect_exit(0).stdout;
        let first: Value = serde_json::from_str(shown.lines().next().expect("the incident")).expect("JSON");
        first["client_marks"].clone()
    };
    let _ = report(&ifrit, &["--client", "acme"]);
    assert!(marks()["acme"].is_null(), "to look at a report is not to write it");
    let written =
        ifrit.run(&["report", "incident", INCIDENT, "--client", "acme", "--out", "acme.html"]).expect_exit(0);
    assert_eq!((written.stdout.as_str(), written.stderr.contains("its hash is on record")), ("", true));
    let page = fs::read_to_string(ifrit.directory().join("acme.html")).expect("the page");
    assert!(page.starts_with("<!DOCTYPE html>"), "the name says that it is HTML");
    assert!(marks()["acme"]["reported"].is_string(), "{}", marks());
    assert!(marks()["globex"].is_null());
    let left: Vec<_> = fs::read_dir(ifrit.directory())
        .expect("the folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains(".part"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn what_cannot_be_written_is_not_on_record() {
    let ifrit = with_incident();
    let out = ifrit
        .run(&["report", "incident", INCIDENT, "--client", "acme", "--out", "no/such/acme.html"])
        .expect_exit(4);
    assert!(out.stderr.contains("cannot write no/such/acme.html"), "{}", out.stderr);
    let shown = ifrit.run(&["incident", "show", INCIDENT, "--json"]).expect_exit(0).stdout;
    assert!(shown.contains("\"client_marks\":{}"), "{shown}");
}

#[test]
fn who_is_not_in_it_has_no_report() {
    let ifrit = with_incident();
    for arguments in [["inc-2026-0001", "--client", "nobody"], ["inc-2026-0099", "--client", "acme"]] {
        let out = ifrit.run(&[&["report", "incident"], arguments.as_slice()].concat()).expect_exit(2);
        assert_eq!(out.stdout, "");
    }
}

#[test]
fn posture_is_told_in_every_form() {
    let ifrit = workspace();
    for format in FORMATS {
        for client in [&[][..], &["--client", "acme"]] {
            let arguments = [&["report", "posture", "--format", format], client].concat();
            let said = ifrit.run(&arguments).expect_exit(0).stdout;
            assert_eq!(said.contains("globex"), client.is_empty(), "{format}:\n{said}");
        }
    }
    let out = ifrit.run(&["report", "posture", "--late-days", "3", "--out", "posture.json"]).expect_exit(0);
    assert_eq!(out.stdout, "");
    let json = fs::read_to_string(ifrit.directory().join("posture.json")).expect("the file");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["late_after_days"], 3);
    let _ = ifrit.run(&["report", "posture", "--client", "nobody"]).expect_exit(2);
}
