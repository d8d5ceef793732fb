//! Records in OSV's format (ossf.github.io/osv-schema, 1.7): one record or an array of records per
//! document. Ecosystems read: `Alpine`, `Alpine:v3.20`, `Debian`, `Debian:12`, `FreeBSD:ports`, and of
//! languages `crates.io`, `Go`, `Maven`, `npm`, `PyPI`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::{
    Advisory, AdvisoryKey, Affected, Code, Ecosystem, FeedName, JoinBy, PackagePattern, ReleaseScope,
    Severity, VulnerabilityId,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::ids::push_id;
use crate::osv_ranges::{OsvRange, affects};
use crate::osv_scope::{Scope, scope};
use crate::severity;
use crate::snapshot::{Coverage, Document, Parsed, feed};

/// Parses OSV records. Of records with one id the last modified counts, of equally old ones the first.
/// Records about other ecosystems are ignored; `related` ids are not taken: they are other things.
pub(crate) fn parse(documents: &[Document]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut records: BTreeMap<String, (&str, Record)> = BTreeMap::new();
    for document in documents {
        for record in read(document, &mut parsed) {
            let known = records.get(&record.id).map(|(_, known)| known.modified.clone());
            if known.is_none_or(|known| record.modified > known) {
                records.insert(record.id.clone(), (&document.label, record));
            }
        }
    }
    for (label, record) in records.into_values() {
        if record.withdrawn.is_some() {
            parsed.ignored += 1;
        } else {
            convert(label, record, &mut parsed);
        }
    }
    parsed
}

#[derive(Deserialize)]
struct Record {
    id: String,
    /// RFC 3339 in UTC, so text order is time order.
    #[serde(default)]
    modified: String,
    published: Option<String>,
    withdrawn: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    aliases: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    upstream: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    summary: String,
    #[serde(default, deserialize_with = "nullable")]
    affected: Vec<Lenient<OsvAffected>>,
    #[serde(default, deserialize_with = "nullable")]
    severity: Vec<Lenient<Score>>,
    database_specific: Option<Lenient<Specific>>,
}

#[derive(Deserialize)]
struct OsvAffected {
    package: Option<OsvPackage>,
    #[serde(default, deserialize_with = "nullable")]
    ranges: Vec<OsvRange>,
    #[serde(default, deserialize_with = "nullable")]
    versions: Vec<String>,
    #[serde(default, deserialize_with = "nullable")]
    severity: Vec<Lenient<Score>>,
    ecosystem_specific: Option<Lenient<Specific>>,
    database_specific: Option<Lenient<Specific>>,
}

#[derive(Deserialize)]
struct OsvPackage {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct Specific {
    severity: Option<String>,
    /// RustSec's word for what is no vulnerability: `unmaintained`, `unsound`, `notice`.
    informational: Option<String>,
}

/// `severity` of a record or package; `score` is a CVSS vector.
#[derive(Deserialize)]
struct Score {
    score: String,
}

/// Reads `null` as nothing: some databases write it where the schema wants an empty list.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An item that may be malformed without failing the record.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Good(T),
    Bad(IgnoredAny),
}

impl<T> Lenient<T> {
    fn good(&self) -> Option<&T> {
        match self {
            Self::Good(item) => Some(item),
            Self::Bad(_) => None,
        }
    }
}

/// Reads one document; what is no record in an array becomes a problem.
fn read(document: &Document, parsed: &mut Parsed) -> Vec<Record> {
    let is_array = document.bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let items = match is_array {
        true => serde_json::from_slice::<Vec<Lenient<Record>>>(&document.bytes),
        false => serde_json::from_slice::<Record>(&document.bytes).map(|record| vec![Lenient::Good(record)]),
    };
    let items = items.unwrap_or_else(|error| {
        let message = format!("not an OSV record: {error}");
        parsed.problem(Code::FeedEntryInvalid, feed::OSV, &document.label, message);
        Vec::new()
    });
    let mut records = Vec::new();
    for (position, item) in items.into_iter().enumerate() {
        match item {
            Lenient::Good(record) if !record.id.is_empty() => records.push(record),
            _ => {
                let part = format!("{}, [{position}]", document.label);
                parsed.problem(Code::FeedEntryInvalid, feed::OSV, part, "not an OSV record with an id");
            }
        }
    }
    records
}

fn convert(label: &str, record: Record, parsed: &mut Parsed) {
    let mut affected = Vec::new();
    let problem = |parsed: &mut Parsed, message: String| {
        parsed.problem(Code::FeedEntryInvalid, feed::OSV, format!("{label}, {}", record.id), message);
    };
    for item in &record.affected {
        let Lenient::Good(item) = item else {
            problem(parsed, "an `affected` entry is malformed".to_owned());
            continue;
        };
        let Some(package) = &item.package else { continue };
        let (ecosystem, release) = match scope(&package.ecosystem) {
            Scope::Ours(ecosystem, release) => (ecosystem, release),
            Scope::Unmatched => {
                problem(parsed, format!("`{}` of {} is not matched", package.ecosystem, package.name));
                continue;
            }
            Scope::Other => continue,
        };
        if is_notice(item) {
            continue;
        }
        match affects(ecosystem.version_scheme(), &item.ranges, &item.versions) {
            Ok(affects) => affected.push(Affected {
                ecosystem,
                release,
                repository: None,
                package: PackagePattern::Exact(ecosystem.package_name(&package.name)),
                join_by: if is_by_source(ecosystem) { JoinBy::Source } else { JoinBy::Binary },
                affects,
            }),
            Err(message) => problem(parsed, format!("{}: {message}", package.name)),
        }
    }
    if affected.is_empty() {
        parsed.ignored += 1;
        return;
    }
    // `Debian` without a release is about every release, yet one such record does not make any release
    // one of which the feed speaks.
    let covers = |it: &&Affected| !is_by_source(it.ecosystem) || it.release != ReleaseScope::Any;
    parsed.coverage.extend(affected.iter().filter(covers).map(|it| Coverage {
        feed: FeedName::new(feed::OSV),
        ecosystem: it.ecosystem,
        release: it.release.clone(),
        repository: None,
    }));
    parsed.advisories.push(advisory(record, affected));
}

/// Says whether a system's advisories name sources, release by release.
fn is_by_source(ecosystem: Ecosystem) -> bool {
    matches!(ecosystem, Ecosystem::Alpine | Ecosystem::Debian)
}

/// Says whether an entry tells something other than a vulnerability: nobody maintains the crate any more.
/// An unsound crate is one that may corrupt memory, which counts.
fn is_notice(item: &OsvAffected) -> bool {
    let specific = item.database_specific.as_ref().and_then(Lenient::good);
    let word = specific.and_then(|it| it.informational.as_deref());
    word.is_some_and(|word| matches!(word, "unmaintained" | "notice"))
}

fn advisory(record: Record, affected: Vec<Affected>) -> Advisory {
    let severity = severity(&record);
    let mut ids: Vec<VulnerabilityId> = Vec::new();
    for id in std::iter::once(&record.id).chain(&record.aliases).chain(&record.upstream) {
        push_id(&mut ids, VulnerabilityId::new(id.trim()));
    }
    // A record about one CVE goes by that CVE; one about several by its own id.
    let cves: Vec<_> = ids.iter().enumerate().filter(|(_, id)| id.is_cve()).map(|(at, _)| at).collect();
    if let [only] = cves[..] {
        ids[..=only].rotate_right(1);
    }
    Advisory {
        feed: FeedName::new(feed::OSV),
        key: AdvisoryKey::new(record.id),
        id: ids.remove(0),
        aliases: ids,
        summary: record.summary,
        severity,
        published: record.published.as_deref().and_then(parse_date),
        affected,
    }
}

/// The record's severity word, else the highest of its packages, else that of the highest CVSS score.
fn severity(record: &Record) -> Option<Severity> {
    let word = |it: &Option<Lenient<Specific>>| {
        it.as_ref().and_then(Lenient::good).and_then(|it| Severity::parse(it.severity.as_deref()?))
    };
    let packages = || record.affected.iter().filter_map(Lenient::good);
    let of_packages =
        packages().filter_map(|it| word(&it.database_specific).or(word(&it.ecosystem_specific)));
    let of_scores = || {
        let scores = record.severity.iter().chain(packages().flat_map(|it| &it.severity));
        scores.filter_map(Lenient::good).filter_map(|it| severity::of_vector(&it.score)).max()
    };
    word(&record.database_specific).or(of_packages.max()).or_else(of_scores)
}

fn parse_date(text: &str) -> Option<Date> {
    let time: Timestamp = text.parse().ok()?;
    Some(time.to_zoned(TimeZone::UTC).date())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed {
        parse(&[Document { label: "osv.json".to_owned(), bytes: text.as_bytes().to_vec() }])
    }

    fn record(more: &str, ecosystem: &str) -> String {
        format!(
            r#"{{"id":"X-1","modified":"2024-01-01T00:00:00Z",{more}"affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"p"}},
            "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"2"}}]}}]}}]}}"#
        )
    }

    #[track_caller]
    fn check(more: &str, expected: &str) {
        let parsed = parsed(&record(more, "Alpine:v3.20"));
        let ids: Vec<_> =
            parsed.advisories.iter().flat_map(Advisory::ids).map(VulnerabilityId::as_str).collect();
        let severity = parsed.advisories.first().and_then(|it| it.severity).map_or("-", Severity::as_str);
        assert_eq!(format!("{} {severity}", ids.join(",")), expected, "{more}");
    }

    #[test]
    fn ids_and_severity() {
        check("", "X-1 -");
        check(
            r#""aliases":["GHSA-1"],"upstream":["CVE-2024-1"],"related":["CVE-2024-9"],"#,
            "CVE-2024-1,X-1,GHSA-1 -",
        );
        check(r#""aliases":["CVE-2024-2","CVE-2024-1"],"#, "X-1,CVE-2024-2,CVE-2024-1 -");
        check(
            r#""database_specific":{"severity":"MODERATE"},"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N"}],"#,
            "X-1 medium",
        );
        check(r#""database_specific":{"severity":["odd"]},"#, "X-1 -");
        let vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H";
        check(&format!(r#""severity":[{{"type":"CVSS_V3","score":"{vector}"}},7],"#), "X-1 high");
        check(r#""withdrawn":"2024-01-01T00:00:00Z","#, " -");
    }

    #[test]
    fn ecosystems() {
        let scopes = |ecosystem: &str| {
            let parsed = parsed(&record("", ecosystem));
            let affected = parsed.advisories.iter().flat_map(|it| &it.affected);
            let shown = affected.map(|it| format!("{} {:?}", it.ecosystem, it.release));
            (shown.collect::<Vec<_>>().join(" "), parsed.problems.len())
        };
        assert_eq!(scopes("Alpine:v3.20"), ("alpine Only(Release(\"3.20\"))".to_owned(), 0));
        assert_eq!(scopes("Alpine"), ("alpine Any".to_owned(), 0));
        assert_eq!(scopes("Debian:12"), ("debian Only(Release(\"12\"))".to_owned(), 0));
        assert_eq!(scopes("FreeBSD:ports"), ("freebsd Any".to_owned(), 0));
        assert_eq!(scopes("FreeBSD:kernel"), (String::new(), 1));
        assert_eq!(parsed(&record("", "Debian")).coverage.len(), 0);
        assert_eq!(parsed(&record("", "Debian:12")).coverage.len(), 1);
        for (written, word) in [("npm", "npm"), ("Go", "go"), ("PyPI", "pypi"), ("crates.io", "crates.io")] {
            assert_eq!(scopes(written), (format!("{word} Any"), 0));
            assert_eq!(parsed(&record("", written)).coverage.len(), 1);
        }
        assert_eq!(scopes("Maven:https://repo.example.org/maven"), ("maven Any".to_owned(), 0));
        assert_eq!(scopes("Packagist"), (String::new(), 0));
        assert_eq!(scopes("Alpaquita:stream"), (String::new(), 0));
    }

    #[test]
    fn null_is_nothing() {
        let more = r#""schema_version":null,"aliases":null,"upstream":null,"summary":null,"severity":null,"#;
        check(more, "X-1 -");
        let text = record("", "npm").replace("\"ranges\"", r#""versions":null,"severity":null,"ranges""#);
        assert_eq!((parsed(&text).advisories.len(), parsed(&text).problems.len()), (1, 0));
        let text = r#"{"id":"X-1","modified":"2024-01-01T00:00:00Z","affected":null}"#;
        assert_eq!((parsed(text).ignored, parsed(text).problems.len()), (1, 0));
    }

    #[test]
    fn names_are_brought_into_one_spelling() {
        let text = record("", "PyPI").replace("\"p\"", "\"Zope.Interface\"");
        let package = &parsed(&text).advisories[0].affected[0].package;
        assert_eq!(*package, PackagePattern::Exact(model::PackageName::new("zope-interface")));
    }

    #[test]
    fn what_nobody_maintains_is_no_vulnerability() {
        let said = |word: &str| {
            let specific = format!(r#""database_specific":{{"informational":{word}}},"ranges""#);
            let parsed = parsed(&record("", "crates.io").replace("\"ranges\"", &specific));
            (parsed.advisories.len(), parsed.ignored, parsed.problems.len())
        };
        assert_eq!(said("\"unmaintained\""), (0, 1, 0));
        assert_eq!(said("\"unsound\""), (1, 0, 0));
        assert_eq!(said("null"), (1, 0, 0));
    }

    #[test]
    fn arrays_keep_the_newest_and_skip_what_is_broken() {
        let newer = record("", "Alpine").replace("2024-01-01", "2025-01-01").replace("\"2\"", "\"3\"");
        let text = format!("[{},{newer},7,{{\"id\":\"\"}}]", record("", "Alpine"));
        let parsed = parsed(&text);
        assert!(format!("{:?}", parsed.advisories[0].affected).contains("Version(\"3\")"));
        assert_eq!((parsed.advisories.len(), parsed.problems.len()), (1, 2));
    }
}
