use proptest::prelude::*;

use super::*;

fn read(output: &str) -> Option<Vec<String>> {
    let files = Files::parse(output.as_bytes(), &mut Faults::default());
    Some(
        rules(&files, &mut Faults::default())?
            .iter()
            .map(|rule| format!("{}: {}", rule.file, rule.rule))
            .collect(),
    )
}

fn check(path: &str, text: &str, expected: &[&str]) {
    let lines: String = text.lines().map(|line| format!("L{line}\n")).collect();
    let expected: Vec<_> = expected.iter().map(|rule| format!("{path}: {rule}")).collect();
    assert_eq!(read(&format!("F{path}\n{lines}")), Some(expected), "{text:?}");
}

#[test]
fn sudoers_is_read() {
    check(
        "/etc/sudoers",
        "# comment\nDefaults\tenv_reset   # why\n\nroot ALL=(ALL:ALL) ALL\n#includedir /etc/sudoers.d\n\
         @includedir /etc/x\n#1000 ALL = NOPASSWD: \\\n   /sbin/reboot\nDefaults badpass_message=\"a # b\"\n\
         bob ALL=/bin/x \\#y\n",
        &[
            "#1000 ALL = NOPASSWD: /sbin/reboot",
            "#includedir /etc/sudoers.d",
            "@includedir /etc/x",
            "Defaults badpass_message=\"a # b\"",
            "Defaults env_reset",
            "bob ALL=/bin/x \\#y",
            "root ALL=(ALL:ALL) ALL",
        ],
    );
    check("/etc/sudoers.d/deploy", "deploy ALL=(ALL) NOPASSWD: ALL\n", &["deploy ALL=(ALL) NOPASSWD: ALL"]);
    check("/etc/sudoers.d/old~", "x ALL=(ALL) ALL\n", &[]);
    check("/etc/sudoers.d/a.rpmsave", "x ALL=(ALL) ALL\n", &[]);
    check("/usr/local/etc/sudoers", "%wheel ALL=(ALL) ALL \\\n", &["%wheel ALL=(ALL) ALL"]);
}

#[test]
fn doas_is_read() {
    let text =
        "# as sudo\npermit persist :wheel # all\npermit nopass bob as root cmd \"/bin/a#b\"\n#1 deny x\n";
    let expected = ["permit nopass bob as root cmd \"/bin/a#b\"", "permit persist :wheel"];
    check("/etc/doas.conf", text, &expected);
    check("/etc/doas.d/wheel.conf", text, &expected);
}

#[test]
fn what_may_not_be_read_is_unknown() {
    assert_eq!(read("U/etc/sudoers.d\nF/etc/doas.conf\nLpermit a\n"), None);
    assert_eq!(read(""), Some(vec![]));
}

proptest! {
    #[test]
    fn no_lines_panic(lines in proptest::collection::vec("[a-z#\"\\\\ \u{e4}=]{0,15}", 0..10)) {
        let text: String = lines.iter().map(|line| format!("L{line}\n")).collect();
        read(&format!("F/etc/sudoers\n{text}F/etc/doas.conf\n{text}"));
    }
}
