//! Hosts that nothing is installed on that an advisory speaks of: silence is an answer too, and which
//! one depends on whether anybody would have spoken.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Advisory, ClientName, Ecosystem, FindingState, HostName, PackagePattern, Platform, Reason,
    VulnerabilityId,
};
use store::{CensusRow, HostGroup, HostSet};

use super::found::Findings;
use super::{WhoQuery, WhoQuestion};
use crate::error::Error;
use crate::inquiry::Inquiry;

/// Names that are shown of a group whose state is unknown.
const NAMES_SHOWN_MAX: usize = 5;

/// Groups of more hosts are only counted: to find the names of some would cost a look at all.
const NAMED_GROUP_HOSTS_MAX: usize = 2_000;

/// Names of packages that a reason names; the others are counted.
const PACKAGES_NAMED_MAX: usize = 8;

/// Hosts with the same state for the same reason.
#[derive(Debug, Clone)]
pub struct SilentGroup {
    /// Their state: unknown or not affected.
    pub state: FindingState,
    /// Why.
    pub reason: Reason,
    /// How many there are of each client.
    pub hosts: BTreeMap<ClientName, usize>,
    /// The first few of them, where the state is unknown and the group is not too large.
    pub names: Vec<(ClientName, HostName)>,
    pub(crate) group: HostGroup,
}

impl SilentGroup {
    /// Returns how many hosts there are.
    pub fn len(&self) -> usize {
        self.hosts.values().sum()
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Returns the hosts themselves.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub(crate) async fn members(
        &self,
        inquiry: &Inquiry,
        question: &WhoQuestion,
        answered: &HostSet,
    ) -> Result<HostSet, Error> {
        let mut hosts = inquiry.store.hosts_in(&question.scope, &self.group, question.moments.at).await?;
        hosts.subtract(answered);
        Ok(hosts)
    }
}

/// Groups the hosts that have no package row, by what they run.
///
/// # Errors
/// [`Error::Store`].
pub(crate) async fn silent_groups(
    inquiry: &Inquiry,
    question: &WhoQuestion,
    findings: &Findings,
    census: &[CensusRow],
    answered: &HostSet,
) -> Result<Vec<SilentGroup>, Error> {
    let mut by_group: BTreeMap<&HostGroup, BTreeMap<ClientName, usize>> = BTreeMap::new();
    for row in census {
        *by_group.entry(&row.group).or_default().entry(row.client.clone()).or_default() += row.hosts;
    }
    let mut groups = Vec::new();
    for (group, hosts) in by_group {
        let (state, reason) = silence(group, findings, question);
        groups.push(SilentGroup { state, reason, hosts, names: Vec::new(), group: group.clone() });
    }
    take_out_answered(inquiry, question, findings, answered, &mut groups).await?;
    groups.retain(|group| !group.is_empty());
    groups.sort_by(|a, b| (a.state, &a.reason, &a.group).cmp(&(b.state, &b.reason, &b.group)));
    for group in &mut groups {
        if group.state == FindingState::Unknown && group.len() <= NAMED_GROUP_HOSTS_MAX {
            let members = group.members(inquiry, question, answered).await?;
            let (scope, at) = (&question.scope, question.moments.at);
            let lines = inquiry.store.host_page(scope, &members, None, NAMES_SHOWN_MAX, at).await?;
            group.names = lines.into_iter().map(|line| (line.client, line.name)).collect();
        }
    }
    Ok(groups)
}

/// Leaves out of each group's counts the hosts that have rows. Packages tell by themselves which platform
/// their hosts run, so that the members of groups need not be looked at; only software outside packages
/// does not.
async fn take_out_answered(
    inquiry: &Inquiry,
    question: &WhoQuestion,
    findings: &Findings,
    answered: &HostSet,
    groups: &mut [SilentGroup],
) -> Result<(), Error> {
    let mut by_platform: BTreeMap<&Platform, HostSet> = BTreeMap::new();
    let mut told = HostSet::default();
    for found in &findings.found {
        if found.version.platform.ecosystem.is_distribution() {
            by_platform.entry(&found.version.platform).or_default().union_with(&found.hosts);
            told.union_with(&found.hosts);
        }
    }
    let mut untold = answered.clone();
    untold.subtract(&told);
    let (scope, at) = (&question.scope, question.moments.at);
    let of_untold = inquiry.store.census_of(scope, &untold, at).await?;
    for group in groups {
        let SilentGroup { group, hosts, .. } = group;
        if let HostGroup::Platform(platform) = &*group {
            let having = by_platform.remove(platform).unwrap_or_default();
            having.len_by_client().iter().for_each(|(client, answered)| take_out(hosts, client, *answered));
        }
        let others = of_untold.iter().filter(|row| row.group == *group);
        others.for_each(|row| take_out(hosts, &row.client, row.hosts));
        hosts.retain(|_, hosts| *hosts > 0);
    }
    Ok(())
}

fn take_out(hosts: &mut BTreeMap<ClientName, usize>, client: &ClientName, answered: usize) {
    if let Some(hosts) = hosts.get_mut(client) {
        *hosts = hosts.saturating_sub(answered);
    }
}

fn silence(group: &HostGroup, findings: &Findings, question: &WhoQuestion) -> (FindingState, Reason) {
    match group {
        HostGroup::Platform(platform) => platform_silence(platform, findings, question),
        group => (FindingState::Unknown, Reason::new(why_unknown(group))),
    }
}

/// Says why hosts of a group cannot be judged; of a platform, where no feed speaks of it.
pub(crate) fn why_unknown(group: &HostGroup) -> String {
    match group {
        HostGroup::NeverScanned => "never scanned".to_owned(),
        HostGroup::SystemUnknown => "no scan has brought back what it runs".to_owned(),
        HostGroup::Unsupported { os_id, os_version } => {
            format!("no advisories are matched for `{os_id}` `{os_version}`")
        }
        HostGroup::PackagesUnknown(_) => "its packages could not be read".to_owned(),
        HostGroup::Platform(platform) => format!("no advisories for {platform} are loaded"),
    }
}

fn platform_silence(
    platform: &Platform,
    findings: &Findings,
    question: &WhoQuestion,
) -> (FindingState, Reason) {
    let unknown = |sentence: String| (FindingState::Unknown, Reason::new(sentence));
    let not_affected = |sentence: String| (FindingState::NotAffected, Reason::new(sentence));
    if let Some(spec) = &findings.spec {
        return not_affected(format!("not installed: {}", spec.name()));
    }
    let is_covered = findings.index.covers(platform);
    if question.query == WhoQuery::Exploited {
        return match is_covered {
            true => not_affected("nothing that is known to be exploited is installed".to_owned()),
            false => unknown(format!("no advisories for {platform} are loaded")),
        };
    }
    let advisories = findings.index.advisories();
    let names = named_packages(advisories, platform);
    if !names.is_empty() {
        return not_affected(format!("not installed: {}", listed(&names)));
    }
    if !is_covered {
        return unknown(format!("no advisories for {platform} are loaded"));
    }
    silence_of_covered(platform, advisories, &findings.ids)
}

/// The feeds speak of the platform, and not of the ids.
fn silence_of_covered(
    platform: &Platform,
    advisories: &[Advisory],
    ids: &[VulnerabilityId],
) -> (FindingState, Reason) {
    let id = ids.first().map(VulnerabilityId::as_str).unwrap_or_default();
    let spoken_of: BTreeSet<Ecosystem> =
        advisories.iter().flat_map(|advisory| &advisory.affected).map(|it| it.ecosystem).collect();
    let is_only_others = !spoken_of.is_empty() && !spoken_of.contains(&platform.ecosystem);
    if is_only_others && spoken_of.iter().any(|it| !it.is_distribution()) {
        let words: Vec<_> =
            spoken_of.iter().filter(|it| !it.is_distribution()).map(|it| it.as_str()).collect();
        let sentence = format!(
            "{id} is about {} software; none of it was found where services declare paths, and no scan looks elsewhere",
            words.join(", ")
        );
        return (FindingState::Unknown, Reason::new(sentence));
    }
    if is_only_others && !ids.iter().any(VulnerabilityId::is_cve) {
        let others: Vec<_> = spoken_of.into_iter().map(Ecosystem::as_str).collect();
        return (FindingState::NotAffected, Reason::new(format!("{id} is about {} only", others.join(", "))));
    }
    let sentence = format!("no advisory for {platform} speaks of {id}; that is no proof of safety");
    (FindingState::Unknown, Reason::new(sentence))
}

/// Returns the packages that the advisories name for a platform.
fn named_packages<'a>(advisories: &'a [Advisory], platform: &Platform) -> BTreeSet<&'a str> {
    let affected = advisories.iter().flat_map(|advisory| &advisory.affected);
    let here =
        affected.filter(|it| it.ecosystem == platform.ecosystem && it.release.contains(&platform.release));
    here.map(|it| match &it.package {
        PackagePattern::Exact(name) => name.as_str(),
        PackagePattern::Glob(pattern) => pattern.as_str(),
    })
    .collect()
}

fn listed(names: &BTreeSet<&str>) -> String {
    let named: Vec<_> = names.iter().take(PACKAGES_NAMED_MAX).copied().collect();
    match names.len().saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
