//! `ifrit patch`: from findings to a plan that closes them, and afterwards what became of each.

mod closing;
mod select;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleet::Limits;
use model::selector::Selector;
use model::{ClientName, Code, Fix, Host, HostName, HostPlan, PackageName, Place, Problem, VulnerabilityId};
pub use plan::{Order, Remedy};
use plan::{Patch, PatchTarget};

#[cfg(doc)]
use crate::deploy::FixError;
use crate::deploy::{Connections, Draft, LeftOut, SavedPlan, save};
use crate::error::Error;
use crate::reach::{Reached, reach};
use crate::scan::limits;
use crate::session::Session;
pub(crate) use closing::still_open;
pub use closing::{ClosedFinding, Closing, close};
pub(crate) use select::Open;

/// How long a host may take to bring its lists of packages up to date and to say what it can get.
const ASK_TIMEOUT: Duration = Duration::from_secs(300);

/// What is to be closed.
pub struct PatchRequest<'a> {
    /// Ids of vulnerabilities or advisories, or names of packages.
    pub words: &'a [String],
    /// Everything that is known to be exploited.
    pub kev: bool,
    /// Which hosts; `None` = all.
    pub selector: Option<&'a Selector>,
    /// Whether hosts bring their lists of packages up to date first.
    pub refresh: bool,
    /// Whether hosts that were changed are restarted.
    pub reboots: bool,
    /// Says which hosts go first, in which waves, of those that have something to do. A canary that has nothing to
    /// do, or could not be asked, is none: another one must take its place.
    pub order: &'a (dyn Fn(&BTreeSet<HostName>) -> Order + Send + Sync),
    /// Of those only these hosts and jails; `None` = all.
    pub only: Option<BTreeSet<HostName>>,
}

/// A finding that is to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchFinding {
    /// The client.
    pub client: ClientName,
    /// The host, or the jail as `JAIL.HOST`.
    pub host: HostName,
    /// The installed package.
    pub package: PackageName,
    /// Its version.
    pub installed: String,
    /// The finding.
    pub id: VulnerabilityId,
    /// Where its fix is.
    pub fix: Fix,
    /// What the plan does about it; `None` = its host was left out.
    pub remedy: Option<Remedy>,
}

/// What came of planning.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchPlan {
    /// The plan, saved; `None` = there is nothing that can be done.
    pub saved: Option<SavedPlan>,
    /// Hosts that are not in it.
    pub left_out: Vec<LeftOut>,
    /// Every finding that was asked for.
    pub findings: Vec<PatchFinding>,
    /// Services that use what is upgraded and must not be restarted alone, by host.
    pub not_restarted: BTreeMap<HostName, Vec<String>>,
    /// What is wrong with the SSH configuration and known_hosts, whichever host it concerns.
    pub problems: Vec<Problem>,
}

/// Plans what closes the findings that were asked for, and saves the plan.
///
/// # Errors
/// [`FixError::NothingToPatch`] where nothing was asked for, or something that nobody knows; [`Error::NoHost`];
/// [`Error::NoCatalogue`]; [`Error::Store`].
pub async fn plan_patch(
    session: &Session,
    request: &PatchRequest<'_>,
    connections: &Connections,
) -> Result<PatchPlan, Error> {
    let open = Open::find(session, request).await?;
    let hosts: Vec<&Host> =
        open.targets.keys().filter_map(|name| session.workspace.inventory.host(name.as_str())).collect();
    let Reached { targets, problems } = reach(session, &hosts).await?;
    let asked: Vec<_> = targets
        .into_iter()
        .map(|target| {
            let questions = plan::patch_questions(&open.targets[&target.host], request.refresh);
            (target, questions)
        })
        .collect();
    let limits = Limits { host_timeout: ASK_TIMEOUT, ..limits(session) };
    let facts_at = session.clock.now();
    let answers = fleet::ask(&asked, connections.connector(), &limits, None).await;
    let (mut plans, mut left_out, mut patches) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (host, answer) in hosts.iter().zip(answers) {
        match decide(host, &open.targets[&host.name], answer, request) {
            Ok(patch) => {
                if !patch.steps.is_empty() {
                    let (client, host, steps) = (host.client.clone(), host.name.clone(), patch.steps.clone());
                    plans.push(HostPlan { client, host, facts_at, fact_passes: 1, steps });
                }
                patches.insert(host.name.clone(), patch);
            }
            Err(problems) => {
                left_out.push(LeftOut { client: host.client.clone(), host: host.name.clone(), problems });
            }
        }
    }
    let saved = match plans.is_empty() {
        true => None,
        false => {
            let selector = request.selector.map_or_else(|| "*".to_owned(), ToString::to_string);
            let deploy = title(request);
            let order = (request.order)(&plans.iter().map(|plan| plan.host.clone()).collect());
            let draft = Draft { deploy: &deploy, selector, hosts: plans, order };
            Some(save(session, draft, &left_out).await?)
        }
    };
    let findings = open.findings.into_iter().map(|finding| with_remedy(finding, &patches)).collect();
    let not_restarted = patches.into_iter().filter(|(_, patch)| !patch.not_restarted.is_empty());
    let not_restarted = not_restarted.map(|(host, patch)| (host, patch.not_restarted)).collect();
    Ok(PatchPlan { saved, left_out, findings, not_restarted, problems })
}

fn decide(
    host: &Host,
    targets: &[PatchTarget],
    answer: Result<plan::Answers, Problem>,
    request: &PatchRequest<'_>,
) -> Result<Patch, Vec<Problem>> {
    let answers = answer.map_err(|problem| vec![problem])?;
    let (facts, mut problems) = plan::read_facts(&host.name, &answers);
    plan::patch_steps(targets, &facts, request.refresh, request.reboots).map_err(|why| {
        let place = Place::Host { host: host.name.clone(), part: String::new() };
        problems.insert(0, Problem::new(Code::PlanBadArgument, place, why));
        problems
    })
}

/// Returns what the plan is called: the words that asked for it.
fn title(request: &PatchRequest<'_>) -> String {
    let kev = request.kev.then_some("--kev");
    let words: Vec<&str> = request.words.iter().map(String::as_str).chain(kev).collect();
    format!("patch {}", words.join(" ")).chars().filter(|it| !it.is_control()).take(200).collect()
}

fn with_remedy(open: select::OpenFinding, patches: &BTreeMap<HostName, Patch>) -> PatchFinding {
    let key = match &open.jail {
        Some(jail) => format!("{jail}: {}", open.package),
        None => open.package.to_string(),
    };
    let remedy = patches.get(&open.controller).and_then(|patch| patch.remedies.get(&key)).cloned();
    PatchFinding {
        client: open.client,
        host: open.host,
        package: open.package,
        installed: open.installed,
        id: open.id,
        fix: open.fix,
        remedy,
    }
}
