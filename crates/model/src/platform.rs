//! Which distribution and release a package belongs to, in the words that advisories use.

use std::fmt;

use thiserror::Error;

use crate::text::foreign_text;
use crate::version::VersionScheme;

/// A family of packages with one version order and one set of advisories: a distribution's packages, or
/// the software of a language, which is found outside packages and has no releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ecosystem {
    /// Alpine Linux packages (apk).
    Alpine,
    /// Rust crates.
    CratesIo,
    /// Debian packages (dpkg).
    Debian,
    /// FreeBSD packages (pkg) and the base system (`FreeBSD`, `FreeBSD-kernel`).
    FreeBsd,
    /// Go modules and the Go standard library (`stdlib`).
    Go,
    /// Java artifacts (`group:artifact`).
    Maven,
    /// Node.js packages.
    Npm,
    /// Python packages.
    PyPi,
}

impl Ecosystem {
    /// Every ecosystem, in the order of [`Ecosystem::as_str`].
    pub const ALL: [Self; 8] = [
        Self::Alpine,
        Self::CratesIo,
        Self::Debian,
        Self::FreeBsd,
        Self::Go,
        Self::Maven,
        Self::Npm,
        Self::PyPi,
    ];

    /// The distributions: the ecosystems that a host can run.
    pub const DISTRIBUTIONS: [Self; 3] = [Self::Alpine, Self::Debian, Self::FreeBsd];

    /// Returns the word for it in the CLI and the store; a distribution's is os-release's `ID`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alpine => "alpine",
            Self::CratesIo => "crates.io",
            Self::Debian => "debian",
            Self::FreeBsd => "freebsd",
            Self::Go => "go",
            Self::Maven => "maven",
            Self::Npm => "npm",
            Self::PyPi => "pypi",
        }
    }

    /// Says whether a host can run it. The others are languages.
    pub fn is_distribution(self) -> bool {
        Self::DISTRIBUTIONS.contains(&self)
    }

    /// Reads os-release's `ID` and what people write for it: the word of a distribution. An operating
    /// system that calls itself `go` is an unknown one.
    pub fn parse_distribution(word: &str) -> Option<Self> {
        Self::parse(word).filter(|ecosystem| ecosystem.is_distribution())
    }

    /// Reads the word that [`Ecosystem::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ecosystem| ecosystem.as_str() == word)
    }

    /// Returns the order its versions have.
    pub fn version_scheme(self) -> VersionScheme {
        match self {
            Self::Alpine => VersionScheme::Apk,
            Self::Debian => VersionScheme::Dpkg,
            Self::FreeBsd => VersionScheme::FreeBsd,
            Self::CratesIo | Self::Go | Self::Npm => VersionScheme::Semver,
            Self::Maven => VersionScheme::Maven,
            Self::PyPi => VersionScheme::Pep440,
        }
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

foreign_text! {
    /// A release in its advisories' words: `3.20` or `edge` (Alpine), `12` or `sid` (Debian),
    /// `14.1` (FreeBSD). Build it with [`Platform::from_os_release`] or [`Release::from_codename`]
    /// where the source has another spelling.
    Release;
    /// A package repository of a release: `main`, `community`, `testing`; empty where unknown.
    Repository;
}

impl Release {
    /// Translates a Debian codename (`bookworm`) into the number that os-release gives (`12`).
    /// A codename without number (`sid`) and an unknown one stay as they are.
    pub fn from_codename(codename: &str) -> Self {
        let known = DEBIAN_CODENAMES.iter().find(|(name, _)| *name == codename);
        Self::new(known.map_or(codename, |(_, number)| number))
    }
}

/// Codenames of Debian releases since 2009 and the numbers of their os-release
/// (<https://www.debian.org/releases/>).
const DEBIAN_CODENAMES: [(&str, &str); 11] = [
    ("lenny", "5"),
    ("squeeze", "6"),
    ("wheezy", "7"),
    ("jessie", "8"),
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
];

/// The releases that an advisory speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReleaseScope {
    /// Every release of the ecosystem (FreeBSD's VuXML).
    Any,
    /// One release.
    Only(Release),
}

impl ReleaseScope {
    /// Says whether the scope holds the release.
    pub fn contains(&self, release: &Release) -> bool {
        match self {
            Self::Any => true,
            Self::Only(only) => only == release,
        }
    }
}

/// What a host runs, as far as advisories care; of software outside packages its language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// The distribution or language.
    pub ecosystem: Ecosystem,
    /// Its release; empty of a language.
    pub release: Release,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.release.as_str() {
            "" => write!(f, "{}", self.ecosystem),
            release => write!(f, "{} {release}", self.ecosystem),
        }
    }
}

/// An operating system that no advisory source of ours speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no advisories are matched for `{id}` `{version}`")]
pub struct UnknownPlatform {
    /// os-release's `ID`.
    pub id: String,
    /// os-release's `VERSION_ID`.
    pub version: String,
}

impl Platform {
    /// Returns what software of a language is matched on: it has no releases.
    pub fn of_language(ecosystem: Ecosystem) -> Self {
        Self { ecosystem, release: Release::new("") }
    }

    /// Reads a platform as a person types it: `alpine:3.20`, `debian:12`, `debian:bookworm`, `freebsd:14.1`.
    ///
    /// # Errors
    /// [`UnknownPlatform`] where the part before the colon is no distribution or the release is missing.
    pub fn parse(text: &str) -> Result<Self, UnknownPlatform> {
        let (id, version) = text.split_once(':').unwrap_or((text, ""));
        Self::from_os_release(id, version, None)
    }

    /// Normalises os-release's `ID`, `VERSION_ID` and `VERSION_CODENAME`: Alpine `3.20.3` is `3.20`
    /// and `3.21.0_alpha20240807` is `edge`; Debian without a number is `sid` or its codename;
    /// FreeBSD `14.1-RELEASE-p5` is `14.1`.
    ///
    /// # Errors
    /// [`UnknownPlatform`] where no source of advisories speaks of it. Derivatives (`ID_LIKE`) are
    /// refused on purpose: their packages are not their parent's.
    pub fn from_os_release(id: &str, version: &str, codename: Option<&str>) -> Result<Self, UnknownPlatform> {
        let unknown = || UnknownPlatform { id: id.to_owned(), version: version.to_owned() };
        let ecosystem = Ecosystem::parse_distribution(id).ok_or_else(unknown)?;
        let release = match ecosystem {
            Ecosystem::Alpine => alpine_release(version),
            Ecosystem::Debian => debian_release(version, codename),
            Ecosystem::FreeBsd => freebsd_release(version),
            Ecosystem::CratesIo | Ecosystem::Go | Ecosystem::Maven | Ecosystem::Npm | Ecosystem::PyPi => None,
        };
        Ok(Self { ecosystem, release: release.ok_or_else(unknown)? })
    }
}

fn alpine_release(version: &str) -> Option<Release> {
    if version == "edge" || version.contains("_alpha") {
        return Some(Release::new("edge"));
    }
    let version = version.strip_prefix('v').unwrap_or(version);
    let mut parts = version.split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    (is_number(major) && is_number(minor)).then(|| Release::new(format!("{major}.{minor}")))
}

fn debian_release(version: &str, codename: Option<&str>) -> Option<Release> {
    let major = version.split('.').next().unwrap_or_default();
    if is_number(major) {
        return Some(Release::new(major));
    }
    let name = if version.is_empty() { codename.unwrap_or("sid") } else { version };
    let is_word = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    is_word.then(|| Release::from_codename(name))
}

fn freebsd_release(version: &str) -> Option<Release> {
    let number = version.split('-').next().unwrap_or_default();
    let (major, minor) = number.split_once('.')?;
    (is_number(major) && is_number(minor)).then(|| Release::new(number))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, version: &str, codename: Option<&str>, expected: Option<&str>) {
        let platform = Platform::from_os_release(id, version, codename).ok();
        assert_eq!(platform.map(|it| it.to_string()).as_deref(), expected, "{id} {version}");
    }

    #[test]
    fn releases_are_normalised() {
        check("alpine", "3.20.3", None, Some("alpine 3.20"));
        check("alpine", "v3.20", None, Some("alpine 3.20"));
        check("alpine", "3.21.0_alpha20240807", None, Some("alpine edge"));
        check("alpine", "3", None, None);
        check("debian", "12", Some("bookworm"), Some("debian 12"));
        check("debian", "12.5", None, Some("debian 12"));
        check("debian", "bookworm", None, Some("debian 12"));
        check("debian", "", Some("trixie"), Some("debian 13"));
        check("debian", "", None, Some("debian sid"));
        check("freebsd", "14.1-RELEASE-p5", None, Some("freebsd 14.1"));
        check("freebsd", "14.1", None, Some("freebsd 14.1"));
        check("freebsd", "", None, None);
        check("ubuntu", "24.04", None, None);
        check("go", "1.22", None, None);
        check("npm", "", None, None);
    }

    #[test]
    fn ecosystems_are_sorted_and_read_back() {
        let words: Vec<_> = Ecosystem::ALL.iter().map(|it| it.as_str()).collect();
        assert!(words.is_sorted(), "{words:?}");
        for ecosystem in Ecosystem::ALL {
            assert_eq!(Ecosystem::parse(ecosystem.as_str()), Some(ecosystem));
            let as_os = Ecosystem::parse_distribution(ecosystem.as_str());
            assert_eq!(as_os.is_some(), ecosystem.is_distribution());
            assert!(
                ecosystem.is_distribution()
                    || Platform::of_language(ecosystem).to_string() == ecosystem.as_str()
            );
        }
    }
}
