//! Version orders, one per package manager, exact on what the real tools answer.
//!
//! The orders of distributions are not those of semver, and no generic comparison gets them right:
//! each file beside this one follows one tool. None of the distributions' comparisons allocates, so
//! that a fleet's packages can be matched against every advisory in one go.

mod apk;
mod dpkg;
mod freebsd;
mod maven;
mod pep440;
mod rpm;
mod semver;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

use thiserror::Error;

/// The longest part of a refused version that an [`InvalidVersion`] repeats, in characters.
pub const INVALID_VERSION_SHOWN_CHARS_MAX: usize = 80;

/// The order of a package manager's versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VersionScheme {
    /// Alpine's apk-tools 3 (apk-package(5)).
    Apk,
    /// Debian's dpkg (deb-version(7)).
    Dpkg,
    /// FreeBSD's pkg (`pkg version -t`, pkg-version(8)).
    FreeBsd,
    /// Apache Maven (<https://maven.apache.org/pom.html#version-order-specification>).
    Maven,
    /// Python packages (PEP 440).
    Pep440,
    /// RPM (rpm-version(7)).
    Rpm,
    /// Semantic Versioning 2.0.0 (<https://semver.org>); build metadata does not count.
    Semver,
}

/// A version that cannot be compared or is not valid in its scheme.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{version}` is not a valid {scheme} version: {why}")]
pub struct InvalidVersion {
    /// The scheme it was read in.
    pub scheme: VersionScheme,
    /// The version, with control characters escaped, cut at [`INVALID_VERSION_SHOWN_CHARS_MAX`].
    pub version: String,
    /// What is wrong with it.
    pub why: String,
}

impl VersionScheme {
    /// Every scheme, in the order of [`VersionScheme::as_str`].
    pub const ALL: [Self; 7] =
        [Self::Apk, Self::Dpkg, Self::FreeBsd, Self::Maven, Self::Pep440, Self::Rpm, Self::Semver];

    /// Returns the word for it in the CLI and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apk => "apk",
            Self::Dpkg => "dpkg",
            Self::FreeBsd => "freebsd",
            Self::Maven => "maven",
            Self::Pep440 => "pep440",
            Self::Rpm => "rpm",
            Self::Semver => "semver",
        }
    }

    /// Reads the word that [`VersionScheme::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == word)
    }

    /// Compares two versions as the package manager itself does, valid or not: apk, FreeBSD's pkg, Maven
    /// and RPM answer for any text, and advisories do hold invalid versions, so leaving those out would
    /// hide findings. On invalid versions an order need not be transitive: ask [`Self::is_valid`]
    /// before sorting.
    ///
    /// # Errors
    /// [`InvalidVersion`] where the tool itself gives no answer: never for [`Self::Apk`],
    /// [`Self::FreeBsd`], [`Self::Maven`] and [`Self::Rpm`]; for [`Self::Dpkg`] where dpkg calls the syntax an error
    /// and not only worth a warning; for [`Self::Pep440`] and [`Self::Semver`] on every invalid one, but for a
    /// semantic version behind a `v` (`v1.2.3`), as Go and git tags write it.
    pub fn compare(self, a: &str, b: &str) -> Result<Ordering, InvalidVersion> {
        match self {
            Self::Apk => Ok(apk::compare(a, b)),
            Self::Dpkg => dpkg::compare(a, b),
            Self::FreeBsd => Ok(freebsd::compare(a, b)),
            Self::Maven => Ok(maven::compare(a, b)),
            Self::Pep440 => pep440::compare(a, b),
            Self::Rpm => Ok(rpm::compare(a, b)),
            Self::Semver => semver::compare(a, b),
        }
    }

    /// Says whether the package manager accepts the version for a package of its own.
    pub fn is_valid(self, version: &str) -> bool {
        match self {
            Self::Apk => apk::is_valid(version),
            Self::Dpkg => dpkg::is_valid(version),
            Self::FreeBsd => freebsd::is_valid(version),
            Self::Maven => maven::is_valid(version),
            Self::Pep440 => pep440::is_valid(version),
            Self::Rpm => rpm::is_valid(version),
            Self::Semver => semver::is_valid(version),
        }
    }

    fn invalid(self, version: &str, why: impl Into<String>) -> InvalidVersion {
        let shown = version.chars().take(INVALID_VERSION_SHOWN_CHARS_MAX).flat_map(char::escape_debug);
        InvalidVersion { scheme: self, version: shown.collect(), why: why.into() }
    }
}

impl fmt::Display for VersionScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Splits the text where the first byte stands that is not part of the leading run.
fn split_run(text: &[u8], belongs: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !belongs(byte)).unwrap_or(text.len()))
}

/// Compares two runs of digits as numbers of any length.
fn compare_digits(a: &[u8], b: &[u8]) -> Ordering {
    let (_, a) = split_run(a, |byte| *byte == b'0');
    let (_, b) = split_run(b, |byte| *byte == b'0');
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}
