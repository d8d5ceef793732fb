use proptest::prelude::*;

use super::*;

/// A key made for this test, and what ssh-keygen(1) says of it.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILJeVFyt4sSBACXjOF4uzImoMjqSxFvXJdv+6aTRrV/R";
const FINGERPRINT: &str = "SHA256:S0Tcm7k5ThAkEG22KDgfgqKKSua06gpj8TZz1+F4hBY";

fn check(line: &str, expected: Option<(&str, &str)>) {
    let output = format!("Nroot:/root/.ssh/authorized_keys\nF/root/.ssh/authorized_keys\nL{line}\n");
    let mut faults = Faults::default();
    let files = Files::parse(output.as_bytes(), &mut faults);
    let found = keys(&files, &mut faults).expect("all of it is readable");
    let shown: Vec<_> = found.iter().map(|key| (key.options.as_str(), key.comment.as_str())).collect();
    assert_eq!(shown, Vec::from_iter(expected), "{line:?}");
    for key in &found {
        let words = (key.account.as_str(), key.fingerprint.as_str(), key.algorithm.as_str());
        assert_eq!(words, ("root", FINGERPRINT, "ssh-ed25519"), "{line:?}");
    }
    let is_silent = expected.is_some() || line.trim().is_empty() || line.trim().starts_with('#');
    assert_eq!(faults.messages().len(), usize::from(!is_silent), "{line:?}");
    // A linked file may hold anything: nothing of it may get into a message.
    assert!(!faults.messages().iter().any(|message| message.contains("secret")), "{:?}", faults.messages());
}

#[test]
fn lines_are_read_as_sshd_reads_them() {
    check(KEY, Some(("", "")));
    check(&format!("{KEY} ann@desk  two words "), Some(("", "ann@desk  two words")));
    check(&format!("  {}", KEY.replace(' ', "\t ")), Some(("", "")));
    check(&format!("restrict,pty {KEY} x"), Some(("restrict,pty", "x")));
    check(
        &format!("command=\"echo \\\"a b\\\" # c\",from=\"10.0.0.0/8,::1\" {KEY} x"),
        Some(("command=\"echo \\\"a b\\\" # c\",from=\"10.0.0.0/8,::1\"", "x")),
    );
    check("", None);
    check("# a comment", None);
}

#[test]
fn what_is_no_key_is_left_out_without_being_quoted() {
    check("root:$6$secret$hash:19000:0:99999:7:::", None);
    check("ssh-ed25519 secret", None);
    check(&format!("command=\"open {KEY} secret"), None);
    check(&KEY.replace("ssh-ed25519 ", "ssh-rsa "), None);
    check(&KEY[..40], None);
    check("ssh-ed25519 AAAA", None);
}

#[test]
fn accounts_may_share_a_home() {
    let path = "/root/.ssh/authorized_keys";
    let output = format!("Nroot:{path}\nNtoor:{path}\nF{path}\nL{KEY}\nLrestrict {KEY} again\n");
    let found = keys(&Files::parse(output.as_bytes(), &mut Faults::default()), &mut Faults::default());
    let found = found.expect("keys");
    let accounts: Vec<_> = found.iter().map(|key| key.account.as_str()).collect();
    assert_eq!(accounts, ["root", "toor"]);
}

#[test]
fn what_may_not_be_read_is_unknown() {
    let files = Files::parse(b"U/home/ann\n", &mut Faults::default());
    assert_eq!(keys(&files, &mut Faults::default()), None);
}

#[test]
fn homes_of_an_offline_root_are_found() {
    let passwd = ["root:x:0:0::/root:/bin/sh", "a:x:1:1:::/x", "b:x:2:2::/:/x", "bad"].map(str::to_owned);
    // The home of b is the root itself, as that of many system accounts; a has none.
    let expected = ["root:/root/.ssh/authorized_keys", "root:/root/.ssh/authorized_keys2"];
    assert_eq!(key_files(&passwd), expected);
}

/// Compares with ssh-keygen(1), with keys of every common kind.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn fingerprints_are_those_of_ssh_keygen() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    for (kind, bits) in [("ed25519", "256"), ("ecdsa", "521"), ("rsa", "2048")] {
        let path = folder.path().join(kind);
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-b", bits, "-N", "", "-C", "a comment", "-f"])
            .arg(&path)
            .status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: this machine has no ssh-keygen that makes {kind} keys");
            continue;
        }
        let public = path.with_extension("pub");
        let said =
            std::process::Command::new("ssh-keygen").arg("-lf").arg(&public).output().expect("it runs");
        let line = std::fs::read_to_string(&public).expect("a public key");
        let key = parse("root", line.trim()).expect("a key");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(said.split(' ').nth(1), Some(key.fingerprint.as_str()), "{said}");
        assert_eq!(key.comment, "a comment");
    }
}

proptest! {
    #[test]
    fn no_line_panics(line in "[a-z\"\\\\ =,\u{e4}]{0,20}(ssh-ed25519 ([A-Za-z0-9+/]{4}){0,9}=?)?") {
        parse("root", &line);
    }

    #[test]
    fn no_blob_panics(blob in proptest::collection::vec(any::<u8>(), 0..40)) {
        parse("root", &format!("ssh-rsa {}", STANDARD.encode(blob)));
    }
}
