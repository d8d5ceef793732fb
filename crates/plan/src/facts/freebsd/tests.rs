use proptest::prelude::*;

use super::*;

fn versions(text: &str) -> FreebsdVersions {
    parse_versions(text.as_bytes(), &mut Faults::default())
}

#[test]
fn freebsd_version_is_read() {
    let found = versions("u 14.1-RELEASE-p5\nk 14.1-RELEASE-p4\nr 14.1-RELEASE-p3\n");
    assert_eq!(found.userland.as_deref(), Some("14.1-RELEASE-p5"));
    assert_eq!(found.kernel_installed.as_deref(), Some("14.1-RELEASE-p4"));
    assert_eq!(found.kernel_running.as_deref(), Some("14.1-RELEASE-p3"));
    // A jail has no kernel of its own.
    assert_eq!(versions("u 14.1-RELEASE\nr 14.2-RELEASE\n").kernel_installed, None);

    let mut faults = Faults::default();
    assert_eq!(parse_versions(b"u \x1b[2J\nx 1\nk\n", &mut faults), FreebsdVersions::default());
    assert_eq!(faults.messages().len(), 3);
}

#[test]
fn the_userland_script_is_read() {
    let script =
        b"#!/bin/sh\nset -e\n\nUSERLAND_VERSION=\"14.1-RELEASE-p5\"\n\n: ${LOADER_DIR:=$ROOT/boot}\n";
    let found = parse_userland_script(script, &mut Faults::default());
    assert_eq!(found.userland.as_deref(), Some("14.1-RELEASE-p5"));
    let mut faults = Faults::default();
    parse_userland_script(b"nothing", &mut faults);
    assert_eq!(faults.messages().len(), 1);
}

#[test]
fn the_base_system_becomes_packages() {
    fn check(version: &str, expected: Option<&str>) {
        let found = FreebsdVersions { userland: Some(version.to_owned()), ..Default::default() };
        let mut faults = Faults::default();
        let packages = base_packages(&found, &mut faults);
        assert_eq!(packages.first().map(|package| package.version.as_str()), expected, "{version}");
        assert_eq!(faults.messages().is_empty(), expected.is_some(), "{version}");
    }
    check("14.1-RELEASE-p5", Some("14.1_5"));
    check("14.1-RELEASE", Some("14.1"));
    check("13.2-RELEASE-p12", Some("13.2_12"));
    check("15.0-CURRENT", None);
    check("14.1-STABLE", None);
    check("14.2-RC1", None);
    check("14.1-RELEASE-px", None);
    check("14.1-RELEASEX", None);
    check("-RELEASE", None);

    let both = versions("u 14.1-RELEASE-p5\nk 14.1-RELEASE-p4\n");
    let packages = base_packages(&both, &mut Faults::default());
    let shown: Vec<_> =
        packages.iter().map(|it| format!("{} {} {}", it.name, it.version, it.source)).collect();
    assert_eq!(shown, ["FreeBSD 14.1_5 FreeBSD", "FreeBSD-kernel 14.1_4 FreeBSD-kernel"]);
}

#[test]
fn pkg_query_is_read() {
    let mut faults = Faults::default();
    let text = b"py311-requests\t2.31.0_1\twww/py-requests\tFreeBSD:14:*\tFreeBSD\n\
        nginx\t1.26.2_1,3\twww/nginx\tFreeBSD:14:amd64\tunknown-repository\n\
        short\t1\n";
    let packages = parse_packages(text, &mut faults);
    let shown: Vec<_> = packages
        .iter()
        .map(|it| format!("{} {} {} {} {}", it.name, it.version, it.source, it.architecture, it.repository))
        .collect();
    assert_eq!(
        shown,
        [
            "nginx 1.26.2_1,3 nginx FreeBSD:14:amd64 ",
            "py311-requests 2.31.0_1 py-requests FreeBSD:14:* FreeBSD"
        ]
    );
    assert_eq!(faults.messages().len(), 1);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse_versions(&bytes, &mut Faults::default());
        parse_userland_script(&bytes, &mut Faults::default());
        parse_packages(&bytes, &mut Faults::default());
    }

    #[test]
    fn no_version_panics(version in "[0-9.]{0,4}(-RELEASE)?(-p)?[0-9a-z]{0,3}") {
        let found = FreebsdVersions { userland: Some(version), ..Default::default() };
        base_packages(&found, &mut Faults::default());
    }
}
