//! Every dependency that is built into ifrit has a permissive licence, and a few crates are never in.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, PackageId};

use crate::architecture::metadata;

/// Licences that may be in the binary, each with the reason.
const ALLOWED: [(&str, &str); 13] = [
    ("0BSD", "permissive, no condition"),
    ("Apache-2.0", "permissive"),
    ("Apache-2.0 WITH LLVM-exception", "permissive"),
    ("BSD-2-Clause", "permissive"),
    ("BSD-3-Clause", "permissive"),
    ("BSL-1.0", "permissive"),
    ("CC0-1.0", "public domain dedication"),
    ("CDLA-Permissive-2.0", "data licence of the root certificates (webpki-roots)"),
    ("ISC", "permissive"),
    ("MIT", "permissive"),
    ("Unicode-3.0", "permissive, Unicode tables"),
    ("Unlicense", "public domain dedication"),
    ("Zlib", "permissive"),
];

/// Crates that must not come in by any way, each with the reason.
const BANNED: [(&str, &str); 4] = [
    ("openssl", "one TLS stack: rustls with ring"),
    ("openssl-sys", "one TLS stack: rustls with ring"),
    ("aws-lc-rs", "one crypto provider: ring"),
    ("aws-lc-sys", "one crypto provider: ring"),
];

#[test]
fn every_dependency_has_an_allowed_licence() {
    let metadata = metadata();
    let built_in = built_in(&metadata);
    let own: BTreeSet<_> = metadata.workspace_members.iter().collect();
    let mut faults = Vec::new();
    for package in metadata.packages.iter().filter(|it| built_in.contains(&it.id) && !own.contains(&it.id)) {
        let licence = package.license.as_deref().unwrap_or("none stated");
        if !is_allowed(licence) {
            faults.push(format!("{} {}: {licence}", package.name, package.version));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn banned_crates_stay_out() {
    let metadata = metadata();
    let built_in = built_in(&metadata);
    for package in metadata.packages.iter().filter(|it| built_in.contains(&it.id)) {
        for (banned, reason) in BANNED {
            assert_ne!(package.name.as_str(), banned, "{reason}");
        }
    }
}

#[test]
fn licence_expressions_are_judged_by_their_parts() {
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "MIT/Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_allowed(good), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "none stated", "(MIT OR Apache-2.0) AND LGPL-2.1"] {
        assert!(!is_allowed(bad), "{bad}");
    }
}

/// Returns every package that some room pulls into the binary: normal dependencies, all the way
/// down, whatever the platform.
fn built_in(metadata: &cargo_metadata::Metadata) -> BTreeSet<PackageId> {
    let resolve = metadata.resolve.as_ref().expect("a resolved dependency graph");
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut found = BTreeSet::new();
    let mut open: Vec<_> = metadata.workspace_members.iter().collect();
    while let Some(id) = open.pop() {
        if !found.insert(id.clone()) {
            continue;
        }
        let dependencies = nodes[id].deps.iter();
        let normal =
            dependencies.filter(|it| it.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        open.extend(normal.map(|it| &it.pkg));
    }
    found
}

/// Judges an SPDX expression of the forms that occur: OR within AND within parentheses at most.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    expression.split(" AND ").all(|part| {
        part.trim_matches(['(', ')', ' ']).split(" OR ").any(|licence| {
            ALLOWED.iter().any(|(allowed, _)| *allowed == licence.trim_matches(['(', ')', ' ']))
        })
    })
}
