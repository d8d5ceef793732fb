//! Hand-written vectors, and the laws that hold for any text. tests/versions.rs compares with the
//! real tools' answers.

use proptest::prelude::*;

use super::*;

mod languages;

/// Checks that the versions stand in ascending order; those in one group are equal.
fn check_order(scheme: VersionScheme, groups: &[&[&str]]) {
    for (at, group) in groups.iter().enumerate() {
        for (other_at, other_group) in groups.iter().enumerate() {
            for (a, b) in group.iter().flat_map(|a| other_group.iter().map(move |b| (*a, *b))) {
                let order = scheme.compare(a, b).expect("every vector is comparable");
                assert_eq!(order, at.cmp(&other_at), "{scheme}: `{a}` against `{b}`");
            }
        }
    }
}

fn check_valid(scheme: VersionScheme, valid: &[&str], invalid: &[&str]) {
    for version in valid {
        assert!(scheme.is_valid(version), "{scheme} accepts `{version}`");
    }
    for version in invalid {
        assert!(!scheme.is_valid(version), "{scheme} refuses `{version}`");
    }
}

#[test]
fn apk_order() {
    check_order(
        VersionScheme::Apk,
        &[
            &[""],
            &["1_alpha", "1_alpha"],
            &["1_alpha1"],
            &["1_beta"],
            &["1_pre"],
            &["1_rc"],
            &["1_rc2"],
            &["1"],
            &["1-r0"],
            &["1-r2"],
            &["1-r10"],
            &["1~1a"],
            &["1~ff"],
            &["1_cvs"],
            &["1_svn"],
            &["1_git20240101"],
            &["1_hg"],
            &["1_p"],
            &["1_p1"],
            &["1a"],
            &["1b"],
            &["1.0"],
            &["1.05"],
            &["1.1"],
            &["1.1.0"],
            &["1.2"],
            &["1.10"],
            &["2", "02"],
            &["18446744073709551615"],
        ],
    );
}

#[test]
fn apk_reads_an_invalid_version_up_to_its_fault() {
    let check = |a: &str, order: Ordering, b: &str| {
        assert_eq!(VersionScheme::Apk.compare(a, b), Ok(order), "`{a}` against `{b}`");
        assert_eq!(VersionScheme::Apk.compare(b, a), Ok(order.reverse()), "`{b}` against `{a}`");
    };
    check("1.2.31-0", Ordering::Less, "1.2.31-r0");
    check("1.2.31-0", Ordering::Less, "1.2.31");
    check("1.2.31-0", Ordering::Greater, "1.2.30-r9");
    check("4.8.0.-r1", Ordering::Less, "4.8.0");
    check("2021-03-27-r5", Ordering::Equal, "2021-04-01-r0");
    check("1.9.5p2-r0", Ordering::Equal, "1.9.5p1-r0");
    check("1.9.5p2-r0", Ordering::Greater, "1.9.5-r0");
    check("18446744073709551616", Ordering::Less, "1");
}

#[test]
fn apk_validity() {
    let valid = ["0", "1.2.3", "1.2a", "1.0_rc1_p2", "1.0_git20240101~deadbeef-r7", "007.08"];
    let invalid = [
        "",
        "a",
        ".1",
        "1.",
        "1..2",
        "1ab",
        "1a1",
        "1A",
        "1_foo",
        "1_",
        "1~",
        "1~xyz",
        "1-0",
        "1-r",
        "1-r1.2",
        "1-r1-r1",
        "1 ",
        "1.2.31-0",
        "10.0.11-0",
        "4.10-1-r1",
        "4.8.0.-r1",
        "2021-03-27-r5",
        "1.9.5p2-r0",
        "ü",
    ];
    check_valid(VersionScheme::Apk, &valid, &invalid);
}

#[test]
fn dpkg_order() {
    check_order(
        VersionScheme::Dpkg,
        &[
            &[""],
            &["1.0~~"],
            &["1.0~~a"],
            &["1.0~"],
            &["1.0~rc1-1"],
            &["1.0", "1.0-0", "0:1.0", " 1.0 ", "1.0-00", "01.0", "-0:1.0"],
            &["1.0-1~bpo12+1"],
            &["1.0-1"],
            &["1.0-1+b1"],
            &["1.0-1.1"],
            &["1.0-a"],
            &["1.0a"],
            &["1.0+dfsg-1"],
            &["1.0+dfsg1-1"],
            &["1.0.1"],
            &["1.2"],
            &["1.10"],
            &["99999999999999999999999998"],
            &["99999999999999999999999999"],
            &["1:0"],
            &["2147483647:0"],
        ],
    );
}

#[test]
fn dpkg_refuses_what_dpkg_refuses() {
    let refused = [
        "1 2",
        " ",
        "1-",
        "1:",
        ":1",
        "a:1",
        "-1:1",
        "2147483648:1",
        "9999999999999999999999:1",
        "0:-1",
        "-",
    ];
    for version in refused {
        let error = VersionScheme::Dpkg.compare(version, "1").expect_err(version);
        assert_eq!((error.scheme, error.version.as_str()), (VersionScheme::Dpkg, version));
        assert!(VersionScheme::Dpkg.compare("1", version).is_err(), "`{version}` on the right");
    }
    let valid = ["1", "1:1.2.3-4", "1.0~rc1+git-1.1~deb12u1", "1-2-3", "1:2:3", " 1 "];
    let warned = ["", "a", "1_2", "1-1_2", "~1", "1:a", "1-é", "1\n2"];
    check_valid(VersionScheme::Dpkg, &valid, &[&refused[..], &warned].concat());
}

#[test]
fn freebsd_order() {
    check_order(
        VersionScheme::FreeBsd,
        &[
            &["*"],
            &["*_3"],
            &["2.*"],
            &["2.*_1"],
            &["2pl1", "2.PL1"],
            &["2snap"],
            &["2alpha3", "2.a3", "2-2.alpha3", "2.ALPHA3"],
            &["2.b2", "2beta2", "2.beta2"],
            &["2pre1"],
            &["2rc1", "2.r1"],
            &["2rc2"],
            &["2", "2.0", "2.0.0", "2_0", "2,0", "name-2", "2.0+"],
            &["2_1"],
            &["2_2"],
            &["2_10"],
            &["2+1"],
            &["2+10"],
            &["2.0.1", "2..0:1"],
            &["2.1"],
            &["2.10"],
            &["2a", "2A"],
            &["1,1"],
            &["1_1,1"],
            &["0.1,2"],
        ],
    );
    check_order(
        VersionScheme::FreeBsd,
        &[&["10"], &["10a", "10ab"], &["10b"], &["10b0"], &["10b2"], &["10.0,1"]],
    );
    let base = [&["14.1"][..], &["14.1_5"], &["14.1_10"], &["14.2"], &["14.2,1"]];
    check_order(VersionScheme::FreeBsd, &base);
}

#[test]
fn freebsd_validity() {
    let valid = ["1", "1.2.3_4,5", "1.2.a1", "2024Q3", "1+2", "2.*", "*", "0.9.*_20051011", "1.2,1"];
    let invalid =
        ["", "1-2", "1_2_3", "1,1_1", "_1", ",1", "1_", "1,", "1 2", ".1", "1_a", "1.*.2", "é", "1~2"];
    check_valid(VersionScheme::FreeBsd, &valid, &invalid);
}

#[test]
fn rpm_order() {
    check_order(
        VersionScheme::Rpm,
        &[
            &["1.0~rc1"],
            &["1.0", "1_0", "0:1.0", "1.00", "1.0.", "001.0"],
            &["1.0-"],
            &["1.0-1.el7"],
            &["1.0-1.el9"],
            &["1.0-1.1"],
            &["1.0-2"],
            &["1.0^git1~pre"],
            &["1.0^git1"],
            &["1.0a"],
            &["1.0.rc1"],
            &["1.0.1"],
            &["1.1"],
            &["99999999999999999999999998"],
            &["99999999999999999999999999"],
            &["1:0.1"],
            &["99999999999999999999999999:0"],
        ],
    );
    let valid = ["1", "1.0-1.el9", "1:2~rc1^git-3", "4294967295:1"];
    let invalid = ["", "1-", "-1", "1:", "1 2", "1..2", "a:1", "1-2-3", "é", "4294967296:1"];
    check_valid(VersionScheme::Rpm, &valid, &invalid);
}

#[test]
fn schemes_round_trip_and_errors_are_short() {
    for scheme in VersionScheme::ALL {
        assert_eq!(VersionScheme::parse(scheme.as_str()), Some(scheme));
        assert_eq!(scheme.to_string(), scheme.as_str());
    }
    assert_eq!(VersionScheme::parse("deb"), None);
    let error = VersionScheme::Semver.compare(&"\u{1b}x".repeat(1000), "1.0.0").expect_err("not a version");
    assert!(error.version.starts_with("\\u{1b}x") && error.version.len() < 400, "{error}");
}

/// Any text, and text made of the pieces that versions are made of.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "0",
        "1",
        "2",
        "09",
        "10",
        "18446744073709551616",
        ".",
        "..",
        "-",
        "-r",
        "_",
        ",",
        ":",
        "+",
        "*",
        "~",
        "^",
        "a",
        "z",
        "B",
        "alpha",
        "final",
        "snapshot",
        "_alpha",
        "_rc",
        "_p",
        "pl",
        "snap",
        "rc",
        " ",
        "é",
        "\n",
        "\0",
    ]);
    prop_oneof![any::<String>(), prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())]
}

/// Versions that the scheme accepts, close enough to each other to be equal now and then.
fn valid_version(scheme: VersionScheme) -> impl Strategy<Value = String> {
    let form = match scheme {
        VersionScheme::Apk => {
            "[0-2](\\.(0|1|09|10|2)){0,2}[ab]?(_(alpha|rc|git|p)[0-2]?){0,2}(~[0a]{1,2})?(-r[0-2])?"
        }
        VersionScheme::Dpkg => "([01]:)?[0-2][.~+a0-2-]{0,4}[0-2](-[.~+a0-2]{1,3})?",
        VersionScheme::FreeBsd => {
            "[0-2](\\.?(0|1|10|a|b2|rc|alpha1|pl1|snap)){0,3}(\\+[0-2])?(\\.\\*)?(_[0-2])?(,[0-2])?"
        }
        VersionScheme::Maven => {
            "[0-2]([.-]?(0|1|10|a|b1|m|rc|alpha|snapshot|ga|final|release|sp|foo|-|\\.)){0,4}"
        }
        VersionScheme::Pep440 => {
            "([01]!)?[0-2](\\.[0-2]){0,2}((a|rc)[0-2])?(\\.post[01])?(\\.dev[01])?(\\+[a1])?"
        }
        VersionScheme::Rpm => "([01]:)?[0-2][._~^a0-2+]{0,4}[a0-2](-[.~^a0-2]{0,2}[0-2])?",
        VersionScheme::Semver => "[01]\\.[0-2]\\.[0-2](-(a|1|10|a\\.1))?(\\+[ab])?",
    };
    let versions = prop::string::string_regex(form).expect("invariant: the forms are regular expressions");
    versions.prop_filter("only valid versions", move |version| scheme.is_valid(version))
}

fn scheme_and_valid_versions() -> impl Strategy<Value = (VersionScheme, [String; 3])> {
    prop::sample::select(VersionScheme::ALL.to_vec()).prop_flat_map(|scheme| {
        let version = || valid_version(scheme);
        (version(), version(), version()).prop_map(move |(a, b, c)| (scheme, [a, b, c]))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn any_two_texts_are_compared_both_ways_alike(a in any_text(), b in any_text()) {
        for scheme in VersionScheme::ALL {
            let (forth, back) = (scheme.compare(&a, &b), scheme.compare(&b, &a));
            match (&forth, &back) {
                (Ok(forth), Ok(back)) => prop_assert_eq!(*forth, back.reverse(), "{}", scheme),
                _ => prop_assert!(forth.is_err() && back.is_err(), "{}", scheme),
            }
            if let Ok(order) = scheme.compare(&a, &a) {
                prop_assert_eq!(order, Ordering::Equal, "{}", scheme);
            }
            prop_assert!(!scheme.is_valid(&a) || scheme.compare(&a, &a).is_ok(), "{}", scheme);
            let is_total = matches!(
                scheme,
                VersionScheme::Apk | VersionScheme::FreeBsd | VersionScheme::Maven | VersionScheme::Rpm
            );
            prop_assert!(!is_total || forth.is_ok(), "{}", scheme);
        }
    }

    #[test]
    fn valid_versions_are_ordered_transitively((scheme, mut versions) in scheme_and_valid_versions()) {
        let compare = |a: &String, b: &String| scheme.compare(a, b).expect("valid versions compare");
        // After a sort by insertion of three, only a broken order leaves a pair the wrong way round.
        for (low, high) in [(0, 1), (1, 2), (0, 1)] {
            if compare(&versions[low], &versions[high]).is_gt() {
                versions.swap(low, high);
            }
        }
        let [a, b, c] = &versions;
        prop_assert!(compare(a, c).is_le(), "{scheme}: {a} <= {b} <= {c}");
        let is_equal = compare(a, b).is_eq() && compare(b, c).is_eq();
        prop_assert_eq!(is_equal, compare(a, c).is_eq(), "{}: {} {} {}", scheme, a, b, c);
    }
}
