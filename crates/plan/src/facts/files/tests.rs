use proptest::prelude::*;

use super::*;
use crate::facts::script::tests::{run, shells};

fn check(output: &str, texts: &[(&str, &[&str])], unreadable: &[&str], faults_expected: usize) {
    let mut faults = Faults::default();
    let files = Files::parse(output.as_bytes(), &mut faults);
    let found: Vec<_> = files.only(|_| true).map(|(path, lines)| (path, lines.join("\n"))).collect();
    let expected: Vec<_> = texts.iter().map(|(path, lines)| (*path, lines.join("\n"))).collect();
    assert_eq!(found, expected, "{output:?}");
    assert_eq!(files.unreadable, unreadable, "{output:?}");
    assert_eq!(faults.messages().len(), faults_expected, "{:?}", faults.messages());
}

#[test]
fn content_cannot_forge_a_file() {
    check("F/a\nLx\nL\nF/b\nLF/c\nLUx\n", &[("/a", &["x", ""]), ("/b", &["F/c", "Ux"])], &[], 0);
    check("U/etc/sudoers\n", &[], &["/etc/sudoers"], 1);
    check("Lx\n", &[], &[], 1);
    check("garbage\nF/a\nLx\n", &[("/a", &["x"])], &[], 1);
    check("", &[], &[], 0);
}

#[test]
fn too_much_is_left_out_and_said() {
    let long = format!("F/a\nL{}\nLx\n", "y".repeat(LINE_BYTES_MAX + 1));
    check(&long, &[("/a", &["x"])], &[], 1);
    let many: String = (0..FILES_MAX + 5).map(|index| format!("F/{index}\nLx\n")).collect();
    let mut faults = Faults::default();
    let files = Files::parse(many.as_bytes(), &mut faults);
    assert_eq!((files.texts.len(), faults.messages().len()), (FILES_MAX, 1));
}

/// Runs the shell function itself over files that try it.
#[test]
fn show_files_shows_regular_files_only() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    std::fs::write(path("a=b c"), "one AAAA\nsecret\n\nF/forged AAAA").expect("a file");
    std::fs::write(path("empty"), "").expect("a file");
    std::fs::create_dir(path("folder")).expect("a folder");
    std::os::unix::fs::symlink(path("nothing"), path("broken")).expect("a link");
    let made = std::process::Command::new("mkfifo").arg(path("pipe")).status();
    assert!(made.expect("mkfifo runs").success());
    let text = path("a=b c");
    for (only, expected) in [
        ("", format!("F{text}\nLone AAAA\nLsecret\nL\nLF/forged AAAA\n")),
        ("AAAA", format!("F{text}\nLone AAAA\nL\nL\nLF/forged AAAA\n")),
    ] {
        for shell in shells() {
            let base = folder.path().display();
            let script = format!("{SHOW_FILES}only={only}\nshow_files {base}/* {base}/gone/*\n");
            let stdout = run(shell, script.as_bytes()).expect("the shell was there");
            assert_eq!(String::from_utf8_lossy(&stdout), expected, "{shell:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        Files::parse(&bytes, &mut Faults::default());
    }
}
