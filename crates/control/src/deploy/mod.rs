//! `ifrit plan`: evaluates a deploy for each host with facts read from it, and saves what it would do.
//! Nothing is changed on any host by it.

mod assets;
mod at_hand;
mod error;
pub(crate) mod evaluate;
pub(crate) mod git;
pub(crate) mod record;
mod saved;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleet::{AnyConnector, Connector, LocalConnector, Target};
use jiff::Timestamp;
use model::selector::Selector;
use model::{
    Change, ClientName, Code, Host, HostName, HostPlan, PersonName, Plan, Problem, Risk, Step, UserName,
};
use plan::Note;
use serde::Serialize;
use store::{NewPlan, PlanHost, Via};
use tokio::sync::mpsc::Sender;

use crate::Progress;
use crate::error::Error;
use crate::reach::{Reached, plain_login, reach};
use crate::scan::ssh_connector;
use crate::secrets::{Environment, Secrets};
use crate::session::Session;
pub(crate) use at_hand::PlanAtHand;
pub use error::FixError;
use evaluate::Evaluation;
use git::Revision;
pub use plan::Order;
use record::{Action, event, random};
pub(crate) use saved::load_plan;
pub use saved::{PlanLine, plans, saved_plan};
pub use store::PlanId;

/// Connections to hosts, kept for as long as this is: what plans and applies in one go logs in once.
#[derive(Clone)]
pub struct Connections(Arc<AnyConnector>);

impl Connections {
    /// Makes the means to connect; nothing is connected to yet.
    pub fn new(session: &Session) -> Self {
        let ssh = ssh_connector(session).keeping_connections();
        Self(Arc::new(AnyConnector { local: LocalConnector, ssh }))
    }

    /// Hangs up.
    pub async fn close(self) {
        self.0.ssh.close().await;
    }

    /// Returns what a host has cost so far; a host that is this machine costs no connection.
    pub(crate) fn contacts(&self, host: &HostName) -> fleet::Contacts {
        self.0.ssh.contacts(host)
    }

    pub(crate) fn connector(&self) -> Arc<dyn Connector> {
        Arc::<AnyConnector>::clone(&self.0)
    }
}

/// What is to be planned.
pub struct PlanRequest<'a> {
    /// The deploy's name.
    pub deploy: &'a str,
    /// Its hosts.
    pub selector: &'a Selector,
    /// Where secrets may come from.
    pub environment: Environment,
}

/// A saved plan.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedPlan {
    /// Its name.
    pub id: PlanId,
    /// The SHA-256 of its content: what an approval signs.
    pub hash: [u8; 32],
    /// What it does.
    pub plan: Arc<Plan>,
    /// What may be wrong with it.
    pub notes: Vec<Note>,
    /// Who made it: a declared person's name where it can be told, else a login.
    pub author: String,
    /// When.
    pub made_at: Timestamp,
    /// The hosts as selected.
    pub selector: String,
    /// The commit of the workspace.
    pub commit: Option<String>,
    /// Whether the workspace had changes that the commit does not have.
    pub is_dirty: bool,
    /// The risks in it that need a second person's approval by the settings.
    pub needs_approval: BTreeSet<Risk>,
}

/// A host that could not be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// Why.
    pub problems: Vec<Problem>,
}

/// What came of planning.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The plan, saved.
    pub saved: SavedPlan,
    /// Hosts that are not in it.
    pub left_out: Vec<LeftOut>,
    /// What is wrong with the SSH configuration and known_hosts, whichever host it concerns.
    pub problems: Vec<Problem>,
}

/// Counts of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlanCounts {
    /// Hosts in it.
    pub hosts: usize,
    /// Hosts that change, or may.
    pub changing: usize,
    /// Hosts that are as they should be.
    pub unchanged: usize,
}

impl SavedPlan {
    /// Counts its hosts.
    pub fn counts(&self) -> PlanCounts {
        let hosts = self.plan.hosts.len();
        let changing = self.plan.hosts.iter().filter(|host| changes(host) > 0).count();
        PlanCounts { hosts, changing, unchanged: hosts - changing }
    }
}

/// Returns how many steps of a host change something, or may.
pub fn changes(host: &HostPlan) -> usize {
    host.steps.iter().filter(|step| step.is_sent()).count()
}

/// Returns every risk of the steps that a plan sends.
pub(crate) fn risks(plan: &Plan) -> BTreeSet<Risk> {
    let steps = plan.hosts.iter().flat_map(|host| &host.steps);
    steps
        .filter(|step| step.change != Change::None)
        .flat_map(|step: &Step| step.risks.iter().copied())
        .collect()
}

/// Plans a deploy for the selected hosts and saves the plan. Hosts that cannot be planned are left out
/// and named.
///
/// # Errors
/// [`FixError::NoDeploy`]; [`FixError::Order`]; [`FixError::NothingPlanned`] where every host is left out;
/// [`Error::NoHost`]; [`Error::Store`].
pub async fn plan(
    session: &Session,
    request: &PlanRequest<'_>,
    connections: &Connections,
    progress: Option<Sender<Progress>>,
) -> Result<Planned, Error> {
    let deploys = &session.workspace.deploy_code;
    let Some(deploy) = deploys.iter().find(|deploy| deploy.name == request.deploy) else {
        let known = deploys.iter().map(|deploy| deploy.name.clone()).collect();
        return Err(FixError::NoDeploy { given: request.deploy.escape_default().to_string(), known }.into());
    };
    let order = plan::order(deploy).map_err(|problem| FixError::Order { problems: vec![problem] })?;
    let hosts = session.select(request.selector).await?;
    let Reached { targets, problems } = reach(session, &hosts).await?;
    let secrets = Secrets::open(session, Arc::clone(&request.environment)).await?;
    let evaluation = Evaluation::new(session, deploy, &secrets, connections).await?;
    let planned = evaluation.plan_hosts(&hosts, &targets, progress).await;
    let (done, left_out) = split(&hosts, planned);
    let draft = Draft { deploy: request.deploy, selector: request.selector.to_string(), hosts: done, order };
    let mut saved = save(session, draft, &left_out).await?;
    saved.notes.extend(unprivileged(&saved.plan, &targets));
    Ok(Planned { saved, left_out, problems })
}

/// Says where a login is not root: its plan may be made of less than there is.
fn unprivileged(plan: &Plan, targets: &[Target]) -> Vec<Note> {
    let mut logins: BTreeMap<UserName, Vec<HostName>> = BTreeMap::new();
    for host in plan.hosts.iter().filter(|host| changes(host) > 0) {
        let target = targets.iter().find(|target| target.host == host.host);
        if let Some(login) = target.and_then(plain_login) {
            logins.entry(login).or_default().push(host.host.clone());
        }
    }
    let code = Code::PlanUnprivileged;
    let note = |(login, hosts): (UserName, Vec<HostName>)| {
        let message = format!(
            "ifrit logs in as {login}, which is not root: what that may not read looks absent; `become = \"sudo\"` below \
             `[ssh]` in ifrit.toml makes it root"
        );
        Note { code, severity: code.level(), hosts, message }
    };
    logins.into_iter().map(note).collect()
}

/// A plan that is not saved yet.
pub(crate) struct Draft<'a> {
    pub deploy: &'a str,
    pub selector: String,
    pub hosts: Vec<HostPlan>,
    pub order: Order,
}

/// Saves a plan.
pub(crate) async fn save(
    session: &Session,
    draft: Draft<'_>,
    left_out: &[LeftOut],
) -> Result<SavedPlan, Error> {
    if draft.hosts.is_empty() {
        let problems: BTreeSet<_> = left_out.iter().flat_map(|host| host.problems.iter().cloned()).collect();
        return Err(FixError::NothingPlanned { problems: problems.into_iter().collect() }.into());
    }
    // Every host waits here: git's processes run while the plan is written.
    let asked = git::ask(&session.workspace.root);
    let facts = facts_summary(&draft.hosts);
    let plan = plan::plan(draft.deploy, draft.hosts, draft.order);
    let (bytes, hash) = plan::write_and_hash(&plan);
    let hosts: Vec<_> = plan.hosts.iter().map(plan_host).collect();
    let git::Answer { revision, email } = asked.await;
    let (author, made_at) = (author(session, email.as_deref()), session.clock.now());
    let commit = revision.as_ref().map(|it| it.commit.as_str());
    let new = NewPlan {
        random: random()?,
        hash,
        bytes: &bytes,
        facts: &facts,
        deploy: draft.deploy,
        selector: &draft.selector,
        author: &author,
        via: Via::Cli,
        commit,
        is_dirty: revision.as_ref().is_some_and(|it| it.is_dirty),
        made_at,
        hosts: &hosts,
    };
    let id = session.store.save_plan(&new, &save_records(session, &new)?).await?;
    let plan = session.at_hand.keep(hash, plan);
    crate::record::seal_if_due(session).await;
    let notes = plan::lint(&plan, &session.workspace.inventory);
    let needs_approval = needed(session, &plan);
    let (commit, is_dirty) = parts(revision);
    let selector = draft.selector;
    Ok(SavedPlan { id, hash, plan, notes, author, made_at, selector, commit, is_dirty, needs_approval })
}

fn parts(revision: Option<Revision>) -> (Option<String>, bool) {
    revision.map_or((None, false), |it| (Some(it.commit), it.is_dirty))
}

/// Returns the risks of a plan that need a second person's approval.
pub(crate) fn needed(session: &Session, plan: &Plan) -> BTreeSet<Risk> {
    let four_eyes = session.workspace.settings.approval_four_eyes();
    risks(plan).intersection(&four_eyes).copied().collect()
}

fn plan_host(host: &HostPlan) -> PlanHost {
    let changes = u32::try_from(changes(host)).unwrap_or(u32::MAX);
    PlanHost { client: host.client.clone(), host: host.host.clone(), changes }
}

/// One record for each client that the plan is about.
fn save_records(session: &Session, new: &NewPlan<'_>) -> Result<Vec<store::NewRecord>, Error> {
    let clients: BTreeSet<&ClientName> = new.hosts.iter().map(|host| &host.client).collect();
    let record = |client: &ClientName| {
        let action = Action {
            client: Some(client.clone()),
            target: new.deploy.to_owned(),
            action: "plan.save",
            plan: Some(new.hash),
            commit: new.commit.map(str::to_owned),
            more: vec![("author", new.author.into()), ("dirty", new.is_dirty.into())],
            ..Action::default()
        };
        event(session, action)
    };
    clients.into_iter().map(record).collect()
}

/// Returns who is at the keyboard: the declared person whose mail address git has, else the one who has
/// the name of the login, else the login.
fn author(session: &Session, email: Option<&str>) -> String {
    let person = person_with(session, email);
    person.map_or_else(|| session.surroundings.person.clone(), |person| person.to_string())
}

/// As [`author`], where it is a declared person.
pub(crate) fn author_person(session: &Session) -> Option<PersonName> {
    person_with(session, git::email(&session.workspace.root).as_deref())
}

fn person_with(session: &Session, email: Option<&str>) -> Option<PersonName> {
    let people = &session.workspace.inventory.people;
    let has_email = |person: &&model::Person| match (&person.email, email) {
        (Some(one), Some(other)) => one.as_str().eq_ignore_ascii_case(other),
        _ => false,
    };
    let by_name = || people.iter().find(|person| person.name.as_str() == session.surroundings.person);
    people.iter().find(has_email).or_else(by_name).map(|person| person.name.clone())
}

fn split(hosts: &[&Host], planned: Vec<Result<HostPlan, Vec<Problem>>>) -> (Vec<HostPlan>, Vec<LeftOut>) {
    let (mut done, mut left_out) = (Vec::new(), Vec::new());
    for (host, result) in hosts.iter().zip(planned) {
        match result {
            Ok(plan) => done.push(plan),
            Err(problems) => {
                left_out.push(LeftOut { client: host.client.clone(), host: host.name.clone(), problems });
            }
        }
    }
    (done, left_out)
}

/// What a plan was based on, beside the states that its steps themselves hold.
#[derive(Serialize)]
struct FactsSummary<'a> {
    format: u8,
    hosts: BTreeMap<&'a str, HostFacts>,
}

#[derive(Serialize)]
struct HostFacts {
    read_at: String,
    passes: u32,
}

fn facts_summary(hosts: &[HostPlan]) -> Vec<u8> {
    let of = |host: &'_ HostPlan| HostFacts { read_at: host.facts_at.to_string(), passes: host.fact_passes };
    let hosts = hosts.iter().map(|host| (host.host.as_str(), of(host))).collect();
    serde_json::to_vec(&FactsSummary { format: 1, hosts }).unwrap_or_default()
}
