//! Software outside packages, as what is matched.

use std::collections::BTreeMap;

use model::{Code, PackageUrl, PackageVersion, Place, Problem, Software};

/// A list of software, made ready for [`crate::match_packages`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SoftwarePackages<'a> {
    /// What can be asked about, beside where it was found; in the order of the list. One piece of
    /// software that stands in several files stands here as often.
    pub packages: Vec<(&'a Software, PackageVersion)>,
    /// What cannot be judged, one problem per file and reason: it is unknown, not safe.
    pub problems: Vec<Problem>,
}

/// Turns software into package versions of its languages. What has no package URL, or one of a type that
/// no advisories are matched for, becomes a problem. What has no version becomes both: every advisory
/// that names it is answered with unknown, and the problem says why.
pub fn software_packages(software: &[Software]) -> SoftwarePackages<'_> {
    let mut packages = Vec::new();
    let mut faults: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
    for item in software {
        let package = PackageVersion::from_software(item);
        let why = match &package {
            None => Some(why_not(item)),
            Some(it) if it.package.version.as_str().is_empty() => Some("no version is known".to_owned()),
            Some(_) => None,
        };
        if let Some(why) = why {
            faults.entry((&item.path, why)).or_default().push(&item.name);
        }
        packages.extend(package.map(|package| (item, package)));
    }
    let problems = faults.into_iter().map(|((path, why), names)| problem(path, &why, &names)).collect();
    SoftwarePackages { packages, problems }
}

fn why_not(item: &Software) -> String {
    if item.purl.is_empty() {
        return "no package URL is known".to_owned();
    }
    match PackageUrl::parse(&item.purl) {
        Err(error) => error.to_string(),
        Ok(purl) if purl.ecosystem().is_none() => {
            format!("no advisories are matched for package URLs of type `{}`", purl.kind)
        }
        Ok(_) => format!("`{}` lacks a part of the name", item.purl),
    }
}

fn problem(path: &str, why: &str, names: &[&str]) -> Problem {
    let more = match names.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let first = names.first().copied().unwrap_or_default();
    let message = format!("{first}{more} cannot be judged: {why}");
    let hint = "it counts as unknown; look it up by hand where it matters";
    let place = Place::File { path: path.to_owned() };
    Problem::new(Code::SoftwareNotMatched, place, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use model::SoftwareKind;

    use super::*;

    #[test]
    fn what_cannot_be_judged_is_said() {
        let software = |name: &str, version: &str, purl: &str| Software {
            kind: SoftwareKind::Sbom,
            name: name.to_owned(),
            version: version.to_owned(),
            purl: purl.to_owned(),
            path: "/opt/bom.json".to_owned(),
        };
        let list = [
            software("serde", "1.0.1", "pkg:cargo/serde@1.0.1"),
            software("curl", "7", "pkg:deb/debian/curl@7"),
            software("zlib", "1", "pkg:deb/debian/zlib@1"),
            software("shop", "", "pkg:golang/acme.org/shop"),
            software("commons-io", "2", ""),
            software("odd", "2", "pkg:npm"),
            software("b", "2", "pkg:maven/b@2"),
        ];
        let found = software_packages(&list);
        let shown = found.packages.iter().map(|(it, package)| format!("{} {}", it.name, package.platform));
        assert_eq!(shown.collect::<Vec<_>>(), ["serde crates.io", "shop go"]);
        let messages: Vec<_> = found.problems.iter().map(|it| it.message.as_str()).collect();
        let expected = [
            "b cannot be judged: `pkg:maven/b@2` lacks a part of the name",
            "odd cannot be judged: `pkg:npm` is no package URL: it has no name",
            "curl and 1 more cannot be judged: no advisories are matched for package URLs of type `deb`",
            "commons-io cannot be judged: no package URL is known",
            "shop cannot be judged: no version is known",
        ];
        assert_eq!(messages, expected);
        assert_eq!(software_packages(&[]), SoftwarePackages::default());
    }
}
