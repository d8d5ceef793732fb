//! Walks fixtures/workspaces: what is loaded and what is said must be what `expected.txt` says.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use lang::load;

use crate::{render, render_inventory};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/workspaces");

#[test]
fn valid_workspaces() {
    check_all("valid", |root| {
        let (workspace, problems) = load(root, &[]);
        assert_eq!(render(&problems), "", "{}", root.display());
        let mut text = render_inventory(&workspace.inventory);
        for deploy in &workspace.deploys {
            _ = writeln!(
                text,
                "deploy {} in {} at {}: {:?}",
                deploy.name, deploy.path, deploy.place, deploy.doc
            );
        }
        text
    });
}

#[test]
fn invalid_workspaces() {
    check_all("invalid", |root| {
        let (_, problems) = load(root, &[]);
        assert!(!problems.is_empty(), "{} loads", root.display());
        // Only a missing workspace is named by its own path, which differs from machine to machine.
        render(&problems).replace(&root.display().to_string(), "ROOT")
    });
}

fn check_all(kind: &str, result: impl Fn(&Path) -> String) {
    let mut roots: Vec<PathBuf> = fs::read_dir(Path::new(SAMPLES).join(kind))
        .expect("the samples are there")
        .map(|entry| entry.expect("the entry can be read").path())
        .collect();
    roots.sort();
    assert!(roots.len() > 1, "no samples in {SAMPLES}/{kind}");
    for root in roots {
        let path = root.join("expected.txt");
        let got = result(&root);
        if std::env::var_os("IFRIT_UPDATE").is_some() {
            fs::write(&path, &got).expect("expected.txt can be written");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(got, expected, "{}", root.display());
    }
}
