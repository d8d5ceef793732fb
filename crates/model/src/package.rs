//! Packages as they are installed.

use crate::platform::{Platform, Repository};
use crate::text::foreign_text;

foreign_text! {
    /// A package's name, binary or source.
    PackageName;
    /// A package's version as its package manager writes it. It has no order of its own: compare
    /// with [`crate::version::VersionScheme::compare`] of its ecosystem.
    Version;
    /// A machine architecture in the package manager's word (`x86_64`, `amd64`, `FreeBSD:14:amd64`).
    Architecture;
}

/// One package as the package manager's database of a host names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstalledPackage {
    /// The package's own (binary) name.
    pub name: PackageName,
    /// Its version.
    pub version: Version,
    /// What it was built from: apk's origin, Debian's source package, FreeBSD's port origin's name
    /// where known; else the package's own name.
    pub source: PackageName,
    /// The source's version (differs from `version` on Debian for binNMUs and some kernels).
    pub source_version: Version,
    /// Its architecture; empty where the database does not say.
    pub architecture: Architecture,
    /// The repository or tag it came from; empty where the database does not say.
    pub repository: Repository,
}

/// What is interned and matched: an installed package on a platform. Hosts share these: a fleet has
/// a few thousand distinct ones however many hosts it has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageVersion {
    /// The platform of the host that has it.
    pub platform: Platform,
    /// The package.
    pub package: InstalledPackage,
}
