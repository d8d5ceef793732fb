//! `git.repo` with a real git.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use super::apply_twice::{check, text};
use super::team::{Team, apply, shells};

fn git(folder: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"])
        .args(words)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git starts");
    assert!(output.status.success(), "{words:?} {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn commit(folder: &Path, content: &str) -> String {
    fs::write(folder.join("file"), content).expect("a file");
    git(folder, &["add", "file"]);
    git(folder, &["commit", "-q", "-m", content]);
    git(folder, &["rev-parse", "HEAD"])
}

/// Makes a repository with a branch `main` of two commits, the tag `v1` on the first, and a branch `other`.
fn repository(folder: &Path) -> String {
    fs::create_dir_all(folder).expect("a directory");
    git(folder, &["init", "-q", "-b", "main"]);
    let first = commit(folder, "one");
    git(folder, &["tag", "v1"]);
    git(folder, &["branch", "other"]);
    commit(folder, "two");
    first
}

#[test]
fn branches_tags_and_commits_are_checked_out() {
    let source = tempfile::tempdir().expect("a temporary directory");
    // The host's git runs in a clean environment; the place is root's, as the test is.
    let from = source.path().join("it's");
    let first = repository(&from);
    let from = from.to_str().expect("UTF-8");
    let deploy = format!(
        r#"git.repo("{from}", "ROOT/head")
git.repo("{from}", "ROOT/branch", branch = "other")
git.repo("{from}", "ROOT/tag", branch = "v1")
git.repo("{from}", "ROOT/commit", branch = "{first}")
git.repo("file://{from}", "ROOT/shallow", branch = "main", depth = 1)"#
    );
    check(
        |_| {},
        &deploy,
        |root| {
            for (name, expected) in
                [("head", "two"), ("branch", "one"), ("tag", "one"), ("commit", "one"), ("shallow", "two")]
            {
                assert_eq!(text(&root.join(name).join("file")), expected, "{name}");
            }
        },
    );
}

#[test]
fn a_branch_follows_and_another_source_is_taken() {
    for shell in shells() {
        let host = tempfile::tempdir().expect("a temporary directory");
        let (one, two, dest) = (host.path().join("one"), host.path().join("two"), host.path().join("dest"));
        repository(&one);
        git(host.path(), &["clone", "-q", "one", "two"]);
        let deploy = |source: &Path, pull: &str| {
            Team::new(&format!(
                "git.repo(\"{}\", \"{}\", branch = \"main\", pull = {pull})",
                source.display(),
                dest.display()
            ))
        };
        let run = |team: &Team| {
            let steps: Vec<_> = team.steps(&shell).into_iter().filter(model::Step::is_sent).collect();
            steps.iter().for_each(|step| apply(&shell, step));
            steps.len()
        };
        assert_eq!(run(&deploy(&one, "True")), 1);
        commit(&one, "three");
        assert_eq!(run(&deploy(&one, "False")), 0, "{shell:?}");
        assert_eq!(run(&deploy(&one, "True")), 1, "{shell:?}");
        assert_eq!(text(&dest.join("file")), "three");
        git(&two, &["pull", "-q"]);
        commit(&two, "four");
        assert_eq!(run(&deploy(&two, "True")), 1, "{shell:?}");
        assert_eq!(run(&deploy(&two, "True")), 0, "{shell:?}");
        assert_eq!(text(&dest.join("file")), "four");
    }
}

/// Only root can become somebody else.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn git_runs_as_the_user() {
    let source = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(source.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    let from = source.path().join("it's");
    repository(&from);
    let chown = Command::new("chown").args(["-R", "nobody"]).arg(&from).stderr(Stdio::null()).status();
    if !chown.expect("chown starts").success() {
        eprintln!("SKIPPED: not root");
        return;
    }
    let prepare = |host: &Path| {
        fs::set_permissions(host, fs::Permissions::from_mode(0o755)).expect("a mode");
    };
    let deploy =
        format!("git.repo(\"{}\", \"ROOT/a b\", branch = \"main\", user = \"nobody\")", from.display());
    check(prepare, &deploy, |root| {
        let about = fs::metadata(root.join("a b/file")).expect("it is there");
        assert_ne!(about.uid(), 0);
    });
}
