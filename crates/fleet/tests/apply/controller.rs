//! The controller's process: what it is to do comes in its environment, what came of it goes to its
//! standard output, a line for each host.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fleet::{
    Access, ApplyOptions, ApplyRequest, FailureLimit, HostReport, Identities, Limits, RunEvent, RunEventKind,
    RunReport, SettleRequest, SshConnector, Target, TargetConnection, apply, settle,
};
use model::{Address, HostKey, HostName, Plan, RunId, StepOutcome, UserName};
use plan::apply::ApplyLimits;
use testkit::Fleet;
use tokio::sync::mpsc::{Receiver, channel};

use crate::plans;

/// What a controller is to do.
#[derive(Debug, Clone)]
pub struct Order {
    /// `apply`, or `resume`: settle and apply what is left.
    pub verb: &'static str,
    pub steps: usize,
    /// The run's number.
    pub run: u8,
    pub hosts: Vec<String>,
    /// How long everything about one host may take, in seconds.
    pub deadline: u64,
}

impl Order {
    /// Starts a controller in the fleet's network.
    pub fn start(&self, fleet: &Fleet) -> Child {
        let mut command = self.command(fleet);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the controller starts")
    }

    /// Runs a controller to its end.
    pub fn run(&self, fleet: &Fleet) -> Told {
        Told::wait(self.start(fleet))
    }

    fn command(&self, fleet: &Fleet) -> Command {
        let host = |name: &String| {
            let key = fleet.host_key(name).expect("a key");
            format!("{name}|{}|{}\n", fleet.address(name).expect("an address"), key.as_str())
        };
        let mut command = fleet.client_command(std::env::current_exe().expect("this program"));
        command.args(["--exact", "controller", "--ignored", "--nocapture"]);
        command
            .env("VERB", self.verb)
            .env("STEPS", self.steps.to_string())
            .env("RUN", self.run.to_string())
            .env("DEADLINE", self.deadline.to_string())
            .env("HOSTS", self.hosts.iter().map(host).collect::<String>())
            .env("IDENTITY", fleet.identity());
        command
    }
}

/// What a controller said of each host.
#[derive(Debug)]
pub struct Told {
    pub applied: BTreeMap<String, String>,
    pub settled: BTreeMap<String, String>,
}

impl Told {
    /// Waits for a controller.
    pub fn wait(child: Child) -> Self {
        let output = child.wait_with_output().expect("the controller ends");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        let lines = |word: &str| -> BTreeMap<String, String> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(word)?.split_once(' '));
            lines.map(|(host, rest)| (host.to_owned(), rest.to_owned())).collect()
        };
        Self { applied: lines("host "), settled: lines("settled ") }
    }
}

/// The controller.
pub fn main() {
    let Ok(verb) = std::env::var("VERB") else { return };
    let number = |name: &str| -> u64 { setting(name).parse().expect("a number") };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let run = RunId::from_bytes([u8::try_from(number("RUN")).expect("a small number"); 16]);
    let targets = targets();
    let names: Vec<String> = targets.iter().map(|target| target.host.to_string()).collect();
    let plan = plans::plan(&names, usize::try_from(number("STEPS")).expect("a small number"));
    let options = options(Duration::from_secs(number("DEADLINE")));
    runtime.expect("a runtime").block_on(async {
        let earlier = match verb.as_str() {
            "resume" => settled(&plan, &run, &targets, &options).await,
            _ => BTreeMap::new(),
        };
        let (plan, secrets) = (Arc::new(plans::approved(plan)), Arc::new(|_: &_| None));
        let request = ApplyRequest {
            plan,
            run,
            targets,
            earlier,
            failed: BTreeSet::new(),
            rerun: false,
            secrets,
            restarts: BTreeMap::new(),
        };
        let (sender, receiver) = channel(8);
        let recorder = tokio::spawn(record(receiver));
        let report = apply(request, connector(), &options, sender).await;
        recorder.await.expect("no panic");
        print("host", &report);
    });
}

async fn settled(
    plan: &Plan,
    run: &RunId,
    targets: &[Target],
    options: &ApplyOptions,
) -> BTreeMap<HostName, BTreeMap<usize, StepOutcome>> {
    let request = SettleRequest { plan: Arc::new(plan.clone()), run: run.clone(), targets: targets.to_vec() };
    let (sender, receiver) = channel(8);
    let recorder = tokio::spawn(record(receiver));
    let report = settle(request, connector(), options, sender).await;
    recorder.await.expect("no panic");
    print("settled", &report);
    let outcomes = |host: &HostReport| {
        host.steps.iter().map(|step| step.outcome.clone()).enumerate().collect::<BTreeMap<_, _>>()
    };
    report.hosts.iter().map(|host| (host.host.clone(), outcomes(host))).collect()
}

/// Records nothing, and says that all is on record: but not for the host named `ack`, at its first contact.
async fn record(mut events: Receiver<RunEvent>) {
    let is_first = setting("VERB") == "apply";
    let mut kept = Vec::new();
    while let Some(event) = events.recv().await {
        match event.kind {
            RunEventKind::Finished { acknowledge, .. } if is_first && event.host.as_str() == "ack" => {
                say("waits ack");
                kept.push(acknowledge);
            }
            RunEventKind::Finished { acknowledge, .. } => acknowledge.recorded(),
            _ => {}
        }
    }
}

fn connector() -> Arc<SshConnector> {
    let key_files = vec![Path::new(&setting("IDENTITY")).to_owned()];
    Arc::new(SshConnector::new(Identities { agent_socket: None, key_files }))
}

fn options(deadline: Duration) -> ApplyOptions {
    ApplyOptions {
        limits: Limits { lost_after: Duration::from_secs(6), ..Limits::default() },
        apply: ApplyLimits { lock_wait: Duration::from_secs(60), ..ApplyLimits::default() },
        host_deadline: Some(deadline),
        failures: FailureLimit::Percent(100),
        ..ApplyOptions::default()
    }
}

fn targets() -> Vec<Target> {
    let hosts = setting("HOSTS");
    let target = |line: &str| {
        let words: Vec<&str> = line.split('|').collect();
        Target {
            host: HostName::new(words[0]).expect("a name"),
            connection: TargetConnection::Ssh {
                address: Address::new(words[1]),
                port: 22,
                user: UserName::new("root"),
                pinned: vec![HostKey::new(words[2])],
            },
            access: Access::default(),
        }
    };
    hosts.lines().map(target).collect()
}

fn print(word: &str, report: &RunReport) {
    for host in &report.hosts {
        let steps: Vec<&str> = host.steps.iter().map(|step| step.outcome.as_str()).collect();
        let problem = host.problem.as_ref().map(ToString::to_string).unwrap_or_default();
        say(&format!("{word} {} {} {} {problem}", host.host, host.outcome.as_str(), steps.join(",")));
    }
}

fn say(line: &str) {
    // Whoever started us may be gone.
    writeln!(std::io::stdout(), "\n{line}").ok();
}

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} must be set"))
}
