//! Samples of every form of a report, as files to be read. `IFRIT_UPDATE=1` writes them anew.

use std::path::{Path, PathBuf};
use std::{env, fs};

use super::*;
use crate::report::{PostureReport, render_markdown, render_text};

/// Holds a text against a file of the repository.
fn check(file: &str, said: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    if env::var_os("IFRIT_UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(&path, said).expect("the sample");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == said,
        "{file} is not what is said now; run it with IFRIT_UPDATE=1 and read what changes:\n{said}"
    );
}

#[test]
fn the_samples_are_fresh() {
    let client = report(&emergency(), &acme());
    let internal = report(&emergency(), &View::Internal);
    check("fixtures/reports/incident-client.json", &client.to_json());
    check("fixtures/reports/incident-client.txt", &render_text(&client.document()));
    check("fixtures/reports/incident-internal.json", &internal.to_json());
    check("fixtures/reports/incident-internal.txt", &render_text(&internal.document()));
    let page = "<!-- Written by a test of crates/control/src/report from a made-up incident. -->\n\n";
    check("docs/guides/sample-client-report.md", &format!("{page}{}", render_markdown(&client.document())));
}

#[test]
fn a_report_is_read_as_it_was_written() {
    let written = report(&emergency(), &View::Internal);
    let read: IncidentReport = serde_json::from_str(&written.to_json()).expect("a report");
    assert_eq!(read, written);
}

#[test]
fn a_posture_is_read_as_it_was_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/reports/posture-client.json");
    let text = fs::read_to_string(path).expect("the fixture");
    let read: PostureReport = serde_json::from_str(&text).expect("a report");
    assert_eq!(read.to_json(), text.trim_end());
    check("fixtures/reports/posture-client.txt", &render_text(&read.document()));
}
