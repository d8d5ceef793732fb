//! After each wave: hosts that restart are waited for, and the team's own check is asked.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use fleet::{
    AnyConnector, Connector, HealthCheck, HostOutcome, HostReport, Limits, LocalConnector, StopSignal, Target,
};
use model::{HostName, HostPlan};
use plan::Restart;
use tokio::process::Command;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout};

use super::{Ready, RunUpdate, RunUpdateKind};
use crate::scan::{limits, ssh_connector};
use crate::session::Session;

/// How long a host may take from its restart until it answers.
const RESTART_LIMIT: Duration = Duration::from_secs(600);
/// A restart that was put off for longer is not waited for.
const DELAY_MAX: Duration = Duration::from_secs(300);
/// How often hosts that restart are asked.
const RESTART_POLL: Duration = Duration::from_secs(2);
/// How long one question to a host that restarts may take.
const ASK_LIMIT: Duration = Duration::from_secs(10);
/// How long `deploy.health_command` may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);
/// The characters shown of what the command said.
const SAID_CHARS_MAX: usize = 300;

/// Makes the check after each wave.
pub(super) fn check(
    session: &Session,
    ready: &Ready,
    targets: &[Target],
    updates: Sender<RunUpdate>,
) -> HealthCheck {
    let workspace = &session.workspace;
    let ask = Limits {
        connect_timeout: limits(session).connect_timeout.min(ASK_LIMIT),
        host_timeout: ASK_LIMIT,
        connect_retries_max: 0,
        ..limits(session)
    };
    let health = Arc::new(Health {
        plans: ready.plan.plan().hosts.clone(),
        targets: targets.to_vec(),
        connector: Arc::new(AnyConnector { local: LocalConnector, ssh: ssh_connector(session) }),
        limits: ask,
        command: workspace.settings.deploy_health_command().to_vec(),
        root: workspace.root.clone(),
        stop: ready.options.stop.clone(),
        updates,
    });
    Arc::new(move |wave| {
        let health = Arc::clone(&health);
        Box::pin(async move { health.look(&wave).await })
    })
}

struct Health {
    plans: Vec<HostPlan>,
    targets: Vec<Target>,
    connector: Arc<dyn Connector>,
    limits: Limits,
    command: Vec<String>,
    root: PathBuf,
    stop: StopSignal,
    updates: Sender<RunUpdate>,
}

impl Health {
    async fn look(&self, wave: &[HostReport]) -> Result<(), String> {
        let restarting: Vec<(Target, Restart)> =
            wave.iter().filter_map(|report| self.restart(report)).collect();
        self.wait(restarting).await?;
        let done = wave.iter().filter(|report| report.outcome == HostOutcome::Done);
        let done: Vec<&HostName> = done.map(|report| &report.host).collect();
        match self.command.split_first() {
            Some((program, words)) if !done.is_empty() && !self.stop.is_requested() => {
                self.ask_command(program, words, &done).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Returns the restart that a host is about to do.
    fn restart(&self, report: &HostReport) -> Option<(Target, Restart)> {
        let plan = self.plans.iter().find(|plan| plan.host == report.host)?;
        let target = self.targets.iter().find(|target| target.host == report.host)?;
        let restart =
            plan.steps.iter().zip(&report.steps).find_map(|(step, told)| Restart::read(step, told))?;
        (restart.delay <= DELAY_MAX).then(|| (target.clone(), restart))
    }

    /// Waits until each host answers after its restart, or somebody stops the run.
    async fn wait(&self, mut restarting: Vec<(Target, Restart)>) -> Result<(), String> {
        for (target, _) in &restarting {
            let update = RunUpdate { host: target.host.clone(), kind: RunUpdateKind::Restarting };
            // Who watches may leave.
            self.updates.send(update).await.ok();
        }
        let delay = restarting.iter().map(|(_, restart)| restart.delay).max().unwrap_or_default();
        let deadline = Instant::now() + delay + RESTART_LIMIT;
        while !restarting.is_empty() && !self.stop.is_requested() {
            if Instant::now() > deadline {
                let names: Vec<&str> = restarting.iter().map(|(target, _)| target.host.as_str()).collect();
                let minutes = RESTART_LIMIT.as_secs() / 60;
                return Err(format!("not back {minutes} minutes after the restart: {}", names.join(", ")));
            }
            sleep(RESTART_POLL).await;
            let asked: Vec<_> =
                restarting.iter().map(|(target, _)| (target.clone(), plan::boot_questions())).collect();
            let answers = fleet::ask(&asked, Arc::clone(&self.connector), &self.limits, None).await;
            let is_away = |(target, restart): &(Target, Restart), answer: Result<plan::Answers, _>| {
                let boot = answer.ok().and_then(|answers| plan::read_boot(&target.host, &answers));
                boot.is_none_or(|boot| boot == restart.boot)
            };
            let pairs = restarting.into_iter().zip(answers);
            restarting = pairs.filter_map(|(host, answer)| is_away(&host, answer).then_some(host)).collect();
        }
        Ok(())
    }

    /// Asks the team's own check, without a shell. Its arguments end with the names of the hosts.
    async fn ask_command(&self, program: &str, words: &[String], hosts: &[&HostName]) -> Result<(), String> {
        let mut command = Command::new(program);
        command.args(words).args(hosts.iter().map(|host| host.as_str()));
        command.current_dir(&self.root).stdin(Stdio::null()).kill_on_drop(true);
        let output = match timeout(COMMAND_LIMIT, command.output()).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(format!("health check `{program}` cannot be started: {error}")),
            Err(_) => {
                let seconds = COMMAND_LIMIT.as_secs();
                return Err(format!("health check `{program}` did not end within {seconds} s"));
            }
        };
        if output.status.success() {
            return Ok(());
        }
        let said = [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let said = said.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        let said: String = said.chars().filter(|it| !it.is_control()).take(SAID_CHARS_MAX).collect();
        Err(format!("health check `{program}` ended with {}: {said}", output.status))
    }
}
