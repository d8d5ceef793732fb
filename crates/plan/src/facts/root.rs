//! An offline root directory (an unpacked image, a mounted disk), read by the same parsers.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{Code, Collection, HostName, Observed, Problem};

use super::collection::{Assembled, assemble, place};
use super::faults::Faults;
use super::files::Files;
use super::observed::{accounts, cron, keys, privileges, services};
use super::package::lines;
use super::seen::{Seen, read_alpine_release};
use super::{apk, dpkg, freebsd, os_release};

/// The text files that are read of an offline root, beside the package databases.
pub const ROOT_TEXT_FILES: [&str; 9] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/sudoers",
    "/usr/local/etc/sudoers",
    "/etc/doas.conf",
    "/usr/local/etc/doas.conf",
    "/etc/crontab",
    "/etc/rc.conf",
    "/etc/rc.conf.local",
];

/// The folders whose files are read, without those of folders in them.
pub const ROOT_TEXT_FOLDERS: [&str; 9] = [
    "/etc/sudoers.d",
    "/usr/local/etc/sudoers.d",
    "/etc/doas.d",
    "/usr/local/etc/doas.d",
    "/etc/cron.d",
    "/usr/local/etc/cron.d",
    "/etc/crontabs",
    "/var/spool/cron/crontabs",
    "/var/cron/tabs",
];

/// The folders whose names are listed, with whether the names stand one folder deeper.
pub const ROOT_LISTED: [(&str, bool); 8] = [
    ("/etc/runlevels", true),
    ("/etc/systemd/system", true),
    ("/etc/periodic", true),
    ("/usr/local/etc/periodic", true),
    ("/etc/cron.hourly", false),
    ("/etc/cron.daily", false),
    ("/etc/cron.weekly", false),
    ("/etc/cron.monthly", false),
];

/// Returns the paths of the files that could hold SSH keys, from the text of etc/passwd.
pub fn key_files(passwd: &[u8]) -> Vec<String> {
    let lines: Vec<_> = lines(passwd, &mut Faults::default()).map(std::borrow::Cow::into_owned).collect();
    let path = |name: &String| name.split_once(':').map(|(_, path)| path.to_owned());
    let paths: BTreeSet<String> = keys::key_files(&lines).iter().filter_map(path).collect();
    paths.into_iter().collect()
}

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
    /// Text files by their absolute path within the root: [`ROOT_TEXT_FILES`], those of
    /// [`ROOT_TEXT_FOLDERS`], and the keys that [`key_files`] names.
    pub texts: BTreeMap<String, Vec<u8>>,
    /// The absolute paths of what stands in [`ROOT_LISTED`].
    pub listed: Vec<String>,
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
    problems.extend(observe(host, &mut seen, files));
    let Assembled { os, kernel, packages, observed } = assemble(host, seen, &mut problems);
    Collection {
        host: host.clone(),
        started_at: read_at,
        finished_at: read_at,
        os,
        kernel,
        packages,
        observed,
        problems,
    }
}

/// Reads what an image can say of accounts, keys, cron and services. What runs, listens or is mapped
/// stays unknown: nothing runs. A part that could not be read leaves its fact unknown.
fn observe(host: &HostName, seen: &mut Seen, root: &RootFiles) -> Vec<Problem> {
    let mut faults = Faults::default();
    let mut files = Files::named(root.listed.clone());
    for (path, content) in &root.texts {
        files.add(path, content, &mut faults);
    }
    files.note(&mut faults);
    let observed = &mut seen.observed;
    observed.services = services::enabled_offline(&files);
    observed.accounts = accounts::accounts(&files, &mut faults);
    observed.groups = accounts::groups(&files, &mut faults);
    if !root.texts.is_empty() {
        observed.privileges = privileges::rules(&files, &mut faults);
        observed.cron = cron::entries(&files, &mut faults);
    }
    if let Some(passwd) = files.texts.get(accounts::PASSWD) {
        files.names = keys::key_files(passwd);
        observed.authorized_keys = keys::keys(&files, &mut faults);
    }
    forget_unreadable(observed, &root.unreadable);
    faults.into_problems(&place(host, "files"))
}

/// A list with gaps would pass for the whole one.
fn forget_unreadable(observed: &mut Observed, unreadable: &[UnreadableFile]) {
    for file in unreadable {
        let path = file.path.as_str();
        if path.contains("/sudoers") || path.contains("/doas.") {
            observed.privileges = None;
        } else if path.contains("/cron") || path.contains("/periodic") {
            observed.cron = None;
        } else if path.ends_with("/passwd") || path.contains("/.ssh") {
            observed.authorized_keys = None;
        } else if path.contains("/runlevels") || path.contains("/systemd/") || path.contains("/rc.conf") {
            observed.services = None;
        }
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
