//! Holds the arrows of ARCHITECTURE.md: which room may depend on which, and which dependency is
//! fenced into which room. Reads `cargo metadata`, so a forgotten line in a Cargo.toml is enough.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Rooms and what each may depend on. A room may use any room to its right:
/// cli -> web -> control -> {fleet, advisory, store} -> {plan, lang} -> model, and plan -> lang.
const ARROWS: [(&str, &[&str]); 10] = [
    ("model", &[]),
    ("lang", &["model"]),
    ("plan", &["model", "lang"]),
    ("advisory", &["model", "lang", "plan"]),
    ("fleet", &["model", "lang", "plan"]),
    ("store", &["model", "lang", "plan"]),
    ("control", &["model", "lang", "plan", "advisory", "fleet", "store"]),
    ("web", &["model", "lang", "plan", "advisory", "fleet", "store", "control"]),
    ("cli", &["model", "lang", "plan", "advisory", "fleet", "store", "control", "web"]),
    ("testkit", &["model"]),
];

/// Heavy or dangerous dependencies and the rooms that may name them.
const FENCES: [(&str, &[&str]); 12] = [
    ("russh", &["fleet", "testkit"]),
    ("sqlx", &["store"]),
    ("reqwest", &["advisory", "control"]),
    ("lettre", &["control"]),
    ("starlark", &["lang", "plan"]),
    ("starlark_lsp", &["lang"]),
    ("lsp-server", &["lang"]),
    ("lsp-types", &["lang"]),
    ("maud", &["web"]),
    ("clap", &["cli"]),
    ("comfy-table", &["cli"]),
    ("anyhow", &["cli"]),
];

/// Words that stand for I/O, clocks and chance, and have no place in the pure rooms.
const IMPURE: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::io::Read",
    "SystemTime::now",
    "Timestamp::now",
    "Instant::now",
    "getrandom",
];

/// The pure rooms.
const PURE_ROOMS: [&str; 2] = ["model", "plan"];

/// Split a file before it is longer than this.
const FILE_LINES_MAX: usize = 700;

pub fn metadata() -> Metadata {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(vec!["--offline".to_owned(), "--locked".to_owned()])
        .exec()
        .expect("cargo metadata of the workspace")
}

fn room(package_name: &str) -> &str {
    if package_name == "ifrit" { "cli" } else { package_name.strip_prefix("ifrit-").unwrap_or(package_name) }
}

#[test]
fn rooms_depend_only_along_the_arrows() {
    let metadata = metadata();
    let arrows: BTreeMap<_, _> = ARROWS.into_iter().collect();
    let rooms: BTreeSet<_> =
        metadata.workspace_packages().iter().map(|it| room(&it.name).to_owned()).collect();
    assert_eq!(rooms, arrows.keys().map(|it| (*it).to_owned()).collect(), "a new room needs an arrow here");
    for package in metadata.workspace_packages() {
        for dependency in &package.dependencies {
            let target = room(&dependency.name);
            let is_test_only = dependency.kind == DependencyKind::Development;
            if !rooms.contains(target) || (is_test_only && target == "testkit") {
                continue;
            }
            let allowed = arrows[room(&package.name)];
            assert!(allowed.contains(&target), "{} must not depend on {target}", package.name);
        }
    }
}

#[test]
fn fenced_dependencies_stay_in_their_rooms() {
    let fences: BTreeMap<_, _> = FENCES.into_iter().collect();
    for package in metadata().workspace_packages() {
        let here = room(&package.name);
        for dependency in &package.dependencies {
            // A test may play the other side of a protocol (a hostile SSH server, say).
            let is_production = dependency.kind == DependencyKind::Normal;
            if let (Some(rooms), true) = (fences.get(dependency.name.as_str()), is_production) {
                assert!(rooms.contains(&here), "{} belongs into {rooms:?}, not into {here}", dependency.name);
            }
        }
    }
}

#[test]
fn pure_rooms_do_no_input_or_output() {
    for room in PURE_ROOMS {
        for path in sources(room).into_iter().filter(|path| !is_test(path)) {
            let text = fs::read_to_string(&path).expect("source file");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in IMPURE {
                assert!(!code.contains(word), "{} uses {word}, and {room} is pure", path.display());
            }
        }
    }
}

#[test]
fn files_stay_readable() {
    for (room, _) in ARROWS {
        for path in sources(room) {
            let lines = fs::read_to_string(&path).expect("source file").lines().count();
            assert!(
                lines <= FILE_LINES_MAX,
                "{} has {lines} lines, split it before {FILE_LINES_MAX}",
                path.display()
            );
        }
    }
}

#[test]
fn the_architecture_page_is_short() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let lines = fs::read_to_string(page).expect("ARCHITECTURE.md").lines().count();
    assert!(lines <= 250, "ARCHITECTURE.md has {lines} lines, 250 are the most that anybody reads");
}

/// Says whether a file below src/ is a `#[cfg(test)]` module by its name, or lies in the folder of one.
fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.parent().is_some_and(|folder| folder.ends_with("tests"))
}

/// Returns the Rust files below a room's src/.
fn sources(room: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(room).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("source directory") {
            let path = entry.expect("directory entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{room} has no source");
    found
}
