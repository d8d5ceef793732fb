//! Talking and asking, on this machine.

use std::sync::Arc;
use std::time::Duration;

use fleet::{Access, Connector, Limits, LocalConnector, Talk, Target, TargetConnection, ask};
use model::{Address, Code, HostName, UserName};
use plan::{FactRequests, StreamEnd};

fn target(name: &str, connection: TargetConnection) -> Target {
    Target { host: HostName::new(name).expect("a name"), connection, access: Access::default() }
}

const SCRIPT: &[u8] = b"talk() {
{ echo here; read -r answer <&3; echo \"got $answer\"; exit 3; } 3<&0 </dev/null
}
'talk'
";

#[tokio::test]
async fn a_script_is_heard_and_answered() {
    let (talk, mut printed, say) = Talk::new();
    let (target, limits) = (target("here", TargetConnection::Local), Limits::default());
    let listen = async {
        let first = printed.recv().await.expect("it says something");
        assert_eq!(first, b"here\n");
        say.send(b"an answer\n".to_vec()).await.expect("it listens");
        drop(say);
        let mut rest = Vec::new();
        while let Some(bytes) = printed.recv().await {
            rest.extend(bytes);
        }
        assert_eq!(rest, b"got an answer\n");
    };
    let (output, ()) = tokio::join!(LocalConnector.converse(&target, SCRIPT, talk, &limits), listen);
    let output = output.expect("it runs");
    assert_eq!((output.exit_status, output.end), (Some(3), StreamEnd::Complete));
}

#[tokio::test]
async fn a_script_that_nobody_hears_or_that_says_too_much_is_ended() {
    let target = target("here", TargetConnection::Local);
    let limits =
        Limits { stdout_bytes_max: 10_000, host_timeout: Duration::from_secs(60), ..Limits::default() };
    let (talk, printed, _say) = Talk::new();
    drop(printed);
    let output = LocalConnector.converse(&target, b"yes\n", talk, &limits).await.expect("it runs");
    assert_eq!(output.end, StreamEnd::TooLarge);
    let (talk, mut printed, _say) = Talk::new();
    let count = async {
        let mut bytes = 0;
        while let Some(piece) = printed.recv().await {
            bytes += piece.len();
        }
        bytes
    };
    let (output, bytes) = tokio::join!(LocalConnector.converse(&target, b"yes\n", talk, &limits), count);
    assert_eq!((output.expect("it runs").end, bytes), (StreamEnd::TooLarge, 10_000));
}

#[tokio::test]
async fn each_host_is_asked_its_own_questions() {
    let nowhere = TargetConnection::Ssh {
        address: Address::new("127.0.0.1"),
        port: 1,
        user: UserName::new("root"),
        pinned: Vec::new(),
    };
    let targets = [
        (target("here", TargetConnection::Local), FactRequests::scan()),
        (target("nowhere", nowhere), FactRequests::scan()),
    ];
    let answers = ask(&targets, Arc::new(LocalConnector), &Limits::default(), None).await;
    assert!(answers[0].as_ref().is_ok_and(|answers| !answers.is_empty()), "{answers:?}");
    assert_eq!(answers[1].as_ref().err().map(|problem| problem.code), Some(Code::CollectUnreachable));
}
