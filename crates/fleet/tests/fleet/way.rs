//! Ways through jump hosts: real sshds, one behind the other.

use std::sync::Arc;

use fleet::{
    ConnectError, Connector, Jump, LoginKeys, SshConnector, Target, TargetConnection, Trust, collect,
};
use model::{Address, Code, HostKey, UserName};
use plan::{FactRequests, StreamEnd};

use crate::sshd::Sshd;
use crate::{keys, limits, within};

const FORWARDED: &str = "Starting session: command";

/// Returns the way through an sshd.
fn through(sshd: &Sshd) -> Jump {
    let TargetConnection::Ssh { address, port, user, pinned } = sshd.target().connection else {
        panic!("an sshd is reached over SSH")
    };
    let (trust, login) = (Trust::default(), LoginKeys::default());
    Jump { name: "front".to_owned(), address, port, user, pinned, trust, login }
}

fn behind(sshd: &Sshd, jumps: Vec<Jump>) -> Target {
    let mut target = sshd.target();
    target.access.jumps = jumps;
    target
}

/// All sshds let the same key in.
fn connector(sshd: &Sshd) -> SshConnector {
    SshConnector::new(sshd.identities())
}

async fn fail(connector: &SshConnector, target: &Target) -> ConnectError {
    within(connector.exec(target, b"echo here\n", &limits())).await.expect_err("there must be no way")
}

#[tokio::test]
async fn hosts_behind_a_jump_host_share_its_connection() {
    let (Some(front), Some(back)) = (Sshd::start(), Sshd::start()) else { return };
    let targets = vec![behind(&back, vec![through(&front)]); 5];
    let connector = Arc::new(connector(&front));
    let collections = within(collect(&targets, &FactRequests::scan(), connector, &limits(), None)).await;
    for collection in &collections {
        assert!(collection.kernel.is_some(), "{:?}", collection.problems);
    }
    assert_eq!((front.count("Accepted publickey"), back.count("Accepted publickey")), (1, 5));
    assert_eq!((front.count(FORWARDED), back.count(FORWARDED)), (0, 5), "no command runs on the way");
}

#[tokio::test]
async fn ways_may_have_several_hops() {
    let (Some(first), Some(second), Some(back)) = (Sshd::start(), Sshd::start(), Sshd::start()) else {
        return;
    };
    let target = behind(&back, vec![through(&first), through(&second)]);
    let output = within(connector(&first).exec(&target, b"echo here\n", &limits())).await.expect("a way");
    assert_eq!((output.stdout.as_slice(), output.end), (b"here\n".as_slice(), StreamEnd::Complete));
    let shown = within(connector(&first).probe(&target, &limits())).await.expect("a key");
    assert_eq!(shown[0].key, keys::pin(&keys::key(11)));
    // Once for the exec, once for the probe, which does not log in at the target itself.
    assert_eq!((second.count("Accepted publickey"), back.count("Accepted publickey")), (2, 1));
}

#[tokio::test]
async fn a_jump_host_with_a_wrong_key_sees_no_login_and_its_hosts_no_connection() {
    let (Some(front), Some(back)) = (Sshd::start(), Sshd::start()) else { return };
    let key = |pinned: Vec<HostKey>| Jump { pinned, ..through(&front) };
    let wrong = behind(&back, vec![key(vec![keys::pin(&keys::key(99))])]);
    let error = fail(&connector(&front), &wrong).await;
    assert_eq!(error.code(), Code::CollectHostKeyChanged, "{error:?}");
    let unknown = behind(&back, vec![key(vec![])]);
    let error = fail(&connector(&front), &unknown).await;
    assert_eq!(error.code(), Code::CollectHostKeyUnknown, "{error:?}");
    let hint = error.hint(&unknown.host).expect("a hint");
    assert!(hint.contains("front") && hint.contains("ssh.known_hosts"), "{hint}");
    front.wait_for("[preauth]");
    assert_eq!((front.count("Accepted"), back.count("Connection from")), (0, 0));
}

#[tokio::test]
async fn the_target_s_own_key_is_checked_behind_a_jump_host() {
    let (Some(front), Some(back)) = (Sshd::start(), Sshd::start()) else { return };
    let mut target = back.target_with(vec![keys::pin(&keys::key(99))]);
    target.access.jumps = vec![through(&front)];
    let error = fail(&connector(&front), &target).await;
    assert!(matches!(error, ConnectError::HostKeyChanged { .. }), "{error:?}");
    assert_eq!(back.count("Accepted"), 0);
}

#[tokio::test]
async fn a_dead_jump_host_fails_its_hosts_by_name() {
    let Some(back) = Sshd::start() else { return };
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = nobody.local_addr().expect("an address").port();
    drop(nobody);
    let dead = Jump { port, ..through(&back) };
    let targets = vec![behind(&back, vec![dead]); 3];
    let connector = Arc::new(connector(&back));
    let collections = within(collect(&targets, &FactRequests::scan(), connector, &limits(), None)).await;
    for collection in &collections {
        let problem = &collection.problems[0];
        assert_eq!(problem.code, Code::CollectUnreachable);
        assert!(problem.message.contains("jump host front"), "{}", problem.message);
    }
    assert_eq!(back.count("Connection from"), 0);
}

#[tokio::test]
async fn a_jump_host_that_forwards_nothing_is_named() {
    let Some(front) = Sshd::start_with(&|_| "AllowTcpForwarding no\n".to_owned(), None) else { return };
    let error = fail(&connector(&front), &behind(&front, vec![through(&front)])).await;
    assert!(matches!(error, ConnectError::JumpRefused { .. }), "{error:?}");
}

#[tokio::test]
async fn the_first_stranger_on_the_way_is_named() {
    let Some(front) = Sshd::start() else { return };
    let stranger = Jump { user: UserName::new("nobody-of-that-name"), ..through(&front) };
    let error = fail(&connector(&front), &behind(&front, vec![stranger])).await;
    assert_eq!(error.code(), Code::CollectUnauthenticated, "{error:?}");
    let long = vec![through(&front); 9];
    let error = fail(&connector(&front), &behind(&front, long)).await;
    assert!(format!("{error:?}").contains("TooManyHops"), "{error:?}");
}

#[tokio::test]
async fn a_forbidden_host_is_not_contacted() {
    let Some(sshd) = Sshd::start() else { return };
    let mut target = sshd.target();
    let problem = model::Problem::new(Code::CollectSshConfig, model::Place::Nowhere, "ProxyCommand");
    target.access.refused = Some(problem);
    let error = fail(&connector(&sshd), &target).await;
    assert_eq!(error.code(), Code::CollectSshConfig);
    within(connector(&sshd).probe(&target, &limits())).await.expect_err("no probe either");
    assert_eq!(sshd.count("Connection from"), 0);
    assert_eq!(Address::new("127.0.0.1"), through(&sshd).address);
}
