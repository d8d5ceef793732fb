//! Problems as SARIF 2.1.0 (Static Analysis Results Interchange Format,
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>), for code scanners and editors.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use model::{Code, Place, Problem};
use serde::Serialize;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json";
/// The base that the paths of files are relative to (§3.14.14 of the standard).
const ROOT: &str = "%SRCROOT%";

/// A SARIF document (`sarifLog`, §3.13).
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool,
    original_uri_base_ids: BTreeMap<&'static str, ArtifactLocation>,
    column_kind: &'static str,
    results: Vec<Finding<'a>>,
}

#[derive(Debug, Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Message<'static>,
    default_configuration: Configuration,
}

#[derive(Debug, Serialize)]
struct Configuration {
    level: &'static str,
}

/// What the standard calls a `result` (§3.27).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message<'a>,
    locations: Vec<Location<'a>>,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    text: std::borrow::Cow<'a, str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_location: Option<PhysicalLocation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactLocation {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
}

/// Something that is no file: a host, a feed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation<'a> {
    fully_qualified_name: &'a str,
    kind: &'static str,
}

/// Makes the document of a workspace's problems. Its rules are every code that there is.
pub fn document<'a>(root: &Path, problems: &'a [Problem]) -> Document<'a> {
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let root = ArtifactLocation {
        uri: format!("file://{}/", encode(absolute.to_string_lossy().trim_end_matches('/'))),
        uri_base_id: None,
    };
    let driver = Driver {
        name: "ifrit",
        semantic_version: env!("CARGO_PKG_VERSION"),
        rules: Code::ALL.iter().map(|code| rule(*code)).collect(),
    };
    let run = Run {
        tool: Tool { driver },
        original_uri_base_ids: BTreeMap::from([(ROOT, root)]),
        // Our columns count characters.
        column_kind: "unicodeCodePoints",
        results: problems.iter().map(finding).collect(),
    };
    Document { schema: SCHEMA, version: "2.1.0", runs: [run] }
}

fn rule(code: Code) -> Rule {
    Rule {
        id: code.as_str(),
        short_description: Message { text: code.meaning().into() },
        default_configuration: Configuration { level: code.level().as_str() },
    }
}

fn finding(problem: &Problem) -> Finding<'_> {
    let text = match &problem.hint {
        Some(hint) => format!("{}\nhint: {hint}", problem.message).into(),
        None => problem.message.as_str().into(),
    };
    Finding {
        rule_id: problem.code.as_str(),
        rule_index: Code::ALL.iter().position(|code| *code == problem.code).unwrap_or_default(),
        level: problem.level.as_str(),
        message: Message { text },
        locations: location(&problem.place).into_iter().collect(),
    }
}

fn location(place: &Place) -> Option<Location<'_>> {
    let in_file = |path: &str, region| {
        let artifact_location = ArtifactLocation { uri: encode(path), uri_base_id: Some(ROOT) };
        let physical_location = Some(PhysicalLocation { artifact_location, region });
        Location { physical_location, logical_locations: Vec::new() }
    };
    let elsewhere = |fully_qualified_name, kind| Location {
        physical_location: None,
        logical_locations: vec![LogicalLocation { fully_qualified_name, kind }],
    };
    match place {
        Place::File { path } => Some(in_file(path, None)),
        Place::Spot { path, line, column } => {
            Some(in_file(path, Some(Region { start_line: *line, start_column: *column })))
        }
        Place::Host { host, .. } => Some(elsewhere(host.as_str(), "resource")),
        Place::Feed { feed, .. } => Some(elsewhere(feed, "resource")),
        Place::Nowhere => None,
    }
}

/// Encodes a path for a URI: everything but the unreserved characters and `/` (RFC 3986 §2.3).
fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(encode("inventory/a b/ü%.star"), "inventory/a%20b/%C3%BC%25.star");
    }

    #[test]
    fn every_kind_of_place_has_its_location() {
        let host = Place::Host { host: model::HostName::new("web-1").expect("a name"), part: String::new() };
        let feed = Place::Feed { feed: "kev".to_owned(), part: String::new() };
        for (place, expected) in [
            (Place::Nowhere, "null"),
            (host, r#"{"logicalLocations":[{"fullyQualifiedName":"web-1","kind":"resource"}]}"#),
            (feed, r#"{"logicalLocations":[{"fullyQualifiedName":"kev","kind":"resource"}]}"#),
            (
                Place::File { path: "a.star".to_owned() },
                r#"{"physicalLocation":{"artifactLocation":{"uri":"a.star","uriBaseId":"%SRCROOT%"}}}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&location(&place)).expect("it serialises"), expected);
        }
    }
}
