//! `ifrit pyinfra`: what `pyinfra --dry` says, as a plan.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fleet::{Progress, ProgressState};
use futures::StreamExt as _;
use jiff::Timestamp;
use model::selector::Selector;
use model::{Code, Host, HostName, HostPlan, Problem};
use plan::Order;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use super::event::{Event, Operation};
use super::inventory::Reachable;
use super::process::{Next, Process};
use super::stage::{Mode, Stage, hex};
use super::steps::{Frame, steps, title};
use super::{check, program, tree};
use crate::deploy::record::random;
use crate::deploy::{Draft, FixError, LeftOut, Planned, save};
use crate::error::Error;
use crate::session::Session;

/// What is to be planned.
pub struct PyinfraRequest<'a> {
    /// The deploy's file, as typed.
    pub deploy: &'a Path,
    /// The directory that paths start at and pyinfra runs in; where it is not in the workspace, the workspace.
    pub directory: &'a Path,
    /// Its hosts.
    pub selector: &'a Selector,
    /// Which hosts go first.
    pub order: Order,
    /// Hosts at the same time; `None` = as the settings say.
    pub parallel: Option<usize>,
}

/// Plans a deploy that is written for pyinfra and saves the plan. Nothing is changed on any host. Hosts that
/// cannot be planned are left out and named.
///
/// # Errors
/// [`FixError::NoPyinfra`]; [`FixError::PyinfraFiles`] where the deploy is not in the workspace or its files
/// cannot be read; [`FixError::NothingPlanned`] where every host is left out; [`Error::NoHost`]; [`Error::Store`].
pub async fn plan(
    session: &Session,
    request: &PyinfraRequest<'_>,
    progress: Option<Sender<Progress>>,
) -> Result<Planned, Error> {
    let hosts = session.select(request.selector).await?;
    let program = program::find(session)?;
    let frame = frame(&session.workspace.root, request)?;
    let stage = Arc::new(Stage::new(session, program, &frame).await?);
    let settings = &session.workspace.settings;
    let dry = Dry {
        stage: &stage,
        frame: &frame,
        limit: settings.pyinfra_plan_timeout(),
        step_limit: settings.deploy_host_timeout(),
        clock: &|| session.clock.now(),
    };
    let parallel = request.parallel.unwrap_or_else(|| settings.pyinfra_parallel()).max(1);
    let total = hosts.len();
    let mut asked =
        futures::stream::iter(hosts.into_iter().map(|host| dry.host(host))).buffer_unordered(parallel);
    let (mut done, mut left_out, mut finished) = (Vec::new(), Vec::new(), 0);
    while let Some((host, result)) = asked.next().await {
        finished += 1;
        tell(progress.as_ref(), host, finished, total);
        match result {
            Ok(plan) => done.push(plan),
            Err(problem) => {
                let (client, host) = (host.client.clone(), host.name.clone());
                left_out.push(LeftOut { client, host, problems: vec![problem] });
            }
        }
    }
    drop(asked);
    left_out.sort_by(|one: &LeftOut, other| one.host.cmp(&other.host));
    let title = title(&frame);
    let draft = Draft {
        deploy: &title,
        selector: request.selector.to_string(),
        hosts: done,
        order: request.order.clone(),
    };
    let saved = save(session, draft, &left_out).await?;
    Ok(Planned { saved, left_out, problems: stage.problems.clone() })
}

fn tell(progress: Option<&Sender<Progress>>, host: &Host, finished: usize, total: usize) {
    let Some(progress) = progress else { return };
    let state = ProgressState::Finished { problems: 0 };
    // Who watches may be slow, or leave.
    progress.try_send(Progress { host: host.name.clone(), state, finished, total }).ok();
}

/// Finds the deploy and hashes what it can read.
fn frame(root: &Path, request: &PyinfraRequest<'_>) -> Result<Frame, Error> {
    let wrong = |why: String| Error::from(FixError::PyinfraFiles { why });
    let real = |path: &Path| {
        path.canonicalize().map_err(|error| wrong(format!("{} cannot be used: {error}", path.display())))
    };
    let root = real(root)?;
    let directory = real(request.directory)?;
    let directory = if directory.starts_with(&root) { directory } else { root.clone() };
    let deploy = real(&directory.join(request.deploy))?;
    let relative = |path: &PathBuf| -> Result<String, Error> {
        let inside = path.strip_prefix(&root).ok().and_then(Path::to_str);
        let inside = inside.filter(|text| !text.chars().any(char::is_control)).map(str::to_owned);
        inside.ok_or_else(|| {
            wrong(format!(
                "{} is not in the workspace {}, or has an odd name",
                path.display(),
                root.display()
            ))
        })
    };
    if deploy.extension().is_none_or(|extension| extension != "py") || !deploy.is_file() {
        return Err(wrong(format!("{} is no Python file: expected a deploy.py", request.deploy.display())));
    }
    Ok(Frame {
        tree: tree::hash(&directory).map_err(wrong)?,
        directory: relative(&directory)?,
        deploy: relative(&deploy)?,
        salt: hex(&random::<32>()?),
    })
}

/// Asks pyinfra what it would do.
struct Dry<'a> {
    stage: &'a Stage,
    frame: &'a Frame,
    /// How long one host may take.
    limit: Duration,
    /// How long a step may take when it is done.
    step_limit: Duration,
    clock: &'a (dyn Fn() -> Timestamp + Sync),
}

impl Dry<'_> {
    async fn host<'h>(&self, host: &'h Host) -> (&'h Host, Result<HostPlan, Problem>) {
        let facts_at = (self.clock)();
        let plan = |operations: Vec<Operation>| HostPlan {
            client: host.client.clone(),
            host: host.name.clone(),
            facts_at,
            fact_passes: 1,
            steps: steps(&operations, self.frame, self.step_limit),
        };
        (host, self.operations(&host.name).await.map(plan))
    }

    async fn operations(&self, host: &HostName) -> Result<Vec<Operation>, Problem> {
        let name = match self.stage.reachable(host) {
            Some(Reachable::Named(name)) => name,
            Some(Reachable::Refused(problem)) => return Err(problem.clone()),
            None => return Err(check::problem(host, Code::PyinfraFailed, "it is not declared")),
        };
        let deadline = Instant::now() + self.limit;
        let process = Process::start(self.stage.command(Mode::Dry, name), &self.stage.nonce, deadline);
        let mut process = process.map_err(|error| {
            check::problem(host, Code::PyinfraFailed, format!("pyinfra cannot be started: {error}"))
        })?;
        process.hang_up();
        let (mut is_connected, mut prepared) = (false, None);
        loop {
            match process.next().await {
                Next::Event(Event::Connected { .. }) => is_connected = true,
                Next::Event(Event::Prepared { operations }) => prepared = Some(operations),
                Next::Event(Event::Started { .. } | Event::Ended(_)) => {}
                Next::Ended { is_success } => {
                    return match prepared {
                        Some(operations) if is_success => Ok(operations),
                        _ if !is_connected => Err(check::unreachable(host, process.said())),
                        _ => Err(check::failed(host, "pyinfra --dry ended in an error", process.said())),
                    };
                }
                Next::Overdue => {
                    let why =
                        format!("pyinfra --dry was not done after {} s, and was ended", self.limit.as_secs());
                    let hint =
                        "is the host cut off? The setting `pyinfra.plan_timeout_secs` gives it more time";
                    return Err(check::problem(host, Code::PyinfraOverdue, why).with_hint(hint));
                }
                Next::TooMuch => {
                    let why = "pyinfra --dry printed more than is read, and was ended";
                    return Err(check::problem(host, Code::PyinfraFailed, why));
                }
            }
        }
    }
}
