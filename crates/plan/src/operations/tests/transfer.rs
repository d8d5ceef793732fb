//! Files that come from elsewhere, in real shells: downloads, archives, copies, folders.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;

use super::apply_twice::{check, check_with, mode, text, walk};
use super::team::{SECRET, Team, apply, function, shells};

/// A checksum of nothing that is here.
const OTHER_SHA256: &str = "3f0463a71bd39eb4f1c0a12fff1ef0e1fe3d2ab0b3fbe3ab3b1bd0e71bca1ba2";
const PAGE: &str = "from the network\n";

/// Serves [`PAGE`] on loopback for as long as the test runs; `/secret` only with the header.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let count = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..count]).into_owned();
            let is_allowed = !request.starts_with("GET /secret") || request.contains(SECRET);
            let status = if is_allowed { "200 OK" } else { "403 Forbidden" };
            let length = PAGE.len();
            let answer = format!("HTTP/1.0 {status}\r\nContent-Length: {length}\r\n\r\n{PAGE}");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

fn page_sha256() -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(PAGE).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn files_are_downloaded_once() {
    let port = server();
    let sum = page_sha256();
    let prepare = |host: &Path| {
        fs::create_dir(host.join("r")).expect("a directory");
        fs::write(host.join("r/wrong"), "old\n").expect("a file");
        fs::write(host.join("r/there"), "kept\n").expect("a file");
        fs::write(host.join("r/right"), PAGE).expect("a file");
    };
    let deploy = format!(
        r#"files.download("http://127.0.0.1:{port}/a", "ROOT/new", mode = 640, sha256sum = "{sum}")
files.download("http://127.0.0.1:{port}/a", "ROOT/wrong", sha256sum = "{sum}", cache_time = 3600)
files.download("http://127.0.0.1:{port}/a", "ROOT/there")
files.download("http://127.0.0.1:1/closed", "ROOT/right", mode = 600, sha256sum = "{sum}")
files.download("http://127.0.0.1:{port}/secret", "ROOT/secret", headers = {{"X-Token": secret("t")}})"#
    );
    check(prepare, &deploy, |root| {
        assert_eq!((text(&root.join("new")).as_str(), mode(&root.join("new"))), (PAGE, 0o640));
        assert_eq!(text(&root.join("wrong")), PAGE);
        assert_eq!(text(&root.join("there")), "kept\n");
        assert_eq!((text(&root.join("right")).as_str(), mode(&root.join("right"))), (PAGE, 0o600));
        assert_eq!(text(&root.join("secret")), PAGE);
    });
}

#[test]
fn wget_will_do() {
    let port = server();
    let programs = tempfile::tempdir().expect("a temporary directory");
    for name in [
        "awk",
        "cat",
        "chmod",
        "date",
        "dash",
        "head",
        "mktemp",
        "mv",
        "rm",
        "sha256sum",
        "stat",
        "sync",
        "wget",
    ] {
        let found =
            ["/usr/bin", "/bin"].iter().map(|folder| Path::new(folder).join(name)).find(|it| it.exists());
        symlink(found.expect("a Debian host has it"), programs.path().join(name)).expect("a link");
    }
    let path = format!("PATH={}", programs.path().display());
    let shell = ["env", path.as_str(), "dash"];
    let host = tempfile::tempdir().expect("a temporary directory");
    let dest = host.path().join("new");
    let team = Team::new(&format!("files.download(\"http://127.0.0.1:{port}/\", \"{}\")", dest.display()));
    for step in team.steps(&shell) {
        apply(&shell, &step);
    }
    assert_eq!(text(&dest), PAGE);
    assert!(team.steps(&shell).iter().all(|step| !step.is_sent()));
}

#[test]
fn a_download_with_another_checksum_leaves_nothing() {
    let port = server();
    for shell in shells() {
        let host = tempfile::tempdir().expect("a temporary directory");
        let dest = host.path().join("new");
        let code = format!(
            "files.download(\"http://127.0.0.1:{port}/\", \"{}\", sha256sum = \"{OTHER_SHA256}\")",
            dest.display()
        );
        let steps = Team::new(&code).steps(&shell);
        let (status, _, stderr) = function(&shell, &steps[0].action, &[].into());
        assert_ne!(status, Some(0), "{shell:?}");
        assert!(stderr.contains("expected the checksum"), "{shell:?} {stderr}");
        assert_eq!(walk(host.path()), Vec::<String>::new());
    }
}

#[test]
fn files_are_moved_and_copied() {
    let prepare = |host: &Path| {
        let root = host.join("r");
        fs::create_dir_all(root.join("from/tree/deep")).expect("a directory");
        fs::create_dir_all(root.join("to/tree")).expect("a directory");
        fs::write(root.join("from/moved it"), "1").expect("a file");
        fs::write(root.join("from/over"), "2").expect("a file");
        fs::write(root.join("to/over"), "old").expect("a file");
        fs::write(root.join("from/copied"), "3").expect("a file");
        fs::set_permissions(root.join("from/copied"), fs::Permissions::from_mode(0o750)).expect("a mode");
        fs::write(root.join("from/tree/deep/x"), "4").expect("a file");
        fs::write(root.join("to/tree/mine"), "5").expect("a file");
        symlink("somewhere", root.join("from/link")).expect("a link");
    };
    let deploy = r#"files.move("ROOT/from/moved it", "ROOT/to")
files.move("ROOT/from/over", "ROOT/to", overwrite = True)
files.copy("ROOT/from/copied", "ROOT/to")
files.copy("ROOT/from/tree", "ROOT/to/", overwrite = True)
files.copy("ROOT/from/link", "ROOT/to")"#;
    check(prepare, deploy, |root| {
        assert_eq!(text(&root.join("to/moved it")), "1");
        assert!(!root.join("from/moved it").exists());
        assert_eq!(text(&root.join("to/over")), "2");
        assert_eq!((text(&root.join("to/copied")).as_str(), mode(&root.join("to/copied"))), ("3", 0o750));
        assert_eq!(text(&root.join("from/copied")), "3");
        assert_eq!(text(&root.join("to/tree/deep/x")), "4");
        assert_eq!(text(&root.join("to/tree/mine")), "5");
        assert_eq!(fs::read_link(root.join("to/link")).expect("a link"), Path::new("somewhere"));
    });
}

fn tar(folder: &Path, options: &[&str], names: &[&str]) {
    let status = Command::new("tar").args(options).args(names).current_dir(folder).status();
    assert!(status.expect("tar starts").success());
}

#[test]
fn archives_are_packed_and_unpacked() {
    let made = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(made.path().join("app-1")).expect("a directory");
    fs::write(made.path().join("app-1/VERSION"), "1\n").expect("a file");
    tar(made.path(), &["-cf", "app.tar"], &["app-1"]);
    let archive = text(&made.path().join("app.tar"));
    let prepare = |host: &Path| {
        let root = host.join("r");
        fs::create_dir_all(root.join("srv")).expect("a directory");
        fs::create_dir_all(root.join("srv2")).expect("a directory");
        tar(made.path(), &["-czf", root.join("here.tgz").to_str().expect("UTF-8")], &["app-1"]);
    };
    let deploy = r#"files.unarchive("files/app.tar", "ROOT/srv", creates = "ROOT/srv/app-1", group = "root")
files.unarchive("ROOT/here.tgz", "ROOT/srv2", remote_src = True, creates = "ROOT/srv2/app-1/VERSION")
files.archive("ROOT/srv/app-1", "ROOT/backup.tar.gz")"#;
    check_with(&[("files/app.tar", &archive)], prepare, deploy, |root| {
        assert_eq!(text(&root.join("srv/app-1/VERSION")), "1\n");
        assert_eq!(text(&root.join("srv2/app-1/VERSION")), "1\n");
        let list =
            Command::new("tar").arg("-tzf").arg(root.join("backup.tar.gz")).output().expect("tar starts");
        assert!(String::from_utf8_lossy(&list.stdout).contains("app-1/VERSION"));
    });
}

#[test]
fn folders_are_synchronised() {
    let files = [
        ("files/site/index.html", "new\n"),
        ("files/site/css/a b.css", "css\n"),
        ("files/site/css/same.css", "same\n"),
        ("files/site/skip.pyc", "x"),
        ("files/site/cache/y", "y"),
    ];
    let prepare = |host: &Path| {
        let root = host.join("r");
        fs::create_dir_all(root.join("site/css")).expect("a directory");
        fs::create_dir_all(root.join("site/old/deep")).expect("a directory");
        fs::write(root.join("site/index.html"), "old\n").expect("a file");
        fs::write(root.join("site/css/same.css"), "same\n").expect("a file");
        fs::write(root.join("site/old/deep/$(touch x)"), "old\n").expect("a file");
        symlink("/etc/hosts", root.join("site/old/link")).expect("a link");
    };
    let deploy = r#"files.sync("files/site", "ROOT/site", mode = 640, dir_mode = 750, delete = True,
    exclude = "*.pyc", exclude_dir = ["cache"])
files.sync("files/site/", "ROOT/fresh")"#;
    check_with(&files, prepare, deploy, |root| {
        assert_eq!(text(&root.join("site/index.html")), "new\n");
        assert_eq!(mode(&root.join("site/css/same.css")), 0o640);
        assert_eq!(mode(&root.join("site/css")), 0o750);
        assert_eq!(text(&root.join("site/css/a b.css")), "css\n");
        assert!(!root.join("site/skip.pyc").exists() && !root.join("site/cache").exists());
        assert_eq!(fs::read_dir(root.join("site/old/deep")).expect("it stays").count(), 0);
        assert!(!root.join("site/old/link").is_symlink() && Path::new("/etc/hosts").exists());
        assert_eq!(text(&root.join("fresh/skip.pyc")), "x");
    });
}
