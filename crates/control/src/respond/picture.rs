//! Who is vulnerable, and in which order to deal with it.

use std::collections::{BTreeMap, BTreeSet};

use advisory::Match;
use jiff::Timestamp;
use model::selector::Selector;
use model::{
    ClientName, FindingState, Fix, HostName, Observed, PackageName, PackageVersion, PersonName, Platform,
    Severity, VulnerabilityId,
};
use store::{
    ClientScope, DeclaredException, HostId, HostRecord, IncidentFinding, IncidentHost, IncidentHostState,
    ItemKind,
};

use super::rank::{Standing, reasons, standing};
use super::{Planned, RespondRequest};
use crate::error::Error;
use crate::exposure::{ServiceUse, Used, services_using};
use crate::hosts;
use crate::matched::{Matched, match_in_use};
use crate::session::Session;

/// What is known when the emergency begins.
#[derive(Debug, Clone)]
pub struct Picture {
    /// One line for people.
    pub title: String,
    /// The vulnerabilities: as asked for, with every other id of them; of packages everything that is open there.
    pub ids: Vec<VulnerabilityId>,
    /// Whether one of them is known to be exploited.
    pub is_exploited: bool,
    /// The vulnerable hosts and jails, the most urgent first.
    pub hosts: Vec<Affected>,
    /// Those that are left alone, for which a person answers.
    pub excepted: Vec<Excepted>,
    /// Those of which it cannot be told, by name: no one must take them for safe.
    pub unjudged: Vec<Unjudged>,
}

/// A host or jail of which it cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unjudged {
    /// Its client.
    pub client: ClientName,
    /// The host or jail.
    pub host: HostName,
    /// Why.
    pub why: String,
}

/// A vulnerable host or jail.
#[derive(Debug, Clone)]
pub struct Affected {
    /// What the incident keeps of it.
    pub host: IncidentHost,
    /// The host that is logged in to.
    pub controller: HostName,
    /// What it runs.
    pub platform: Option<Platform>,
    /// What its place in the order is made of.
    pub standing: Standing,
}

/// A vulnerable host that a declared exception leaves open.
#[derive(Debug, Clone)]
pub struct Excepted {
    /// Its client.
    pub client: ClientName,
    /// The host or jail.
    pub host: HostName,
    /// Who answers for it.
    pub owner: PersonName,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Timestamp,
    /// What is open there.
    pub findings: Vec<IncidentFinding>,
}

impl Picture {
    /// Returns the hosts as an incident keeps them.
    pub(super) fn incident_hosts(&self) -> Vec<IncidentHost> {
        let open = self.hosts.iter().map(|it| it.host.clone());
        let excepted = self.excepted.iter().zip(self.hosts.len() + 1..).map(|(it, rank)| IncidentHost {
            client: it.client.clone(),
            host: it.host.clone(),
            rank: u32::try_from(rank).unwrap_or(u32::MAX),
            reasons: vec![format!("accepted by {}: {}", it.owner, it.reason)],
            findings: it.findings.clone(),
            state: IncidentHostState::Excepted,
        });
        open.chain(excepted).collect()
    }

    /// Returns the hosts with what is done about them.
    pub(super) fn with_remedies(&self, planned: &Planned) -> Vec<IncidentHost> {
        let mut remedies: BTreeMap<(&HostName, &str), &str> = BTreeMap::new();
        for (host, package, words) in &planned.remedies {
            remedies.insert((host, package), words);
        }
        let with = |affected: &Affected| {
            let mut host = affected.host.clone();
            let left_out = planned.left_out.iter().find(|it| it.host == affected.controller);
            for finding in &mut host.findings {
                if let Some(words) = remedies.get(&(&host.host, finding.package.as_str())) {
                    finding.remedy = (*words).to_owned();
                }
                if let Some(problem) = left_out.and_then(|it| it.problems.first()) {
                    finding.remedy = format!("cannot be planned: {}", problem.message);
                }
            }
            host
        };
        self.hosts.iter().map(with).collect()
    }

    /// Returns a selector of exactly the hosts that are logged in to.
    ///
    /// # Errors
    /// [`Error::Selector`] where there are so many that it would be too long.
    pub(super) fn selector(&self) -> Result<Selector, Error> {
        let names: BTreeSet<&str> = self.hosts.iter().map(|it| it.controller.as_str()).collect();
        let text = names.into_iter().collect::<Vec<_>>().join(" or ");
        Selector::parse(&text).map_err(|source| Error::Selector { text, source })
    }
}

/// Looks who is vulnerable, by the last scan of each host and the feeds as they are.
///
/// # Errors
/// [`Error::NoHost`] where nothing is selected; [`Error::ClientUnknown`]; [`Error::Store`].
pub async fn look(session: &Session, request: &RespondRequest) -> Result<Picture, Error> {
    require_known(session, &request.scope).await?;
    let scope = &request.scope;
    let everything = Selector::everything();
    let chosen = hosts::chosen(session, request.selector.as_ref().unwrap_or(&everything)).await?;
    let chosen: BTreeMap<HostId, HostRecord> =
        chosen.into_iter().filter(|host| is_in(scope, &host.client)).map(|host| (host.id, host)).collect();
    let matched = match_in_use(&session.store, scope, None, None).await?;
    let asked: Vec<&Match> = matched
        .matches
        .iter()
        .filter(|it| {
            it.state == FindingState::Vulnerable && is_about(request, it, &matched.versions[it.package])
        })
        .collect();
    let is_untold = |it: &&Match| {
        it.state == FindingState::Unknown && is_about(request, it, &matched.versions[it.package])
    };
    let untold: Vec<&Match> = matched.matches.iter().filter(is_untold).collect();
    let untold = found(session, scope, &matched, &untold, &chosen).await?;
    let found = found(session, scope, &matched, &asked, &chosen).await?;
    let ids = ids(session, request, &asked).await?;
    let title = title(session, request, &ids).await?;
    let exceptions = session.store.exceptions(scope).await?;
    let (mut affected, mut excepted) = (Vec::new(), Vec::new());
    let uses = uses(session, scope, &matched, &found, &chosen).await?;
    for (id, matches) in &found {
        let Some(record) = chosen.get(id) else { continue };
        let findings = findings(&matched, matches);
        let nothing = Vec::new();
        match exception(&exceptions, record, matches, session.clock.now()) {
            Some(it) => excepted.push(Excepted {
                client: record.client.clone(),
                host: record.name.clone(),
                owner: it.owner.clone(),
                reason: it.reason.clone(),
                until: it.until,
                findings,
            }),
            None => {
                let uses = uses.get(id).unwrap_or(&nothing);
                affected.push(judge(session, &matched, record, matches, findings, uses));
            }
        }
    }
    affected.sort_by(|a, b| b.standing.cmp(&a.standing).then_with(|| a.host.host.cmp(&b.host.host)));
    for (rank, it) in affected.iter_mut().enumerate() {
        it.host.rank = u32::try_from(rank + 1).unwrap_or(u32::MAX);
    }
    let is_exploited = asked.iter().any(|it| it.exploited);
    let unjudged = chosen.values().filter(|record| !found.contains_key(&record.id)).filter_map(|record| {
        let why = why_unjudged(record, untold.contains_key(&record.id), &matched)?;
        Some(Unjudged { client: record.client.clone(), host: record.name.clone(), why })
    });
    let mut unjudged: Vec<Unjudged> = unjudged.collect();
    unjudged.sort_by(|a, b| (&a.why, &a.host).cmp(&(&b.why, &b.host)));
    Ok(Picture { title, ids, is_exploited, hosts: affected, excepted, unjudged })
}

/// Says why it cannot be told of a host whether it is vulnerable; `None` = it can.
fn why_unjudged(record: &HostRecord, has_unknown: bool, matched: &Matched) -> Option<String> {
    let Some(platform) = &record.platform else {
        return Some(match (&record.os, &record.last_collection) {
            (Some(_), _) => "its system is not supported".to_owned(),
            (None, Some(_)) => "no scan has reached it yet".to_owned(),
            (None, None) => "it was never scanned".to_owned(),
        });
    };
    if record.packages_at.is_none() {
        return Some("its packages could not be read".to_owned());
    }
    if !matched.index.covers(platform) {
        return Some(format!("no advisories for {platform} are loaded"));
    }
    has_unknown.then(|| "its version cannot be judged".to_owned())
}

/// A mistyped client must not look like a safe one.
async fn require_known(session: &Session, scope: &ClientScope) -> Result<(), Error> {
    let ClientScope::Only(clients) = scope else { return Ok(()) };
    for client in clients {
        if !session.store.has_client(client).await? {
            return Err(Error::ClientUnknown { given: client.to_string() });
        }
    }
    Ok(())
}

fn is_in(scope: &ClientScope, client: &ClientName) -> bool {
    match scope {
        ClientScope::All => true,
        ClientScope::Only(clients) => clients.contains(client),
    }
}

fn names_id(words: &[String], found: &Match) -> bool {
    words.iter().any(|word| found.is_about(&VulnerabilityId::new(word.as_str())))
}

fn is_about(request: &RespondRequest, found: &Match, version: &PackageVersion) -> bool {
    let is_name =
        |word: &String| version.package.name.as_str() == word || version.package.source.as_str() == word;
    names_id(&request.words, found) || request.words.iter().any(is_name)
}

/// Returns what is open on each chosen host.
async fn found<'m>(
    session: &Session,
    scope: &ClientScope,
    matched: &Matched,
    asked: &[&'m Match],
    chosen: &BTreeMap<HostId, HostRecord>,
) -> Result<BTreeMap<HostId, Vec<&'m Match>>, Error> {
    let versions: BTreeSet<_> = asked.iter().map(|it| matched.version_ids[it.package]).collect();
    let having = session.store.hosts_with(scope, &versions.into_iter().collect::<Vec<_>>(), None).await?;
    let mut found: BTreeMap<HostId, Vec<&Match>> = BTreeMap::new();
    for it in asked {
        let Some(hosts) = having.get(&matched.version_ids[it.package]) else { continue };
        for id in hosts.iter().filter(|id| chosen.contains_key(id)) {
            found.entry(id).or_default().push(it);
        }
    }
    Ok(found)
}

/// Returns which services of each host use what is vulnerable there.
async fn uses(
    session: &Session,
    scope: &ClientScope,
    matched: &Matched,
    found: &BTreeMap<HostId, Vec<&Match>>,
    chosen: &BTreeMap<HostId, HostRecord>,
) -> Result<BTreeMap<HostId, Vec<ServiceUse>>, Error> {
    let ids: Vec<HostId> = found.keys().filter(|id| chosen.contains_key(id)).copied().collect();
    let observed = session.store.observed(scope, &ids, &[ItemKind::Listener], None).await?;
    let declared = session.store.services_of(scope, &ids).await?;
    let nothing = Observed::default();
    let of = |id: &HostId| {
        let matches = found.get(id).map(Vec::as_slice).unwrap_or_default();
        let versions = matches.iter().map(|it| &matched.versions[it.package].package);
        let names: BTreeSet<&PackageName> = versions.flat_map(|it| [&it.name, &it.source]).collect();
        let declared = declared.get(id).map(Vec::as_slice).unwrap_or_default();
        let observed = observed.get(id).unwrap_or(&nothing);
        services_using(&Used { names: &names, path: None }, declared, observed)
    };
    Ok(ids.iter().map(|id| (*id, of(id))).collect())
}

fn judge(
    session: &Session,
    matched: &Matched,
    record: &HostRecord,
    matches: &[&Match],
    findings: Vec<IncidentFinding>,
    uses: &[ServiceUse],
) -> Affected {
    let controller = record.parent.clone().unwrap_or_else(|| record.name.clone());
    let inventory = &session.workspace.inventory;
    let severity: Option<Severity> = matches.iter().filter_map(|it| it.severity).max();
    let is_exploited = matches.iter().any(|it| it.exploited);
    let standing = standing(inventory, inventory.host(controller.as_str()), uses, is_exploited, severity);
    let ids = matches.iter().flat_map(|it| std::iter::once(&it.id).chain(&it.aliases));
    let since = ids.filter_map(|id| matched.index.exploited(id)).map(|entry| entry.added).min();
    let host = IncidentHost {
        client: record.client.clone(),
        host: record.name.clone(),
        rank: 0,
        reasons: reasons(&standing, uses, since.map(|since| since.to_string())),
        state: match findings.iter().all(|finding| finding.fix == Fix::NotYet) {
            true => IncidentHostState::NoFix,
            false => IncidentHostState::Vulnerable,
        },
        findings,
    };
    Affected { host, controller, platform: record.platform.clone(), standing }
}

fn findings(matched: &Matched, matches: &[&Match]) -> Vec<IncidentFinding> {
    let finding = |it: &&Match| {
        let package = &matched.versions[it.package].package;
        IncidentFinding {
            id: it.id.clone(),
            package: package.name.clone(),
            installed: package.version.clone(),
            fix: it.fix.clone(),
            remedy: match &it.fix {
                Fix::NotYet => "no fix yet".to_owned(),
                fix => format!("fixed in {fix}"),
            },
        }
    };
    let mut findings: Vec<IncidentFinding> = matches.iter().map(finding).collect();
    findings.sort_by(|a, b| (&a.package, a.id.as_str()).cmp(&(&b.package, b.id.as_str())));
    findings
}

/// Returns the exception that leaves all that is open on a host to a person, and counts now.
fn exception<'e>(
    exceptions: &'e [DeclaredException],
    record: &HostRecord,
    matches: &[&Match],
    now: Timestamp,
) -> Option<&'e DeclaredException> {
    let names = |it: &DeclaredException| it.hosts.contains_key(&record.id);
    let counting: Vec<&DeclaredException> =
        exceptions.iter().filter(|it| it.until > now && names(it)).collect();
    let covering = |found: &&Match| counting.iter().find(|it| found.is_about(&it.vulnerability)).copied();
    let all: Option<Vec<&DeclaredException>> = matches.iter().map(covering).collect();
    all?.into_iter().min_by_key(|it| it.until)
}

/// Returns the ids that it is about: those asked for and their other names; of packages what is open there. An
/// advisory that bundles several vulnerabilities makes none of the others a part of it.
async fn ids(
    session: &Session,
    request: &RespondRequest,
    asked: &[&Match],
) -> Result<Vec<VulnerabilityId>, Error> {
    let words: Vec<VulnerabilityId> =
        request.words.iter().map(|word| VulnerabilityId::new(word.as_str())).collect();
    let mut ids: Vec<VulnerabilityId> = Vec::new();
    let mut add = |id: &VulnerabilityId| {
        if !ids.iter().any(|known| known.same(id)) {
            ids.push(id.clone());
        }
    };
    let advisories = session.store.advisories_about(&words, None).await?;
    let is_named = |word: &&VulnerabilityId| {
        word.is_cve() || advisories.iter().any(|it| it.ids().any(|id| id.same(word)))
    };
    words.iter().filter(is_named).for_each(&mut add);
    for advisory in &advisories {
        if advisory.ids().filter(|id| id.is_cve()).count() <= 1 {
            advisory.ids().for_each(&mut add);
        }
    }
    asked.iter().filter(|it| !names_id(&request.words, it)).for_each(|it| add(&it.id));
    Ok(ids)
}

/// Says in one line what it is about.
async fn title(
    session: &Session,
    request: &RespondRequest,
    ids: &[VulnerabilityId],
) -> Result<String, Error> {
    const TITLE_CHARS_MAX: usize = 160;
    let advisories = session.store.advisories_about(ids, None).await?;
    let words = request.words.join(", ");
    let summary = advisories.iter().map(|it| it.summary.trim()).find(|summary| !summary.is_empty());
    let title = match summary {
        Some(summary) => format!("{words}: {summary}"),
        None => words,
    };
    Ok(title.chars().filter(|it| !it.is_control()).take(TITLE_CHARS_MAX).collect())
}
