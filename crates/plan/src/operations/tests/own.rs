//! Operations of a workspace's own, scripts, and calls that make several steps: in real shells.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use model::{Change, Condition, DiffLine};

use super::apply_twice::{check, check_with, text, walk};
use super::team::{Team, apply, shells};

#[test]
fn an_operation_of_ones_own_is_like_any_other() {
    let deploy = r#"def setting(key, value, **common):
    path = "ROOT/conf/" + key
    return operation("app.setting", key,
        reads = ["cat", path], wanted = value,
        commands = [["mkdir", "-p", "ROOT/conf"], ["sh", "-c", "printf '%s\\n' \"$1\" >\"$2\"", "sh", value, path]],
        **common)
first = setting("it's; touch x", "a $(id) b")
setting("two", "1\n2")
server.shell("echo done >ROOT/conf/done", when = first.changed, creates = "ROOT/conf/done")"#;
    check(
        |_| {},
        deploy,
        |root| {
            assert_eq!(text(&root.join("conf/it's; touch x")), "a $(id) b\n");
            assert_eq!(text(&root.join("conf/two")), "1\n2\n");
            assert_eq!(text(&root.join("conf/done")), "done\n");
        },
    );
}

#[test]
fn an_operation_of_ones_own_has_a_name_a_diff_and_a_failing_state() {
    let code = "operation(\"app.version\", \"app\", reads = \"echo 1; exit 3\", wanted = \"2\", commands = \"true\")";
    let steps = Team::new(code).steps(&shells()[0]);
    assert_eq!((steps[0].operation.as_str(), steps[0].subject.as_str()), ("app.version", "app"));
    let expected = [DiffLine::Removed("failed with 3".to_owned()), DiffLine::Added("2".to_owned())];
    assert_eq!(steps[0].diff, expected);
}

#[test]
fn scripts_run_by_their_own_interpreter() {
    let files = [
        ("files/a.sh", "echo \"$1|$2\" >>\"$3\"\n"),
        ("files/b", "#!/usr/bin/env -S sh -e\nfalse || printf '%s\\n' \"$*\" >\"$1\"\n"),
        ("files/c.awk", "#!/usr/bin/awk -f\nBEGIN { print \"awk\" >ARGV[1] }"),
        ("templates/d.sh.j2", "echo {{ who }} >\"$1\"\n"),
    ];
    let deploy = r#"server.script("files/a.sh", args = ["it's", "*", "ROOT/a"], creates = "ROOT/a")
server.script("files/b", ["ROOT/b c"], unless = "test -e 'ROOT/b c'")
server.script("files/c.awk", ["ROOT/c"], creates = "ROOT/c")
server.script_template("templates/d.sh.j2", ["ROOT/d"], who = "bob", creates = "ROOT/d")"#;
    check_with(
        &files,
        |_| {},
        deploy,
        |root| {
            assert_eq!(text(&root.join("a")), format!("it's|*\n"));
            assert_eq!(text(&root.join("b c")), format!("{}\n", root.join("b c").display()));
            assert_eq!(text(&root.join("c")), "awk\n");
            assert_eq!(text(&root.join("d")), "bob\n");
        },
    );
}

#[test]
fn what_is_of_another_kind_is_put_aside() {
    let prepare = |host: &std::path::Path| {
        let root = host.join("r");
        fs::create_dir_all(root.join("tree/deep")).expect("a directory");
        fs::create_dir_all(root.join("gone/deep")).expect("a directory");
        fs::write(root.join("file"), "1").expect("a file");
        symlink("elsewhere", root.join("link")).expect("a link");
    };
    let deploy = r#"files.directory("ROOT/file", force = True)
files.file("ROOT/tree", force = True, mode = 600)
files.link("ROOT/gone", "target", force = True, force_backup = False)
files.directory("ROOT/link", force = True, force_backup_dir = "ROOT/old")"#;
    check(prepare, deploy, |root| {
        assert!(root.join("file").is_dir() && root.join("tree").is_file());
        assert_eq!(fs::read_link(root.join("gone")).expect("a link").to_str(), Some("target"));
        let kept = |name: &str| walk(root).into_iter().find(|it| it.contains(name)).expect("it is kept");
        assert_eq!(text(kept("/file.ifrit-").as_ref()), "1");
        assert!(fs::metadata(kept("/tree.ifrit-")).expect("it is kept").is_dir());
        assert!(kept("/old/link.ifrit-").ends_with('Z'));
        assert!(!walk(root).iter().any(|it| it.contains("gone.ifrit-")));
    });
}

#[test]
fn the_time_of_a_file_is_managed() {
    let deploy = r#"files.put("files/motd", "ROOT/motd", mtime = "2026-01-02T03:04:05Z", mode = 640)
files.put(dest = "ROOT/key", content = secret("k"), mtime = 1767323045)"#;
    check(
        |_| {},
        deploy,
        |root| {
            for name in ["motd", "key"] {
                let about = fs::metadata(root.join(name)).expect("it is there");
                let time = about.modified().expect("a time").duration_since(std::time::UNIX_EPOCH);
                assert_eq!(time.expect("after 1970").as_secs(), 1_767_323_045);
            }
            assert_eq!(fs::metadata(root.join("motd")).expect("it").permissions().mode() & 0o777, 0o640);
        },
    );
}

#[test]
fn a_file_that_is_forced_is_written_every_time() {
    let host = tempfile::tempdir().expect("a temporary directory");
    let code = format!("files.put(\"files/motd\", \"{}/motd\", force = True)", host.path().display());
    let team = Team::new(&code).with_file("files/motd", "hello\n");
    let shell = &shells()[0];
    for _ in 0..2 {
        let steps = team.steps(shell);
        assert_eq!(steps[0].change, Change::Certain);
        apply(shell, &steps[0]);
    }
}

#[test]
fn one_call_makes_several_steps() {
    let code = r#"bob = server.user("root", public_keys = "ssh-ed25519 AAAA ifrit-test", ensure_home = True)
server.shell("true", when = bob.changed)
apt.packages("ifrit-test-none", update = True, upgrade = True, when = False)"#;
    let steps = Team::new(code).steps(&shells()[0]);
    let names: Vec<&str> = steps.iter().map(|step| step.operation.as_str()).collect();
    assert_eq!(
        names,
        ["server.user", "files.directory", "server.user_authorized_keys", "server.shell"],
        "{steps:#?}"
    );
    assert_eq!(steps[0].change, Change::None);
    assert_eq!(steps[2].change, Change::Certain);
    // What is as it should be already cannot be why a later step runs.
    assert_eq!(steps[3].condition, Condition::AnyChanged(vec![2]));
}

#[test]
fn a_service_restarts_where_something_changed() {
    let code = r#"cfg = server.shell("true")
systemd.service("app", running = None, restarted = cfg.did_change, reloaded = True)
openrc.service("app", running = None, reloaded = cfg.changed)"#;
    let steps = Team::new(code).steps(&shells()[0]);
    let subjects: Vec<&str> = steps.iter().map(|step| step.subject.as_str()).collect();
    assert_eq!(subjects, ["true", "app (reload)", "app (restart)", "app", "app (reload)"]);
    assert_eq!(steps[1].condition, Condition::Always);
    assert_eq!(steps[2].condition, Condition::AnyChanged(vec![0]));
    assert_eq!((steps[3].change, &steps[4].condition), (Change::None, &Condition::AnyChanged(vec![0])));
}
