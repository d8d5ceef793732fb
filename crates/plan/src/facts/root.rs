//! An offline root directory (an unpacked image, a mounted disk), read by the same parsers.

use jiff::Timestamp;
use model::{Code, Collection, HostName, Problem};

use super::collection::{assemble, place};
use super::faults::Faults;
use super::seen::{Seen, read_alpine_release};
use super::{apk, dpkg, freebsd, os_release};

/// The files of an offline root directory that the parsers read; `None` = not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RootFiles {
    /// `etc/os-release`, else `usr/lib/os-release`.
    pub os_release: Option<Vec<u8>>,
    /// `etc/alpine-release`.
    pub alpine_release: Option<Vec<u8>>,
    /// `bin/freebsd-version`: a script that knows the userland's version.
    pub freebsd_version: Option<Vec<u8>>,
    /// `lib/apk/db/installed` and `usr/lib/apk/db/installed`, one after the other.
    pub apk_installed: Option<Vec<u8>>,
    /// `etc/apk/repositories`.
    pub apk_repositories: Option<Vec<u8>>,
    /// `etc/apk/world`.
    pub apk_world: Option<Vec<u8>>,
    /// `var/lib/dpkg/status` and the files of `var/lib/dpkg/status.d`, one after the other with a
    /// blank line between them.
    pub dpkg_status: Option<Vec<u8>>,
    /// Whether there is a `var/db/pkg/local.sqlite`, which only pkg(8) reads.
    pub has_pkg_database: bool,
    /// Files that are there and could not be read.
    pub unreadable: Vec<UnreadableFile>,
}

/// A file of a root directory that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableFile {
    /// Its path below the root.
    pub path: String,
    /// Why, for a person.
    pub why: String,
}

/// Reads an offline root directory through the parsers of [`super::collect_facts`]. It has no
/// running kernel, so `kernel` stays `None`.
pub fn read_root(host: &HostName, read_at: Timestamp, files: &RootFiles) -> Collection {
    let mut seen = Seen::default();
    let mut problems: Vec<Problem> = files.unreadable.iter().map(|file| unreadable(host, file)).collect();
    for (name, content, read) in readers(files) {
        if let Some(content) = content {
            let mut faults = Faults::default();
            read(&mut seen, content, &mut faults);
            problems.extend(faults.into_problems(&place(host, name)));
        }
    }
    if files.has_pkg_database {
        problems.push(pkg_offline(host));
    }
    let (os, kernel, packages) = assemble(host, seen, &mut problems);
    Collection {
        host: host.clone(),
        started_at: read_at,
        finished_at: read_at,
        os,
        kernel,
        packages,
        problems,
    }
}

type Reader = fn(&mut Seen, &[u8], &mut Faults);

fn readers(files: &RootFiles) -> [(&'static str, Option<&[u8]>, Reader); 7] {
    [
        ("os-release", files.os_release.as_deref(), |seen, text, faults| {
            seen.os_release = os_release::parse(text, faults);
        }),
        ("alpine-release", files.alpine_release.as_deref(), read_alpine_release),
        ("freebsd-version", files.freebsd_version.as_deref(), |seen, text, faults| {
            seen.freebsd = freebsd::parse_userland_script(text, faults);
        }),
        ("apk-installed", files.apk_installed.as_deref(), |seen, text, faults| {
            seen.apk_packages = Some(apk::parse_installed(text, faults));
        }),
        ("apk-repositories", files.apk_repositories.as_deref(), |seen, text, faults| {
            seen.apk_repositories = apk::parse_repositories(text, faults);
        }),
        ("apk-world", files.apk_world.as_deref(), |seen, text, faults| {
            seen.apk_tags = apk::parse_world(text, faults);
        }),
        ("dpkg", files.dpkg_status.as_deref(), |seen, text, faults| {
            seen.dpkg_packages = Some(dpkg::parse_status(text, faults));
        }),
    ]
}

fn unreadable(host: &HostName, file: &UnreadableFile) -> Problem {
    let part = match file.path.as_str() {
        path if path.contains("apk/db") => "apk-installed",
        path if path.contains("dpkg/") => "dpkg",
        path => path,
    };
    Problem::new(Code::CollectFactFailed, place(host, part), format!("{}: {}", file.path, file.why))
}

fn pkg_offline(host: &HostName) -> Problem {
    let message = "var/db/pkg/local.sqlite cannot be read offline; the packages are unknown";
    let hint = "scan the running host or jail instead";
    Problem::new(Code::CollectFactFailed, place(host, "pkg"), message).with_hint(hint)
}
