//! The facts against real hosts: this machine, and the recorded answer of another one.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use model::{Collection, HostName, Level, Listener, PackageName, Transport};

use crate::facts::script::tests::{is_here, run, shells};
use crate::facts::{FactRequests, Nonce, StreamEnd, collect_facts, read_answer, script};

/// The processes that a scan of a Linux host may start.
const FORKS_MAX: usize = 40;

fn read(stdout: &[u8], nonce: &Nonce) -> Collection {
    let answers = read_answer(&FactRequests::scan(), nonce, stdout, StreamEnd::Complete);
    let host = HostName::new("here").expect("a good name");
    collect_facts(&host, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, &answers)
}

fn scan(shell: &[&str]) -> Collection {
    let nonce = Nonce::from_bytes([9; 16]);
    let stdout = run(shell, &script(&FactRequests::scan(), &nonce)).expect("the shell was there");
    read(&stdout, &nonce)
}

/// Says what a command prints; nothing where this machine has none.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn said(command: &[&str]) -> Option<String> {
    let output = Command::new(command[0]).args(&command[1..]).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    if text.is_none() {
        eprintln!("SKIPPED: {} does not work here", command.join(" "));
    }
    text.map(|text| String::from_utf8_lossy(&text).into_owned())
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn listens(listeners: &[Listener], transport: Transport, address: SocketAddr) -> Option<&Listener> {
    let is_it =
        |it: &&Listener| (it.transport, it.address, it.port) == (transport, address.ip(), address.port());
    listeners.iter().find(is_it)
}

#[test]
fn this_machine_s_sockets_have_their_programs() {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let tcp6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).ok();
    let name = std::fs::read_to_string("/proc/self/comm").expect("Linux");
    let mut bound = vec![
        (Transport::Tcp, tcp.local_addr().expect("bound")),
        (Transport::Udp, udp.local_addr().expect("bound")),
    ];
    bound.extend(tcp6.as_ref().map(|socket| (Transport::Tcp, socket.local_addr().expect("bound"))));
    for shell in shells() {
        let found = scan(shell).observed.listeners.expect("listeners");
        for (transport, address) in &bound {
            let listener = listens(&found, *transport, *address);
            let process = listener.and_then(|it| it.process.as_deref());
            assert_eq!(process, Some(name.trim_end()), "{shell:?} {address}: {found:?}");
        }
    }
}

#[test]
fn a_program_of_a_package_is_told() {
    if said(&["dpkg-query", "-W", "perl-base"]).is_none() {
        return;
    }
    let listen = "$| = 1; $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die; \
                  print $s->sockport, \"\\n\"; sleep 600";
    let child =
        Command::new("perl").args(["-MIO::Socket::INET", "-e", listen]).stdout(Stdio::piped()).spawn();
    let mut child = Running(child.expect("perl runs"));
    let mut port = String::new();
    BufReader::new(child.0.stdout.take().expect("piped")).read_line(&mut port).expect("a port");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.trim().parse().expect("a port")));
    for shell in shells() {
        let found = scan(shell).observed.listeners.expect("listeners");
        let listener = listens(&found, Transport::Tcp, address).expect("it listens");
        let package = listener.package.as_ref().map(PackageName::as_str);
        assert_eq!((listener.process.as_deref(), package), (Some("perl"), Some("perl-base")), "{shell:?}");
    }
}

#[test]
fn this_machine_s_sockets_are_those_of_ss() {
    // Other tests open and close ports: what is there before and after must be there between.
    let sockets =
        || said(&["ss", "-lntuH"]).map(|text| text.lines().filter_map(ss_line).collect::<BTreeSet<_>>());
    for shell in shells() {
        let Some(before) = sockets() else { return };
        let found = scan(shell).observed.listeners.expect("listeners");
        let Some(after) = sockets() else { return };
        for (transport, address) in before.intersection(&after) {
            assert!(listens(&found, *transport, *address).is_some(), "{shell:?} {address}: {found:?}");
        }
    }
}

/// Reads `tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*`.
fn ss_line(line: &str) -> Option<(Transport, SocketAddr)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let transport = if *words.first()? == "udp" { Transport::Udp } else { Transport::Tcp };
    let (address, port) = words.get(4)?.rsplit_once(':')?;
    let address = address.trim_matches(['[', ']']).split('%').next()?;
    let address = if address == "*" { "::" } else { address };
    Some((transport, SocketAddr::new(address.parse::<IpAddr>().ok()?, port.parse().ok()?)))
}

#[test]
fn this_machine_s_accounts_are_those_of_getent() {
    let (Some(passwd), Some(group)) = (said(&["getent", "passwd"]), said(&["getent", "group"])) else {
        return;
    };
    for shell in shells() {
        let collection = scan(shell);
        for account in collection.observed.accounts.as_ref().expect("accounts") {
            let line = format!("{}:x:{}:{}:", account.name, account.uid, account.gid);
            assert!(passwd.lines().any(|it| it.starts_with(&line)), "{shell:?} {line}");
        }
        for group_seen in collection.observed.groups.as_ref().expect("groups") {
            let line = format!("{}:x:{}:", group_seen.name, group_seen.gid);
            assert!(group.lines().any(|it| it.starts_with(&line)), "{shell:?} {line}");
        }
        let errors = collection.problems.iter().filter(|problem| problem.level == Level::Error);
        assert_eq!(errors.count(), 0, "{shell:?}: {:?}", collection.problems);
        assert!(collection.observed.booted_at.is_some_and(|at| at.as_second() > 1_000_000_000), "{shell:?}");
    }
}

#[test]
fn a_process_of_a_deleted_program_is_stale() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let program = folder.path().join("sleepy");
    std::fs::copy("/bin/sleep", &program).expect("sleep is there");
    let child = Running(Command::new(&program).arg("600").spawn().expect("it runs"));
    std::fs::remove_file(&program).expect("it is removed");
    for shell in shells() {
        let Some(found) = scan(shell).observed.stale_processes else {
            // Not root: /proc of others is closed.
            return;
        };
        let is_it = found.iter().any(|it| it.pid == child.0.id() && it.file == program.to_string_lossy());
        assert!(is_it, "{shell:?}: {found:?}");
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn a_scan_starts_few_processes() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let trace = folder.path().join("trace");
    let path = trace.to_str().expect("text");
    let script = script(&FactRequests::scan(), &Nonce::from_bytes([9; 16]));
    let calls = "trace=clone,clone3,fork,vfork";
    for shell in [["dash"].as_slice(), &["busybox", "ash"]].into_iter().filter(|shell| is_here(shell)) {
        let strace = [["strace", "-f", "-qq", "-e", calls, "-o", path].as_slice(), shell].concat();
        let Some(stdout) = run(&strace, &script).filter(|stdout| !stdout.is_empty()) else {
            return eprintln!("SKIPPED: this machine has no strace that works");
        };
        assert!(String::from_utf8_lossy(&stdout).contains("\ndone "), "{shell:?}");
        let calls = std::fs::read_to_string(&trace).expect("a trace");
        let is_fork = |line: &&str| line.rsplit_once(" = ").is_some_and(|(_, id)| id.parse::<u32>().is_ok());
        let forks = calls.lines().filter(is_fork).count();
        assert!((1..FORKS_MAX).contains(&forks), "{shell:?} starts {forks} processes:\n{calls}");
    }
}

fn recorded(name: &str) -> Collection {
    let path = format!("{}/../../fixtures/hosts/answers/{name}", env!("CARGO_MANIFEST_DIR"));
    let stdout = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    read(&stdout, &Nonce::from_bytes([7; 16]))
}

#[test]
fn the_recorded_answer_of_a_debian_is_read() {
    let collection = recorded("debian-12.txt");
    assert_eq!(collection.problems, []);
    let observed = collection.observed;
    assert_eq!(observed.booted_at.map(Timestamp::as_second), Some(1_795_373_601));
    assert_eq!(observed.services, Some(vec![]));
    let listeners = observed.listeners.expect("listeners");
    let shown: Vec<_> = listeners
        .iter()
        .map(|it| (it.address, it.port, it.process.as_deref(), it.package.as_ref().map(PackageName::as_str)))
        .collect();
    let local = |last| IpAddr::from(if last == 0 { [0, 0, 0, 0] } else { [127, 0, 0, last] });
    assert_eq!(shown[0], (local(0), 2024, None, None));
    assert_eq!(shown[1].2.zip(shown[1].3), Some(("perl", "perl-base")));
    assert_eq!((shown.len(), shown[1].0), (2, local(1)));
    assert_eq!(observed.accounts.map(|accounts| accounts.len()), Some(25));
    let members = observed.groups.expect("groups").into_iter().find(|group| group.name == "ssl-cert");
    assert_eq!(members.map(|group| group.members), Some(vec!["postgres".to_owned()]));
    assert_eq!(observed.cron.map(|cron| cron.len()), Some(6));
    let stale: Vec<_> = observed.stale_processes.expect("processes").into_iter().map(|it| it.file).collect();
    assert_eq!(stale, ["/tmp/st1/sleepy"]);
    assert_eq!((observed.authorized_keys, observed.privileges), (Some(vec![]), Some(vec![])));
    assert_eq!((observed.reboot, observed.jails), (None, None));
}

#[test]
fn the_recorded_answer_to_an_ordinary_login_has_warnings_only() {
    let collection = recorded("debian-12-nobody.txt");
    let words: Vec<_> =
        collection.problems.iter().map(|problem| (problem.level, problem.code.as_str())).collect();
    assert_eq!(words, [(Level::Warning, "collect.not-permitted"); 2], "{:?}", collection.problems);
    let observed = collection.observed;
    assert_eq!((observed.stale_processes, observed.authorized_keys), (None, None));
    let listeners = observed.listeners.expect("listeners");
    assert!(!listeners.is_empty() && listeners.iter().all(|it| it.process.is_none()));
    assert!(collection.packages.is_some() && observed.cron.is_some());
}
