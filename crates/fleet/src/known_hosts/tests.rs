use std::process::Command;

use proptest::prelude::*;

use super::*;

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK2pr+Bfus1hvPof4Wb/plZCzSbqadHH0u+/f4ODtKnE";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzqxq5m7Fhcvx7mCw3eEfMMz4BHUjhqBZK8xv2nVd4K";

fn known(text: &str, name: &str) -> KnownHost {
    let mut hosts = KnownHosts::default();
    hosts.parse("known_hosts", text);
    hosts.find(name)
}

fn keys(texts: &[&str]) -> Vec<HostKey> {
    texts.iter().map(|text| HostKey::new(*text)).collect()
}

#[test]
fn names_are_lists_patterns_and_ports() {
    let cases = [
        ("web1", "web1", true),
        ("web1", "WEB1", true),
        ("Web1", "web1", true),
        ("a,web1,b", "web1", true),
        ("web*", "web1", true),
        ("web*,!web1", "web1", false),
        ("web1", "[web1]:2222", false),
        ("[web1]:2222", "[web1]:2222", true),
        ("[web1]:*", "[web1]:2222", true),
        ("[::1]:22", "[::1]:22", true),
    ];
    for (names, name, expected) in cases {
        let known = known(&format!("{names} {A} a comment\n"), name);
        assert_eq!(known.keys == keys(&[A]), expected, "{names} {name}");
        assert_eq!(known.refused, None);
    }
    assert_eq!(host_key_name("h", 22), "h");
    assert_eq!(host_key_name("h", 23), "[h]:23");
}

#[test]
fn markers_say_what_a_key_is_for() {
    let text = format!("# x\n\n@cert-authority *.org {A}\n@revoked *\t{B}\nh.org {B}\nh.org {B}\n");
    let found = known(&text, "h.org");
    assert_eq!((found.keys, found.authorities, found.revoked), (keys(&[B]), keys(&[A]), keys(&[B])));
    let found = known(&text, "other");
    assert_eq!((found.keys, found.authorities, found.revoked), (vec![], vec![], keys(&[B])));
}

#[test]
fn lines_that_are_not_understood_refuse_their_hosts_only() {
    for line in [
        "@future h KEY",
        "h ssh-ed25519 AAAA",
        "h",
        "h 1024 35 123",
        "@revoked h sk-new@x AAAA",
        "@cert-authority h",
    ] {
        let line = line.replace("KEY", A);
        let text = format!("{line}\nother {A}\nh {A}\n");
        let refused = known(&text, "h").refused.unwrap_or_else(|| panic!("{line}"));
        assert!(refused.starts_with("known_hosts:1: "), "{refused}");
        assert_eq!(known(&text, "other"), KnownHost { keys: keys(&[A]), ..KnownHost::default() }, "{line}");
    }
    // Whose line it is cannot be known: it may be the host's.
    assert!(known(&format!("|2|x|y @ {A}"), "h").refused.is_some());
}

#[test]
fn a_file_that_cannot_be_read_refuses_everybody() {
    let directory = tempfile::tempdir().expect("a directory");
    let (hosts, problems) = KnownHosts::read(&[directory.path().join("absent")]);
    assert_eq!((hosts.find("h").refused, problems.len()), (None, 0));
    let latin = directory.path().join("latin");
    std::fs::write(&latin, [b"# gr\xfc\xdfe\nh ", A.as_bytes(), b" \xfc\n"].concat()).expect("a file");
    let (hosts, problems) = KnownHosts::read(&[latin]);
    assert_eq!((hosts.find("h").keys, problems.len()), (keys(&[A]), 0));
    let (hosts, problems) = KnownHosts::read(&[directory.path()]);
    assert!(hosts.find("h").refused.is_some());
    assert_eq!(problems.len(), 1);
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn it_agrees_with_ssh_keygen() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("known_hosts");
    let plain = format!("web1,10.0.0.1 {A}\n[web1]:2222 {B}\n*.org,!bad.org {A}\ndb1 {B}\n");
    std::fs::write(&path, &plain).expect("a file");
    if Command::new("ssh-keygen").arg("-H").arg("-f").arg(&path).output().is_err() {
        return eprintln!("SKIPPED: ssh-keygen is not installed (Debian: openssh-client)");
    }
    let hashed = std::fs::read_to_string(&path).expect("a file");
    assert!(hashed.contains("|1|"), "{hashed}");
    // Lower case, as ssh makes names before it looks them up; ssh-keygen does not.
    for text in [&plain, &hashed] {
        std::fs::write(&path, text).expect("a file");
        for name in ["web1", "10.0.0.1", "[web1]:2222", "[web1]:22", "db1", "a.org", "bad.org", "nobody"] {
            let output =
                Command::new("ssh-keygen").args(["-F", name, "-f"]).arg(&path).output().expect("it runs");
            let said = String::from_utf8(output.stdout).expect("text");
            let lines = said.lines().filter(|line| !line.starts_with('#'));
            let theirs: Vec<_> =
                lines.filter_map(|line| Some(HostKey::new(line.split_once(' ')?.1))).collect();
            assert_eq!(known(text, name).keys, theirs, "{name} in {text}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "(?s).{0,300}", name in ".{0,20}") {
        known(&text, &name);
    }

    #[test]
    fn no_line_panics(marker in "(@[a-z-]{0,15} )?", names in "[a-z*?!,|0-9=\\[\\]:]{0,30}", key in "(ssh-ed25519|ssh-rsa|x) [A-Za-z0-9+/=]{0,90}") {
        known(&format!("{marker}{names} {key}\n"), "h");
    }
}
