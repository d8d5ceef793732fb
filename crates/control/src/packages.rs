//! `ifrit packages`: who has which version of a package.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::selector::Selector;
use model::{ClientName, Ecosystem, HostName, PackageName, PackageVersion};
use store::{ClientScope, HostRecord, Store};

use crate::error::Error;
use crate::hosts::chosen;
use crate::session::Session;

/// The longest package specification, in bytes.
const SPEC_BYTES_MAX: usize = 512;

/// The comparisons that one specification may hold.
const COMPARISONS_MAX: usize = 8;

/// Packages by name and version: `openssl`, `lib*`, `openssl<3.0.15`, `openssl>=3.0,<3.0.15`,
/// `alpine:openssl<3.1.4-r1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSpec {
    /// As typed, for people.
    text: String,
    ecosystem: Option<Ecosystem>,
    name: String,
    /// All of them must hold.
    versions: Vec<(Comparison, String)>,
}

/// How versions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

/// What a comparison begins with.
const SIGNS: [char; 4] = ['<', '>', '=', '!'];

/// The signs of [`Comparison`]; longer ones first.
const COMPARISONS: [(&str, Comparison); 7] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("!=", Comparison::NotEqual),
    ("==", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
    ("=", Comparison::Equal),
];

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Greater => order.is_gt(),
        }
    }
}

impl PackageSpec {
    /// Reads a name or a pattern (`*` and `?`), binary or source, with or without an ecosystem and `:`
    /// before it, with or without comparisons and versions behind it, separated by commas. A comma
    /// with no comparison behind it belongs to the version: FreeBSD's epochs are written so.
    ///
    /// # Errors
    /// [`Error::PackageSpec`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |why| Error::PackageSpec { given: text.escape_default().to_string(), why };
        if text.len() > SPEC_BYTES_MAX {
            return Err(invalid("it is longer than 512 bytes"));
        }
        let at = text.find(SIGNS).unwrap_or(text.len());
        let (named, mut rest) = (text[..at].trim(), &text[at..]);
        let (ecosystem, name) = match named.split_once(':').map(|(word, name)| (Ecosystem::parse(word), name))
        {
            Some((Some(ecosystem), name)) => (Some(ecosystem), name),
            Some((None, _)) | None => (None, named),
        };
        if name.is_empty() {
            return Err(invalid("it names no package"));
        }
        if name.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return Err(invalid("a package's name holds neither blanks nor control characters"));
        }
        let mut versions = Vec::new();
        while !rest.is_empty() {
            let sign = COMPARISONS.iter().find_map(|(sign, it)| Some((*it, rest.strip_prefix(sign)?)));
            let (comparison, behind) =
                sign.ok_or_else(|| invalid("expected `<`, `<=`, `=`, `!=`, `>=` or `>` behind the name"))?;
            let (version, next) = until_next_comparison(behind);
            let version = version.trim();
            if version.is_empty() || version.contains(SIGNS) {
                return Err(invalid("expected a version behind the comparison"));
            }
            if versions.len() >= COMPARISONS_MAX {
                return Err(invalid("it holds more than 8 comparisons"));
            }
            versions.push((comparison, version.to_owned()));
            rest = next;
        }
        Ok(Self { text: text.trim().to_owned(), ecosystem, name: name.to_owned(), versions })
    }

    /// Says whether it compares versions.
    pub fn has_version(&self) -> bool {
        !self.versions.is_empty()
    }

    /// Returns the name or the pattern, without version.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn is_pattern(&self) -> bool {
        self.name.contains(['*', '?', '['])
    }

    fn takes_name(&self, name: &PackageName) -> bool {
        if self.is_pattern() {
            advisory::glob_matches(&self.name, name.as_str())
        } else {
            self.name == name.as_str()
        }
    }

    /// Says whether it takes a package. One that is taken by its source's name is compared by its
    /// source's version. A version that its package manager cannot compare is taken, if it differs:
    /// rather a row too many than a host overlooked.
    pub(crate) fn takes(&self, version: &PackageVersion) -> bool {
        let package = &version.package;
        let is_binary = self.takes_name(&package.name);
        if self.ecosystem.is_some_and(|it| it != version.platform.ecosystem)
            || !is_binary && !self.takes_name(&package.source)
        {
            return false;
        }
        let has = if is_binary { &package.version } else { &package.source_version };
        let scheme = version.platform.ecosystem.version_scheme();
        self.versions.iter().all(|(comparison, wanted)| match scheme.compare(has.as_str(), wanted) {
            Ok(order) => comparison.holds(order),
            Err(_) => has.as_str() != wanted || comparison.holds(Ordering::Equal),
        })
    }
}

impl fmt::Display for PackageSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Splits at the comma that has a comparison behind it.
fn until_next_comparison(text: &str) -> (&str, &str) {
    let commas = text.match_indices(',').map(|(at, _)| at);
    let next = commas.map(|at| (at, text[at + 1..].trim_start())).find(|(_, rest)| rest.starts_with(SIGNS));
    next.map_or((text, ""), |(at, rest)| (&text[..at], rest))
}

/// One version of a package and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRow {
    /// The package.
    pub package: PackageVersion,
    /// The hosts, sorted by client, then name.
    pub hosts: Vec<(ClientName, HostName)>,
}

/// Returns each version of the packages that a selected host has now, sorted by name, platform and,
/// in its package manager's order, version.
///
/// # Errors
/// [`Error::NoHost`] where nothing is selected; [`Error::Store`].
pub async fn packages(
    session: &Session,
    spec: &PackageSpec,
    selector: &Selector,
) -> Result<Vec<PackageRow>, Error> {
    let hosts = chosen(session, selector).await?;
    let hosts: BTreeMap<_, &HostRecord> = hosts.iter().map(|host| (host.id, host)).collect();
    let clients: BTreeSet<ClientName> = hosts.values().map(|host| host.client.clone()).collect();
    let names = names(&session.store, spec).await?;
    let mut versions: BTreeMap<_, _> =
        session.store.package_versions_named(&names).await?.into_iter().collect();
    versions.retain(|_, version| spec.takes(version));
    let ids: Vec<_> = versions.keys().copied().collect();
    let having = session.store.hosts_with(&ClientScope::Only(clients), &ids, None).await?;
    let mut rows: Vec<PackageRow> = Vec::new();
    for (id, with) in having {
        let named = with.iter().filter_map(|host| hosts.get(&host));
        let mut with: Vec<_> = named.map(|host| (host.client.clone(), host.name.clone())).collect();
        with.sort();
        if let (Some(package), false) = (versions.remove(&id), with.is_empty()) {
            rows.push(PackageRow { package, hosts: with });
        }
    }
    rows.sort_by(|a, b| order(&a.package, &b.package));
    Ok(rows)
}

/// Returns the names of packages that it may take.
///
/// # Errors
/// [`Error::Store`].
pub(crate) async fn names(store: &Store, spec: &PackageSpec) -> Result<Vec<(Ecosystem, PackageName)>, Error> {
    let mut names = Vec::new();
    for ecosystem in Ecosystem::ALL.into_iter().filter(|it| spec.ecosystem.is_none_or(|only| only == *it)) {
        if !spec.is_pattern() {
            names.push((ecosystem, PackageName::new(spec.name.as_str())));
            continue;
        }
        let known = store.package_names(ecosystem).await?;
        names.extend(known.into_iter().filter(|name| spec.takes_name(name)).map(|name| (ecosystem, name)));
    }
    Ok(names)
}

fn order(a: &PackageVersion, b: &PackageVersion) -> Ordering {
    let by_version = || {
        let scheme = a.platform.ecosystem.version_scheme();
        let (one, other) = (a.package.version.as_str(), b.package.version.as_str());
        // Invalid versions have no order that a sort could use.
        if scheme.is_valid(one) && scheme.is_valid(other) {
            return scheme.compare(one, other).unwrap_or(Ordering::Equal);
        }
        scheme.is_valid(one).cmp(&scheme.is_valid(other))
    };
    let by_name = (&a.package.name, &a.platform).cmp(&(&b.package.name, &b.platform));
    by_name.then_with(by_version).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use model::{Architecture, InstalledPackage, Platform, Repository, Version};

    use super::*;

    fn check(spec: &str, platform: &str, name: &str, version: &str, expected: Option<bool>) {
        let package = PackageVersion {
            platform: Platform::parse(platform).expect("a platform"),
            package: InstalledPackage {
                name: PackageName::new(name),
                version: Version::new(version),
                source: PackageName::new("openssl"),
                source_version: Version::new(version),
                architecture: Architecture::new("x86_64"),
                repository: Repository::new("main"),
            },
        };
        let taken = PackageSpec::parse(spec).ok().map(|spec| spec.takes(&package));
        assert_eq!(taken, expected, "{spec} of {name} {version} on {platform}");
    }

    #[test]
    fn packages_are_taken_in_their_own_order() {
        check("openssl", "alpine:3.20", "libssl3", "3.3.1-r0", Some(true));
        check("libssl3", "alpine:3.20", "libssl3", "3.3.1-r0", Some(true));
        check("libssl", "alpine:3.20", "libssl3", "3.3.1-r0", Some(false));
        check("libssl*", "alpine:3.20", "libssl3", "3.3.1-r0", Some(true));
        check("openssl<3.0.15", "debian:12", "libssl3", "3.0.15~deb12u1", Some(true));
        check("openssl<3.0.15", "debian:12", "libssl3", "3.0.15-1~deb12u1", Some(false));
        check("openssl<3.3.2-r0", "alpine:3.20", "libssl3", "3.3.2_rc1-r0", Some(true));
        check("openssl <= 3.3.2", "alpine:3.20", "libssl3", "3.3.2", Some(true));
        check("openssl==1", "alpine:3.20", "libssl3", "1", Some(true));
        check("openssl!=1", "alpine:3.20", "libssl3", "1", Some(false));
        check("openssl>=1:0", "debian:12", "libssl3", "9", Some(false));
        check("openssl>=3.0,<3.0.15", "debian:12", "libssl3", "3.0.14-1", Some(true));
        check("openssl>=3.0, <3.0.15", "debian:12", "libssl3", "3.0.16-1", Some(false));
        check("openssl<3.0.15,1", "freebsd:14.1", "openssl", "3.0.14,1", Some(true));
        check("openssl>3,1,<3.0.15,1", "freebsd:14.1", "openssl", "3.0.15,1", Some(false));
        check("alpine:openssl<3.1.4-r1", "alpine:3.18", "libssl3", "3.1.0-r3", Some(true));
        check("debian:openssl<3.1.4-r1", "alpine:3.18", "libssl3", "3.1.0-r3", Some(false));
        check("openssl<9999,<9999,<9999,<9999,<9999,<9999,<9999,<9999,<9999", "alpine:3.18", "x", "1", None);
        let long = "x".repeat(600);
        for bad in [
            "",
            " ",
            "<3",
            "alpine:",
            "rm -rf",
            "openssl<",
            "openssl!3",
            "openssl<<3",
            "openssl<3,<",
            "openssl<3<4",
            "openssl>=3 <4",
            &long,
        ] {
            check(bad, "alpine:3.20", "libssl3", "1", None);
        }
    }
}
