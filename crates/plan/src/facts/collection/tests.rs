use std::path::PathBuf;

use super::*;
use crate::facts::{FactRequests, Nonce, RootFiles, read_answer, read_root};

fn host() -> HostName {
    HostName::new("web-1").expect("a good name")
}

/// Collects from frames of (fact, output, status); facts that are not given are absent.
fn collect(frames: &[(&str, &str, u8)], end: StreamEnd) -> Collection {
    let (requests, nonce) = (FactRequests::scan(), Nonce::from_bytes([3; 16]));
    let mut stdout = String::new();
    for fact in requests.facts() {
        let absent = (fact.name(), "", ABSENT);
        let (name, output, status) = frames.iter().find(|frame| frame.0 == fact.name()).unwrap_or(&absent);
        let nonce = nonce.as_str();
        if *output == "CUT HERE" {
            break;
        }
        stdout.push_str(&format!("\nbegin {nonce} {name}\n{output}\nend {nonce} {name} {status}\n"));
    }
    let answers = read_answer(&requests, &nonce, stdout.as_bytes(), end);
    collect_facts(&host(), Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, &answers)
}

fn codes(collection: &Collection) -> Vec<Code> {
    collection.problems.iter().map(|problem| problem.code).collect()
}

fn names(collection: &Collection) -> Option<Vec<&str>> {
    Some(collection.packages.as_ref()?.iter().map(|package| package.name.as_str()).collect())
}

const ALPINE: &str = "ID=alpine\nVERSION_ID=3.20.2\n";
const MUSL: &str = "P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\n";
const LIBC: &str = "ii \tlibc6\t2.36\tglibc\t2.36\tamd64\n";

#[test]
fn the_operating_system_decides_which_database_counts() {
    let frames = [
        ("os-release", ALPINE, 0),
        ("apk-installed", MUSL, 0),
        ("dpkg", LIBC, 0),
        ("kernel", "Linux\n6.6\nx86_64\n", 0),
    ];
    let alpine = collect(&frames, StreamEnd::Complete);
    assert_eq!(names(&alpine), Some(vec!["musl"]));
    assert_eq!(codes(&alpine), []);
    assert_eq!(alpine.kernel.map(|kernel| kernel.running), Some("6.6".to_owned()));

    let debian = collect(
        &[("os-release", "ID=debian\nVERSION_ID=12\n", 0), ("apk-installed", MUSL, 0), ("dpkg", LIBC, 0)],
        StreamEnd::Complete,
    );
    assert_eq!(names(&debian), Some(vec!["libc6"]));
    assert_eq!(codes(&debian), []);
}

#[test]
fn an_unknown_operating_system_is_read_and_named() {
    let void = collect(
        &[("os-release", "ID=void\n", 0), ("dpkg", LIBC, 0), ("apk-installed", MUSL, 0)],
        StreamEnd::Complete,
    );
    assert_eq!(names(&void), Some(vec!["libc6", "musl"]));
    assert_eq!(codes(&void), [Code::CollectUnsupportedOs]);
    let bare = collect(&[("os-release", "ID=void\n", 0)], StreamEnd::Complete);
    assert_eq!(codes(&bare), [Code::CollectUnsupportedOs, Code::CollectFactFailed]);
}

#[test]
fn freebsd_has_its_base_system_among_the_packages() {
    let versions = ("freebsd-version", "u 14.1-RELEASE-p5\nk 14.1-RELEASE-p4\nr 14.1-RELEASE-p3\n", 0);
    let kernel = ("kernel", "FreeBSD\n14.1-RELEASE-p3\namd64\n", 0);
    let pkg = ("pkg", "nginx\t1.26.2_1,3\twww/nginx\tFreeBSD:14:amd64\tFreeBSD\n", 0);
    let whole = collect(
        &[versions, kernel, pkg, ("os-release", "ID=freebsd\nVERSION=14.0\n", 0)],
        StreamEnd::Complete,
    );
    assert_eq!(names(&whole), Some(vec!["FreeBSD", "FreeBSD-kernel", "nginx"]));
    assert_eq!(whole.os.as_ref().map(|os| os.version.as_str()), Some("14.1-RELEASE-p5"));
    let kernel = whole.kernel.expect("a kernel");
    assert_eq!(
        (kernel.running.as_str(), kernel.installed.as_deref()),
        ("14.1-RELEASE-p3", Some("14.1-RELEASE-p4"))
    );

    let without_pkg = collect(&[versions], StreamEnd::Complete);
    assert_eq!(names(&without_pkg), Some(vec!["FreeBSD", "FreeBSD-kernel"]));
    let with_failed_pkg = collect(&[versions, ("pkg", "nginx\t1", 70)], StreamEnd::Complete);
    assert_eq!(names(&with_failed_pkg), None);
    assert_eq!(codes(&with_failed_pkg), [Code::CollectFactFailed]);
}

#[test]
fn a_database_that_is_not_whole_counts_as_not_read() {
    for (end, code) in [
        (StreamEnd::Cut, Code::CollectCut),
        (StreamEnd::Complete, Code::CollectCut),
        (StreamEnd::TimedOut, Code::CollectTimeout),
        (StreamEnd::TooLarge, Code::CollectOutputTooLarge),
    ] {
        let cut = collect(&[("os-release", ALPINE, 0), ("apk-installed", "CUT HERE", 0)], end);
        assert_eq!(cut.packages, None, "{end:?}");
        assert!(cut.os.is_some());
        assert_eq!(codes(&cut), [code], "{end:?}");
    }
    let failed = collect(&[("os-release", ALPINE, 0), ("apk-installed", MUSL, 2)], StreamEnd::Complete);
    assert_eq!((names(&failed), codes(&failed)), (None, vec![Code::CollectFactFailed]));
    let absent = collect(&[("os-release", ALPINE, 0)], StreamEnd::Complete);
    assert_eq!((names(&absent), codes(&absent)), (None, vec![Code::CollectFactFailed]));
    let empty = collect(&[("os-release", ALPINE, 0), ("apk-installed", "", 0)], StreamEnd::Complete);
    assert_eq!((names(&empty), codes(&empty)), (Some(vec![]), vec![]));
}

#[test]
fn repositories_of_another_release_are_warned_of() {
    let repositories = "https://x/alpine/v3.20/main\nhttps://x/alpine/edge/testing\n";
    let frames =
        [("os-release", ALPINE, 0), ("apk-installed", MUSL, 0), ("apk-repositories", repositories, 0)];
    assert_eq!(codes(&collect(&frames, StreamEnd::Complete)), [Code::CollectMixedReleases]);
    let tagged = "https://x/alpine/v3.20/main\n@edge https://x/alpine/edge/testing\n";
    let frames = [("os-release", ALPINE, 0), ("apk-installed", MUSL, 0), ("apk-repositories", tagged, 0)];
    assert_eq!(codes(&collect(&frames, StreamEnd::Complete)), []);
}

#[test]
fn a_flood_of_faults_is_bounded() {
    let bad = "P:a\n\n".repeat(10_000);
    let flood = collect(&[("os-release", ALPINE, 0), ("apk-installed", &bad, 0)], StreamEnd::Complete);
    assert!(flood.problems.len() < 30, "{}", flood.problems.len());
}

fn fixture(path: &str) -> Vec<u8> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/hosts")).join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a recorded database, as an offline root of Alpine and as the answer of a live host.
fn check_database(path: &str, packages: usize, first: &str, problems: usize) {
    let database = fixture(path);
    let files = RootFiles {
        os_release: Some(ALPINE.into()),
        apk_installed: Some(database.clone()),
        ..Default::default()
    };
    let offline = read_root(&host(), Timestamp::UNIX_EPOCH, &files);
    assert_eq!(offline.problems.len(), problems, "{path}: {:?}", offline.problems);
    let found = offline.packages.expect("packages");
    assert_eq!(found.len(), packages, "{path}");
    let (name, version) = (&found[0].name, &found[0].version);
    assert_eq!(format!("{name} {version} {}", found[0].source), first, "{path}");

    let text = String::from_utf8(database).expect("text");
    let live = collect(&[("os-release", ALPINE, 0), ("apk-installed", &text, 0)], StreamEnd::Complete);
    assert_eq!(live.packages, Some(found), "{path}");
}

#[test]
fn recorded_databases_are_read() {
    check_database("apk/syft-multiple-2.installed", 14, "alpine-baselayout 3.2.0-r22 alpine-baselayout", 0);
    check_database("apk/trivy-testdata.installed", 15, "ada-libs 2.7.4-r0 ada", 1);
    check_database("alpine-3.20/lib/apk/db/installed", 203, "ada 2.3.1-r0 ada", 0);
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn shared_data(path: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("IFRIT_SHARED_DATA").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        eprintln!("SKIPPED: {} is not there", path.display());
    }
    path.exists().then_some(path)
}

/// The databases of real images: every entry is read, none makes a fault.
#[test]
fn shared_databases_are_read_whole() {
    let Some(folder) = shared_data("hosts/alpine") else { return };
    let mut count = 0;
    for entry in folder.read_dir().expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "installed") {
            continue;
        }
        let database = std::fs::read(&path).expect("a file");
        let entries = database.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"V:")).count();
        let mut faults = Faults::default();
        let packages = apk::parse_installed(&database, &mut faults);
        // One fixture has an entry without a version and one without a name on purpose.
        let broken = if path.ends_with("trivy-testdata.installed") { 1 } else { 0 };
        assert_eq!(faults.messages().len(), broken, "{}", path.display());
        assert!(packages.len() <= entries && entries - packages.len() <= 1, "{}", path.display());
        count += 1;
    }
    assert!(count >= 6, "{count}");
}

/// Every package of a FreeBSD host as `pkg query` would give it.
#[test]
fn shared_freebsd_packages_are_read_whole() {
    let Some(path) = shared_data("hosts/freebsd/golden-installed.tsv") else { return };
    let golden = std::fs::read_to_string(path).expect("a file");
    let lines: Vec<_> = golden.lines().filter(|line| line.contains('\t')).collect();
    let answer: String =
        lines.iter().map(|line| format!("{line}\tmisc/origin\tFreeBSD:14:amd64\tFreeBSD\n")).collect();
    let mut faults = Faults::default();
    let packages = freebsd::parse_packages(answer.as_bytes(), &mut faults);
    assert_eq!((packages.len(), faults.messages().len()), (lines.len(), 0));
}

#[test]
fn an_offline_freebsd_says_what_it_cannot_know() {
    let files = RootFiles {
        freebsd_version: Some(b"USERLAND_VERSION=\"14.1-RELEASE-p5\"\n".to_vec()),
        has_pkg_database: true,
        ..Default::default()
    };
    let offline = read_root(&host(), Timestamp::UNIX_EPOCH, &files);
    assert_eq!(offline.os.map(|os| os.version), Some("14.1-RELEASE-p5".to_owned()));
    assert_eq!(offline.packages, None);
    assert_eq!(offline.problems.len(), 1);
}
