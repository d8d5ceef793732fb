//! From a deploy through the apply script of a host and back: the whole way but for the wire.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use model::{ClientName, HostName, HostPlan, RunId, StepOutcome};

use super::team::{SECRET, Team, shells};
use crate::Nonce;
use crate::apply::{
    ApplyEvent, ApplyLimits, HOST_FOLDER, HostRun, OutcomeReader, SecretBytes, acknowledgement, script,
};

#[test]
fn planned_steps_are_applied() {
    for shell in shells() {
        let host = tempfile::tempdir().expect("a temporary directory");
        let root = host.path().to_str().expect("UTF-8");
        let code = format!(
            r#"files.directory("{root}/d", mode = 750)
cfg = files.put(dest = "{root}/d/it's", content = "a\n", validate = "grep -q a %s")
files.put(dest = "{root}/d/key", content = secret("k"), mode = 600)
server.shell("echo $((1 + 1)) >>{root}/log", creates = "{root}/log")
files.line("{root}/log", "3")
server.shell("echo handled >>{root}/log", when = cfg.changed, handler = True)"#
        );
        let team = Team::new(&code);
        let steps = team.steps(&shell);
        let plan = HostPlan {
            client: ClientName::new("acme").expect("a name"),
            host: HostName::new("web-1").expect("a name"),
            facts_at: jiff::Timestamp::UNIX_EPOCH,
            fact_passes: 1,
            steps,
        };
        let (nonce, limits) = (Nonce::from_bytes([3; 16]), ApplyLimits::default());
        let run = HostRun {
            plan: &plan,
            run: &RunId::from_bytes([4; 16]),
            earlier: &BTreeMap::new(),
            rerun: false,
        };
        let secret = |_: &model::SecretVersion| Some(SecretBytes::new(SECRET.as_bytes().to_vec()));
        let made = script(&run, &nonce, &secret, &limits).expect("a script");
        let text = String::from_utf8(made.bytes().to_vec()).expect("UTF-8");
        let text = text.replace(HOST_FOLDER, &format!("{root}/ifrit"))
            + &String::from_utf8_lossy(&acknowledgement(&nonce));
        let mut child = Command::new(shell[0])
            .args(&shell[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the shell starts");
        child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
        let stdout = child.wait_with_output().expect("it ends").stdout;
        let events = OutcomeReader::new(&nonce, plan.steps.len(), &limits).push(&stdout);
        let outcomes: Vec<StepOutcome> = events
            .into_iter()
            .filter_map(|event| match event {
                ApplyEvent::Ended { report, .. } => Some(report.outcome),
                _ => None,
            })
            .collect();
        assert_eq!(outcomes, vec![StepOutcome::Changed; 6], "{shell:?} {}", String::from_utf8_lossy(&stdout));
        assert_eq!(fs::read_to_string(host.path().join("log")).expect("the log"), "2\n3\nhandled\n");
        assert_eq!(fs::read_to_string(host.path().join("d/key")).expect("the key"), SECRET);
        assert!(team.steps(&shell).iter().all(|step| !step.is_sent()), "{shell:?}");
    }
}
