//! Alpine's security database: `secdb` JSON, one document per release and repository, generated from
//! the `secfixes` comments of APKBUILDs (format: alpinelinux.org, secdb; aports' `APKBUILD(5)`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::version::VersionScheme;
use model::{
    Advisory, AdvisoryKey, Affected, Affects, Bound, Code, Ecosystem, FeedName, JoinBy, PackageName,
    PackagePattern, Release, ReleaseScope, Repository, Version, VersionRange, VulnerabilityId,
};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::ids::{IdLine, parse_id_line, push_id};
use crate::snapshot::{Coverage, Document, Parsed, feed};
use crate::sorting::sort_versions;

/// The fix version by which Alpine says that a package is not affected.
const NOT_AFFECTED: &str = "0";

/// Parses secdb documents. A key (`v3.18/main/openssl/CVE-2023-0464`) that stands in two documents is
/// taken from the first.
pub(crate) fn parse(documents: &[Document]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut seen = Seen::default();
    for document in documents {
        match serde_json::from_slice::<Secdb>(&document.bytes) {
            Ok(secdb) => parse_document(&document.label, &secdb, &mut seen, &mut parsed),
            Err(error) => {
                let message = format!("not a secdb document: {error}");
                parsed.problem(Code::FeedUnreadable, feed::ALPINE_SECDB, &document.label, message);
            }
        }
    }
    parsed
}

#[derive(Deserialize)]
struct Secdb {
    distroversion: String,
    reponame: String,
    packages: Vec<Lenient<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    pkg: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    secfixes: Secfixes,
}

/// An item that may be malformed without failing the document.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lenient<T> {
    Good(T),
    Bad(IgnoredAny),
}

/// `secfixes`, in the order of the document; a version that stands there twice keeps both lists.
#[derive(Default)]
struct Secfixes(Vec<(String, Vec<Lenient<String>>)>);

impl<'de> Deserialize<'de> for Secfixes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fixes;
        impl<'de> Visitor<'de> for Fixes {
            type Value = Secfixes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of fix versions to lists of ids")
            }

            // A package whose fixes were all removed.
            fn visit_unit<E>(self) -> Result<Secfixes, E> {
                Ok(Secfixes::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secfixes, A::Error> {
                let mut fixes = Vec::new();
                while let Some((version, ids)) = map.next_entry::<String, Option<Vec<Lenient<String>>>>()? {
                    fixes.push((version, ids.unwrap_or_default()));
                }
                Ok(Secfixes(fixes))
            }
        }
        deserializer.deserialize_any(Fixes)
    }
}

/// One document's release and repository.
struct Scope<'a> {
    label: &'a str,
    distroversion: &'a str,
    release: Release,
    repository: Repository,
}

/// What earlier documents spoke of.
#[derive(Default)]
struct Seen {
    keys: BTreeSet<AdvisoryKey>,
    places: BTreeMap<(Release, Repository), String>,
}

/// What one package's entry says about one vulnerability.
#[derive(Default)]
struct Fixes {
    versions: Vec<String>,
    ids: Vec<VulnerabilityId>,
    notes: Vec<String>,
}

fn parse_document(label: &str, secdb: &Secdb, seen: &mut Seen, parsed: &mut Parsed) {
    let distroversion = secdb.distroversion.as_str();
    let release = Release::new(distroversion.strip_prefix('v').unwrap_or(distroversion));
    let scope = Scope { label, distroversion, release, repository: Repository::new(secdb.reponame.as_str()) };
    if scope.release.as_str().is_empty() || scope.repository.as_str().is_empty() {
        let message = "distroversion or reponame is empty, expected for example `v3.20` and `main`";
        parsed.problem(Code::FeedUnreadable, feed::ALPINE_SECDB, label, message);
        return;
    }
    let place = (scope.release.clone(), scope.repository.clone());
    if let Some(first) = seen.places.get(&place) {
        let message = format!(
            "{distroversion}/{} is also in {first}; of what both speak of, that one counts",
            scope.repository
        );
        parsed.problem(Code::FeedEntryInvalid, feed::ALPINE_SECDB, label, message);
    } else {
        seen.places.insert(place, label.to_owned());
    }
    let mut is_usable = false;
    for (position, item) in secdb.packages.iter().enumerate() {
        match item {
            Lenient::Good(entry) => {
                parse_package(&scope, &entry.pkg, seen, parsed);
                is_usable = true;
            }
            Lenient::Bad(_) => {
                let message = "expected {\"pkg\": {\"name\": .., \"secfixes\": {version: [ids]}}}";
                let part = format!("{label}, packages[{position}]");
                parsed.problem(Code::FeedEntryInvalid, feed::ALPINE_SECDB, part, message);
            }
        }
    }
    if is_usable {
        parsed.coverage.insert(Coverage {
            feed: FeedName::new(feed::ALPINE_SECDB),
            ecosystem: Ecosystem::Alpine,
            release: ReleaseScope::Only(scope.release),
            repository: Some(scope.repository),
        });
    }
}

fn parse_package(scope: &Scope<'_>, package: &Package, seen: &mut Seen, parsed: &mut Parsed) {
    let part = || format!("{}, {}", scope.label, package.name);
    let mut vulnerabilities: BTreeMap<VulnerabilityId, Fixes> = BTreeMap::new();
    let mut invalid = BTreeSet::new();
    for (version, lines) in &package.secfixes.0 {
        if version != NOT_AFFECTED && !VersionScheme::Apk.is_valid(version) && invalid.insert(version) {
            let message =
                format!("fixed version `{version}` is not valid for apk; it is compared as apk does");
            parsed.problem(Code::FeedVersionInvalid, feed::ALPINE_SECDB, part(), message);
        }
        for line in lines {
            let line = match line {
                Lenient::Good(line) => parse_id_line(line).ok_or_else(|| format!("no id in `{line}`")),
                Lenient::Bad(_) => Err("an id is not a string".to_owned()),
            };
            match line {
                Ok(line) => add_line(&mut vulnerabilities, version, line),
                Err(message) => {
                    let message = format!("{message}, under version `{version}`");
                    parsed.problem(Code::FeedEntryInvalid, feed::ALPINE_SECDB, part(), message);
                }
            }
        }
    }
    for (id, fixes) in vulnerabilities {
        let key = format!("{}/{}/{}/{id}", scope.distroversion, scope.repository, package.name);
        let key = AdvisoryKey::new(key);
        if seen.keys.insert(key.clone()) {
            parsed.advisories.push(advisory(scope, package, key, id, fixes));
        }
    }
}

fn add_line(vulnerabilities: &mut BTreeMap<VulnerabilityId, Fixes>, version: &str, line: IdLine) {
    let IdLine { ids, note } = line;
    let mut ids = ids.into_iter();
    let Some(id) = ids.next() else { return };
    let fixes = vulnerabilities.entry(id.clone()).or_default();
    if !fixes.versions.iter().any(|it| it == version) {
        fixes.versions.push(version.to_owned());
    }
    for alias in ids {
        if !alias.same(&id) {
            push_id(&mut fixes.ids, alias);
        }
    }
    if let Some(note) = note
        && !fixes.notes.contains(&note)
    {
        fixes.notes.push(note);
    }
}

fn advisory(
    scope: &Scope<'_>,
    package: &Package,
    key: AdvisoryKey,
    id: VulnerabilityId,
    fixes: Fixes,
) -> Advisory {
    let Fixes { versions, mut ids, mut notes } = fixes;
    ids.sort();
    notes.sort();
    let affected = Affected {
        ecosystem: Ecosystem::Alpine,
        release: ReleaseScope::Only(scope.release.clone()),
        repository: Some(scope.repository.clone()),
        package: PackagePattern::Exact(PackageName::new(package.name.as_str())),
        join_by: JoinBy::Source,
        affects: affects(versions),
    };
    Advisory {
        feed: FeedName::new(feed::ALPINE_SECDB),
        key,
        id,
        aliases: ids,
        summary: notes.join("; "),
        severity: None,
        published: None,
        affected: vec![affected],
    }
}

/// An id under one version is fixed there; under `0` alone it does not affect the package; under
/// several versions it is fixed by the greatest, for each later one completed the fix.
///
/// `0` beside another version is a contradiction in Alpine's own words (zlib's CVE-2026-22184 stands
/// under `0` and `1.3.2-r0`). It is no veto then: `0` is simply the least version, so what is older
/// than the real fix counts as vulnerable, and the reason says that `0` is there too.
fn affects(mut versions: Vec<String>) -> Affects {
    if versions.iter().all(|version| version == NOT_AFFECTED) {
        return Affects::NotAffected;
    }
    // Text order first, so that the result does not depend on the order of the document. `0` is less
    // than every version that apk accepts.
    versions.sort();
    let is_ordered = sort_versions(VersionScheme::Apk, &mut versions, |it| it.as_str());
    let below = |version: &String| VersionRange {
        lower: None,
        upper: Some(Bound { version: Version::new(version.as_str()), is_inclusive: false }),
    };
    if !is_ordered {
        // Below any of them is below the greatest, even if nobody can say which that is.
        let ranges = versions.iter().filter(|it| *it != NOT_AFFECTED).map(below).collect();
        return Affects::Ranges { ranges, earlier_fixes: Vec::new() };
    }
    let ranges = versions.pop().iter().map(below).collect();
    Affects::Ranges { ranges, earlier_fixes: versions.into_iter().map(Version::new).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(secfixes: &str) -> Parsed {
        let text = format!(
            r#"{{"distroversion":"v3.20","reponame":"main","packages":[{{"pkg":{{"name":"p","secfixes":{secfixes}}}}}]}}"#
        );
        parse(&[Document { label: "main.json".to_owned(), bytes: text.into_bytes() }])
    }

    /// `id[aliases] fix (earlier fixes)` per advisory.
    #[track_caller]
    fn check(secfixes: &str, expected: &[&str], problems: &[Code]) {
        let parsed = parsed(secfixes);
        let shown: Vec<_> = parsed.advisories.iter().map(show).collect();
        assert_eq!(shown, expected, "{secfixes}");
        let codes: Vec<_> = parsed.problems.iter().map(|it| it.code).collect();
        assert_eq!(codes, problems, "{secfixes}");
    }

    fn show(advisory: &Advisory) -> String {
        let aliases: Vec<_> = advisory.aliases.iter().map(VulnerabilityId::as_str).collect();
        let affects = match &advisory.affected[0].affects {
            Affects::NotAffected => "not affected".to_owned(),
            Affects::Undetermined => "undetermined".to_owned(),
            Affects::Ranges { ranges, earlier_fixes } => {
                let uppers: Vec<_> =
                    ranges.iter().filter_map(|it| it.upper.as_ref()).map(|it| it.version.as_str()).collect();
                let earlier: Vec<_> = earlier_fixes.iter().map(Version::as_str).collect();
                format!("< {} earlier {}", uppers.join("|"), earlier.join(" "))
            }
        };
        format!("{}[{}] {affects} {}", advisory.id, aliases.join(" "), advisory.summary).trim_end().to_owned()
    }

    #[test]
    fn several_ids_in_one_string_are_one_thing() {
        check(r#"{"1-r0":["CVE-2020-29568 XSA-349"]}"#, &["CVE-2020-29568[XSA-349] < 1-r0 earlier"], &[]);
        check(
            r#"{"1-r0":["CVE-2020-2 CVE-2020-1 XSA-1"]}"#,
            &["CVE-2020-2[CVE-2020-1 XSA-1] < 1-r0 earlier"],
            &[],
        );
        check(
            r#"{"1-r0":["CVE-2017-2616 (+ regression fix)"]}"#,
            &["CVE-2017-2616[] < 1-r0 earlier  + regression fix"],
            &[],
        );
        check(r#"{"1-r0":["CVE-????-????? XSA-312"]}"#, &["XSA-312[] < 1-r0 earlier"], &[]);
        check(r#"{"1-r0":["(none)"]}"#, &[], &[Code::FeedEntryInvalid]);
    }

    #[test]
    fn the_greatest_fix_counts_and_zero_is_a_veto_only_when_alone() {
        check(r#"{"0":["CVE-2023-1"]}"#, &["CVE-2023-1[] not affected"], &[]);
        check(
            r#"{"1.10-r0":["CVE-2023-1"],"1.9-r0":["CVE-2023-1 GHSA-1"],"1.2-r0":["CVE-2023-1"]}"#,
            &["CVE-2023-1[GHSA-1] < 1.10-r0 earlier 1.2-r0 1.9-r0"],
            &[],
        );
        check(r#"{"0":["CVE-2023-1"],"1.3-r0":["CVE-2023-1"]}"#, &["CVE-2023-1[] < 1.3-r0 earlier 0"], &[]);
    }

    #[test]
    fn a_second_document_of_one_repository_is_reported() {
        let document = |label: &str, version: &str| {
            let text = format!(
                r#"{{"distroversion":"v3.20","reponame":"main","packages":[{{"pkg":{{"name":"p","secfixes":{{"{version}":["CVE-2024-1"]}}}}}}]}}"#
            );
            Document { label: label.to_owned(), bytes: text.into_bytes() }
        };
        let parsed = parse(&[document("a", "2-r0"), document("b", "3-r0")]);
        let shown: Vec<_> = parsed.advisories.iter().map(show).collect();
        assert_eq!(shown, ["CVE-2024-1[] < 2-r0 earlier"]);
        assert_eq!(parsed.problems.len(), 1, "{:?}", parsed.problems);
    }

    #[test]
    fn bad_entries_do_not_fail_the_rest() {
        check(
            r#"{"1.9.5p2-r0":["CVE-2021-1"]}"#,
            &["CVE-2021-1[] < 1.9.5p2-r0 earlier"],
            &[Code::FeedVersionInvalid],
        );
        check(
            r#"{"1-r0":[7,"CVE-2021-1"],"2-r0":null}"#,
            &["CVE-2021-1[] < 1-r0 earlier"],
            &[Code::FeedEntryInvalid],
        );
        check("null", &[], &[]);
        check("7", &[], &[Code::FeedEntryInvalid]);
        check(
            r#"{"1-r0":["CVE-2021-1"],"1-r0":["CVE-2021-2"]}"#,
            &["CVE-2021-1[] < 1-r0 earlier", "CVE-2021-2[] < 1-r0 earlier"],
            &[],
        );
    }
}
