use proptest::prelude::*;

use super::*;

type Parser = fn(&[u8], &mut Faults) -> Vec<InstalledPackage>;

fn check(parse: Parser, text: &str, expected: &[&str], faults_expected: usize) {
    let mut faults = Faults::default();
    let packages = parse(text.as_bytes(), &mut faults);
    let shown: Vec<_> = packages
        .iter()
        .map(|it| {
            format!("{} {} {} {} {}", it.name, it.version, it.source, it.source_version, it.architecture)
        })
        .collect();
    assert_eq!(shown, expected, "{text:?}");
    assert_eq!(faults.messages().len(), faults_expected, "{:?}", faults.messages());
}

#[test]
fn dpkg_query_is_read() {
    check(
        parse_query,
        "ii \tlibc6\t2.36-9+deb12u14\tglibc\t2.36-9+deb12u14\tamd64\n\
         ii \tlibc6\t2.36-9+deb12u14\tglibc\t2.36-9+deb12u14\ti386\n\
         rc \told\t1\told\t1\tamd64\n\
         un \tnever\t\tnever\t\t\n\
         hi \theld\t1:2-3+b1\theld-src\t1:2-3\tall\n\
         iF \tbroken\t1\tbroken\t1\tamd64\n",
        &[
            "broken 1 broken 1 amd64",
            "held 1:2-3+b1 held-src 1:2-3 all",
            "libc6 2.36-9+deb12u14 glibc 2.36-9+deb12u14 amd64",
            "libc6 2.36-9+deb12u14 glibc 2.36-9+deb12u14 i386",
        ],
        0,
    );
}

#[test]
fn a_broken_line_costs_only_itself() {
    let good = "ii \ta\t1\ta\t1\tall\n";
    for bad in [
        "garbage",
        "ii \ta\t1\n",
        "\tb\t1\tb\t1\tall\n",
        "ii \t\t1\tb\t1\tall\n",
        "ii \tb\u{7}\t1\tb\t1\tall\n",
    ] {
        check(parse_query, &format!("{bad}\n{good}"), &["a 1 a 1 all"], 1);
    }
}

#[test]
fn the_status_file_is_read() {
    check(
        parse_status,
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc\nVersion: 2.36-9\n\
         Description: two lines\n Package: not this\n\n\
         Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\n\
         Package: bash\nStatus: install ok half-configured\nSource: bash-src (5.2-1)\nVersion: 5.2-1+b2\n\n\
         Package: base-files\nVersion: 12.4\n",
        &[
            "base-files 12.4 base-files 12.4 ",
            "bash 5.2-1+b2 bash-src 5.2-1 ",
            "libc6 2.36-9 glibc 2.36-9 amd64",
        ],
        0,
    );
    check(parse_status, "Package: a\n\nVersion: 1\n\nPackage: b\nVersion: 1\n", &["b 1 b 1 "], 2);
    check(parse_status, "", &[], 0);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse_query(&bytes, &mut Faults::default());
        parse_status(&bytes, &mut Faults::default());
    }

    #[test]
    fn no_fields_panic(text in "((Package|Version|Source|Status|ii |\u{e4})?[:\t(]?[a-z() \t]{0,8}\n){0,30}") {
        parse_query(text.as_bytes(), &mut Faults::default());
        parse_status(text.as_bytes(), &mut Faults::default());
    }
}
