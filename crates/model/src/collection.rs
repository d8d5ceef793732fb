//! What one look at one host brought back.

use jiff::Timestamp;

use crate::observed::Observed;
use crate::package::{InstalledPackage, PackageVersion};
use crate::platform::{Platform, UnknownPlatform};
use crate::problem::Problem;
use crate::text::HostName;

/// All facts of one host, partial and dated by nature: what could not be read is `None`, and
/// `problems` says why. An empty list means that the host answered with nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// The host.
    pub host: HostName,
    /// When the connection was begun.
    pub started_at: Timestamp,
    /// When the last byte was in.
    pub finished_at: Timestamp,
    /// The operating system's word about itself.
    pub os: Option<OsRelease>,
    /// The kernel.
    pub kernel: Option<Kernel>,
    /// Every installed package.
    pub packages: Option<Vec<InstalledPackage>>,
    /// Services, listeners, accounts and the rest.
    pub observed: Observed,
    /// What went wrong on the way.
    pub problems: Vec<Problem>,
}

impl Collection {
    /// Returns the platform that advisories are matched for; `None` where the host did not say what it runs.
    ///
    /// # Errors
    /// [`UnknownPlatform`] where it said so and no source speaks of it.
    pub fn platform(&self) -> Option<Result<Platform, UnknownPlatform>> {
        self.os.as_ref().map(OsRelease::platform)
    }

    /// Returns the packages joined with the platform: what is interned, stored and matched.
    /// `None` where the packages or the platform are not known.
    pub fn package_versions(&self) -> Option<Vec<PackageVersion>> {
        let platform = self.platform()?.ok()?;
        let packages = self.packages.as_ref()?;
        let with_platform = |package: &InstalledPackage| PackageVersion {
            platform: platform.clone(),
            package: package.clone(),
        };
        Some(packages.iter().map(with_platform).collect())
    }
}

/// os-release(5) as far as we use it; on FreeBSD it is filled from `freebsd-version -u`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OsRelease {
    /// `ID`: `alpine`, `debian`, `freebsd`.
    pub id: String,
    /// `VERSION_ID`; empty where missing (Debian sid). FreeBSD: `14.1-RELEASE-p5`.
    pub version: String,
    /// `VERSION_CODENAME`.
    pub codename: Option<String>,
    /// `PRETTY_NAME`.
    pub pretty_name: String,
}

impl OsRelease {
    /// Normalises it to the words of advisories.
    ///
    /// # Errors
    /// [`UnknownPlatform`] where no source speaks of it.
    pub fn platform(&self) -> Result<Platform, UnknownPlatform> {
        Platform::from_os_release(&self.id, &self.version, self.codename.as_deref())
    }
}

/// The kernel: what runs and, where it can be told, what is installed for the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// `uname -s`.
    pub name: String,
    /// `uname -r`; FreeBSD: `freebsd-version -r`.
    pub running: String,
    /// FreeBSD: `freebsd-version -k`. Elsewhere the packages tell.
    pub installed: Option<String>,
    /// `uname -m`.
    pub machine: String,
}
