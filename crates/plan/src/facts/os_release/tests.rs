use proptest::prelude::*;

use super::*;

fn check(text: &str, expected: Option<&str>, faults_expected: usize) {
    let mut faults = Faults::default();
    let shown = parse(text.as_bytes(), &mut faults)
        .map(|os| format!("{}|{}|{}|{}", os.id, os.version, os.codename.unwrap_or_default(), os.pretty_name));
    assert_eq!(shown.as_deref(), expected, "{text:?}");
    assert_eq!(faults.messages().len(), faults_expected, "{text:?}: {:?}", faults.messages());
}

#[test]
fn real_files_are_read() {
    check(
        "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.2\nPRETTY_NAME=\"Alpine Linux v3.20\"\n",
        Some("alpine|3.20.2||Alpine Linux v3.20"),
        0,
    );
    check(
        "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n",
        Some("debian|12|bookworm|Debian GNU/Linux 12 (bookworm)"),
        0,
    );
    check(
        "PRETTY_NAME=\"Debian GNU/Linux trixie/sid\"\nID=debian\n",
        Some("debian|||Debian GNU/Linux trixie/sid"),
        0,
    );
    check(
        "NAME=FreeBSD\nVERSION=\"14.1-RELEASE-p5\"\nVERSION_ID=\"14.1\"\nID=freebsd\n",
        Some("freebsd|14.1-RELEASE-p5||"),
        0,
    );
}

#[test]
fn quotes_are_the_shells() {
    check("ID='alpine'\nPRETTY_NAME='a \"b\" $c'\n", Some("alpine|||a \"b\" $c"), 0);
    check("ID=al\"pi\"'ne'\n", Some("alpine|||"), 0);
    check("ID=alpine\nPRETTY_NAME=\"a \\\"b\\\" \\$c \\d\"\n", Some("alpine|||a \"b\" $c \\d"), 0);
    check("ID=alpine\nPRETTY_NAME=a\\ b\n", Some("alpine|||a b"), 0);
    check("# ID=debian\n  ID=alpine  \nID =x\n", Some("alpine|||"), 0);
    check("ID=debian\nID=alpine\n", Some("alpine|||"), 0);
}

#[test]
fn hostile_files_are_refused() {
    check("", None, 1);
    check("ID=\n", None, 1);
    check("ID=Alpine Linux\n", None, 1);
    check("ID=../../x\n", None, 1);
    check("ID=$(reboot)\n", None, 1);
    check("ID=alpine\nVERSION_ID=\"3.20\n", Some("alpine|||"), 1);
    check(&format!("ID=alpine\nPRETTY_NAME={}\n", "x".repeat(1000)), Some("alpine|||"), 1);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse(&bytes, &mut Faults::default());
    }

    #[test]
    fn no_quoting_panics(value in "[\"'\\\\a$` \u{e4}]{0,20}") {
        parse(format!("ID=a\nPRETTY_NAME={value}\n").as_bytes(), &mut Faults::default());
    }
}
