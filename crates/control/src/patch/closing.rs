//! After applying: what a fresh look at the hosts says of each finding.

use std::collections::{BTreeMap, BTreeSet};

use model::{FindingState, Fix, HostName, Observed};
use plan::Remedy;
use store::{ClientScope, HostRecord, ItemKind};

use super::{PatchFinding, PatchPlan};
use crate::error::Error;
use crate::matched::match_in_use;
use crate::scan::{ScanReport, scan_hosts};
use crate::session::Session;

/// Packages whose fix runs only after a restart of the host begin so.
const KERNELS: [&str; 3] = ["linux", "FreeBSD-kernel", "kernel"];

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// The fix is installed and runs.
    Closed,
    /// The fix is installed; these processes still run what was replaced.
    WaitsForRestart(Vec<String>),
    /// The fix is installed; the host runs it after a restart.
    WaitsForReboot(String),
    /// There is no fix yet.
    NoFix,
    /// The host's repositories do not have it.
    NoCandidate(Option<String>),
    /// It is open still.
    Open(String),
    /// The host could not be looked at again.
    Unknown(String),
}

impl Closing {
    /// Returns the word for it in tables and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::WaitsForRestart(_) => "waits-for-restart",
            Self::WaitsForReboot(_) => "waits-for-reboot",
            Self::NoFix => "no-fix",
            Self::NoCandidate(_) => "no-candidate",
            Self::Open(_) => "open",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// A finding and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedFinding {
    /// The finding.
    pub finding: PatchFinding,
    /// What became of it.
    pub closing: Closing,
}

/// Scans the hosts of a patch again, and says what became of each finding.
///
/// # Errors
/// [`Error::Store`].
pub async fn close(session: &Session, patch: &PatchPlan) -> Result<(Vec<ClosedFinding>, ScanReport), Error> {
    let touched: BTreeSet<&HostName> =
        patch.saved.iter().flat_map(|saved| &saved.plan.hosts).map(|host| &host.host).collect();
    let hosts: Vec<_> =
        session.workspace.inventory.hosts.iter().filter(|host| touched.contains(&host.name)).collect();
    let before = observed(session).await?;
    let report = scan_hosts(session, &hosts, None).await?;
    let after = observed(session).await?;
    let unseen: BTreeSet<&HostName> =
        report.hosts.iter().filter(|host| host.packages.is_none()).map(|host| &host.host).collect();
    let still = still_open(session).await?;
    let judge = |finding: &PatchFinding| {
        let controller =
            after.get(&finding.host).and_then(|(record, _)| record.parent.as_ref()).unwrap_or(&finding.host);
        if touched.contains(controller) && unseen.contains(controller) {
            return Closing::Unknown("the host could not be looked at again".to_owned());
        }
        let key =
            (finding.host.clone(), finding.package.to_string(), finding.id.as_str().to_ascii_uppercase());
        if still.contains(&key) {
            return why_open(finding);
        }
        let new_stale =
            new_stale(before.get(controller).map(|it| &it.1), after.get(controller).map(|it| &it.1));
        let reboot =
            after.get(controller).and_then(|(_, seen)| seen.reboot.clone()).filter(|need| need.is_needed);
        let is_kernel = KERNELS.iter().any(|kernel| finding.package.as_str().starts_with(kernel));
        match reboot {
            Some(need) if is_kernel => Closing::WaitsForReboot(need.why),
            _ if !new_stale.is_empty() => Closing::WaitsForRestart(new_stale),
            _ => Closing::Closed,
        }
    };
    let findings = patch.findings.iter().map(|finding| {
        let closing = judge(finding);
        ClosedFinding { finding: finding.clone(), closing }
    });
    Ok((findings.collect(), report))
}

fn why_open(finding: &PatchFinding) -> Closing {
    match (&finding.remedy, &finding.fix) {
        (_, Fix::NotYet) | (Some(Remedy::NoFix), _) => Closing::NoFix,
        (Some(Remedy::NoCandidate { newest }), _) => Closing::NoCandidate(newest.clone()),
        (None, _) => Closing::Open("nothing was planned for it".to_owned()),
        (Some(Remedy::Upgrade { .. } | Remedy::Base | Remedy::Gone), _) => {
            Closing::Open("the upgrade did not come to its end".to_owned())
        }
    }
}

/// Returns every finding that is open now: host, package, id in capitals.
pub(crate) async fn still_open(session: &Session) -> Result<BTreeSet<(HostName, String, String)>, Error> {
    let scope = ClientScope::All;
    let matched = match_in_use(&session.store, &scope, None, None).await?;
    let open: Vec<_> = matched.matches.iter().filter(|it| it.state == FindingState::Vulnerable).collect();
    let versions: BTreeSet<_> = open.iter().map(|it| matched.version_ids[it.package]).collect();
    let hosts = session.store.hosts_with(&scope, &versions.into_iter().collect::<Vec<_>>(), None).await?;
    let records = session.store.hosts(&scope).await?;
    let names: BTreeMap<_, _> = records.into_iter().map(|record| (record.id, record.name)).collect();
    let mut still = BTreeSet::new();
    for found in open {
        let Some(having) = hosts.get(&matched.version_ids[found.package]) else { continue };
        let package = matched.versions[found.package].package.name.to_string();
        for name in having.iter().filter_map(|host| names.get(&host)) {
            still.insert((name.clone(), package.clone(), found.id.as_str().to_ascii_uppercase()));
        }
    }
    Ok(still)
}

async fn observed(session: &Session) -> Result<BTreeMap<HostName, (HostRecord, Observed)>, Error> {
    let scope = ClientScope::All;
    let records = session.store.hosts(&scope).await?;
    let ids: Vec<_> = records.iter().map(|record| record.id).collect();
    let kinds = [ItemKind::StaleProcess, ItemKind::Reboot];
    let mut observed = session.store.observed(&scope, &ids, &kinds, None).await?;
    let entry = |record: HostRecord| {
        let seen = observed.remove(&record.id).unwrap_or_default();
        (record.name.clone(), (record, seen))
    };
    Ok(records.into_iter().map(entry).collect())
}

/// Returns processes that map replaced files now and did not before.
fn new_stale(before: Option<&Observed>, after: Option<&Observed>) -> Vec<String> {
    let stale = |seen: Option<&Observed>| -> BTreeSet<(String, String)> {
        let processes = seen.and_then(|seen| seen.stale_processes.as_ref()).into_iter().flatten();
        processes.map(|it| (it.process.clone(), it.file.clone())).collect()
    };
    let before = stale(before);
    let new: BTreeSet<String> =
        stale(after).into_iter().filter(|it| !before.contains(it)).map(|(process, _)| process).collect();
    new.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use model::StaleProcess;

    use super::*;

    #[test]
    fn only_new_stale_processes_count() {
        let seen = |names: &[&str]| Observed {
            stale_processes: Some(
                names
                    .iter()
                    .map(|name| StaleProcess {
                        process: (*name).to_owned(),
                        file: "/usr/lib/x.so".to_owned(),
                        pid: 1,
                    })
                    .collect(),
            ),
            ..Observed::default()
        };
        assert_eq!(new_stale(Some(&seen(&["old"])), Some(&seen(&["new", "old"]))), ["new"]);
        assert!(new_stale(None, None).is_empty());
        assert_eq!(new_stale(None, Some(&seen(&["a", "a"]))), ["a"]);
    }
}
