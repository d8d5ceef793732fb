//! After a run: the hosts are scanned again, and it is said which findings are closed.

use std::collections::BTreeSet;

use model::{HostName, Plan};

use crate::deploy::changes;
use crate::error::Error;
use crate::patch::still_open;
use crate::scan::{ScanReport, scan_hosts};
use crate::session::Session;

/// A finding that is, or was, open on a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The id, in capitals.
    pub id: String,
    /// The package.
    pub package: String,
    /// The host, or the jail as `JAIL.HOST`.
    pub host: HostName,
}

/// What a look at the hosts of a plan after its run says.
#[derive(Debug, Clone)]
pub struct Rescanned {
    /// The scan.
    pub scan: ScanReport,
    /// Findings that were open before and are not any more, sorted.
    pub closed: Vec<Finding>,
    /// Findings that are open now and were not before, sorted.
    pub opened: Vec<Finding>,
    /// How many are open now.
    pub open: usize,
}

/// Returns what is open on the hosts that a plan changes, by their last scan.
///
/// # Errors
/// [`Error::Store`].
pub async fn open_on(session: &Session, plan: &Plan) -> Result<BTreeSet<Finding>, Error> {
    let touched = touched(plan);
    let is_there = |host: &HostName| {
        let is_jail_of = |parent: &&HostName| host.as_str().ends_with(&format!(".{parent}"));
        touched.contains(host) || touched.iter().any(|parent| is_jail_of(&parent))
    };
    let open = still_open(session).await?.into_iter().filter(|(host, _, _)| is_there(host));
    Ok(open.map(|(host, package, id)| Finding { id, package, host }).collect())
}

/// Scans the hosts that a plan changes, and compares with what was open before.
///
/// # Errors
/// [`Error::Store`].
pub async fn look_again(
    session: &Session,
    plan: &Plan,
    before: &BTreeSet<Finding>,
) -> Result<Rescanned, Error> {
    let touched = touched(plan);
    let hosts = &session.workspace.inventory.hosts;
    let hosts: Vec<_> = hosts.iter().filter(|host| touched.contains(&host.name)).collect();
    let scan = scan_hosts(session, &hosts, None).await?;
    let now = open_on(session, plan).await?;
    Ok(Rescanned {
        scan,
        closed: before.difference(&now).cloned().collect(),
        opened: now.difference(before).cloned().collect(),
        open: now.len(),
    })
}

fn touched(plan: &Plan) -> BTreeSet<HostName> {
    plan.hosts.iter().filter(|host| changes(host) > 0).map(|host| host.host.clone()).collect()
}
