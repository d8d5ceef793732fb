//! The order of Semantic Versioning 2.0.0, §11.

use std::cmp::Ordering;

use super::{InvalidVersion, VersionScheme};

/// Compares by precedence: build metadata does not count (§10).
pub(super) fn compare(a: &str, b: &str) -> Result<Ordering, InvalidVersion> {
    Ok(parse(a)?.cmp_precedence(&parse(b)?))
}

/// Says whether the text is a semantic version.
pub(super) fn is_valid(version: &str) -> bool {
    parse(version).is_ok()
}

fn parse(version: &str) -> Result<semver::Version, InvalidVersion> {
    semver::Version::parse(version).map_err(|error| VersionScheme::Semver.invalid(version, error.to_string()))
}
