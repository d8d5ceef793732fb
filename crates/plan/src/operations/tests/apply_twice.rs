//! Real scripts in real shells: what is planned comes true, and then there is nothing left to do.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use model::{Change, Step};

use super::team::{SECRET, Team, apply, shells};

/// Applies a deploy (`ROOT` in it is a temporary directory) in every shell, checks what came of it, and
/// that a second run has nothing to do.
pub(super) fn check(prepare: impl Fn(&Path), deploy: &str, expected: impl Fn(&Path)) {
    check_with(&[], prepare, deploy, expected);
}

/// The same with more files in the workspace.
pub(super) fn check_with(
    files: &[(&str, &str)],
    prepare: impl Fn(&Path),
    deploy: &str,
    expected: impl Fn(&Path),
) {
    for shell in shells() {
        let host = tempfile::tempdir().expect("a temporary directory");
        prepare(host.path());
        let root = host.path().to_str().expect("UTF-8").to_owned() + "/r";
        fs::create_dir_all(&root).expect("a directory");
        let team = Team::new(&deploy.replace("ROOT", &root))
            .with_file("files/motd", "hello\n")
            .with_file("templates/a.j2", "user={{ login }}\npassword={{ password }}\n");
        let team = files.iter().fold(team, |team, (path, text)| team.with_file(path, text));
        let steps = team.steps(&shell);
        assert!(steps.iter().any(|step| step.change != Change::None), "{shell:?} {steps:#?}");
        for step in steps.iter().filter(|step| step.is_sent()) {
            assert!(!format!("{:?}", step.diff).contains(SECRET));
            apply(&shell, step);
        }
        expected(Path::new(&root));
        let left: Vec<Step> = team.steps(&shell).into_iter().filter(Step::is_sent).collect();
        assert_eq!(left, [], "{shell:?}: the second run has something to do");
        let rest = walk(host.path()).into_iter().filter(|path| path.contains(".ifrit."));
        assert_eq!(rest.collect::<Vec<_>>(), Vec::<String>::new());
    }
}

pub(super) fn walk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        found.push(path.display().to_string());
        if path.is_dir() && !path.is_symlink() {
            found.extend(walk(&path));
        }
    }
    found
}

pub(super) fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(super) fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn files_are_put() {
    check(
        |_| {},
        r#"files.put("files/motd", "ROOT/motd")
files.put(dest = "ROOT/new/dir/key", content = secret("app/key"), mode = 600)
files.template("templates/a.j2", "ROOT/a.conf", mode = "0640", login = "it's", password = secret("p"))"#,
        |root| {
            assert_eq!(text(&root.join("motd")), "hello\n");
            assert_eq!(mode(&root.join("motd")), 0o644);
            assert_eq!(text(&root.join("new/dir/key")), SECRET);
            assert_eq!(mode(&root.join("new/dir/key")), 0o600);
            assert_eq!(text(&root.join("a.conf")), format!("user=it's\npassword={SECRET}\n"));
            assert_eq!(mode(&root.join("a.conf")), 0o640);
        },
    );
}

#[test]
fn files_that_are_there_keep_what_is_not_given() {
    let prepare = |host: &Path| {
        fs::create_dir(host.join("r")).expect("a directory");
        fs::write(host.join("r/motd"), "old\n").expect("a file");
        fs::set_permissions(host.join("r/motd"), fs::Permissions::from_mode(0o4711)).expect("a mode");
    };
    check(prepare, r#"files.put("files/motd", "ROOT/", validate = "grep -q hello %s")"#, |root| {
        assert_eq!(text(&root.join("motd")), "hello\n");
        assert_eq!(mode(&root.join("motd")), 0o4711);
    });
}

#[test]
fn lines_are_edited() {
    let prepare = |host: &Path| {
        fs::create_dir(host.join("r")).expect("a directory");
        fs::write(host.join("r/sshd"), "Port 22\n#PasswordAuthentication yes\nUseDNS no").expect("a file");
        fs::write(host.join("r/hosts"), "127.0.0.1 localhost\n10.0.0.1 bad\nrest\n").expect("a file");
    };
    let deploy = r#"files.line("ROOT/sshd", "^#?PasswordAuthentication ", replace = "PasswordAuthentication no")
files.line("ROOT/hosts", "bad$", present = False)
files.line("ROOT/hosts2", "a.b*c", escape_regex_characters = True)
files.block("ROOT/hosts3", content = ["one $HOME", "two \\n 'x'"])
files.replace("ROOT/hosts4", text = "l.c+al", replace = "&\\1")"#;
    let prepare = |host: &Path| {
        prepare(host);
        fs::write(host.join("r/hosts4"), "a local lccal\nb\n").expect("a file");
    };
    check(prepare, deploy, |root| {
        assert_eq!(text(&root.join("sshd")), "Port 22\nPasswordAuthentication no\nUseDNS no\n");
        assert_eq!(text(&root.join("hosts")), "127.0.0.1 localhost\nrest\n");
        assert_eq!(text(&root.join("hosts2")), "a.b*c\n");
        let block = "# BEGIN PYINFRA BLOCK\none $HOME\ntwo \\n 'x'\n# END PYINFRA BLOCK\n";
        assert_eq!(text(&root.join("hosts3")), block);
        assert_eq!(text(&root.join("hosts4")), "a &\\1 &\\1\nb\n");
    });
}

#[test]
fn blocks_are_replaced_moved_and_removed() {
    let prepare = |host: &Path| {
        fs::create_dir(host.join("r")).expect("a directory");
        let old = "top\n# BEGIN PYINFRA BLOCK\nold\nolder\n# END PYINFRA BLOCK\nmark\nbottom\n";
        for name in ["a", "b"] {
            fs::write(host.join("r").join(name), old).expect("a file");
        }
        fs::write(host.join("r/c"), "top\nmark 1\nmark 2\n").expect("a file");
        fs::write(host.join("r/d"), "top\nmark 1\nmark 2\n").expect("a file");
    };
    let deploy = r#"files.block("ROOT/a", content = "new")
files.block("ROOT/b", present = False)
files.block("ROOT/c", content = "x", before = True, line = "^mark")
files.block("ROOT/d", content = "x", after = True, line = "^mark", marker = "; {mark} us", begin = "<", end = ">")"#;
    check(prepare, deploy, |root| {
        let begin = "# BEGIN PYINFRA BLOCK";
        let end = "# END PYINFRA BLOCK";
        assert_eq!(text(&root.join("a")), format!("top\n{begin}\nnew\n{end}\nmark\nbottom\n"));
        assert_eq!(text(&root.join("b")), "top\nmark\nbottom\n");
        assert_eq!(text(&root.join("c")), format!("top\n{begin}\nx\n{end}\nmark 1\nmark 2\n"));
        assert_eq!(text(&root.join("d")), "top\nmark 1\n; < us\nx\n; > us\nmark 2\n");
    });
}

#[test]
fn directories_links_and_what_is_to_go() {
    let prepare = |host: &Path| {
        let root = host.join("r");
        fs::create_dir_all(root.join("old/deep")).expect("a directory");
        fs::write(root.join("old/deep/file"), "x").expect("a file");
        fs::create_dir_all(root.join("tree/in")).expect("a directory");
        fs::write(root.join("tree/in/file"), "x").expect("a file");
        fs::write(root.join("gone"), "x").expect("a file");
        symlink("nowhere", root.join("dangling")).expect("a link");
        symlink("wrong", root.join("link")).expect("a link");
    };
    let deploy = r#"files.directory("ROOT/a b/c", mode = 750)
files.directory("ROOT/old", present = False)
files.directory("ROOT/tree", mode = "711", recursive = True)
files.link("ROOT/link", target = "it's here")
files.link("ROOT/new/link", target = "/etc")
files.link("ROOT/dangling", present = False)
files.file("ROOT/empty", mode = "600")
files.absent("ROOT/gone")"#;
    check(prepare, deploy, |root| {
        assert_eq!(mode(&root.join("a b/c")), 0o750);
        assert!(!root.join("old").exists());
        assert_eq!(mode(&root.join("tree/in/file")), 0o711);
        assert_eq!(fs::read_link(root.join("link")).expect("a link"), Path::new("it's here"));
        assert_eq!(fs::read_link(root.join("new/link")).expect("a link"), Path::new("/etc"));
        assert!(!root.join("dangling").is_symlink());
        assert_eq!((text(&root.join("empty")).as_str(), mode(&root.join("empty"))), ("", 0o600));
        assert!(!root.join("gone").exists());
    });
}

#[test]
fn guarded_commands_run_once() {
    let deploy = r#"server.shell("mkdir 'ROOT/made it' && echo x >>'ROOT/made it/log'", creates = "ROOT/made it")
server.shell(["echo a >>ROOT/log", "echo b >>ROOT/log"], unless = "grep -q b ROOT/log")"#;
    check(
        |_| {},
        deploy,
        |root| {
            assert_eq!(text(&root.join("made it/log")), "x\n");
            assert_eq!(text(&root.join("log")), "a\nb\n");
        },
    );
}

#[test]
fn keys_are_added_and_replaced() {
    let prepare = |host: &Path| {
        fs::create_dir_all(host.join("r/ssh")).expect("a directory");
        fs::write(host.join("r/ssh/one"), "# who\nssh-ed25519 AAAA old\n").expect("a file");
        fs::write(host.join("r/ssh/two"), "ssh-ed25519 AAAA old\n").expect("a file");
    };
    let deploy = r#"keys = ["ssh-ed25519 BBBB a", "no-pty ssh-ed25519 CCCC 'b'"]
folder = "ROOT/ssh"
server.user_authorized_keys("root", keys, authorized_key_directory = folder, authorized_key_filename = "one")
server.user_authorized_keys("root", keys, authorized_key_directory = folder, authorized_key_filename = "two", delete_keys = True)"#;
    check(prepare, deploy, |root| {
        let new = "ssh-ed25519 BBBB a\nno-pty ssh-ed25519 CCCC 'b'\n";
        assert_eq!(text(&root.join("ssh/one")), format!("# who\nssh-ed25519 AAAA old\n{new}"));
        assert_eq!(text(&root.join("ssh/two")), new);
        assert_eq!(mode(&root.join("ssh/two")), 0o600);
    });
}

#[test]
fn an_earlier_step_makes_a_later_one_undecided() {
    let deploy = r#"server.shell("mkdir -p ROOT/x && echo a >ROOT/x/f", creates = "ROOT/x/f")
files.line("ROOT/x/f", "b")
files.put("files/motd", "ROOT/x/motd")
files.block("ROOT/x/f", content = "c")"#;
    check(
        |_| {},
        deploy,
        |root| {
            assert_eq!(text(&root.join("x/f")), "a\nb\n# BEGIN PYINFRA BLOCK\nc\n# END PYINFRA BLOCK\n");
        },
    );
}

#[test]
fn a_file_that_does_not_validate_is_not_put() {
    for shell in shells() {
        let host = tempfile::tempdir().expect("a temporary directory");
        let root = host.path().to_str().expect("UTF-8");
        fs::write(host.path().join("f"), "good\n").expect("a file");
        let code =
            format!("files.put(dest = \"{root}/f\", content = \"bad\\n\", validate = \"grep -q good %s\")");
        let steps = Team::new(&code).steps(&shell);
        let folder = tempfile::tempdir().expect("a temporary directory");
        let body = folder.path().join("0");
        fs::write(&body, "bad\n").expect("a file");
        let set = [("BODY_0".to_owned(), body.display().to_string())].into();
        let (status, ..) = super::team::function(&shell, &steps[0].action, &set);
        assert_ne!(status, Some(0), "{shell:?}");
        assert_eq!(text(&host.path().join("f")), "good\n");
        assert_eq!(walk(host.path()).len(), 1);
    }
}

#[test]
fn an_unclosed_block_is_not_touched() {
    for shell in shells() {
        let host = tempfile::tempdir().expect("a temporary directory");
        let path = host.path().join("f");
        let old = "a\n# BEGIN PYINFRA BLOCK\nb\nrest\n";
        fs::write(&path, old).expect("a file");
        let steps = Team::new(&format!("files.block(\"{}\", content = \"x\")", path.display())).steps(&shell);
        let set = [("BODY_0".to_owned(), "/dev/null".to_owned())].into();
        let (status, _, stderr) = super::team::function(&shell, &steps[0].action, &set);
        assert_ne!(status, Some(0), "{shell:?} {stderr}");
        assert_eq!(text(&path), old);
        assert_eq!(walk(host.path()).len(), 1);
    }
}
