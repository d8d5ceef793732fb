//! What Go and Rust programs say of themselves.

use model::{Software, SoftwareKind};

use super::entry;
use super::frames::FoundFile;
use super::purl::purl;

/// Reads Go's build info (`runtime/debug.BuildInfo`: `mod`, `dep`, `=>` with path, version, sum) and the
/// names of crates.
pub(super) fn modules(file: &FoundFile) -> Vec<Software> {
    let lines: Vec<_> = file.lines().map(std::borrow::Cow::into_owned).collect();
    let mut found: Vec<Software> = Vec::new();
    let (mut is_go, mut is_last_kept) = (false, false);
    for line in &lines {
        let mut fields = line.split('\t');
        let (word, name, version) =
            (fields.next(), fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        match word {
            Some("mod" | "dep" | "=>") => {
                // A replacement is what is really in the program.
                if word == Some("=>") && is_last_kept {
                    found.pop();
                }
                let module = go(name, version, &file.path);
                is_last_kept = module.is_some();
                is_go |= is_last_kept;
                found.extend(module);
            }
            Some("crate") => found.extend(rust(name, &file.path)),
            _ => {}
        }
    }
    let toolchain = lines.iter().find_map(|line| line.trim().strip_prefix("go1."));
    if let (true, Some(version)) = (is_go, toolchain) {
        let version = format!("1.{version}");
        let purl = purl("golang", "stdlib", &version);
        found.extend(entry(SoftwareKind::Go, "stdlib", &version, purl, &file.path));
    }
    found
}

fn go(name: &str, version: &str, path: &str) -> Option<Software> {
    // What was built from a working copy has no version.
    let version = if version == "(devel)" { "" } else { version };
    let is_module = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!+".contains(&byte);
    let is_good = name.bytes().all(is_module) && version.bytes().all(is_module);
    is_good.then(|| entry(SoftwareKind::Go, name, version, purl("golang", name, version), path))?
}

/// Takes `serde_json-1.0.1` apart.
fn rust(folder: &str, path: &str) -> Option<Software> {
    // `sha-1-0.10.1`: a version's first number ends in a dot.
    let is_version = |rest: &str| {
        rest.split_once('.')
            .is_some_and(|(major, _)| !major.is_empty() && major.bytes().all(|it| it.is_ascii_digit()))
    };
    let at = folder.match_indices('-').find(|(at, _)| is_version(&folder[at + 1..]));
    let (name, version) = (&folder[..at?.0], &folder[at?.0 + 1..]);
    entry(SoftwareKind::Rust, name, version, purl("cargo", name, version), path)
}
