//! `ifrit debug`: stepping through the evaluation of a deploy for one host. The host is asked as for a plan,
//! or a file says what it is like; the debugger sees the last evaluation, in which every fact is known. No
//! plan is saved, and nothing is changed on any host.

mod error;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lang::Deploy;
pub use lang::debug::TracedLine;
use lang::debug::{Console, Debugger, Launch, Prepared, Trace};
use model::selector::Selector;
use model::{Code, Host, HostPlan, Place, Problem};
use plan::testing::{GivenFacts, any_secret, digest_with_names};
use plan::{Facts, HostView};
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::deploy::evaluate::Evaluation;
use crate::deploy::{Connections, FixError};
use crate::error::Error;
use crate::reach::reach;
use crate::secrets::{Environment, Secrets};
use crate::session::{OnFaultyWorkspace, Session};
use crate::workspace::{Surroundings, extensions, find_root};
pub use error::DebugError;

/// The list of facts that is read from a file where none is named.
const FACTS_NAME: &str = "FACTS";

/// What is debugged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugRequest {
    /// The deploy's name.
    pub deploy: String,
    /// Its host, as a selector that takes one.
    pub host: String,
    /// `FILE` or `FILE:NAME` with what the host is like; `None` = it is asked.
    pub facts: Option<String>,
}

/// Where a session of the debugger begins.
pub struct Opening {
    /// A directory in the workspace, or the current one: paths that a person typed start there.
    pub start: PathBuf,
    /// What the surroundings say.
    pub surroundings: Surroundings,
    /// The clock.
    pub clock: Box<dyn Clock>,
    /// Where secrets may come from.
    pub environment: Environment,
}

/// What an evaluation did, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What came of it: the steps, or why there are none.
    pub plan: Result<HostPlan, Vec<Problem>>,
    /// The files in which something ran, by path from the root, with their text.
    pub files: BTreeMap<String, String>,
    /// What was done on each line: path from the root, line.
    pub lines: BTreeMap<(String, usize), TracedLine>,
}

/// Serves an editor until it leaves; blocks its thread. What the editor does not say of the request,
/// `known` does. `show` makes the lines that it shows of a plan.
///
/// # Errors
/// The output broke, or the input is not the protocol. All else is told to the editor.
pub fn serve(
    (input, output): (impl Read + Send + 'static, impl Write),
    opening: Opening,
    known: Option<DebugRequest>,
    handle: Handle,
    show: fn(&HostPlan) -> Vec<String>,
) -> io::Result<()> {
    let prepare = move |launch: Launch, console: &Console| {
        let opening = match &launch.workspace {
            Some(directory) => Opening { start: directory.into(), ..opening },
            None => opening,
        };
        let request = merged(launch, known)?;
        console.say(match &request.facts {
            Some(facts) => format!("reading what {} is like from {facts}", request.host),
            None => format!("asking {} what it is like; nothing is changed on it", request.host),
        });
        let debuggee =
            handle.block_on(Debuggee::prepare(opening, &request)).map_err(|error| in_words(&error))?;
        let root = debuggee.session.workspace.root.clone();
        let title = format!("{} on {}", debuggee.deploy.name, debuggee.host.name);
        let run = move |debugger| {
            let plan = handle.block_on(debuggee.evaluate(debugger));
            handle.block_on(debuggee.session.close());
            plan.map(|plan| show(&plan))
        };
        Ok(Prepared { root, title, run: Box::new(run) })
    };
    lang::debug::serve(input, output, prepare)
}

/// Evaluates a deploy and says what each of its lines did.
///
/// # Errors
/// [`FixError::NoDeploy`]; [`Error::NoHost`]; [`DebugError`]; [`Error::Store`].
pub async fn explain(opening: Opening, request: &DebugRequest) -> Result<Explained, Error> {
    let debuggee = Debuggee::prepare(opening, request).await?;
    let trace = Trace::default();
    let plan = debuggee.evaluate(trace.debugger()).await.map_err(sorted);
    let lines = trace.lines();
    let root = debuggee.session.workspace.root.clone();
    debuggee.session.close().await;
    let mut files = BTreeMap::new();
    for (path, _) in lines.keys() {
        if !files.contains_key(path) {
            let text = lang::read_asset(&root, path).unwrap_or_default();
            files.insert(path.clone(), String::from_utf8_lossy(&text).into_owned());
        }
    }
    Ok(Explained { plan, files, lines })
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort();
    problems
}

/// What the editor says counts; what it leaves out, the command line may say.
fn merged(launch: Launch, known: Option<DebugRequest>) -> Result<DebugRequest, String> {
    let (deploy, host, facts) = match known {
        Some(known) => (Some(known.deploy), Some(known.host), known.facts),
        None => (None, None, None),
    };
    let wanted = |name: &str, example: &str| {
        format!(
            "the launch configuration does not say `{name}`: add \"{name}\": \"{example}\", or name it on the command line of the adapter"
        )
    };
    Ok(DebugRequest {
        deploy: launch.deploy.or(deploy).ok_or_else(|| wanted("deploy", "web"))?,
        host: launch.host.or(host).ok_or_else(|| wanted("host", "web-1"))?,
        facts: launch.facts.or(facts),
    })
}

/// Says what went wrong as the command line would.
fn in_words(error: &Error) -> String {
    let mut lines: Vec<String> = error.problems().iter().map(with_hint).collect();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    lines.push(text);
    lines.extend(error.hint().map(|hint| format!("  hint: {hint}")));
    lines.join("\n")
}

fn with_hint(problem: &Problem) -> String {
    match &problem.hint {
        Some(hint) => format!("{problem}\n  hint: {hint}"),
        None => problem.to_string(),
    }
}

/// A deploy, its host, and all that it wants to know.
struct Debuggee {
    session: Session,
    secrets: Secrets,
    connections: Connections,
    deploy: Deploy,
    host: Host,
    facts: Facts,
    /// Whether a file says what the host is like.
    is_given: bool,
}

impl Debuggee {
    async fn prepare(opening: Opening, request: &DebugRequest) -> Result<Self, Error> {
        let Opening { start, surroundings, clock, environment } = opening;
        let root = find_root(&start)?;
        let given = request.facts.as_deref().map(|facts| read_facts(&root, &start, facts)).transpose()?;
        let session = Session::open(&root, surroundings, clock, OnFaultyWorkspace::Refuse).await?;
        let deploys = &session.workspace.deploy_code;
        let Some(deploy) = deploys.iter().find(|it| it.name == request.deploy).cloned() else {
            let known = deploys.iter().map(|deploy| deploy.name.clone()).collect();
            return Err(
                FixError::NoDeploy { given: request.deploy.escape_default().to_string(), known }.into()
            );
        };
        let text = request.host.clone();
        let selector = Selector::parse(&text).map_err(|source| Error::Selector { text, source })?;
        let host = match session.select(&selector).await?.as_slice() {
            [host] => (*host).clone(),
            hosts => {
                let hosts = hosts.iter().map(|host| host.name.clone()).collect();
                return Err(DebugError::ManyHosts { hosts }.into());
            }
        };
        let secrets = Secrets::open(&session, Arc::clone(&environment)).await?;
        let connections = Connections::new(&session);
        let mut debuggee = Self {
            session,
            secrets,
            connections,
            deploy,
            host,
            facts: Facts::default(),
            is_given: given.is_some(),
        };
        debuggee.facts = debuggee.gather(given.as_ref()).await?;
        debuggee.connections.clone().close().await;
        Ok(debuggee)
    }

    async fn gather(&self, given: Option<&GivenFacts>) -> Result<Facts, Error> {
        let evaluation = self.evaluation().await?;
        let gathered = match given {
            Some(given) => self.viewed(&evaluation, |view| given.gather(&self.deploy, view)),
            None => {
                let reached = reach(&self.session, &[&self.host]).await?;
                match reached.targets.first() {
                    Some(target) => evaluation.gather(&self.host, target).await,
                    None => Ok(Facts::default()),
                }
            }
        };
        let host = self.host.name.clone();
        Ok(gathered.map_err(|problem| DebugError::HostFacts { host, problems: vec![problem] })?)
    }

    async fn evaluation(&self) -> Result<Evaluation<'_>, Error> {
        Evaluation::new(&self.session, &self.deploy, &self.secrets, &self.connections).await
    }

    fn viewed<T>(&self, evaluation: &Evaluation<'_>, work: impl FnOnce(&HostView<'_>) -> T) -> T {
        evaluation.viewed(&self.host, |view| {
            if self.is_given {
                // A file says a secret as `<secret NAME>`.
                return work(&HostView { secrets: &any_secret, secret_digest: &digest_with_names, ..*view });
            }
            work(view)
        })
    }

    /// Evaluates the deploy with everything known.
    async fn evaluate(&self, debugger: Debugger) -> Result<HostPlan, Vec<Problem>> {
        let unusable =
            |error: Error| vec![Problem::new(Code::WorkspaceUnreadable, Place::Nowhere, in_words(&error))];
        let evaluation = self.evaluation().await.map_err(unusable)?;
        let steps =
            self.viewed(&evaluation, |view| plan::debug(&self.deploy, view, &self.facts, debugger))?;
        let (client, host) = (self.host.client.clone(), self.host.name.clone());
        Ok(HostPlan { client, host, facts_at: self.session.clock.now(), fact_passes: 0, steps })
    }
}

/// Reads `FILE` or `FILE:NAME`; the file is named as seen from `start` or from the root.
fn read_facts(root: &Path, start: &Path, text: &str) -> Result<GivenFacts, Error> {
    let (file, name) = text.split_once(':').unwrap_or((text, FACTS_NAME));
    let wrong = |why: &'static str| DebugError::FactsFile { given: text.to_owned(), why };
    let candidates = [start.join(file), root.join(file)];
    let whole =
        candidates.iter().find(|path| path.is_file()).ok_or_else(|| wrong("there is no such file"))?;
    let (real_root, real) = (root.canonicalize().ok(), whole.canonicalize().ok());
    let path = match (&real_root, &real) {
        (Some(root), Some(real)) => real.strip_prefix(root).ok().and_then(Path::to_str),
        _ => None,
    };
    let path = path.ok_or_else(|| wrong("it is not in the workspace"))?;
    GivenFacts::read(root, &extensions(), (path, name))
        .map_err(|problems| DebugError::FactsUnreadable { given: text.to_owned(), problems }.into())
}
