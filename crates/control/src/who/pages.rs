//! The rows of an answer, page by page: by state, then client, then host.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{FindingState, HostName, Observed, PackageName, PackageVersion, Software};
use store::{DeclaredService, HostId, HostLine, HostSet, ItemKind};

use super::found::Found;
use super::{ServiceUse, WhoAnswer, WhoRow};
use crate::error::Error;
use crate::exposure::{Used, services_using};
use crate::inquiry::Inquiry;

/// The most hosts of one page: what belongs to them is held in memory together.
pub const PAGE_HOSTS_MAX: usize = 1_000;

/// Walks over the rows of an answer.
pub struct WhoPages<'a> {
    inquiry: &'a Inquiry,
    answer: &'a WhoAnswer,
    stages: VecDeque<Stage>,
    current: Option<(Stage, HostSet)>,
    after: Option<(model::ClientName, HostName)>,
}

/// Rows of one kind.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// Of installed packages with this state.
    Installed(FindingState),
    /// Of the silent group at this position.
    Silent(usize),
}

/// What belongs to the hosts of a page.
struct Surroundings {
    observed: BTreeMap<HostId, Observed>,
    declared: BTreeMap<HostId, Vec<DeclaredService>>,
    software: BTreeMap<HostId, Vec<(PackageVersion, Software)>>,
}

impl WhoAnswer {
    /// Returns the rows of installed packages with some states, and of hosts that nothing is installed on
    /// with some states, a page at a time.
    pub fn pages<'a>(
        &'a self,
        inquiry: &'a Inquiry,
        installed: &[FindingState],
        silent: &[FindingState],
    ) -> WhoPages<'a> {
        let mut stages = VecDeque::new();
        for state in super::STATES {
            if installed.contains(&state) {
                stages.push_back(Stage::Installed(state));
            }
            let groups = self.silent.iter().enumerate().filter(|(_, group)| group.state == state);
            stages.extend(groups.filter(|_| silent.contains(&state)).map(|(at, _)| Stage::Silent(at)));
        }
        WhoPages { inquiry, answer: self, stages, current: None, after: None }
    }

    /// Returns how many hosts have a row of an installed package with one of the states, or of the host as a
    /// whole with one of the others; each is counted once.
    pub fn hosts_with_rows(&self, installed: &[FindingState], silent: &[FindingState]) -> usize {
        let installed = installed.iter().filter_map(|state| self.has_by_state.get(state));
        let silent = self.silent.iter().filter(|group| silent.contains(&group.state));
        HostSet::union_of(installed).len() + silent.map(super::SilentGroup::len).sum::<usize>()
    }
}

impl WhoPages<'_> {
    /// Returns the rows of the next hosts, at most so many and at most [`PAGE_HOSTS_MAX`]; `None` = there
    /// are no more.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn next(&mut self, hosts: usize) -> Result<Option<Vec<WhoRow>>, Error> {
        let limit = hosts.clamp(1, PAGE_HOSTS_MAX);
        let question = &self.answer.question;
        loop {
            let (stage, members) = match self.current.take() {
                Some(current) => current,
                None => {
                    let Some(stage) = self.stages.pop_front() else { return Ok(None) };
                    self.after = None;
                    (stage, self.members(stage).await?)
                }
            };
            let after = self.after.as_ref();
            let at = question.moments.at;
            let page = self.inquiry.store.host_page(&question.scope, &members, after, limit, at).await?;
            let Some(last) = page.last() else { continue };
            self.after = Some((last.client.clone(), last.name.clone()));
            if page.len() == limit {
                self.current = Some((stage, members));
            }
            return Ok(Some(self.rows(stage, &page).await?));
        }
    }

    async fn members(&self, stage: Stage) -> Result<HostSet, Error> {
        match stage {
            Stage::Installed(state) => Ok(self.answer.has_by_state.get(&state).cloned().unwrap_or_default()),
            Stage::Silent(at) => {
                let answer = self.answer;
                answer.silent[at].members(self.inquiry, &answer.question, &answer.answered).await
            }
        }
    }

    /// Returns the rows of a stage for some hosts.
    pub(super) async fn rows(&self, stage: Stage, page: &[HostLine]) -> Result<Vec<WhoRow>, Error> {
        let state = match stage {
            Stage::Installed(state) => state,
            Stage::Silent(at) => {
                let group = &self.answer.silent[at];
                return Ok(page.iter().map(|host| silent_row(host, group)).collect());
            }
        };
        let surroundings = self.surroundings(page).await?;
        let found: Vec<&Found> = self.answer.found.iter().filter(|found| found.state == state).collect();
        let siblings = siblings(&self.answer.found);
        let mut rows = Vec::new();
        for host in page {
            for found in found.iter().filter(|found| found.hosts.contains(host.id)) {
                let names = siblings.get(&found.package.source).cloned().unwrap_or_default();
                rows.extend(installed_rows(host, found, &names, &surroundings));
            }
        }
        Ok(rows)
    }

    async fn surroundings(&self, page: &[HostLine]) -> Result<Surroundings, Error> {
        let question = &self.answer.question;
        let (store, scope, at) = (&self.inquiry.store, &question.scope, question.moments.at);
        let ids: Vec<HostId> = page.iter().map(|host| host.id).collect();
        let kinds = [ItemKind::Listener, ItemKind::Service];
        let has_software =
            self.answer.found.iter().any(|found| !found.version.platform.ecosystem.is_distribution());
        Ok(Surroundings {
            observed: store.observed(scope, &ids, &kinds, at).await?,
            declared: store.services_of(scope, &ids).await?,
            software: match has_software {
                true => store.software_of(scope, &ids, at).await?,
                false => BTreeMap::new(),
            },
        })
    }
}

/// The names that listeners and services of a source may have: its own and those of its packages.
pub(super) fn siblings(found: &[Found]) -> BTreeMap<PackageName, BTreeSet<&PackageName>> {
    let mut siblings: BTreeMap<PackageName, BTreeSet<&PackageName>> = BTreeMap::new();
    for it in found {
        let names = siblings.entry(it.package.source.clone()).or_default();
        names.extend([&it.package.source, &it.package.name]);
    }
    siblings
}

fn silent_row(host: &HostLine, group: &super::SilentGroup) -> WhoRow {
    WhoRow {
        state: group.state,
        client: host.client.clone(),
        host: host.name.clone(),
        package: None,
        path: None,
        services: Vec::new(),
        scanned_at: host.packages_at,
        reason: group.reason.clone(),
    }
}

/// A package has one row, software outside packages one for each file that it was found in.
fn installed_rows(
    host: &HostLine,
    found: &Found,
    names: &BTreeSet<&PackageName>,
    surroundings: &Surroundings,
) -> Vec<WhoRow> {
    let row = |path: Option<&str>| WhoRow {
        state: found.state,
        client: host.client.clone(),
        host: host.name.clone(),
        package: Some(found.package.clone()),
        path: path.map(str::to_owned),
        services: services(host, names, path, surroundings),
        scanned_at: host.packages_at,
        reason: found.reason.clone(),
    };
    let software = surroundings.software.get(&host.id).into_iter().flatten();
    let its_files = software.filter(|(version, _)| *version == found.version);
    let paths: BTreeSet<&str> = its_files.map(|(_, software)| software.path.as_str()).collect();
    if paths.is_empty() {
        return vec![row(None)];
    }
    paths.into_iter().map(|path| row(Some(path))).collect()
}

fn services(
    host: &HostLine,
    names: &BTreeSet<&PackageName>,
    path: Option<&str>,
    surroundings: &Surroundings,
) -> Vec<ServiceUse> {
    let nothing = Observed::default();
    let observed = surroundings.observed.get(&host.id).unwrap_or(&nothing);
    let declared = surroundings.declared.get(&host.id).map(Vec::as_slice).unwrap_or_default();
    services_using(&Used { names, path }, declared, observed)
}
