//! `server.wait` in real shells: what is so ends it, what is not makes it fail and says so.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use model::Change;

use super::team::{Team, apply, function, shells};

/// Answers every request with a status, until the test ends; returns its port.
fn server(status: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let answer = format!("HTTP/1.0 {status}\r\nLocation: http://127.0.0.1:1/\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

/// Runs one `server.wait` in every shell.
fn check(code: &str, expected: Result<(), &str>) {
    for shell in shells() {
        let steps = Team::new(code).steps(&shell);
        match expected {
            Ok(()) => apply(&shell, &steps[0]),
            Err(says) => {
                assert!(steps[0].is_sent(), "{code}");
                let (status, _, stderr) = function(&shell, &steps[0].action, &[].into());
                assert_eq!(status, Some(1), "{shell:?} {code}");
                assert!(stderr.contains(says), "{shell:?} {code}: {stderr}");
            }
        }
    }
}

#[test]
fn a_port_that_listens_ends_it() {
    let port = server("200 OK");
    check(&format!("server.wait({port})"), Ok(()));
    check(&format!("server.wait(port = {port}, host = \"127.0.0.1\", timeout = 0)"), Ok(()));
    check("server.wait(1, timeout = 0)", Err("nothing listens on port 1 of 127.0.0.1 after 0 s"));
}

#[test]
fn a_path_ends_it() {
    let host = tempfile::tempdir().expect("a temporary directory");
    let path = host.path().join("it's $(here)");
    let quoted = serde_json::Value::from(path.to_str().expect("UTF-8"));
    check(&format!("server.wait(file = {quoted}, timeout = 0)"), Err("is still not there after 0 s"));
    check(&format!("server.wait(file = {quoted}, present = False)"), Ok(()));
    fs::write(&path, "").expect("a file");
    check(&format!("server.wait(file = {quoted})"), Ok(()));
    check(
        &format!("server.wait(file = {quoted}, present = False, timeout = 0)"),
        Err("is still not absent after 0 s"),
    );
}

#[test]
fn a_status_ends_it() {
    let (good, ill, moved) = (server("200 OK"), server("503 No"), server("301 Moved"));
    check(&format!("server.wait(url = \"http://127.0.0.1:{good}/health?a=b&c='d'\")"), Ok(()));
    check(&format!("server.wait(url = \"http://127.0.0.1:{ill}/\", status = 503)"), Ok(()));
    check(&format!("server.wait(url = \"http://127.0.0.1:{moved}/\", status = 301, timeout = 0)"), Ok(()));
    let expected = "expected status 200, got 503 after 0 s";
    check(&format!("server.wait(url = \"http://127.0.0.1:{ill}/\", timeout = 0)"), Err(expected));
    let expected = "expected status 200, got no answer after 0 s";
    check("server.wait(url = \"http://127.0.0.1:1/\", timeout = 0)", Err(expected));
}

#[test]
fn what_is_so_is_not_waited_for_but_behind_a_change() {
    let code =
        "server.wait(file = \"/etc/passwd\")\nserver.shell(\"true\")\nserver.wait(file = \"/etc/passwd\")";
    let steps = Team::new(code).steps(&shells()[0]);
    let changes: Vec<Change> = steps.iter().map(|step| step.change).collect();
    assert_eq!(changes, [Change::None, Change::Certain, Change::Undecided]);
}

#[test]
fn it_looks_again() {
    // The port is there only once the file is: one wait must outlast the other's beginning.
    let host = tempfile::tempdir().expect("a temporary directory");
    let path = host.path().join("ready");
    let code = format!("server.wait(file = \"{}\", timeout = 60)", path.display());
    let shell = &shells()[0];
    let steps = Team::new(&code).steps(shell);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| function(shell, &steps[0].action, &[].into()).0);
        fs::write(&path, "").expect("a file");
        assert_eq!(waits.join().expect("it ends"), Some(0));
    });
}
