use proptest::prelude::*;

use super::*;

fn check(output: &str, expected: Option<&[&str]>, faults_expected: usize) {
    let mut faults = Faults::default();
    let found = parse(output.as_bytes(), &mut faults);
    let shown = found.map(|found| {
        let show = |it: &StaleProcess| format!("{} {} {}", it.process, it.file, it.pid);
        found.iter().map(show).collect::<Vec<_>>()
    });
    let expected = expected.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect());
    assert_eq!(shown, expected, "{output:?}");
    assert_eq!(faults.messages().len(), faults_expected, "{output:?}: {:?}", faults.messages());
}

const LIBSSL: &str = "maps:7f1c2a400000-7f1c2a45c000 r-xp 0001e000 fd:01 262401                     /usr/lib/libssl.so.3 (deleted)";

#[test]
fn processes_are_named_once_per_file() {
    check(
        &format!(
            "/proc/812/{LIBSSL}\n/proc/90/{LIBSSL}\n/proc/7/{LIBSSL}\nC812 nginx\nC90 nginx\nC7 my prog\n"
        ),
        Some(&["my prog /usr/lib/libssl.so.3 7", "nginx /usr/lib/libssl.so.3 90"]),
        0,
    );
    // It ended while it was looked at.
    check(&format!("/proc/812/{LIBSSL}\n"), Some(&[]), 0);
    check("\n", Some(&[]), 0);
}

#[test]
fn what_never_was_a_file_does_not_count() {
    for path in ["/memfd:x", "/dev/zero", "/dev/shm/a", "/SYSV00000000", "/[aio]", "anon"] {
        let text = format!("/proc/1/maps:0-1 r-xp 0 00:01 1024   {path} (deleted)\nC1 x\n");
        check(&text, Some(&[]), 0);
    }
    let odd = "/proc/1/maps:0-1 r-xp 0 00:01 9 /opt/a (deleted) b\\012c (deleted)\nC1 x\n";
    check(odd, Some(&["x /opt/a (deleted) b\\012c 1"]), 0);
}

#[test]
fn others_processes_are_unknown_to_an_ordinary_login() {
    check("U\n", None, 1);
}

#[test]
fn a_broken_line_costs_only_itself() {
    for bad in ["garbage", "/proc/x/maps:0-1 r-xp 0 00:01 1 /a (deleted)", "/proc/1/maps:0-1 (deleted)", "C1"]
    {
        check(
            &format!("{bad}\n/proc/812/{LIBSSL}\nC812 nginx\n"),
            Some(&["nginx /usr/lib/libssl.so.3 812"]),
            1,
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse(&bytes, &mut Faults::default());
    }

    #[test]
    fn no_lines_panic(text in "((/proc/[0-9]{0,3}/maps:)?([a-z0-9-]{0,4} ){0,7}(\\(deleted\\))?\n|C[0-9]{0,2} ?x?\n){0,9}") {
        parse(text.as_bytes(), &mut Faults::default());
    }
}
