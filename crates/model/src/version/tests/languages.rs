//! The orders of languages: those that are specifications.

use super::*;

#[test]
fn semver_and_pep440_order() {
    check_order(
        VersionScheme::Semver,
        &[
            &["1.0.0-alpha"],
            &["1.0.0-alpha.1"],
            &["1.0.0-rc.2"],
            &["1.0.0-rc.10"],
            &["1.0.0", "1.0.0+build"],
            &["1.2.0"],
            &["1.10.0"],
        ],
    );
    check_valid(
        VersionScheme::Semver,
        &["1.2.3"],
        &["1.2", "v1.2.3", "", "01.2.3", "99999999999999999999.0.0"],
    );
    check_order(
        VersionScheme::Pep440,
        &[
            &["1.0.dev1"],
            &["1.0a1", "1.0-alpha.1"],
            &["1.0rc1"],
            &["1.0", "1", "v1.0.0"],
            &["1.0+local"],
            &["1.0.post1"],
            &["1.10"],
            &["1!0"],
        ],
    );
    check_valid(VersionScheme::Pep440, &["1.2.3"], &["", "a", "1.0-x1", "99999999999999999999999"]);
}

#[test]
fn maven_order() {
    // The examples of the specification's "End Result Examples" and "Trimming Examples".
    let nulls =
        ["1", "1.0", "1.0.0", "1.ga", "1-ga", "1-0", "1.final", "1.", "1-", "1.0.0-0.0.0", "1.release"];
    let nulls = [&nulls[..], &["1-GA", "01", "1..0"]].concat();
    check_order(
        VersionScheme::Maven,
        &[
            &["0", ""],
            &["foo"],
            &["0.1"],
            &["1-alpha", "1.alpha", "1-ALPHA"],
            &["1-a1", "1-alpha-1", "1.0alpha1", "1alpha1"],
            &["1-alpha-2"],
            &["1-alpha-10", "1.0.0-alpha.0-10"],
            &["1-b1", "1-beta-1"],
            &["1-m1", "1-milestone1"],
            &["1-rc1", "1-cr1", "1.0.0.RC1"],
            &["1-rc2"],
            &["1-snapshot", "1.0-SNAPSHOT"],
            &nulls,
            &["1-ga.1"],
            &["1-sp"],
            &["1-sp-1"],
            &["1-sp.1"],
            &["1-a", "1.a"],
            &["1-foo", "1.foo", "1.0.0-foo.0.0"],
            &["1-foo2"],
            &["1-foo10"],
            &["1-jre"],
            &["1-1", "1-ga-1"],
            &["1-1.foo-bar1baz-.1", "1-1.foo-bar-1-baz-0.1"],
            &["1.0.1"],
            &["1.1"],
            &["1.10"],
            &["2.0-m9"],
            &["2"],
            &["99999999999999999999999998"],
            &["99999999999999999999999999"],
        ],
    );
    let one_by_one = |versions: &str| {
        let groups: Vec<_> = versions.split(' ').map(|it| vec![it]).collect();
        check_order(VersionScheme::Maven, &groups.iter().map(Vec::as_slice).collect::<Vec<_>>());
    };
    one_by_one(
        "1-alpha2snapshot 1-alpha2 1-alpha-123 1-beta-2 1-beta123 1-m2 1-m11 1-rc 1-cr2 1-rc123 1-SNAPSHOT 1 1-sp \
         1-sp2 1-sp123 1-abc 1-def 1-pom-1 1-1-snapshot 1-1 1-2 1-123",
    );
    one_by_one(
        "2.0 2.0.a 2-1 2.0.2 2.0.123 2.1.0 2.1-a 2.1b 2.1-c 2.1-1 2.1.0.1 2.2 2.123 11.a2 11.a11 11.b2 11.b11 11.m2 \
         11.m11 11 11.a 11b 11c 11m",
    );
    one_by_one("6.1.0rc3 6.1.0 6.1H.5-beta 20190126.230843");
    let valid = ["1", "2.17.1", "r09", "31.1-jre", "1.0.0.RELEASE", "1_2+x"];
    check_valid(VersionScheme::Maven, &valid, &["", " ", "1 2", "[1,2)", "${x}", "1\n", "é", "-1", "a/b"]);
}

#[test]
fn semver_passes_over_a_v() {
    let order = |a: &str, b: &str| VersionScheme::Semver.compare(a, b).ok();
    assert_eq!(order("v1.2.3", "1.2.3"), Some(Ordering::Equal));
    assert_eq!(order("v2.0.0+incompatible", "2.0.0"), Some(Ordering::Equal));
    assert_eq!(
        order("v0.0.0-20230101000000-0123456789ab", "0.0.0-20230201000000-0123456789ab"),
        Some(Ordering::Less)
    );
    assert_eq!(order("1.22.0-0", "1.22.0-rc.1"), Some(Ordering::Less));
    assert_eq!(order("vv1.2.3", "1.2.3"), None);
}
