//! The facts: for each its name, its snippet and its parser.
//!
//! Snippets run in dash, busybox ash and FreeBSD's sh as the body of a function, with `/dev/null`
//! as standard input, a fixed `PATH` and `LC_ALL=C`: no arrays, no `[[`, no `local`, no `pipefail`.
//! They only read. Status [`ABSENT`] says that the host has no such thing, which is no failure.

use super::apk;
use super::dpkg;
use super::faults::Faults;
use super::freebsd;
use super::os_release;
use super::seen::{Seen, read_alpine_release, read_kernel};

/// The status by which a snippet says "there is no such thing here" (`EX_NOINPUT` of sysexits(3)).
pub(super) const ABSENT: u8 = 66;

/// The facts asked for in one exec, in the order of the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRequests(Vec<Fact>);

impl FactRequests {
    /// Returns the fixed set of a scan: operating system, kernel, packages.
    pub fn scan() -> Self {
        Self(Fact::SCAN.to_vec())
    }

    /// Returns the facts in the order of the answers.
    pub(super) fn facts(&self) -> &[Fact] {
        &self.0
    }
}

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fact {
    OsRelease,
    AlpineRelease,
    FreebsdVersion,
    Kernel,
    ApkInstalled,
    ApkRepositories,
    ApkWorld,
    Dpkg,
    Pkg,
}

/// All that makes a fact.
pub(super) struct Definition {
    /// Its name in frames and problems; a word of `[a-z-]`.
    pub name: &'static str,
    /// The body of a sh function.
    pub snippet: &'static str,
    /// Reads what the snippet printed.
    pub read: fn(&mut Seen, &[u8], &mut Faults),
}

impl Fact {
    /// The facts of a scan.
    const SCAN: [Self; 9] = [
        Self::OsRelease,
        Self::AlpineRelease,
        Self::FreebsdVersion,
        Self::Kernel,
        Self::ApkInstalled,
        Self::ApkRepositories,
        Self::ApkWorld,
        Self::Dpkg,
        Self::Pkg,
    ];

    /// Returns its name in frames and problems.
    pub(super) fn name(self) -> &'static str {
        self.definition().name
    }

    /// Returns all that makes the fact.
    pub(super) fn definition(self) -> Definition {
        match self {
            Self::OsRelease => OS_RELEASE,
            Self::AlpineRelease => ALPINE_RELEASE,
            Self::FreebsdVersion => FREEBSD_VERSION,
            Self::Kernel => KERNEL,
            Self::ApkInstalled => APK_INSTALLED,
            Self::ApkRepositories => APK_REPOSITORIES,
            Self::ApkWorld => APK_WORLD,
            Self::Dpkg => DPKG,
            Self::Pkg => PKG,
        }
    }
}

/// os-release(5): /etc first, it overrides the vendor's.
const OS_RELEASE: Definition = Definition {
    name: "os-release",
    snippet: r#"
for file in /etc/os-release /usr/lib/os-release; do
  if [ -f "$file" ]; then cat "$file"; return; fi
done
return 66"#,
    read: |seen, output, faults| seen.os_release = os_release::parse(output, faults),
};

const ALPINE_RELEASE: Definition = Definition {
    name: "alpine-release",
    snippet: r"
[ -f /etc/alpine-release ] || return 66
cat /etc/alpine-release",
    read: read_alpine_release,
};

/// freebsd-version(1): userland, installed kernel, running kernel. In a jail `-k` fails: the kernel
/// is the host's; so each line is kept by itself.
const FREEBSD_VERSION: Definition = Definition {
    name: "freebsd-version",
    snippet: r#"
[ -x /bin/freebsd-version ] || return 66
for option in u k r; do
  version=$(/bin/freebsd-version -$option 2>/dev/null) && printf '%s %s\n' "$option" "$version"
done
return 0"#,
    read: |seen, output, faults| seen.freebsd = freebsd::parse_versions(output, faults),
};

const KERNEL: Definition = Definition {
    name: "kernel",
    snippet: r"
uname -s && uname -r && uname -m",
    read: read_kernel,
};

/// Only the lines that are read travel: the file lists are 95% of the database. apk 3 keeps it in
/// usr/lib; where /lib is a link to usr/lib the entries come twice, which the parser folds.
const APK_INSTALLED: Definition = Definition {
    name: "apk-installed",
    snippet: r#"
found=66
for file in /lib/apk/db/installed /usr/lib/apk/db/installed; do
  [ -f "$file" ] || continue
  sed -n -e '/^[PVAos]:/p' -e '/^$/p' "$file" || return
  echo
  found=0
done
return $found"#,
    read: |seen, output, faults| seen.apk_packages = Some(apk::parse_installed(output, faults)),
};

const APK_REPOSITORIES: Definition = Definition {
    name: "apk-repositories",
    snippet: r#"
[ -f /etc/apk/repositories ] || return 66
for file in /etc/apk/repositories /etc/apk/repositories.d/*.list; do
  if [ -f "$file" ]; then cat "$file" || return; echo; fi
done"#,
    read: |seen, output, faults| seen.apk_repositories = apk::parse_repositories(output, faults),
};

const APK_WORLD: Definition = Definition {
    name: "apk-world",
    snippet: r"
[ -f /etc/apk/world ] || return 66
cat /etc/apk/world",
    read: |seen, output, faults| seen.apk_tags = apk::parse_world(output, faults),
};

/// `db:Status-Abbrev` shows removed packages (`rc`), which the parser skips.
const DPKG: Definition = Definition {
    name: "dpkg",
    snippet: r"
[ -f /var/lib/dpkg/status ] || return 66
dpkg-query -W -f='${db:Status-Abbrev}\t${Package}\t${Version}\t${source:Package}\t${source:Version}\t${Architecture}\n'",
    read: |seen, output, faults| seen.dpkg_packages = Some(dpkg::parse_query(output, faults)),
};

/// `pkg` in /usr/sbin is a stub that would install the package manager; `-N` forbids that, and only
/// the real one in /usr/local is asked.
const PKG: Definition = Definition {
    name: "pkg",
    snippet: r"
[ -x /usr/local/sbin/pkg ] || return 66
ASSUME_ALWAYS_YES=no /usr/local/sbin/pkg -N >/dev/null || return
/usr/local/sbin/pkg query '%n\t%v\t%o\t%q\t%R'",
    read: |seen, output, faults| seen.pkg_packages = Some(freebsd::parse_packages(output, faults)),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_quoting_and_are_unique() {
        let names: std::collections::BTreeSet<_> = Fact::SCAN.iter().map(|fact| fact.name()).collect();
        assert_eq!(names.len(), Fact::SCAN.len());
        for name in names {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
        }
    }
}
