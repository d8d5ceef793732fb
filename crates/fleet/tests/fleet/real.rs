//! The true path: a real sshd, real keys, a real agent.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use fleet::{
    AgentChoice, ConnectError, Connector, ExecOutput, Identities, LoginKeys, SshConnector, collect,
    fingerprint, probe_host_keys,
};
use model::{Address, Code, HostKey};
use plan::{FactRequests, StreamEnd};

use crate::sshd::{Sshd, run};
use crate::{conformance, keys, limits, within};

const COMMAND_LOG: &str = "Starting session: command";

#[tokio::test]
async fn the_ssh_connector_conforms() {
    let Some(sshd) = Sshd::start() else { return };
    conformance::check(&SshConnector::new(sshd.identities()), &sshd.target()).await;
}

#[tokio::test]
async fn a_scan_is_one_connection_and_one_exec_per_host() {
    let Some(sshd) = Sshd::start() else { return };
    let targets = vec![sshd.target(); 5];
    let connector = Arc::new(SshConnector::new(sshd.identities()));
    let limits = fleet::Limits::default();
    let collections = within(collect(&targets, &FactRequests::scan(), connector, &limits, None)).await;
    for collection in &collections {
        assert!(collection.kernel.is_some(), "{:?}", collection.problems);
        assert!(!collection.problems.iter().any(|problem| problem.code == Code::CollectCut));
    }
    assert_eq!(
        (sshd.count("Connection from"), sshd.count("Accepted publickey"), sshd.count(COMMAND_LOG)),
        (5, 5, 5)
    );
    assert_eq!(sshd.count("Failed none"), 0, "no round trip is spent on asking which methods there are");
}

async fn exec(sshd: &Sshd, identities: Identities, pinned: Vec<HostKey>) -> Result<ExecOutput, ConnectError> {
    let target = sshd.target_with(pinned);
    let connector = SshConnector::new(identities);
    within(connector.exec(&target, b"echo here\n", &limits())).await
}

fn assert_ran(result: Result<ExecOutput, ConnectError>, what: &str) {
    let output = result.unwrap_or_else(|error| panic!("{what}: {error}: {error:?}"));
    assert_eq!((output.stdout.as_slice(), output.end), (b"here\n".as_slice(), StreamEnd::Complete), "{what}");
}

#[tokio::test]
async fn the_pinned_key_s_algorithm_is_negotiated_first() {
    let Some(sshd) = Sshd::start() else { return };
    for name in ["host_rsa", "host_ecdsa"] {
        let pinned = vec![sshd.host_key(name)];
        assert_ran(exec(&sshd, sshd.identities(), pinned).await, name);
    }
}

#[tokio::test]
async fn a_wrong_host_key_starts_no_command() {
    let Some(sshd) = Sshd::start() else { return };
    let wrong = keys::pin(&keys::key(99));
    let error = exec(&sshd, sshd.identities(), vec![wrong]).await.expect_err("a changed key");
    assert!(matches!(error, ConnectError::HostKeyChanged { .. }), "{error:?}");
    let error = exec(&sshd, sshd.identities(), vec![]).await.expect_err("an unknown key");
    assert!(matches!(error, ConnectError::HostKeyUnknown), "{error:?}");
    // The log is complete once the one connection is seen to end.
    sshd.wait_for("[preauth]");
    assert_eq!((sshd.count("Connection from"), sshd.count("Accepted"), sshd.count(COMMAND_LOG)), (1, 0, 0));
}

#[tokio::test]
async fn every_kind_of_key_file_logs_in() {
    let Some(sshd) = Sshd::start() else { return };
    for name in ["login_ed25519", "login_rsa", "login_ecdsa"] {
        let key_files = vec![sshd.path("not-there"), sshd.path(name)];
        let identities = Identities { agent_socket: None, key_files };
        assert_ran(exec(&sshd, identities, vec![sshd.host_key("host_rsa")]).await, name);
    }
}

#[tokio::test]
async fn an_encrypted_key_file_points_to_the_agent() {
    let Some(sshd) = Sshd::start() else { return };
    let path = sshd.path("encrypted");
    let text = path.display().to_string();
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "a passphrase", "-f", &text]);
    let identities = Identities { agent_socket: None, key_files: vec![path] };
    let pinned = vec![sshd.host_key("host_rsa")];
    let error = exec(&sshd, identities, pinned).await.expect_err("it cannot be read");
    let ConnectError::Unauthenticated { tried, hint, .. } = &error else { panic!("{error:?}") };
    assert!(tried.iter().any(|note| note.contains("passphrase")), "{tried:?}");
    assert!(hint.contains(&format!("ssh-add {text}")), "{hint}");
    assert_eq!(sshd.count("Connection from"), 0, "without a key there is no use in connecting");
}

#[tokio::test]
async fn refused_keys_are_named() {
    let Some(sshd) = Sshd::start() else { return };
    let key_files = vec![keys::write(&keys::key(77), sshd.directory.path(), "stranger")];
    let identities = Identities { agent_socket: Some(sshd.path("no-agent")), key_files };
    let pinned = vec![sshd.host_key("host_rsa")];
    let error = exec(&sshd, identities, pinned).await.expect_err("a stranger");
    let ConnectError::Unauthenticated { tried, .. } = &error else { panic!("{error:?}") };
    assert!(tried.iter().any(|note| note.contains("no-agent")), "{tried:?}");
    assert!(tried.iter().any(|note| note.contains("stranger was refused")), "{tried:?}");
}

/// An ssh-agent; it is stopped with the value.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(sshd: &Sshd, keys: &[&str]) -> Self {
        let socket = sshd.path("agent");
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-agent is there where sshd is");
        while !socket.exists() {
            std::thread::yield_now();
        }
        let agent = Self { child, socket };
        for key in keys {
            let added = Command::new("ssh-add")
                .arg("-q")
                .arg(sshd.path(key))
                .env("SSH_AUTH_SOCK", &agent.socket)
                .status();
            assert!(added.expect("ssh-add runs").success(), "{key}");
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
async fn the_agent_is_asked_first_and_key_files_after_it() {
    let Some(sshd) = Sshd::start() else { return };
    keys::write(&keys::key(78), sshd.directory.path(), "stranger");
    let agent = Agent::start(&sshd, &["stranger", "login_rsa"]);
    let agent_socket = Some(agent.socket.clone());
    let only_agent = Identities { agent_socket: agent_socket.clone(), key_files: vec![] };
    assert_ran(exec(&sshd, only_agent, vec![sshd.host_key("host_rsa")]).await, "agent");
    assert_eq!(sshd.count("Accepted publickey"), 1);
    drop(agent);

    std::fs::remove_file(sshd.path("agent")).ok();
    let agent = Agent::start(&sshd, &["stranger"]);
    let both =
        Identities { agent_socket: Some(agent.socket.clone()), key_files: vec![sshd.path("login_ed25519")] };
    assert_ran(exec(&sshd, both, vec![sshd.host_key("host_rsa")]).await, "agent, then file");
}

#[tokio::test]
async fn named_keys_of_the_agent_go_first_and_alone_if_wanted() {
    let Some(sshd) = Sshd::start() else { return };
    let names: Vec<_> = (110..116).map(|seed| format!("stranger{seed}")).collect();
    for (name, seed) in names.iter().zip(110..) {
        keys::write(&keys::key(seed), sshd.directory.path(), name);
    }
    let mut held: Vec<_> = names.iter().map(String::as_str).collect();
    held.push("login_rsa");
    let agent = Agent::start(&sshd, &held);
    let identities = Identities { agent_socket: Some(agent.socket.clone()), key_files: vec![] };
    let exec = async |login: LoginKeys| {
        let mut target = sshd.target();
        target.access.login = login;
        within(SshConnector::new(identities.clone()).exec(&target, b"echo here\n", &limits())).await
    };
    exec(LoginKeys::default()).await.expect_err("six strangers come first");
    let key_files = vec![sshd.path("login_rsa.pub")];
    let named = LoginKeys { key_files: key_files.clone(), ..LoginKeys::default() };
    assert_ran(exec(named.clone()).await, "named");
    assert_ran(exec(LoginKeys { is_limited: true, ..named }).await, "alone");
    let stranger =
        LoginKeys { key_files: vec![sshd.path("login_ecdsa.pub")], is_limited: true, ..LoginKeys::default() };
    let error = exec(stranger).await.expect_err("the agent does not hold it");
    assert!(error.to_string().contains("there is no key to log in with"), "{error}");
    let off = LoginKeys { agent: AgentChoice::Off, key_files, ..LoginKeys::default() };
    exec(off).await.expect_err("nobody can sign");
    let socket = AgentChoice::Socket(agent.socket.clone());
    let own =
        LoginKeys { agent: socket, key_files: vec![sshd.path("login_rsa.pub")], ..LoginKeys::default() };
    assert_ran(exec(own).await, "an agent of its own");
}

#[tokio::test]
async fn a_probe_prefers_ed25519_and_agrees_with_openssh() {
    let Some(sshd) = Sshd::start() else { return };
    let address = Address::new("127.0.0.1");
    let shown = within(probe_host_keys(&address, sshd.port(), &limits())).await.expect("a key");
    let key = keys::pin(&keys::key(11));
    assert_eq!(shown.iter().map(|shown| &shown.key).collect::<Vec<_>>(), [&key]);
    let file = sshd.path("shown.pub");
    std::fs::write(&file, key.as_str()).expect("a file");
    let line = run("ssh-keygen", &["-l", "-f", &file.display().to_string()]);
    assert_eq!(line.split(' ').nth(1), fingerprint(&key).as_deref());
    assert_eq!(sshd.count(COMMAND_LOG), 0);
}
