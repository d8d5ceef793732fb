//! Settings of the system in real shells, with the programs that look at them where they are here.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::apply_twice::{check, text, walk};
use super::team::{Team, function, shells};

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn is_here(program: &str) -> bool {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let is_here = folders.iter().any(|folder| Path::new(folder).join(program).exists());
    if !is_here {
        eprintln!("SKIPPED: there is no {program} here");
    }
    is_here
}

#[test]
fn hosts_have_one_entry() {
    let prepare = |host: &Path| {
        fs::create_dir(host.join("r")).expect("a directory");
        let old = "# top\n127.0.0.1 localhost # me\n10.0.0.1\told older\n10.0.0.1 again\n10.0.0.2 a b c\n10.0.0.3 x\n10.0.0.11 near\n";
        fs::write(host.join("r/hosts"), old).expect("a file");
    };
    let deploy = r#"server.etc_hosts("10.0.0.1", ["db.internal", "db"], path = "ROOT/hosts")
server.etc_hosts("10.0.0.2", "b", present = False, path = "ROOT/hosts")
server.etc_hosts("10.0.0.3", present = False, path = "ROOT/hosts")
server.etc_hosts("::1", "localhost ip6-localhost", path = "ROOT/hosts")
server.etc_hosts("10.9.9.9", "new", path = "ROOT/none")"#;
    check(prepare, deploy, |root| {
        let expected = "# top\n127.0.0.1 localhost # me\n10.0.0.1 db.internal db\n10.0.0.2 a c\n10.0.0.11 near\n::1 localhost ip6-localhost\n";
        assert_eq!(text(&root.join("hosts")), expected);
        assert_eq!(text(&root.join("none")), "10.9.9.9 new\n");
    });
}

#[test]
fn repositories_and_jails_are_files() {
    let prepare = |host: &Path| {
        fs::create_dir_all(host.join("r/jail")).expect("a directory");
        fs::write(host.join("r/jail/old.conf"), "old {}\n").expect("a file");
    };
    let deploy = r#"apk.repositories(["https://a.example/v3.22/main", "@edge https://a.example/edge/main"], path = "ROOT/repositories")
jail.config("web", {"path": "/jails/$name", "vnet": True, "devfs_ruleset": 4, "ip4.addr": ["10.0.0.2", "10.0.0.3"],
    "exec.start": "echo \"hi\""}, folder = "ROOT/jail")
jail.config("old", present = False, folder = "ROOT/jail")"#;
    check(prepare, deploy, |root| {
        let expected = "https://a.example/v3.22/main\n@edge https://a.example/edge/main\n";
        assert_eq!(text(&root.join("repositories")), expected);
        let expected = "web {\n    path = \"/jails/$name\";\n    vnet;\n    devfs_ruleset = 4;\n    ip4.addr = \"10.0.0.2\", \"10.0.0.3\";\n    exec.start = \"echo \\\"hi\\\"\";\n}\n";
        assert_eq!(text(&root.join("jail/web.conf")), expected);
        assert!(!root.join("jail/old.conf").exists());
    });
}

#[test]
fn sudo_and_doas_rules_are_looked_at() {
    if is_here("visudo") {
        let deploy =
            r#"sudo.rule("deploy", "root ALL=(root) NOPASSWD: /bin/true", folder = "ROOT/sudoers.d")"#;
        check(
            |_| {},
            deploy,
            |root| {
                assert_eq!(text(&root.join("sudoers.d/deploy")), "root ALL=(root) NOPASSWD: /bin/true\n");
            },
        );
        refuses(r#"sudo.rule("deploy", "root ALL=(root NOPASSWD", folder = "ROOT")"#);
    }
    if is_here("doas") {
        let deploy =
            r#"doas.rule("wheel", ["permit persist :root", "deny nobody"], path = "ROOT/doas.conf")"#;
        check(
            |_| {},
            deploy,
            |root| {
                assert_eq!(text(&root.join("doas.conf")), "permit persist :root\ndeny nobody\n");
            },
        );
        refuses(r#"doas.rule("wheel", "permit what ever this is", path = "ROOT/doas.conf")"#);
    }
}

/// Makes sure that the file does not take its place.
fn refuses(deploy: &str) {
    for shell in shells() {
        let host = tempfile::tempdir().expect("a temporary directory");
        let root = host.path().to_str().expect("UTF-8");
        let steps = Team::new(&deploy.replace("ROOT", root)).steps(&shell);
        let body = tempfile::NamedTempFile::new().expect("a file");
        fs::write(body.path(), super::team::revealed(&steps[0].bodies[0])).expect("a file");
        let set = [("BODY_0".to_owned(), body.path().display().to_string())].into();
        let (status, ..) = function(&shell, &steps[0].action, &set);
        assert_ne!(status, Some(0), "{shell:?} {deploy}");
        assert_eq!(walk(host.path()), Vec::<String>::new());
    }
}

#[test]
fn sshd_has_settings_that_it_understands() {
    if !is_here("sshd") {
        return;
    }
    let key = tempfile::tempdir().expect("a temporary directory");
    let key = key.path().join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .stdin(Stdio::null())
        .status();
    assert!(made.expect("ssh-keygen starts").success());
    // sshd -t wants it, and a container may not have it.
    let _ = fs::create_dir_all("/run/sshd");
    let old = format!(
        "Include /nowhere/*.conf\nHostKey {}\n#Port 22\npasswordauthentication yes\nMatch User bob\nPasswordAuthentication yes\n",
        key.display()
    );
    let prepare = |host: &Path| {
        fs::create_dir(host.join("r")).expect("a directory");
        fs::write(host.join("r/sshd_config"), &old).expect("a file");
    };
    let deploy = r#"sshd.settings({"PasswordAuthentication": False, "MaxAuthTries": 3, "AcceptEnv": ["LANG", "LC_*"]},
    config = "ROOT/sshd_config")"#;
    check(prepare, deploy, |root| {
        let text = text(&root.join("sshd_config"));
        let block = "# BEGIN ifrit sshd.settings\nPasswordAuthentication no\nMaxAuthTries 3\nAcceptEnv LANG\nAcceptEnv LC_*\n# END ifrit sshd.settings\n";
        assert!(text.starts_with(block), "{text}");
        assert!(
            text.contains("\n#passwordauthentication yes\nMatch User bob\nPasswordAuthentication yes\n"),
            "{text}"
        );
    });
    for shell in shells() {
        let host = tempfile::tempdir().expect("a temporary directory");
        let config = host.path().join("sshd_config");
        fs::write(&config, &old).expect("a file");
        let code =
            format!("sshd.settings({{\"MaxAuthTries\": \"many\"}}, config = \"{}\")", config.display());
        let steps = Team::new(&code).steps(&shell);
        let body = tempfile::NamedTempFile::new().expect("a file");
        fs::write(body.path(), "MaxAuthTries many\n").expect("a file");
        let set = [("BODY_0".to_owned(), body.path().display().to_string())].into();
        let (status, ..) = function(&shell, &steps[0].action, &set);
        assert_ne!(status, Some(0), "{shell:?}");
        assert_eq!(text(&config), old);
        assert_eq!(walk(host.path()).len(), 1);
    }
}
