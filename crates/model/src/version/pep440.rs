//! The order of Python packages (PEP 440).

use std::cmp::Ordering;
use std::str::FromStr;

use pep440_rs::Version;

use super::{InvalidVersion, VersionScheme};

/// Compares in the order of PEP 440; local versions (`+local`) count.
pub(super) fn compare(a: &str, b: &str) -> Result<Ordering, InvalidVersion> {
    Ok(parse(a)?.cmp(&parse(b)?))
}

/// Says whether the text is a PEP 440 version.
pub(super) fn is_valid(version: &str) -> bool {
    parse(version).is_ok()
}

fn parse(version: &str) -> Result<Version, InvalidVersion> {
    Version::from_str(version).map_err(|error| VersionScheme::Pep440.invalid(version, error.to_string()))
}
