//! Whatever a host does, a run comes back, names it, and has the healthy host beside it complete.

use std::sync::Arc;
use std::time::Duration;

use fleet::{Connector, Identities, Limits, SshConnector, collect, probe_host_keys};
use model::{Address, Code, Collection};
use plan::FactRequests;

use crate::fake::{Fake, Manner};
use crate::{keys, limits, within};

/// An SSH connector that logs in with a key file.
pub fn connector() -> (Arc<dyn Connector>, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let key_files = vec![keys::write(&keys::key(2), directory.path(), "id_ed25519")];
    let identities = Identities { agent_socket: None, key_files };
    (Arc::new(SshConnector::new(identities)), directory)
}

/// Limits that strike soon.
fn short() -> Limits {
    Limits {
        connect_timeout: Duration::from_secs(6),
        host_timeout: Duration::from_secs(9),
        stderr_bytes_max: 4 << 10,
        ..limits()
    }
}

fn codes(collection: &Collection) -> Vec<Code> {
    collection.problems.iter().map(|problem| problem.code).collect()
}

/// What each manner makes of a collection.
const CASES: [(Manner, &[Code]); 22] = [
    (Manner::EndlessOutput, &[Code::CollectOutputTooLarge]),
    (Manner::EndlessError, &[Code::CollectOutputTooLarge]),
    (Manner::DripsOutput, &[Code::CollectTimeout]),
    (Manner::NeverAnswers, &[Code::CollectTimeout]),
    (Manner::ClosesMidFrame, &[Code::CollectCut]),
    (Manner::CutsMidFrame, &[Code::CollectCut]),
    (Manner::SignalMidFrame, &[Code::CollectCut]),
    (Manner::NoShell, &[Code::CollectCut]),
    (Manner::ForgedFrames, &[]),
    (Manner::NulAndInvalidUtf8, &[Code::CollectFactUnreadable, Code::CollectFactUnreadable]),
    (Manner::TerminalEscapes, &[Code::CollectFactUnreadable]),
    (Manner::RefusesExec, &[Code::CollectCut]),
    (Manner::RefusesSession, &[Code::CollectCut]),
    (Manner::RefusesKeys, &[Code::CollectUnauthenticated]),
    (Manner::Silent, &[Code::CollectTimeout]),
    (Manner::HangsUp, &[Code::CollectUnreachable]),
    (Manner::DripsBanner, &[Code::CollectTimeout]),
    (Manner::EndlessLines, &[Code::CollectUnreachable]),
    (Manner::EndlessBytes, &[Code::CollectUnreachable]),
    (Manner::StopsAfterBanner, &[Code::CollectTimeout]),
    (Manner::GarbageAfterBanner, &[Code::CollectUnreachable]),
    (Manner::Honest, &[]),
];

#[tokio::test]
async fn no_host_spoils_the_run() {
    let (connector, _directory) = connector();
    let mut fakes = Vec::new();
    for (manner, _) in CASES {
        fakes.push(Fake::start(manner).await);
    }
    let targets: Vec<_> =
        fakes.iter().enumerate().map(|(index, fake)| fake.target(&format!("host-{index}"))).collect();
    let collections = within(collect(&targets, &FactRequests::scan(), connector, &short(), None)).await;

    assert_eq!(collections.len(), CASES.len());
    for ((index, collection), (manner, expected)) in collections.iter().enumerate().zip(CASES) {
        assert_eq!(collection.host, targets[index].host, "results are in the order of the targets");
        assert_eq!(codes(collection), expected, "{manner:?}: {:?}", collection.problems);
        let names: Vec<_> =
            collection.packages.iter().flatten().map(|package| package.name.as_str()).collect();
        let is_told = !expected.iter().any(|code| *code != Code::CollectFactUnreadable);
        assert_eq!(names.contains(&"musl"), is_told, "{manner:?}: {names:?}");
        assert!(!names.contains(&"evil"), "{manner:?}");
        assert!(fakes[index].execs() <= 1, "{manner:?}: a script is never sent twice");
    }
    // No session is left behind, however the host behaved.
    for (fake, (manner, _)) in fakes.iter().zip(CASES) {
        let left = tokio::time::timeout(crate::HANG, fake.wait_until_left()).await;
        assert!(left.is_ok(), "{manner:?}: the connection is still open");
    }
}

#[tokio::test]
async fn a_host_that_answers_nothing_is_quoted() {
    let (connector, _directory) = connector();
    let fake = Fake::start(Manner::NoShell).await;
    let targets = [fake.target("web-1")];
    let collections = within(collect(&targets, &FactRequests::scan(), connector, &limits(), None)).await;
    let hint = collections[0].problems[0].hint.as_deref().expect("a hint");
    assert!(hint.contains("This account is currently not available."), "{hint}");
    assert!(!hint.contains('\u{1b}'), "terminal sequences are escaped: {hint}");
}

#[tokio::test]
async fn a_connection_that_was_cut_early_is_tried_again() {
    let (connector, _directory) = connector();
    let fake = Fake::start(Manner::HonestAfterHangups(2)).await;
    let targets = [fake.target("web-1")];
    let collections =
        within(collect(&targets, &FactRequests::scan(), connector.clone(), &limits(), None)).await;
    assert_eq!(codes(&collections[0]), []);
    assert_eq!((fake.connections(), fake.execs()), (3, 1));

    let fake = Fake::start(Manner::HonestAfterHangups(3)).await;
    let targets = [fake.target("web-1")];
    let collections = within(collect(&targets, &FactRequests::scan(), connector, &limits(), None)).await;
    assert_eq!(codes(&collections[0]), [Code::CollectUnreachable]);
    assert_eq!((fake.connections(), fake.execs()), (3, 0));
}

#[tokio::test]
async fn a_key_that_is_not_pinned_gets_no_byte_of_a_command() {
    let (connector, _directory) = connector();
    let fake = Fake::start(Manner::Honest).await;
    let other = keys::pin(&keys::key(9));
    let targets = [fake.target_with("changed", vec![other]), fake.target_with("unknown", vec![])];
    let collections = within(collect(&targets, &FactRequests::scan(), connector, &limits(), None)).await;

    assert_eq!(codes(&collections[0]), [Code::CollectHostKeyChanged]);
    let message = &collections[0].problems[0].message;
    for seed in [1, 9] {
        let fingerprint = fleet::fingerprint(&keys::pin(&keys::key(seed))).expect("a key");
        assert!(message.contains(&fingerprint), "{message} names {fingerprint}");
    }
    assert_eq!(codes(&collections[1]), [Code::CollectHostKeyUnknown]);
    let hint = collections[1].problems[0].hint.as_deref().expect("a hint");
    assert!(hint.contains("ifrit hosts trust unknown"), "{hint}");
    // The unknown host is not even contacted, and a changed key is not tried again.
    assert_eq!((fake.connections(), fake.execs()), (1, 0));
}

#[tokio::test]
async fn a_probe_takes_the_key_and_nothing_else() {
    let fake = Fake::start(Manner::Honest).await;
    let address = Address::new("127.0.0.1");
    let shown = within(probe_host_keys(&address, fake.port(), &limits())).await.expect("a key");
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].key, keys::pin(&keys::key(1)));
    assert_eq!(Some(&shown[0].fingerprint), fleet::fingerprint(&shown[0].key).as_ref());
    fake.wait_until_left().await;
    assert_eq!((fake.connections(), fake.execs()), (1, 0));

    for manner in [Manner::Silent, Manner::HangsUp, Manner::EndlessBytes, Manner::GarbageAfterBanner] {
        let fake = Fake::start(manner).await;
        let limits = Limits { connect_timeout: Duration::from_secs(1), ..limits() };
        let result = within(probe_host_keys(&address, fake.port(), &limits)).await;
        assert!(result.is_err(), "{manner:?}");
        within(fake.wait_until_left()).await;
    }
}
