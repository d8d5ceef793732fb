//! What a caller wants: names of hosts and what is on them.

use std::path::PathBuf;

use model::HostName;

use crate::error::FleetError;

/// The longest host name that the kernel takes, in bytes (`gethostname(2)`, Linux: 64 with the end mark).
const HOST_NAME_BYTES_MAX: usize = 63;

/// One host of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSpec {
    /// Its name, unique in the fleet; its host name too.
    pub name: String,
    /// What is on it.
    pub content: HostContent,
}

impl HostSpec {
    /// Joins a name and a content.
    pub fn new(name: impl Into<String>, content: HostContent) -> Self {
        Self { name: name.into(), content }
    }

    /// Checks the name: it goes into paths and becomes the host name.
    pub(crate) fn check(&self) -> Result<(), FleetError> {
        let fail = |why: String| Err(FleetError::BadSpec { host: self.name.clone(), why });
        match HostName::new(&self.name) {
            Err(invalid) => fail(invalid.why.into()),
            Ok(_) if self.name.len() > HOST_NAME_BYTES_MAX => fail("it is longer than 63 bytes".into()),
            Ok(_) => Ok(()),
        }
    }
}

/// What is on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostContent {
    /// This machine's own root file system with its real dpkg database. Real.
    Debian,
    /// The same, with packages installed by the host's own `dpkg`, and with a local repository as
    /// the only source of its own `apt-get`. Real.
    DebianWith {
        /// `.deb` files, installed with `dpkg -i` before the host is up.
        packages: Vec<PathBuf>,
        /// A folder built by [`crate::AptRepository`]; it is copied into the host.
        repository: Option<PathBuf>,
    },
    /// A recorded Alpine host: real files of a package database; Debian's own is hidden. The commands
    /// `apk` and `rc-service` are absent.
    RecordedAlpine {
        /// A folder with `etc/os-release`, `lib/apk/db/installed` and, where recorded,
        /// `etc/alpine-release`, `etc/apk/{repositories,world,arch}`.
        root: PathBuf,
    },
    /// A FreeBSD host, emulated: `uname`, `freebsd-version`, `service` and `pkg` are stand-ins that answer from
    /// what is given here; everything else is this machine's.
    RecordedFreeBsd {
        /// What `freebsd-version -u` says: `14.1-RELEASE-p5`.
        userland: String,
        /// What `freebsd-version -k` says: the kernel of the next boot.
        kernel: String,
        /// What `freebsd-version -r` and `uname -r` say: the kernel that runs.
        running_kernel: String,
        /// A file of lines `name TAB version [TAB origin]`; lines that start with `#` do not count.
        packages_tsv: PathBuf,
    },
}

impl HostContent {
    /// Returns the word for the operating system that a scan finds: `debian`, `alpine`, `freebsd`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Debian | Self::DebianWith { .. } => "debian",
            Self::RecordedAlpine { .. } => "alpine",
            Self::RecordedFreeBsd { .. } => "freebsd",
        }
    }

    /// Says how far it is the real thing: `real`, `recorded` (real files, no commands) or `emulated`.
    pub fn fidelity(&self) -> &'static str {
        match self {
            Self::Debian | Self::DebianWith { .. } => "real",
            Self::RecordedAlpine { .. } => "recorded",
            Self::RecordedFreeBsd { .. } => "emulated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let check = |name: &str| HostSpec::new(name, HostContent::Debian).check().is_ok();
        assert!(check("web-1"));
        assert!(check(&"a".repeat(63)));
        for bad in ["", "..", "a/b", "a b", "-a", &"a".repeat(64)] {
            assert!(!check(bad), "{bad:?} was accepted");
        }
    }
}
