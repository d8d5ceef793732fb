//! `ifrit verify`: whether a fix is in force on each host, seen in several ways, and kept as evidence.
//!
//! Every host is asked anew, in one exec; what it printed is kept with its hash, and the hash is on record.
//! Then the services that use the package are connected to from here, as anybody else would.

mod evidence;
mod network;
mod select;

use std::collections::{BTreeMap, BTreeSet};

use fleet::Limits;
use jiff::Timestamp;
use model::{
    ClientName, Code, Ecosystem, Fix, Host, HostName, IncidentId, PackageName, Place, Problem, Rung, Verdict,
    VulnerabilityId,
};
pub use plan::RungSeen;
use plan::{VerifyPackage, VerifyTarget, judge, read_facts, verify_questions};
use store::{ClientScope, HostRecord};

use crate::deploy::Connections;
use crate::error::Error;
use crate::reach::{Reached, reach};
use crate::scan::limits;
use crate::session::Session;
pub use select::targets;

/// How long a host may take: checksums of large packages are read from its disk.
const LOOK_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(300);

/// What is to be verified on one host or jail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyHost {
    /// The host, or the jail as `JAIL.HOST`.
    pub host: HostName,
    /// The findings whose fixes must be in force.
    pub findings: Vec<VerifyFinding>,
}

/// A finding whose fix must be in force.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifyFinding {
    /// The installed package.
    pub package: PackageName,
    /// The vulnerability.
    pub id: VulnerabilityId,
    /// Where its fix is.
    pub fix: Fix,
}

/// What was seen of one host or jail.
#[derive(Debug, Clone, PartialEq)]
pub struct HostEvidence {
    /// Its client.
    pub client: ClientName,
    /// The host, or the jail as `JAIL.HOST`.
    pub host: HostName,
    /// When it was asked.
    pub taken_at: Timestamp,
    /// Every rung of every package: by package, then by rung.
    pub rungs: Vec<RungSeen>,
    /// What all of it comes to.
    pub verdict: HostVerdict,
    /// Why it could not be asked.
    pub problems: Vec<Problem>,
}

/// What the rungs of a host come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostVerdict {
    /// Every package has the fixed version, and no rung speaks against it. Rungs may be unknown.
    Proven,
    /// It cannot be told.
    Unknown,
    /// A rung speaks against it.
    Failed,
}

impl HostVerdict {
    /// Returns the word for it in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// What came of looking.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyAnswer {
    /// One for each host that was to be looked at, in the same order.
    pub hosts: Vec<HostEvidence>,
    /// What is wrong with the SSH configuration and known_hosts, whichever host it concerns.
    pub problems: Vec<Problem>,
}

impl VerifyAnswer {
    /// Returns the worst verdict; `None` = there was no host.
    pub fn verdict(&self) -> Option<HostVerdict> {
        self.hosts.iter().map(|host| host.verdict).max()
    }
}

/// Looks at hosts, and keeps what was seen as evidence, of an incident where one is given.
///
/// # Errors
/// [`Error::Store`]. A host that cannot be asked has the verdict unknown and says why.
pub async fn verify(
    session: &Session,
    hosts: &[VerifyHost],
    incident: Option<IncidentId>,
    connections: &Connections,
) -> Result<VerifyAnswer, Error> {
    let records = session.store.hosts(&ClientScope::All).await?;
    let records: BTreeMap<&HostName, &HostRecord> =
        records.iter().map(|record| (&record.name, record)).collect();
    let (mut looks, mut unknown) = (Vec::new(), Vec::new());
    for (position, host) in hosts.iter().enumerate() {
        match records.get(&host.host).and_then(|record| Look::new(session, record, host, position)) {
            Some(look) => looks.push(look),
            None => unknown.push(position),
        }
    }
    let taken_at = session.clock.now();
    let (answers, problems) = ask(session, &looks, connections).await?;
    let mut seen: Vec<Option<HostEvidence>> = hosts.iter().map(|_| None).collect();
    let banners = network::look(session, &looks, &answers).await?;
    for ((look, answer), banners) in looks.iter().zip(answers).zip(banners) {
        seen[look.position] = Some(look.evidence(answer, banners, taken_at));
    }
    let hosts = hosts.iter().zip(seen);
    let hosts: Vec<HostEvidence> =
        hosts.filter_map(|(host, seen)| seen.or_else(|| not_declared(session, host, taken_at))).collect();
    evidence::keep(session, &hosts, incident).await?;
    Ok(VerifyAnswer { hosts, problems })
}

/// A host of which nothing is known cannot be proven.
fn not_declared(session: &Session, host: &VerifyHost, taken_at: Timestamp) -> Option<HostEvidence> {
    let declared = session.workspace.inventory.host(host.host.as_str())?;
    let place = Place::Host { host: host.host.clone(), part: String::new() };
    let why =
        Problem::new(Code::CollectFactFailed, place, "it was never scanned, or its system is not supported")
            .with_hint("ifrit scan".to_owned());
    Some(HostEvidence {
        client: declared.client.clone(),
        host: host.host.clone(),
        taken_at,
        rungs: Vec::new(),
        verdict: HostVerdict::Unknown,
        problems: vec![why],
    })
}

/// One host or jail that is looked at.
pub(crate) struct Look<'s> {
    /// Its place among those that were asked for.
    position: usize,
    /// What the store knows of it.
    pub record: HostRecord,
    /// The host that is logged in to.
    pub controller: &'s Host,
    /// What is asked.
    pub target: VerifyTarget,
}

/// What a host answered.
pub(crate) struct Answered {
    rungs: Vec<RungSeen>,
    problems: Vec<Problem>,
}

impl<'s> Look<'s> {
    fn new(session: &'s Session, record: &HostRecord, host: &VerifyHost, position: usize) -> Option<Self> {
        let ecosystem = record.platform.as_ref()?.ecosystem;
        let controller = record.parent.as_ref().unwrap_or(&record.name);
        let jail = record.parent.as_ref().map(|parent| {
            let name = record.name.as_str();
            name.strip_suffix(&format!(".{parent}")).unwrap_or(name).to_owned()
        });
        let mut packages: BTreeMap<&PackageName, BTreeSet<(VulnerabilityId, Fix)>> = BTreeMap::new();
        for finding in &host.findings {
            let fix = (finding.id.clone(), finding.fix.clone());
            packages.entry(&finding.package).or_default().insert(fix);
        }
        let package = |(name, fixes): (&PackageName, BTreeSet<_>)| VerifyPackage {
            name: name.clone(),
            fixes: fixes.into_iter().collect(),
        };
        let packages = packages.into_iter().map(package).collect();
        let target = VerifyTarget { host: record.name.clone(), ecosystem, jail, packages };
        let controller = session.workspace.inventory.host(controller.as_str())?;
        Some(Self { position, record: record.clone(), controller, target })
    }

    fn evidence(&self, answered: Answered, banners: Vec<RungSeen>, taken_at: Timestamp) -> HostEvidence {
        let Answered { mut rungs, problems } = answered;
        rungs.extend(banners);
        rungs.sort_by(|a, b| (&a.package, a.rung).cmp(&(&b.package, b.rung)));
        let verdict = verdict(&rungs);
        let (client, host) = (self.record.client.clone(), self.record.name.clone());
        HostEvidence { client, host, taken_at, rungs, verdict, problems }
    }

    pub(crate) fn ecosystem(&self) -> Ecosystem {
        self.target.ecosystem
    }
}

/// Asks every host that is logged in to once, about itself and its jails.
async fn ask(
    session: &Session,
    looks: &[Look<'_>],
    connections: &Connections,
) -> Result<(Vec<Answered>, Vec<Problem>), Error> {
    let mut controllers: Vec<&Host> = looks.iter().map(|look| look.controller).collect();
    controllers.sort_by(|a, b| a.name.cmp(&b.name));
    controllers.dedup_by(|a, b| a.name == b.name);
    let Reached { targets, problems } = reach(session, &controllers).await?;
    let of = |host: &HostName| {
        let looks = looks.iter().filter(|look| look.controller.name == *host);
        looks.map(|look| look.target.clone()).collect::<Vec<_>>()
    };
    let asked: Vec<_> = targets
        .into_iter()
        .map(|target| {
            let questions = verify_questions(&of(&target.host));
            (target, questions)
        })
        .collect();
    let limits = Limits { host_timeout: LOOK_TIMEOUT, ..limits(session) };
    let answers = fleet::ask(&asked, connections.connector(), &limits, None).await;
    let answers: BTreeMap<&HostName, _> = asked.iter().map(|(target, _)| &target.host).zip(answers).collect();
    let answered = looks.iter().map(|look| match answers.get(&look.controller.name) {
        Some(Ok(answers)) => {
            let (facts, problems) = read_facts(&look.record.name, answers);
            Answered { rungs: judge(&look.target, &facts), problems }
        }
        Some(Err(problem)) => Answered { rungs: Vec::new(), problems: vec![problem.clone()] },
        None => Answered { rungs: Vec::new(), problems: Vec::new() },
    });
    Ok((answered.collect(), problems))
}

/// One rung that speaks against it is enough; without the version of each package nothing is proven.
fn verdict(rungs: &[RungSeen]) -> HostVerdict {
    if rungs.iter().any(|it| it.verdict == Verdict::Failed) {
        return HostVerdict::Failed;
    }
    let packages: BTreeSet<&PackageName> = rungs.iter().map(|it| &it.package).collect();
    let has_version = |package: &&&PackageName| {
        let passed = |it: &&RungSeen| it.rung == Rung::Version && it.verdict == Verdict::Passed;
        rungs.iter().filter(|it| it.package == ***package).any(|it| passed(&it))
    };
    let proven = packages.iter().filter(has_version).count();
    match packages.is_empty() || proven < packages.len() {
        true => HostVerdict::Unknown,
        false => HostVerdict::Proven,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung(package: &str, rung: Rung, verdict: Verdict) -> RungSeen {
        let package = PackageName::new(package);
        RungSeen { package, rung, verdict, detail: String::new(), output: Vec::new(), is_cut: false }
    }

    #[test]
    fn a_host_is_proven_only_with_every_version_and_nothing_against_it() {
        use Verdict::{Failed, NotApplicable, Passed, Unknown};
        let check = |rungs: &[RungSeen], expected| assert_eq!(verdict(rungs), expected);
        check(&[], HostVerdict::Unknown);
        check(&[rung("a", Rung::Version, Passed)], HostVerdict::Proven);
        check(&[rung("a", Rung::Version, Unknown)], HostVerdict::Unknown);
        check(&[rung("a", Rung::Version, Passed), rung("a", Rung::Files, Unknown)], HostVerdict::Proven);
        check(
            &[rung("a", Rung::Version, Passed), rung("a", Rung::Kernel, NotApplicable)],
            HostVerdict::Proven,
        );
        check(&[rung("a", Rung::Version, Passed), rung("b", Rung::Version, Unknown)], HostVerdict::Unknown);
        check(&[rung("a", Rung::Version, Passed), rung("a", Rung::Processes, Failed)], HostVerdict::Failed);
        check(&[rung("a", Rung::Files, Passed)], HostVerdict::Unknown);
    }
}
