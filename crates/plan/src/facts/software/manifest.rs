//! Files that name a piece of software: Python's and npm's metadata, archives, bills of materials.

use model::{Software, SoftwareKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::entry;
use super::frames::FoundFile;
use super::purl::{is_purl, purl};

/// Reads the head of METADATA or PKG-INFO (PEP 566).
pub(super) fn python(file: &FoundFile) -> Result<Vec<Software>, String> {
    let field = |name: &str| {
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned());
        file.lines().find_map(|line| value(&line)).filter(|value| !value.is_empty())
    };
    let (Some(name), Some(version)) = (field("Name"), field("Version")) else {
        return Err("expected the fields Name and Version".to_owned());
    };
    let purl = purl("pypi", &name, &version);
    let found = entry(SoftwareKind::Python, &name, &version, purl, &file.path);
    found.map(|found| vec![found]).ok_or_else(|| "its name or version is no word".to_owned())
}

#[derive(Deserialize)]
struct PackageJson {
    name: Option<String>,
    version: Option<String>,
}

/// Reads package.json. One without name or version is a part of its package (`{"type": "module"}`).
pub(super) fn npm(file: &FoundFile) -> Result<Vec<Software>, String> {
    let PackageJson { name: Some(name), version: Some(version) } = json(file)? else { return Ok(Vec::new()) };
    let purl = purl("npm", &name, &version);
    let found = entry(SoftwareKind::Npm, &name, &version, purl, &file.path);
    found.map(|found| vec![found]).ok_or_else(|| "its name or version is no word".to_owned())
}

/// What CycloneDX and SPDX 2 have in common is that nothing is required.
#[derive(Deserialize)]
struct Bill {
    #[serde(default)]
    components: Vec<Component>,
    #[serde(default)]
    packages: Vec<SpdxPackage>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    purl: Option<String>,
    /// What it is made of.
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpdxPackage {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version_info: String,
    #[serde(default)]
    external_refs: Vec<SpdxReference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpdxReference {
    #[serde(default)]
    reference_type: String,
    #[serde(default)]
    reference_locator: String,
}

/// Reads the components that have a package URL; the others are files, systems and the like.
pub(super) fn sbom(file: &FoundFile) -> Result<Vec<Software>, String> {
    let Bill { components, packages } = json(file)?;
    let mut found = Vec::new();
    add_components(&components, file, &mut found);
    for package in &packages {
        let references = package.external_refs.iter().filter(|it| it.reference_type == "purl");
        for it in references {
            add(&package.name, &package.version_info, &it.reference_locator, file, &mut found);
        }
    }
    Ok(found)
}

/// serde_json's limit of 128 levels ends the recursion.
fn add_components(components: &[Component], file: &FoundFile, found: &mut Vec<Software>) {
    for it in components {
        if let Some(purl) = &it.purl {
            add(&it.name, &it.version, purl, file, found);
        }
        add_components(&it.components, file, found);
    }
}

fn add(name: &str, version: &str, purl: &str, file: &FoundFile, found: &mut Vec<Software>) {
    if is_purl(purl) {
        found.extend(entry(SoftwareKind::Sbom, name, version, purl.to_owned(), &file.path));
    }
}

/// Reads the Maven coordinates of an archive and of what is shaded into it; without any its name, of
/// which no package URL can be made: it lacks the group.
pub(super) fn jar(file: &FoundFile) -> Vec<Software> {
    let mut found = Vec::new();
    let mut open: [Option<String>; 3] = [None, None, None];
    for line in file.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        let Some(at) = ["groupId", "artifactId", "version"].iter().position(|it| *it == key.trim()) else {
            continue;
        };
        // A key that comes again begins the next file.
        if open[at].is_some() {
            open = [None, None, None];
        }
        open[at] = Some(value.trim().to_owned());
        if let [Some(group), Some(artifact), Some(version)] = &open {
            let (name, purl) =
                (format!("{group}:{artifact}"), purl("maven", &format!("{group}/{artifact}"), version));
            found.extend(entry(SoftwareKind::Jar, &name, version, purl, &file.path));
            open = [None, None, None];
        }
    }
    if found.is_empty() {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
        let (name, version) = name_and_version(name);
        found.extend(entry(SoftwareKind::Jar, name, version, String::new(), &file.path));
    }
    found
}

/// Takes `commons-io-2.11.0` apart: the version begins at the first digit after a `-`.
fn name_and_version(text: &str) -> (&str, &str) {
    let digit = |at: usize| text[at + 1..].starts_with(|first: char| first.is_ascii_digit());
    match text.match_indices('-').find(|(at, _)| *at > 0 && digit(*at)) {
        Some((at, _)) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

fn json<T: DeserializeOwned>(file: &FoundFile) -> Result<T, String> {
    // Some tools begin with a byte order mark.
    let text = file.text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&file.text);
    serde_json::from_slice(text).map_err(|error| format!("it is not the JSON that it should be: {error}"))
}
