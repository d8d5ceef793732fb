//! Debian's lists of security advisories: `data/DSA/list` and `data/DLA/list` of the security tracker
//! (format: security-team.debian.org, security_tracker.html).
//!
//! ```text
//! [02 Jan 2023] DSA-1-1 example - security update
//!         {CVE-2022-0001 CVE-2022-0002}
//!         [bookworm] - example 1:2.0-1+deb12u1
//!         [bullseye] - example <not-affected> (Vulnerable code not present)
//!         NOTE: free text
//! ```
//!
//! These lists name only what an advisory was issued for. A vulnerability that is still open, or was
//! fixed by a point release, is not in them: a package without an entry is not thereby safe.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use jiff::civil::Date;
use jiff::fmt::strtime;
use model::version::VersionScheme;
use model::{
    Advisory, AdvisoryKey, Affected, Affects, Bound, Code, Ecosystem, FeedName, JoinBy, PackageName,
    PackagePattern, Release, ReleaseScope, Version, VersionRange, VulnerabilityId,
};

use crate::ids::push_id;
use crate::snapshot::{Coverage, Document, Parsed, feed};

/// The longest line that is read, in bytes; the longest real one has 1,665.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Parses DSA and DLA lists. Entries with one id become one: what each says counts.
pub(crate) fn parse(documents: &[Document]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut advisories: BTreeMap<AdvisoryKey, Advisory> = BTreeMap::new();
    for document in documents {
        for advisory in parse_document(document, &mut parsed) {
            match advisories.entry(advisory.key.clone()) {
                Slot::Vacant(slot) => drop(slot.insert(advisory)),
                Slot::Occupied(mut slot) => merge(slot.get_mut(), advisory),
            }
        }
    }
    for advisory in advisories.into_values() {
        // A mere announcement (end of support, a new key) has no package line.
        if advisory.affected.is_empty() {
            parsed.ignored += 1;
            continue;
        }
        for affected in &advisory.affected {
            parsed.coverage.insert(Coverage {
                feed: FeedName::new(feed::DEBIAN_DSA),
                ecosystem: Ecosystem::Debian,
                release: affected.release.clone(),
                repository: None,
            });
        }
        parsed.advisories.push(advisory);
    }
    parsed
}

/// Says whether a line starts an entry of such a list.
pub(crate) fn is_header(line: &str) -> bool {
    parse_header(line).is_some()
}

fn parse_document(document: &Document, parsed: &mut Parsed) -> Vec<Advisory> {
    let text = String::from_utf8_lossy(&document.bytes);
    let mut advisories: Vec<Advisory> = Vec::new();
    // Details below a header that nobody understood do not belong to the advisory before it.
    let mut is_inside = false;
    for (number, line) in text.lines().enumerate() {
        let outcome = if line.len() > LINE_BYTES_MAX {
            Err(format!("the line is longer than {LINE_BYTES_MAX} bytes"))
        } else if line.trim().is_empty() {
            Ok(())
        } else if let Some(advisory) = parse_header(line) {
            advisories.push(advisory);
            is_inside = true;
            Ok(())
        } else if line.starts_with(|c: char| c.is_whitespace()) {
            match advisories.last_mut().filter(|_| is_inside) {
                Some(advisory) => parse_detail(line.trim(), advisory),
                None => Err("a detail without an advisory above it".to_owned()),
            }
        } else {
            is_inside = false;
            Err("expected `[02 Jan 2006] DSA-1234-1 package - text`".to_owned())
        };
        if let Err(message) = outcome {
            let part = format!("{}, line {}", document.label, number + 1);
            parsed.problem(Code::FeedEntryInvalid, feed::DEBIAN_DSA, part, message);
        }
    }
    for advisory in &advisories {
        report_invalid_versions(&document.label, advisory, parsed);
    }
    advisories
}

/// Reads `[29 Mar 2023] DSA-5380-1 xorg-server - security update`.
fn parse_header(line: &str) -> Option<Advisory> {
    let (date, rest) = line.trim_start_matches('\u{feff}').strip_prefix('[')?.split_once(']')?;
    let (id, text) = rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
    let number = id.strip_prefix("DSA-").or_else(|| id.strip_prefix("DLA-"))?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if number.is_empty() || !is_number {
        return None;
    }
    let mut aliases = Vec::new();
    // `DSA-5380-1` is the first text of DSA-5380, which people say.
    if let Some((short, _)) = number.split_once('-') {
        aliases.push(VulnerabilityId::new(format!("{}-{short}", &id[..3])));
    }
    Some(Advisory {
        feed: FeedName::new(feed::DEBIAN_DSA),
        key: AdvisoryKey::new(id),
        id: VulnerabilityId::new(id),
        aliases,
        summary: text.trim().to_owned(),
        severity: None,
        published: parse_date(date),
        affected: Vec::new(),
    })
}

fn parse_date(text: &str) -> Option<Date> {
    strtime::parse("%d %b %Y", text.trim()).ok()?.to_date().ok()
}

/// Reads a line below a header: `{CVE-..}`, `[codename] - package version` or `NOTE: ..`.
fn parse_detail(line: &str, advisory: &mut Advisory) -> Result<(), String> {
    if let Some(ids) = line.strip_prefix('{') {
        for id in ids.trim_end_matches('}').split_whitespace() {
            push_id(&mut advisory.aliases, VulnerabilityId::new(id));
        }
        return Ok(());
    }
    if line.starts_with("NOTE:") {
        return Ok(());
    }
    let expected = || "expected `{CVE..}`, `[codename] - package version` or `NOTE:`".to_owned();
    let (codename, rest) =
        line.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(expected)?;
    let mut words = rest.trim().strip_prefix('-').ok_or_else(expected)?.split_whitespace();
    let (Some(package), Some(version)) = (words.next(), words.next()) else { return Err(expected()) };
    advisory.affected.push(Affected {
        ecosystem: Ecosystem::Debian,
        release: ReleaseScope::Only(Release::from_codename(codename.trim())),
        repository: None,
        package: PackagePattern::Exact(PackageName::new(package)),
        join_by: JoinBy::Source,
        affects: affects(version)?,
    });
    Ok(())
}

fn affects(version: &str) -> Result<Affects, String> {
    let upper = match version {
        "<not-affected>" => return Ok(Affects::NotAffected),
        // Affected, and nothing will come (for this release, or at all).
        "<unfixed>" | "<end-of-life>" | "<no-dsa>" | "<ignored>" | "<postponed>" => None,
        _ if version.starts_with('<') => return Err(format!("unknown state {version}")),
        _ => Some(Bound { version: Version::new(version), is_inclusive: false }),
    };
    Ok(Affects::Ranges { ranges: vec![VersionRange { lower: None, upper }], earlier_fixes: Vec::new() })
}

fn report_invalid_versions(label: &str, advisory: &Advisory, parsed: &mut Parsed) {
    for affected in &advisory.affected {
        let Affects::Ranges { ranges, .. } = &affected.affects else { continue };
        for upper in ranges.iter().filter_map(|range| range.upper.as_ref()) {
            if !VersionScheme::Dpkg.is_valid(upper.version.as_str()) {
                let message = format!("fixed version `{}` is not valid for dpkg", upper.version);
                let part = format!("{label}, {}", advisory.id);
                parsed.problem(Code::FeedVersionInvalid, feed::DEBIAN_DSA, part, message);
            }
        }
    }
}

fn merge(known: &mut Advisory, other: Advisory) {
    for id in other.aliases {
        push_id(&mut known.aliases, id);
    }
    for affected in other.affected {
        if !known.affected.contains(&affected) {
            known.affected.push(affected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Own text in the lists' format about own packages.
    const LIST: &str = "\
[02 Mar 2024] DSA-9001-1 exampled - security update
\t{CVE-2024-0001 CVE-2024-0002}
\t[bookworm] - exampled 1:2.0-1+deb12u1
\t[bullseye] - exampled <not-affected> (Vulnerable code not present)
\t[buster] - exampled <end-of-life>
\tNOTE: said at the time
[03 Mar 2024] DLA-77 oldlib - regression update
        [buster] - oldlib 0.9-2+deb10u3
[04 Mar 2024] DSA-9002-1 announcement
[05 Mar 2024] DSA-9003-1 strange - security update
\tsomething else
\t[bookworm] - strange <whatever>
\t[bookworm] - strange
\t[sid] - strange 7:/bad
";

    #[test]
    fn lists_are_read_line_by_line() {
        let parsed = parse(&[Document { label: "list".to_owned(), bytes: LIST.as_bytes().to_vec() }]);
        let shown: Vec<_> = parsed.advisories.iter().flat_map(show).collect();
        let expected = [
            "DLA-77 [] 2024-03-03 10 oldlib < 0.9-2+deb10u3",
            "DSA-9001-1 [DSA-9001 CVE-2024-0001 CVE-2024-0002] 2024-03-02 12 exampled < 1:2.0-1+deb12u1",
            "DSA-9001-1 [DSA-9001 CVE-2024-0001 CVE-2024-0002] 2024-03-02 11 exampled not affected",
            "DSA-9001-1 [DSA-9001 CVE-2024-0001 CVE-2024-0002] 2024-03-02 10 exampled < ever",
            "DSA-9003-1 [DSA-9003] 2024-03-05 sid strange < 7:/bad",
        ];
        assert_eq!(shown, expected);
        let problems: Vec<_> = parsed.problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 4, "{problems:#?}");
        assert!(problems[0].contains("list, line 11"), "{problems:#?}");
        assert_eq!(parsed.ignored, 1);
        let releases: Vec<_> = parsed.coverage.iter().map(|it| format!("{:?}", it.release)).collect();
        assert_eq!(releases.len(), 4, "{releases:?}");
    }

    fn show(advisory: &Advisory) -> Vec<String> {
        let ids: Vec<_> = advisory.aliases.iter().map(VulnerabilityId::as_str).collect();
        let date = advisory.published.map(|it| it.to_string()).unwrap_or_default();
        let line = |affected: &Affected| {
            let ReleaseScope::Only(release) = &affected.release else { return "any".to_owned() };
            let PackagePattern::Exact(name) = &affected.package else { return "glob".to_owned() };
            let affects = match &affected.affects {
                Affects::NotAffected => "not affected".to_owned(),
                Affects::Undetermined => "undetermined".to_owned(),
                Affects::Ranges { ranges, .. } => {
                    format!("< {}", ranges[0].upper.as_ref().map_or("ever", |it| it.version.as_str()))
                }
            };
            format!("{} [{}] {date} {release} {name} {affects}", advisory.id, ids.join(" "))
        };
        advisory.affected.iter().map(line).collect()
    }

    #[test]
    fn the_short_id_keeps_its_list() {
        let advisory = parse_header("[01 Jan 2024] DLA-12-3 x - y").expect("a header");
        assert_eq!(advisory.aliases, [VulnerabilityId::new("DLA-12")]);
        for bad in
            ["DSA-1-1 x", "[01 Jan 2024]", "[01 Jan 2024] CVE-1", "[] DSA- x", "[01 Jan 2024] DSA-x", ""]
        {
            assert!(!is_header(bad), "{bad}");
        }
    }
}
