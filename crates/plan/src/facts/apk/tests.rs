use proptest::prelude::*;

use super::*;

fn check(database: &str, expected: &[&str], faults_expected: &[&str]) {
    let mut faults = Faults::default();
    let packages = parse_installed(database.as_bytes(), &mut faults);
    let shown: Vec<_> = packages
        .iter()
        .map(|it| format!("{} {} {} {} {}", it.name, it.version, it.source, it.architecture, it.repository))
        .map(|text| text.trim_end().to_owned())
        .collect();
    assert_eq!(shown, expected, "{database:?}");
    assert_eq!(faults.messages(), faults_expected, "{database:?}");
}

#[test]
fn packages_are_read() {
    check("", &[], &[]);
    check("P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\n\n", &["musl 1.2.5-r0 musl x86_64"], &[]);
    // No blank line at the end, no origin, unknown fields, files.
    check("C:Q1x=\nP:a\nV:1\nF:usr\nR:bin\nZ:Q1\nr:replaced\nq:1", &["a 1 a"], &[]);
    check("P:a\nV:1\ns:edge\n\nP:b\nV:1\ns:@edge\n", &["a 1 a  @edge", "b 1 b  @edge"], &[]);
    // Blank lines twice; the same entry from lib and usr/lib.
    check("\n\nP:a\nV:1\n\n\n\nP:a\nV:1\n", &["a 1 a"], &[]);
    check("P:libssl3\nV:3.3.1-r3\no:openssl\n", &["libssl3 3.3.1-r3 openssl"], &[]);
}

#[test]
fn a_broken_entry_costs_only_itself() {
    check("V:1\n\nP:b\nV:2\n", &["b 2 b"], &["a package has no name"]);
    check("P:a\n\nP:b\nV:2\n", &["b 2 b"], &["package `a` has no version"]);
    check(
        "P:a\nV:1\u{1b}[2J\n\nP:b\nV:2\n",
        &["b 2 b"],
        &["package `a` has blanks or control characters in its version `1\\u{1b}[2J`"],
    );
    let long = format!("P:{}\nV:1\n\nP:b\nV:2\n", "x".repeat(300));
    let mut faults = Faults::default();
    assert_eq!(parse_installed(long.as_bytes(), &mut faults).len(), 1);
    assert_eq!(faults.messages().len(), 1);
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let mut faults = Faults::default();
    let packages = parse_installed(b"P:a\xff\nV:1\n\nP:b\nV:2\n", &mut faults);
    assert_eq!(packages.len(), 2);
    assert_eq!(faults.messages(), ["the answer holds bytes that are no UTF-8; they were replaced"]);
}

#[test]
fn world_gives_tags() {
    let tags = parse_world(
        b"busybox\ngit@edge\nvim>=9@testing\nnano@edge=7\n!mutt\n@\na@\n",
        &mut Faults::default(),
    );
    let shown: Vec<_> = tags.iter().map(|(name, tag)| format!("{name} {tag}")).collect();
    assert_eq!(shown, ["git @edge", "nano @edge", "vim @testing"]);

    let mut packages = parse_installed(b"P:git\nV:1\n\nP:vim\nV:9\ns:own\n", &mut Faults::default());
    add_tags(&mut packages, &tags);
    let repositories: Vec<_> = packages.iter().map(|package| package.repository.as_str()).collect();
    assert_eq!(repositories, ["@edge", "@own"]);
}

#[test]
fn repositories_know_tag_and_release() {
    let text = b"https://dl-cdn.alpinelinux.org/alpine/v3.20/main\n\
        # a comment\n\
        #https://dl-cdn.alpinelinux.org/alpine/v3.19/main\n\
        @edge https://dl-cdn.alpinelinux.org/alpine/edge/testing\n\
        http://mirror.example/alpine/latest-stable/main\n\n/media/cdrom/apks\n";
    let found = parse_repositories(text, &mut Faults::default());
    let shown: Vec<_> = found.iter().map(|it| (it.tag.as_str(), it.release.as_deref())).collect();
    assert_eq!(shown, [("", Some("3.20")), ("@edge", Some("edge")), ("", None), ("", None)]);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse_installed(&bytes, &mut Faults::default());
        parse_world(&bytes, &mut Faults::default());
        parse_repositories(&bytes, &mut Faults::default());
    }

    #[test]
    fn no_fields_panic(text in "([PVAosr]?:?[a-z0-9@\u{e4}\t ]{0,4}\n){0,30}") {
        parse_installed(text.as_bytes(), &mut Faults::default());
        parse_world(text.as_bytes(), &mut Faults::default());
        parse_repositories(text.as_bytes(), &mut Faults::default());
    }
}
