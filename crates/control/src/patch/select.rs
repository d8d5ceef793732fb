//! Which findings were asked for, and where they are.

use std::collections::{BTreeMap, BTreeSet};

use advisory::Match;
use model::selector::Selector;
use model::{ClientName, FindingState, Fix, HostName, PackageName, PackageVersion, VulnerabilityId};
use plan::{PatchPackage, PatchTarget};
use store::{ClientScope, HostId, HostRecord};

use super::PatchRequest;
use crate::deploy::FixError;
use crate::error::Error;
use crate::hosts;
use crate::matched::{Matched, match_in_use};
use crate::session::Session;

/// A finding on a host.
pub(crate) struct OpenFinding {
    pub client: ClientName,
    /// The host or jail that has it.
    pub host: HostName,
    /// The host that is logged in to.
    pub controller: HostName,
    pub jail: Option<String>,
    pub package: PackageName,
    pub installed: String,
    pub id: VulnerabilityId,
    pub fix: Fix,
}

/// Everything that was asked for and is open.
pub(crate) struct Open {
    pub findings: Vec<OpenFinding>,
    /// For each host that is logged in to: itself and its jails.
    pub targets: BTreeMap<HostName, Vec<PatchTarget>>,
}

impl Open {
    /// Finds what is open, by the last scan of each host and the feeds as they are.
    pub(crate) async fn find(session: &Session, request: &PatchRequest<'_>) -> Result<Self, Error> {
        if request.words.is_empty() && !request.kev {
            let why = "say what: ids, packages or --kev".to_owned();
            return Err(FixError::NothingToPatch { why }.into());
        }
        let scope = ClientScope::All;
        if request.kev && session.store.all_exploited(None).await?.is_empty() {
            return Err(Error::NoCatalogue);
        }
        let everything = Selector::everything();
        let chosen = hosts::chosen(session, request.selector.unwrap_or(&everything)).await?;
        let chosen: BTreeMap<HostId, HostRecord> = chosen.into_iter().map(|host| (host.id, host)).collect();
        let matched = match_in_use(&session.store, &scope, None, None).await?;
        let is_asked = |it: &&Match| {
            it.state == FindingState::Vulnerable && is_asked_for(request, it, &matched.versions[it.package])
        };
        let asked: Vec<&Match> = matched.matches.iter().filter(is_asked).collect();
        refuse_unknown(session, request, &matched).await?;
        let versions: BTreeSet<_> = asked.iter().map(|it| matched.version_ids[it.package]).collect();
        let hosts = session.store.hosts_with(&scope, &versions.into_iter().collect::<Vec<_>>(), None).await?;
        let mut open = Self { findings: Vec::new(), targets: BTreeMap::new() };
        for found in asked {
            let Some(having) = hosts.get(&matched.version_ids[found.package]) else { continue };
            for host in having.iter().filter_map(|id| chosen.get(&id)) {
                if request.only.as_ref().is_some_and(|only| !only.contains(&host.name)) {
                    continue;
                }
                open.add(host, &matched.versions[found.package], found);
            }
        }
        open.findings.sort_by(|a, b| {
            (&a.client, &a.host, &a.package, a.id.as_str()).cmp(&(
                &b.client,
                &b.host,
                &b.package,
                b.id.as_str(),
            ))
        });
        Ok(open)
    }

    fn add(&mut self, host: &HostRecord, version: &PackageVersion, found: &Match) {
        let controller = host.parent.clone().unwrap_or_else(|| host.name.clone());
        let jail = host.parent.as_ref().map(|parent| {
            let name = host.name.as_str();
            name.strip_suffix(&format!(".{parent}")).unwrap_or(name).to_owned()
        });
        let package = &version.package;
        self.findings.push(OpenFinding {
            client: host.client.clone(),
            host: host.name.clone(),
            controller: controller.clone(),
            jail: jail.clone(),
            package: package.name.clone(),
            installed: package.version.to_string(),
            id: found.id.clone(),
            fix: found.fix.clone(),
        });
        // Software outside packages has no package manager that could upgrade it.
        let ecosystem = version.platform.ecosystem;
        if !ecosystem.is_distribution() {
            return;
        }
        let targets = self.targets.entry(controller.clone()).or_default();
        let position = targets.iter().position(|target| target.jail == jail && target.ecosystem == ecosystem);
        let position = position.unwrap_or_else(|| {
            targets.push(PatchTarget { host: controller, ecosystem, jail, packages: Vec::new() });
            targets.len() - 1
        });
        let packages = &mut targets[position].packages;
        let fix = (found.id.clone(), found.fix.clone());
        match packages.binary_search_by(|it| it.name.cmp(&package.name)) {
            Ok(at) => packages[at].fixes.push(fix),
            Err(at) => packages.insert(
                at,
                PatchPackage {
                    name: package.name.clone(),
                    fixes: vec![fix],
                    is_comparable: package.version == package.source_version,
                },
            ),
        }
    }
}

/// A typo must not look like "nothing is open".
async fn refuse_unknown(
    session: &Session,
    request: &PatchRequest<'_>,
    matched: &Matched,
) -> Result<(), Error> {
    for word in request.words {
        let id = VulnerabilityId::new(word.as_str());
        let has_package = |version: &PackageVersion| {
            version.package.name.as_str() == word || version.package.source.as_str() == word
        };
        let is_known = id.is_cve()
            || matched.matches.iter().any(|found| found.is_about(&id))
            || matched.versions.iter().any(has_package)
            || !session.store.advisories_about(&[id], None).await?.is_empty();
        if !is_known {
            let word = word.escape_default();
            let why = format!("no advisory is called `{word}`, and no scanned host has a package `{word}`");
            return Err(FixError::NothingToPatch { why }.into());
        }
    }
    Ok(())
}

fn is_asked_for(request: &PatchRequest<'_>, found: &Match, version: &PackageVersion) -> bool {
    let is_named = |word: &String| {
        found.is_about(&VulnerabilityId::new(word.as_str()))
            || version.package.name.as_str() == word
            || version.package.source.as_str() == word
    };
    (request.kev && found.exploited) || request.words.iter().any(is_named)
}
