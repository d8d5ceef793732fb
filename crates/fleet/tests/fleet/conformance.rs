//! What every connector promises, tested on each.

use std::time::Duration;

use fleet::{Connector, Limits, Target};
use plan::StreamEnd;

use crate::{limits, within};

/// One script and what must come of it.
struct Case {
    name: &'static str,
    script: Vec<u8>,
    limits: Limits,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    exit_status: Option<u32>,
    end: StreamEnd,
}

fn case(name: &'static str, script: &str) -> Case {
    Case {
        name,
        script: script.as_bytes().to_vec(),
        limits: limits(),
        stdout: Vec::new(),
        stderr: Vec::new(),
        exit_status: Some(0),
        end: StreamEnd::Complete,
    }
}

fn cases() -> Vec<Case> {
    let environment = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin|C|/||\n";
    let comments = "# a comment that fills windows and pipes\n".repeat(50_000);
    let mebibyte = 1 << 20;
    let many = 10_000_000;
    vec![
        case("nothing", ""),
        Case { exit_status: Some(7), ..case("exit status", "exit 7\n") },
        Case { exit_status: Some(255), ..case("greatest exit status", "exit 255\n") },
        Case {
            stdout: b"out\n".to_vec(),
            stderr: b"err\n".to_vec(),
            ..case("stdout and stderr apart", "echo out; echo err >&2\n")
        },
        Case { stdout: b"no newline".to_vec(), ..case("no final newline", "printf 'no newline'\n") },
        Case { stdout: vec![0, 255, 13, 10, 27], ..case("binary", "printf '\\000\\377\\r\\n\\033'\n") },
        Case {
            stdout: environment.into(),
            ..case("clean environment", "echo \"$PATH|$LC_ALL|$HOME|$SSH_CONNECTION$USER$CARGO_PKG_NAME|\"\n")
        },
        Case {
            stdout: vec![0; mebibyte],
            exit_status: None,
            end: StreamEnd::TooLarge,
            ..case("10 MB, cut at 1 MiB", &format!("head -c {many} /dev/zero\n"))
        },
        Case {
            stdout: vec![0; many],
            limits: Limits { stdout_bytes_max: 16 * mebibyte, ..limits() },
            ..case("10 MB, whole", &format!("head -c {many} /dev/zero\n"))
        },
        Case {
            stdout: vec![0; mebibyte],
            ..case("exactly the limit", &format!("head -c {mebibyte} /dev/zero\n"))
        },
        Case {
            stdout: b"after\n".to_vec(),
            stderr: vec![0; 1000],
            limits: Limits { stderr_bytes_max: 1000, ..limits() },
            ..case("much stderr is dropped", &format!("head -c {mebibyte} /dev/zero >&2; echo after\n"))
        },
        Case {
            exit_status: None,
            stdout: b"a\n".to_vec(),
            ..case("killed by a signal", "echo a; kill -KILL $$\n")
        },
        Case { stdout: b"read\n".to_vec(), ..case("2 MB of script", &format!("{comments}echo read\n")) },
        Case { exit_status: Some(3), ..case("a script that is not read", &format!("exit 3\n{comments}")) },
        Case {
            stdout: b"before\n".to_vec(),
            exit_status: None,
            end: StreamEnd::TimedOut,
            limits: Limits { host_timeout: Duration::from_secs(2), ..limits() },
            ..case("time-out keeps what came", "echo before; sleep 20\n")
        },
        Case {
            exit_status: None,
            end: StreamEnd::TimedOut,
            limits: Limits { host_timeout: Duration::from_secs(2), ..limits() },
            ..case("time-out with output closed", "exec >&- 2>&-; sleep 20\n")
        },
    ]
}

/// Runs the suite.
pub async fn check(connector: &dyn Connector, target: &Target) {
    for case in cases() {
        let name = case.name;
        let output = within(connector.exec(target, &case.script, &case.limits)).await;
        let output = output.unwrap_or_else(|error| panic!("{name}: {error}: {error:?}"));
        assert_eq!(output.end, case.end, "{name}");
        assert_eq!(output.stdout.len(), case.stdout.len(), "{name}");
        assert!(output.stdout == case.stdout, "{name}: {:?}", String::from_utf8_lossy(&output.stdout));
        assert!(output.stderr == case.stderr, "{name}: {:?}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.exit_status, case.exit_status, "{name}");
    }
}

mod local {
    use std::path::PathBuf;

    use fleet::{Access, LocalConnector, TargetConnection};
    use model::HostName;

    use super::*;

    fn target() -> Target {
        Target {
            host: HostName::new("here").expect("a good name"),
            connection: TargetConnection::Local,
            access: Access::default(),
        }
    }

    #[tokio::test]
    async fn the_local_connector_conforms() {
        check(&LocalConnector, &target()).await;
    }

    /// Waits until a process is gone or is a zombie that nobody has waited for yet.
    async fn wait_until_dead(pid: &str) {
        let path = PathBuf::from("/proc").join(pid).join("stat");
        let is_alive = || std::fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z "));
        while is_alive() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_time_out_kills_all_that_was_started() {
        let limits = Limits { host_timeout: Duration::from_secs(1), ..limits() };
        let script = b"sleep 1000 & echo $!; sleep 1000 & echo $!; wait\n";
        let output = within(LocalConnector.exec(&target(), script, &limits)).await.expect("a shell");
        assert_eq!(output.end, StreamEnd::TimedOut);
        let pids = String::from_utf8(output.stdout).expect("numbers");
        assert_eq!(pids.lines().count(), 2);
        for pid in pids.lines() {
            within(wait_until_dead(pid)).await;
        }
    }

    #[tokio::test]
    async fn a_dropped_exec_kills_all_that_was_started() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("pid");
        let script = format!("sleep 1000 & echo $! >{0}.new; mv {0}.new {0}; wait\n", file.display());
        let (target, limits) = (target(), limits());
        let exec = LocalConnector.exec(&target, script.as_bytes(), &limits);
        let started = async {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = exec => panic!("it cannot have ended"),
            () = within(started) => {}
        }
        let pid = std::fs::read_to_string(&file).expect("a number");
        within(wait_until_dead(pid.trim())).await;
    }
}
