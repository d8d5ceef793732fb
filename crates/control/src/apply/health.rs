//! After each wave: hosts that restart are waited for, and the team's own check is asked.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use fleet::{Connector, HealthCheck, HostOutcome, HostReport, Limits, Restarting, StopSignal, Target};
use model::HostName;
use plan::{ApprovedPlan, Restart};
use tokio::process::Command;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use super::{Ready, RunUpdate, RunUpdateKind, host_plan};
use crate::deploy::Connections;
use crate::scan::limits;
use crate::session::Session;

/// A restart that was put off for longer is not waited for.
const DELAY_MAX: Duration = Duration::from_secs(300);
/// How long `deploy.health_command` may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(300);
/// The characters shown of what the command said.
const SAID_CHARS_MAX: usize = 300;

/// Makes the check after each wave.
pub(super) fn check(
    session: &Session,
    ready: &Ready,
    targets: &[Target],
    connections: &Connections,
    updates: Sender<RunUpdate>,
) -> HealthCheck {
    let workspace = &session.workspace;
    let health = Arc::new(Health {
        plan: Arc::clone(&ready.plan),
        targets: targets.to_vec(),
        connector: connections.connector(),
        limits: limits(session),
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
    plan: Arc<ApprovedPlan>,
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
        let restarting: Vec<Restarting> = wave.iter().filter_map(|report| self.restarting(report)).collect();
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

    /// Returns the restart that a host is about to do after its last step.
    fn restarting(&self, report: &HostReport) -> Option<Restarting> {
        if report.outcome != HostOutcome::Done {
            return None;
        }
        let plan = host_plan(self.plan.plan(), &report.host)?;
        let target = self.targets.iter().find(|target| target.host == report.host)?;
        let restart = Restart::pending(&plan.steps, &report.steps)?;
        (restart.delay <= DELAY_MAX).then(|| Restarting::now(target.clone(), restart))
    }

    /// Waits until each host answers after its restart, or somebody stops the run.
    async fn wait(&self, restarting: Vec<Restarting>) -> Result<(), String> {
        if restarting.is_empty() {
            return Ok(());
        }
        for host in &restarting {
            let update = RunUpdate { host: host.target.host.clone(), kind: RunUpdateKind::Restarting };
            // Who watches may leave.
            self.updates.send(update).await.ok();
        }
        let connector = Arc::clone(&self.connector);
        let late = fleet::await_restarts(restarting, connector, &self.limits, &self.stop).await;
        if late.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = late.iter().map(HostName::as_str).collect();
        Err(format!("not back in time after the restart: {}", names.join(", ")))
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
