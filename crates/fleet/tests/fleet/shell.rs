//! A shell that answered waits for the next script.

use fleet::{Connector, SshConnector, Talk};
use plan::StreamEnd;

use crate::sshd::Sshd;
use crate::{limits, within};

const COMMAND_LOG: &str = "Starting session: command";
const END: &[u8] = b"\ndone 1\n";

/// A script as they all are: one function and its call.
fn answering(word: &str) -> Vec<u8> {
    format!("f() {{\nseen=\"${{seen-}}{word}\"\nprintf '%s\\ndone 1\\n' \"$seen\"\n}}\n'f'\n").into_bytes()
}

#[tokio::test]
async fn questions_and_steps_take_one_shell() {
    let Some(sshd) = Sshd::start() else { return };
    let (connector, target) = (SshConnector::new(sshd.identities()).keeping_connections(), sshd.target());
    for (word, expected) in [("a", "a"), ("b", "ab")] {
        let output =
            within(connector.ask(&target, &answering(word), END, &limits())).await.expect("an answer");
        assert_eq!(output.end, StreamEnd::Complete);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{expected}\ndone 1\n"));
    }
    // The steps' script is heard, is answered on its standard input, and ends the shell.
    let (talk, mut printed, say) = Talk::new();
    let script =
        b"f() {\n{\necho \"$seen\"\nread -r said <&3\necho \"$said\"\nexit 7\n} 3<&0 </dev/null\n}\n'f'\n";
    // A shell may read ahead: what it is told comes after it has spoken.
    let answer = async {
        assert_eq!(printed.recv().await.expect("it said something"), b"ab\n");
        say.send(b"and more\n".to_vec()).await.expect("it listens");
        drop(say);
        assert_eq!(printed.recv().await.expect("it said something"), b"and more\n");
    };
    let bounds = limits();
    let both = async { tokio::join!(connector.converse(&target, script, talk, &bounds), answer).0 };
    let output = within(both).await.expect("an end");
    assert_eq!(output.exit_status, Some(7));
    assert_eq!((sshd.count("Accepted publickey"), sshd.count(COMMAND_LOG)), (1, 1));
    // The next question begins another shell on the same connection.
    let output = within(connector.ask(&target, &answering("c"), END, &limits())).await.expect("an answer");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "c\ndone 1\n");
    assert_eq!((sshd.count("Accepted publickey"), sshd.count(COMMAND_LOG)), (1, 2));
    connector.close().await;
}

#[tokio::test]
async fn an_answer_without_its_end_keeps_no_shell() {
    let Some(sshd) = Sshd::start() else { return };
    let (connector, target) = (SshConnector::new(sshd.identities()).keeping_connections(), sshd.target());
    let output =
        within(connector.ask(&target, b"echo half\nexit 1\n", END, &limits())).await.expect("an end");
    assert_eq!((output.stdout.as_slice(), output.exit_status), (b"half\n".as_slice(), Some(1)));
    let output = within(connector.ask(&target, &answering("a"), END, &limits())).await.expect("an answer");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a\ndone 1\n");
    assert_eq!((sshd.count("Accepted publickey"), sshd.count(COMMAND_LOG)), (1, 2));
    connector.close().await;
}

#[tokio::test]
async fn who_wants_to_hear_no_more_leaves_at_once_and_what_was_said_arrives() {
    let Some(sshd) = Sshd::start() else { return };
    for is_kept in [false, true] {
        let connector = SshConnector::new(sshd.identities());
        let connector = if is_kept { connector.keeping_connections() } else { connector };
        let (go, heard) = (sshd.path(&format!("go-{is_kept}")), sshd.path(&format!("heard-{is_kept}")));
        let script = format!(
            "f() {{\n{{\necho ready\nread -r said <&3\nwhile [ ! -e {} ]; do sleep 0.1; done\n\
             echo \"$said\" >{1}.new; mv {1}.new {1}\n}} 3<&0 </dev/null\n}}\n'f'\n",
            go.display(),
            heard.display()
        );
        let (talk, mut printed, say) = Talk::new();
        let answer = async {
            assert_eq!(printed.recv().await.expect("it said something"), b"ready\n");
            say.send(b"a word\n".to_vec()).await.expect("it listens");
            drop((say, printed));
        };
        let (target, bounds) = (sshd.target(), limits());
        let both =
            async { tokio::join!(connector.converse(&target, script.as_bytes(), talk, &bounds), answer).0 };
        // The script ends only after this.
        let output = within(both).await.expect("it was talked to");
        assert_eq!((output.end, output.exit_status), (StreamEnd::Cut, None));
        connector.close().await;
        std::fs::write(&go, "").expect("a file");
        let end = async {
            while !heard.exists() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        within(end).await;
        assert_eq!(std::fs::read_to_string(&heard).expect("a file"), "a word\n", "{is_kept}");
    }
}
