use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> (Option<Vec<Account>>, Option<Vec<AccountGroup>>, usize) {
    let mut faults = Faults::default();
    let files = Files::parse(text.as_bytes(), &mut faults);
    let found = (accounts(&files, &mut faults), groups(&files, &mut faults));
    (found.0, found.1, faults.messages().len())
}

fn check_accounts(passwd: &str, expected: &[&str], faults_expected: usize) {
    let text: String = passwd.lines().map(|line| format!("L{line}\n")).collect();
    let (found, _, faults) = parse(&format!("F/etc/passwd\n{text}"));
    let shown: Vec<_> = found
        .expect("accounts")
        .iter()
        .map(|it| format!("{} {} {} {} {}", it.name, it.uid, it.gid, it.home, it.shell))
        .collect();
    assert_eq!(shown, expected, "{passwd:?}");
    assert_eq!(faults, faults_expected, "{passwd:?}");
}

#[test]
fn accounts_are_read() {
    check_accounts(
        "root:x:0:0:root:/root:/bin/ash\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
        &["nobody 65534 65534 / /sbin/nologin", "root 0 0 /root /bin/ash"],
        0,
    );
    // FreeBSD's comments, NIS, an empty shell.
    check_accounts("# $FreeBSD$\ntoor:*:0:0:Bourne-again:/root:\n+::::::\n", &["toor 0 0 /root "], 0);
}

#[test]
fn a_broken_line_costs_only_itself() {
    for bad in
        ["garbage", "a:x:1", ":x:0:0::/:", "a:x:-1:0::/:", "a:x:99999999999:0::/:", "a:x:0:0::/:/bin/sh:x"]
    {
        check_accounts(&format!("{bad}\nb:x:1:2::/b:/bin/sh\n"), &["b 1 2 /b /bin/sh"], 1);
    }
    check_accounts("\u{1b}[31m:x:1:2::/\u{7}:/bin/sh\n", &["\u{1b}[31m 1 2 /\u{7} /bin/sh"], 0);
}

#[test]
fn groups_have_their_members_sorted() {
    let (_, found, faults) = parse("F/etc/group\nLwheel:x:10:root,bob,,alice,bob\nLempty:x:5:\nLbad:x\n");
    let found = found.expect("groups");
    assert_eq!((found.len(), faults), (2, 1));
    assert_eq!((found[0].name.as_str(), found[0].gid, found[0].members.len()), ("empty", 5, 0));
    assert_eq!(found[1].members, ["alice", "bob", "root"]);
}

#[test]
fn no_file_is_not_no_account() {
    assert_eq!(parse(""), (None, None, 0));
    let (accounts, groups, faults) = parse("U/etc/group\nF/etc/passwd\nLa:x:1:1::/:/bin/sh\n");
    assert_eq!((accounts, groups, faults), (None, None, 1));
}

proptest! {
    #[test]
    fn no_lines_panic(text in "(F/etc/(passwd|group)\n|L[a-z0-9:,\u{e4}-]{0,20}\n){0,20}") {
        parse(&text);
    }
}
