use super::*;
use crate::sh;

fn path(kind: PathKind) -> Given {
    Given::Path(PathGiven {
        path: "/a".to_owned(),
        kind,
        mode: "0644".to_owned(),
        user: "root".to_owned(),
        group: "wheel".to_owned(),
    })
}

/// What is answered, as text; `None` = the test must say more.
fn check(given: &[Given], tool: &'static sh::Tool, words: &[&str], expected: Option<&str>) {
    let given: Vec<&Given> = given.iter().collect();
    let question = Question::new(tool, words.iter().copied());
    let got = match answer(&given, &question) {
        Ok(FactAnswer::Said(text)) => Some(String::from_utf8(text).expect("text")),
        Ok(FactAnswer::Absent) => Some("(none)".to_owned()),
        Ok(FactAnswer::Failed(_)) => panic!("{question}"),
        Err(lines) => {
            assert!(!lines.is_empty(), "{question}");
            None
        }
    };
    assert_eq!(got.as_deref(), expected, "{question}");
}

#[test]
fn paths_are_told_as_the_host_tells_them() {
    let file = [path(PathKind::File { content: "a = 1\n# begin\nb\n# end\n".to_owned() })];
    let folder = [path(PathKind::Directory)];
    let link = [path(PathKind::Link { target: "/b".to_owned() })];
    let absent = [path(PathKind::Absent)];
    check(&file, &sh::FILE_STATE, &["/a", "mug"], Some("file 0644 root wheel -"));
    check(&file, &sh::FILE_STATE, &["/b", "mug"], None);
    check(&folder, &sh::FILE_STATE, &["/a", "mc"], Some("directory 0644 - - -"));
    check(&link, &sh::FILE_STATE, &["/a", "muc"], Some("link - root - /b"));
    check(&absent, &sh::FILE_STATE, &["/a", "c"], Some("absent"));
    check(&file, &sh::SHOW_FILE, &["/a"], Some("a = 1\n# begin\nb\n# end"));
    check(&folder, &sh::SHOW_FILE, &["/a"], Some("(none)"));
    check(&folder, &sh::TREE_STATE, &["/a", "0644", "-", "-"], Some("rest same"));
    check(&folder, &sh::TREE_STATE, &["/a", "-", "bob", "-"], Some("rest differs"));
    check(&absent, &sh::TREE_STATE, &["/a", "-", "bob", "-"], Some("rest absent"));
    check(&file, &sh::PATHS_STATE, &["/a"], Some("there"));
    check(&file, &sh::PATHS_STATE, &["/a", "/b"], None);
    check(&file, &sh::LINE_STATE, &["/a", "^a *="], Some("= a = 1"));
    check(&file, &sh::LINE_STATE, &["/a", "("], None);
    check(&absent, &sh::LINE_STATE, &["/a", "^a"], Some("absent"));
    check(&file, &sh::REPLACE_STATE, &["/a", "1", "2"], Some("= a = 1"));
    check(&file, &sh::REPLACE_STATE, &["/a", "x*", "2"], Some(""));
    check(&file, &sh::BLOCK_STATE, &["/a", "# begin", "# end"], Some("block\n= b"));
    check(&file, &sh::BLOCK_STATE, &["/a", "# x", "# y"], Some("no block"));
}

#[test]
fn the_rest_is_told_as_the_host_tells_it() {
    let package = |version: Option<&str>, is_old| Given::Package {
        name: "p".to_owned(),
        version: version.map(str::to_owned),
        is_old,
    };
    check(&[package(None, false)], &sh::PACKAGE_STATE, &["auto", "present", "p"], Some("p absent"));
    check(&[package(Some("1"), true)], &sh::PACKAGE_STATE, &["auto", "latest", "p"], Some("p old"));
    check(&[package(Some("1"), false)], &sh::PACKAGE_STATE, &["auto", "version", "p"], Some("p 1"));
    check(&[package(Some("1"), false)], &sh::PACKAGE_STATE, &["auto", "version", "p", "q"], None);
    // What is said later counts.
    let twice = [package(None, false), package(Some("2"), false)];
    check(&twice, &sh::PACKAGE_STATE, &["auto", "version", "p"], Some("p 2"));
    let service = |state| Given::Service { name: "s".to_owned(), state };
    check(&[service(None)], &sh::SERVICE_STATE, &["auto", "s", "re", ""], Some("absent"));
    check(
        &[service(Some((true, false)))],
        &sh::SERVICE_STATE,
        &["auto", "s", "re", ""],
        Some("running\ndisabled"),
    );
    check(&[service(Some((true, false)))], &sh::SERVICE_STATE, &["auto", "s", "e", ""], Some("disabled"));
    let user = Given::User(UserGiven {
        name: "u".to_owned(),
        exists: true,
        uid: 5,
        group: "u".to_owned(),
        home: "/home/u".to_owned(),
        shell: "/bin/sh".to_owned(),
        comment: String::new(),
        groups: vec!["a".to_owned(), "b".to_owned()],
    });
    let users = [user];
    check(&users, &sh::USER_STATE, &["u", "uhs", ""], Some("user\nuid 5\nhome /home/u\nshell /bin/sh"));
    check(&users, &sh::USER_STATE, &["u", "", "exact", "b", "c"], Some("user\nin b\nothers a"));
    check(&[Given::Group("g".to_owned(), Some(7))], &sh::GROUP_STATE, &["g", "7"], Some("group 7"));
    check(&[Given::Group("g".to_owned(), None)], &sh::GROUP_STATE, &["g", ""], Some("absent"));
    let command = [Given::Command("c".to_owned(), 3, "out\n".to_owned())];
    check(&command, &sh::GUARD_STATE, &["c"], Some("open"));
    check(&command, &sh::RUN_COMMAND, &["c"], Some("3\nout"));
    let sysctl = [Given::Sysctl("k".to_owned(), Some("1".to_owned()), true)];
    check(&sysctl, &sh::SYSCTL_STATE, &["k", "", "1"], Some("runs 1"));
    check(&sysctl, &sh::SYSCTL_STATE, &["k", "/f", "1"], Some("runs 1\nkept"));
    check(&sysctl, &sh::SYSCTL_STATE, &["k", "/f", "2"], Some("runs 1\nnot kept"));
    let table = ["# pyinfra-name=x", "1 2 * * * /bin/a", "3 4 * * * /bin/b"];
    let cron = [Given::Named("cron_state", String::new(), table.map(str::to_owned).to_vec())];
    check(&cron, &sh::CRON_STATE, &["", "x", "/bin/z"], Some("= 1 2 * * * /bin/a"));
    check(&cron, &sh::CRON_STATE, &["root", "", "/bin/b"], Some("= 3 4 * * * /bin/b"));
    let host =
        [Given::Named("hostname_state", String::new(), vec!["runs a".to_owned(), "boots b".to_owned()])];
    check(&host, &sh::HOSTNAME_STATE, &["/etc/hostname"], Some("runs a\nboots b"));
}

#[test]
fn a_word_for_word_answer_goes_before_everything() {
    let says = |says: Option<&str>| {
        let words = ["file_state", "/a", "m"].map(str::to_owned).to_vec();
        [path(PathKind::Directory), Given::Answer(words, says.map(str::to_owned))]
    };
    check(&says(Some("other")), &sh::FILE_STATE, &["/a", "m"], Some("other"));
    check(&says(None), &sh::FILE_STATE, &["/a", "m"], Some("(none)"));
    check(&says(None), &sh::FILE_STATE, &["/a", "u"], Some("directory - root - -"));
}
