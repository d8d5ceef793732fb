//! The order of Semantic Versioning 2.0.0, §11.

use std::cmp::Ordering;

use super::{InvalidVersion, VersionScheme};

/// Compares by precedence: build metadata does not count (§10). A `v` before the version is passed over:
/// it is no part of a semantic version, but Go's modules have it.
pub(super) fn compare(a: &str, b: &str) -> Result<Ordering, InvalidVersion> {
    let bare = |version: &str| parse(version.strip_prefix('v').unwrap_or(version));
    Ok(bare(a)?.cmp_precedence(&bare(b)?))
}

/// Says whether the text is a semantic version.
pub(super) fn is_valid(version: &str) -> bool {
    parse(version).is_ok()
}

fn parse(version: &str) -> Result<semver::Version, InvalidVersion> {
    semver::Version::parse(version).map_err(|error| VersionScheme::Semver.invalid(version, error.to_string()))
}
