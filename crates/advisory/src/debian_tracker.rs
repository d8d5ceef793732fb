//! Debian's security tracker, JSON: everything that Debian knows of every CVE, per source package and
//! release (<https://security-tracker.debian.org/tracker/data/json>).
//!
//! ```json
//! {"openssl": {"CVE-2024-0001": {"description": "...", "scope": "local", "releases": {
//!   "bookworm": {"status": "resolved", "fixed_version": "3.0.11-1~deb12u2", "urgency": "not yet assigned",
//!                "repositories": {"bookworm": "3.0.11-1~deb12u2"}},
//!   "bullseye": {"status": "open", "urgency": "unimportant", "nodsa": "Minor issue"}}}}}
//! ```
//!
//! | status | means here |
//! |---|---|
//! | `resolved`, `fixed_version` `0` | not affected |
//! | `resolved`, another `fixed_version` | affected before it |
//! | `open`, with `nodsa` or urgency `end-of-life` too | affected, no fix yet |
//! | `undetermined` | unknown |
//!
//! The real file has 60 MB and more: it is walked source by source and never held as a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::version::VersionScheme;
use model::{
    Advisory, AdvisoryKey, Affected, Affects, Bound, Code, Ecosystem, FeedName, JoinBy, PackageName,
    PackagePattern, Release, ReleaseScope, Severity, Version, VersionRange, VulnerabilityId,
};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::plain::plain_text;
use crate::snapshot::{Coverage, Document, Parsed, feed};

/// The fixed version by which the tracker says that a release never was affected.
const NOT_AFFECTED: &str = "0";

/// How much of a description is kept as the summary, in characters.
const SUMMARY_CHARS_MAX: usize = 200;

/// Parses tracker documents. An entry (`openssl/CVE-2024-0001`) that stands in two is taken from the first.
pub(crate) fn parse(documents: &[Document]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut keys = BTreeSet::new();
    for document in documents {
        // What a document says counts only once it is read to its end.
        let mut own = Parsed::default();
        let walk = Walk { label: &document.label, parsed: &mut own };
        let mut json = serde_json::Deserializer::from_slice(&document.bytes);
        match walk.deserialize(&mut json).and_then(|()| json.end()) {
            Ok(()) => take(own, &mut keys, &mut parsed),
            Err(error) => {
                let message = format!("not a document of the security tracker: {error}");
                parsed.problem(Code::FeedUnreadable, feed::DEBIAN_TRACKER, &document.label, message);
            }
        }
    }
    parsed
}

fn take(own: Parsed, keys: &mut BTreeSet<AdvisoryKey>, parsed: &mut Parsed) {
    let Parsed { advisories, coverage, problems, unreported, ignored, .. } = own;
    parsed.advisories.extend(advisories.into_iter().filter(|it| keys.insert(it.key.clone())));
    parsed.coverage.extend(coverage);
    problems.into_iter().for_each(|problem| parsed.push_problem(problem));
    parsed.unreported += unreported;
    parsed.ignored += ignored;
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    description: String,
    releases: BTreeMap<String, Lenient<Status>>,
}

#[derive(Deserialize)]
struct Status {
    status: String,
    fixed_version: Option<String>,
    #[serde(default)]
    urgency: String,
}

/// An item that may be malformed without failing the document.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Good(T),
    Bad(IgnoredAny),
}

/// Walks the document, one source package after the other.
struct Walk<'a> {
    label: &'a str,
    parsed: &'a mut Parsed,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of source packages to CVEs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((source, entries)) =
            map.next_entry::<String, Lenient<BTreeMap<String, Lenient<Entry>>>>()?
        {
            let Lenient::Good(entries) = entries else {
                problem(self.parsed, self.label, &source, "expected a map of CVEs");
                continue;
            };
            for (id, entry) in entries {
                match entry {
                    Lenient::Good(entry) => add(self.parsed, self.label, &source, &id, entry),
                    Lenient::Bad(_) => {
                        let part = format!("{source}, {id}");
                        problem(self.parsed, self.label, &part, "expected {\"releases\": {codename: {..}}}");
                    }
                }
            }
        }
        Ok(())
    }
}

fn problem(parsed: &mut Parsed, label: &str, part: &str, message: impl Into<String>) {
    parsed.problem(Code::FeedEntryInvalid, feed::DEBIAN_TRACKER, format!("{label}, {part}"), message);
}

fn add(parsed: &mut Parsed, label: &str, source: &str, id: &str, entry: Entry) {
    let mut affected = Vec::new();
    let mut severity = None;
    for (codename, status) in entry.releases {
        let part = || format!("{source}, {id}, {codename}");
        let Lenient::Good(status) = status else {
            problem(parsed, label, &part(), "expected {\"status\": .., \"fixed_version\": ..}");
            continue;
        };
        match affects(&status) {
            Ok(affects) => {
                report_invalid_version(parsed, label, &part(), &affects);
                severity = severity.max(parse_urgency(&status.urgency));
                affected.push(Affected {
                    ecosystem: Ecosystem::Debian,
                    release: ReleaseScope::Only(Release::from_codename(&codename)),
                    repository: None,
                    package: PackagePattern::Exact(PackageName::new(source)),
                    join_by: JoinBy::Source,
                    affects,
                });
            }
            Err(message) => problem(parsed, label, &part(), message),
        }
    }
    if source.is_empty() || id.is_empty() || affected.is_empty() {
        parsed.ignored += 1;
        return;
    }
    parsed.coverage.extend(affected.iter().map(|it| Coverage {
        feed: FeedName::new(feed::DEBIAN_TRACKER),
        ecosystem: Ecosystem::Debian,
        release: it.release.clone(),
        repository: None,
    }));
    parsed.advisories.push(Advisory {
        feed: FeedName::new(feed::DEBIAN_TRACKER),
        key: AdvisoryKey::new(format!("{source}/{id}")),
        id: VulnerabilityId::new(id),
        aliases: Vec::new(),
        summary: plain_text(&entry.description, SUMMARY_CHARS_MAX),
        severity,
        published: None,
        affected,
    });
}

fn affects(status: &Status) -> Result<Affects, String> {
    let upper = match (status.status.as_str(), status.fixed_version.as_deref()) {
        ("resolved", Some(NOT_AFFECTED)) => return Ok(Affects::NotAffected),
        ("resolved", Some(version)) if !version.is_empty() => {
            Some(Bound { version: Version::new(version), is_inclusive: false })
        }
        ("resolved", _) => return Err("resolved, but no fixed_version".to_owned()),
        ("undetermined", _) => return Ok(Affects::Undetermined),
        ("open", _) => None,
        (other, _) => return Err(format!("status `{other}`, expected resolved, open or undetermined")),
    };
    Ok(Affects::Ranges { ranges: vec![VersionRange { lower: None, upper }], earlier_fixes: Vec::new() })
}

/// Reads the tracker's urgency where it is a severity: `not yet assigned` and `end-of-life` are none. An
/// `unimportant` bug has little or no consequence for security (security-team.debian.org). A star marks
/// an urgency that was set by a machine.
fn parse_urgency(urgency: &str) -> Option<Severity> {
    match urgency.trim_end_matches('*') {
        "unimportant" => Some(Severity::Low),
        word => Severity::parse(word),
    }
}

fn report_invalid_version(parsed: &mut Parsed, label: &str, part: &str, affects: &Affects) {
    let Affects::Ranges { ranges, .. } = affects else { return };
    for upper in ranges.iter().filter_map(|range| range.upper.as_ref()) {
        if !VersionScheme::Dpkg.is_valid(upper.version.as_str()) {
            let message = format!("fixed version `{}` is not valid for dpkg", upper.version);
            let part = format!("{label}, {part}");
            parsed.problem(Code::FeedVersionInvalid, feed::DEBIAN_TRACKER, part, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed {
        parse(&[Document { label: "json".to_owned(), bytes: text.as_bytes().to_vec() }])
    }

    fn entry(releases: &str) -> String {
        format!(r#"{{"p":{{"CVE-2024-1":{{"description":"d","scope":"local","releases":{{{releases}}}}}}}}}"#)
    }

    #[track_caller]
    fn check(release: &str, expected: &str, problems: usize) {
        let parsed = parsed(&entry(release));
        let shown = parsed.advisories.iter().flat_map(|it| &it.affected).map(|it| {
            let ReleaseScope::Only(release) = &it.release else { return "any".to_owned() };
            let affects = match &it.affects {
                Affects::NotAffected => "not affected".to_owned(),
                Affects::Undetermined => "undetermined".to_owned(),
                Affects::Ranges { ranges, .. } => {
                    ranges[0].upper.as_ref().map_or("open".to_owned(), |it| format!("< {}", it.version))
                }
            };
            let severity = parsed.advisories[0].severity.map_or("-", |it| it.as_str());
            format!("{release} {affects} {severity}")
        });
        assert_eq!(shown.collect::<Vec<_>>().join(", "), expected, "{release}");
        assert_eq!(parsed.problems.len(), problems, "{:?}", parsed.problems);
    }

    #[test]
    fn each_status_has_its_meaning() {
        check(
            r#""bookworm":{"status":"resolved","fixed_version":"1.2-3","urgency":"high"}"#,
            "12 < 1.2-3 high",
            0,
        );
        check(
            r#""sid":{"status":"resolved","fixed_version":"0","urgency":"not yet assigned"}"#,
            "sid not affected -",
            0,
        );
        check(
            r#""trixie":{"status":"open","urgency":"unimportant","nodsa":"Minor issue"}"#,
            "13 open low",
            0,
        );
        check(r#""buster":{"status":"open","urgency":"end-of-life"}"#, "10 open -", 0);
        check(r#""bullseye":{"status":"undetermined","urgency":"medium**"}"#, "11 undetermined medium", 0);
        check(r#""sid":{"status":"resolved","urgency":"low"}"#, "", 1);
        check(r#""sid":{"status":"odd"},"bookworm":7,"trixie":{"status":"open"}"#, "13 open -", 2);
        check(r#""sid":{"status":"resolved","fixed_version":"7:/bad"}"#, "sid < 7:/bad -", 1);
    }

    #[test]
    fn one_bad_entry_costs_itself_and_half_a_document_everything() {
        let good = entry(r#""sid":{"status":"open"}"#);
        let more = good.replacen('{', r#"{"a":7,"b":{"CVE-2024-2":[]},"#, 1);
        let found = parsed(&more);
        assert_eq!((found.advisories.len(), found.problems.len(), found.coverage.len()), (1, 2, 1));
        let cut = parsed(&more[..more.len() - 1]);
        assert_eq!((cut.advisories.len(), cut.problems.len(), cut.coverage.len()), (0, 1, 0));
        let document = |text: &str| Document { label: "x".to_owned(), bytes: text.as_bytes().to_vec() };
        assert_eq!(parse(&[document(&good), document(&good)]).advisories.len(), 1);
    }
}
