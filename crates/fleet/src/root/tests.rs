use std::fs;
use std::os::unix::fs::symlink;

use super::*;

/// Makes a root directory with files (path, content) and links (path, target).
fn root(files: &[(&str, &str)], links: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let prepare = |path: &str| {
        let path = directory.path().join("root").join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        path
    };
    fs::write(directory.path().join("secret"), "ID=outside").expect("a file outside");
    prepare("x");
    for (path, content) in files {
        fs::write(prepare(path), content).expect("a file");
    }
    for (path, target) in links {
        symlink(target, prepare(path)).expect("a link");
    }
    directory
}

fn read(files: &[(&str, &str)], links: &[(&str, &str)]) -> RootFiles {
    let directory = root(files, links);
    read_root(&directory.path().join("root")).expect("a root directory")
}

fn check_os_release(links: &[(&str, &str)], expected: Option<&str>) {
    let found = read(&[("usr/lib/os-release", "ID=inside")], links);
    let text = found.os_release.as_deref().map(String::from_utf8_lossy);
    assert_eq!(text.as_deref(), expected, "{links:?}, {:?}", found.unreadable);
}

#[test]
fn links_are_resolved_within_the_root() {
    check_os_release(&[], Some("ID=inside"));
    check_os_release(&[("etc/os-release", "/usr/lib/os-release")], Some("ID=inside"));
    check_os_release(&[("etc/os-release", "../usr/lib/os-release")], Some("ID=inside"));
    check_os_release(&[("etc/os-release", "../../../../usr/lib/os-release")], Some("ID=inside"));
    check_os_release(&[("etc", "/usr/lib")], Some("ID=inside"));
    check_os_release(
        &[("etc/os-release", "/a"), ("a", "b"), ("b", "./usr/lib/os-release")],
        Some("ID=inside"),
    );
}

#[test]
fn no_link_leads_out_of_the_root() {
    // Each falls back to usr/lib/os-release: its target is looked for inside and is not there.
    check_os_release(&[("etc/os-release", "../../secret")], Some("ID=inside"));
    check_os_release(&[("etc/os-release", "/../secret")], Some("ID=inside"));
    check_os_release(&[("etc", "../.."), ("os-release", "/nothing")], Some("ID=inside"));
    check_os_release(&[("etc/os-release", "/etc/passwd")], Some("ID=inside"));
}

#[test]
fn a_ring_of_links_is_a_problem_not_a_hang() {
    let found = read(&[], &[("etc/os-release", "/etc/ring"), ("etc/ring", "os-release")]);
    assert_eq!(found.os_release, None);
    assert_eq!(found.unreadable.len(), 1);
}

#[test]
fn what_is_no_regular_file_is_named() {
    let found = read(&[("etc/os-release/file", "")], &[]);
    assert_eq!(found.os_release, None);
    assert_eq!(found.unreadable.len(), 1, "{:?}", found.unreadable);

    let directory = root(&[("etc/file", "")], &[]);
    let made =
        std::process::Command::new("mkfifo").arg(directory.path().join("root/etc/os-release")).status();
    assert!(made.expect("mkfifo runs").success());
    let found = read_root(&directory.path().join("root")).expect("a root directory");
    assert_eq!((found.os_release, found.unreadable.len()), (None, 1));
}

#[test]
fn one_database_at_two_places_is_read_once() {
    let merged = read(&[("usr/lib/apk/db/installed", "P:a")], &[("lib", "usr/lib")]);
    assert_eq!(merged.apk_installed.as_deref(), Some(b"\n\nP:a".as_slice()));
    let both = read(&[("usr/lib/apk/db/installed", "P:b"), ("lib/apk/db/installed", "P:a")], &[]);
    assert_eq!(both.apk_installed.as_deref(), Some(b"\n\nP:a\n\nP:b".as_slice()));
}

#[test]
fn stanzas_of_images_without_package_manager_are_joined() {
    let files = [
        ("var/lib/dpkg/status.d/base", "Package: base"),
        ("var/lib/dpkg/status.d/base.md5sums", "x"),
        ("var/lib/dpkg/status.d/tzdata", "Package: tzdata"),
    ];
    let found = read(&files, &[]);
    assert_eq!(found.dpkg_status.as_deref(), Some(b"\n\n\n\nPackage: base\n\nPackage: tzdata".as_slice()));
}

#[test]
fn a_root_must_be_a_directory() {
    let directory = root(&[], &[]);
    let file = directory.path().join("secret");
    assert!(matches!(read_root(&file), Err(ReadRootError::NotADirectory { .. })));
    assert!(matches!(read_root(&directory.path().join("no")), Err(ReadRootError::Unreadable { .. })));
}

#[test]
fn the_fixture_is_an_alpine() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/hosts/alpine-3.20");
    let files = read_root(Path::new(path)).expect("the fixture");
    let host = model::HostName::new("image").expect("a name");
    let collection = plan::read_root(&host, jiff::Timestamp::UNIX_EPOCH, &files);
    assert_eq!(collection.problems, []);
    assert_eq!(collection.platform().expect("an os").expect("a platform").to_string(), "alpine 3.20");
    assert_eq!(collection.packages.map(|packages| packages.len()), Some(203));
    let observed = collection.observed;
    let services = observed.services.expect("services");
    let services: Vec<_> =
        services.iter().map(|it| (it.name.as_str(), it.is_enabled, it.is_running)).collect();
    assert_eq!(services, ["crond", "hostname", "sshd"].map(|name| (name, Some(true), None)));
    let keys = observed.authorized_keys.expect("keys");
    let keys: Vec<_> = keys.iter().map(|key| (key.account.as_str(), key.comment.as_str())).collect();
    assert_eq!(keys, [("root", "ann@desk")]);
    let cron = observed.cron.expect("cron");
    let cron: Vec<_> = cron.iter().map(|it| format!("{}: {}", it.file, it.line)).collect();
    assert_eq!(
        cron,
        [
            "/etc/crontabs/root: */15 * * * * run-parts /etc/periodic/15min",
            "/etc/crontabs/root: 0 2 * * * run-parts /etc/periodic/daily",
            "/etc/periodic/daily: backup",
        ]
    );
    let rules = observed.privileges.expect("rules");
    assert_eq!(rules.iter().map(|it| it.rule.as_str()).collect::<Vec<_>>(), ["permit persist :wheel"]);
    assert_eq!(
        (observed.accounts.map(|it| it.len()), observed.groups.map(|it| it.len())),
        (Some(4), Some(3))
    );
    // What runs, listens or is mapped cannot be told.
    assert_eq!((observed.listeners, observed.stale_processes, observed.booted_at), (None, None, None));
}

#[test]
fn a_linked_key_file_stays_within_the_root() {
    let passwd = "root:x:0:0:root:/root:/bin/sh\nb:x:1:1::/home/../../b:/bin/sh\n";
    let found = read(
        &[("etc/passwd", passwd), ("x", "inside")],
        &[("root/.ssh/authorized_keys", "../../../x"), ("root/.ssh/authorized_keys2", "../../secret")],
    );
    let text = |path: &str| found.texts.get(path).map(|text| String::from_utf8_lossy(text).into_owned());
    assert_eq!(text("/root/.ssh/authorized_keys").as_deref(), Some("inside"));
    // `../../secret` is looked for inside, where there is none.
    assert_eq!(text("/root/.ssh/authorized_keys2"), None);
    assert_eq!(found.unreadable, []);
}

#[test]
fn folders_of_texts_and_names_are_read() {
    let found = read(
        &[
            ("etc/sudoers.d/a", "a ALL=ALL"),
            ("etc/sudoers.d/folder/b", "b"),
            ("etc/cron.daily/dpkg", "#!/bin/sh"),
            ("etc/runlevels/default/sshd", ""),
        ],
        &[("etc/runlevels/default/gone", "/etc/init.d/gone")],
    );
    assert_eq!(found.texts.keys().map(String::as_str).collect::<Vec<_>>(), ["/etc/sudoers.d/a"]);
    assert_eq!(
        found.listed,
        ["/etc/runlevels/default/gone", "/etc/runlevels/default/sshd", "/etc/cron.daily/dpkg"]
    );
    assert_eq!(found.unreadable, []);
}
