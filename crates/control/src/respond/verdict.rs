//! After patching: every host is looked at again, and what is seen decides how it stands.

use std::collections::BTreeSet;

use model::{Fix, HostName, IncidentId, Mark, Rung, Stage, Verdict};
use store::{ClientScope, IncidentHost, IncidentHostState, NewMark};

use super::progress::controller;
use crate::deploy::Connections;
use crate::error::Error;
use crate::incident;
use crate::scan::{ScanReport, scan_hosts};
use crate::session::Session;
use crate::verify::{HostEvidence, HostVerdict, VerifyAnswer, VerifyFinding, VerifyHost, verify};

/// What came of looking again.
#[derive(Debug)]
pub struct Proof {
    /// The scan.
    pub scan: ScanReport,
    /// The ladder, of the hosts that were patched.
    pub answer: VerifyAnswer,
    /// Hosts and jails of the incident that are not declared any more, so that nobody can look at them.
    pub gone: Vec<HostName>,
    /// How all hosts of the incident stand now.
    pub hosts: Vec<IncidentHost>,
}

/// Scans the incident's hosts that are not settled, verifies those with a fix, and keeps how they stand.
///
/// # Errors
/// [`Error::Store`].
pub async fn prove(session: &Session, id: IncidentId, connections: &Connections) -> Result<Proof, Error> {
    let known = session.store.incident(&ClientScope::All, id).await?;
    let looked_at: Vec<&IncidentHost> = known.hosts.iter().filter(|host| is_looked_at(host.state)).collect();
    let controllers: BTreeSet<HostName> =
        looked_at.iter().filter_map(|host| controller(session, &host.host)).collect();
    let hosts = &session.workspace.inventory.hosts;
    let hosts: Vec<_> = hosts.iter().filter(|host| controllers.contains(&host.name)).collect();
    let scan = scan_hosts(session, &hosts, None).await?;
    let wanted: Vec<VerifyHost> = looked_at.iter().map(|host| verify_host(host)).collect();
    let answer = verify(session, &wanted, Some(id), connections).await?;
    let now = session.clock.now();
    let (mut changed, mut marks, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for host in looked_at {
        let mut host = host.clone();
        // By name: of what is not declared any more there is no answer at all.
        let Some(evidence) = answer.hosts.iter().find(|it| it.host == host.host) else {
            let is_new = host.state != IncidentHostState::Unknown;
            host.state = IncidentHostState::Unknown;
            gone.push(host.host.clone());
            changed.extend(is_new.then_some(host));
            continue;
        };
        host.state = state(&host, evidence);
        if host.state == IncidentHostState::Verified {
            let (client, name) = (Some(host.client.clone()), Some(host.host.clone()));
            // Who patched it by other means is patched, at the latest, when it is seen.
            let patched = NewMark { mark: Mark::Patched, client, host: name, at: evidence.taken_at };
            marks.push(NewMark { mark: Mark::Verified, at: now, ..patched.clone() });
            marks.push(patched);
        }
        changed.push(host);
    }
    if !changed.is_empty() {
        incident::mark(session, id, &marks).await?;
        incident::set_hosts(session, id, &changed).await?;
    }
    incident::advance(session, id, Stage::Verified).await?;
    let hosts = session.store.incident(&ClientScope::All, id).await?.hosts;
    Ok(Proof { scan, answer, gone, hosts })
}

fn is_looked_at(state: IncidentHostState) -> bool {
    use IncidentHostState::{Excepted, NoFix, NotAffected, Patched, Unknown, Verified, Vulnerable, Waits};
    match state {
        Patched | Unknown | Vulnerable | Waits => true,
        Excepted | NoFix | NotAffected | Verified => false,
    }
}

fn verify_host(host: &IncidentHost) -> VerifyHost {
    let findings = host.findings.iter().filter(|it| !matches!(it.fix, Fix::NotYet)).map(|it| VerifyFinding {
        package: it.package.clone(),
        id: it.id.clone(),
        fix: it.fix.clone(),
    });
    VerifyHost { host: host.host.clone(), findings: findings.collect() }
}

/// Decides how a host stands. Only what is proven is verified; a fix that is installed and not in force waits.
fn state(host: &IncidentHost, seen: &HostEvidence) -> IncidentHostState {
    let has =
        |rung: Rung, verdict: Verdict| seen.rungs.iter().any(|it| (it.rung, it.verdict) == (rung, verdict));
    match seen.verdict {
        // What could be fixed is fixed, and something has no fix: that is no proof of safety.
        HostVerdict::Proven if host.findings.iter().any(|it| it.fix == Fix::NotYet) => {
            IncidentHostState::NoFix
        }
        HostVerdict::Proven => IncidentHostState::Verified,
        HostVerdict::Failed if has(Rung::Version, Verdict::Failed) => IncidentHostState::Vulnerable,
        HostVerdict::Failed if has(Rung::Files, Verdict::Failed) => IncidentHostState::Vulnerable,
        HostVerdict::Failed => IncidentHostState::Waits,
        // That nobody could look says nothing new of a host.
        HostVerdict::Unknown if host.state == IncidentHostState::Patched => IncidentHostState::Unknown,
        HostVerdict::Unknown => host.state,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use model::{ClientName, PackageName};

    use super::*;
    use crate::verify::RungSeen;

    #[test]
    fn only_what_is_proven_is_verified() {
        let name = HostName::new("web-1").expect("a name");
        let client = ClientName::new("acme").expect("a name");
        let check = |before, verdict, failed: Option<Rung>, expected| {
            let host = IncidentHost {
                client: client.clone(),
                host: name.clone(),
                rank: 1,
                reasons: Vec::new(),
                findings: Vec::new(),
                state: before,
            };
            let rung = |rung| RungSeen {
                package: PackageName::new("openssl"),
                rung,
                verdict: Verdict::Failed,
                detail: String::new(),
                output: Vec::new(),
                is_cut: false,
            };
            let seen = HostEvidence {
                client: client.clone(),
                host: name.clone(),
                taken_at: Timestamp::UNIX_EPOCH,
                rungs: failed.map(rung).into_iter().collect(),
                verdict,
                problems: Vec::new(),
            };
            assert_eq!(state(&host, &seen), expected, "{before:?} {verdict:?} {failed:?}");
        };
        use IncidentHostState::{Patched, Unknown, Verified, Vulnerable, Waits};
        check(Patched, HostVerdict::Proven, None, Verified);
        check(Vulnerable, HostVerdict::Proven, None, Verified);
        check(Patched, HostVerdict::Failed, Some(Rung::Version), Vulnerable);
        check(Patched, HostVerdict::Failed, Some(Rung::Files), Vulnerable);
        check(Patched, HostVerdict::Failed, Some(Rung::Processes), Waits);
        check(Patched, HostVerdict::Unknown, None, Unknown);
        check(Vulnerable, HostVerdict::Unknown, None, Vulnerable);
    }

    #[test]
    fn a_host_with_something_that_has_no_fix_is_not_verified() {
        let client = ClientName::new("acme").expect("a name");
        let name = HostName::new("web-1").expect("a name");
        let finding = |package: &str, fix| store::IncidentFinding {
            id: model::VulnerabilityId::new("CVE-2026-1"),
            package: PackageName::new(package),
            installed: model::Version::new("1"),
            fix,
            remedy: String::new(),
        };
        let host = IncidentHost {
            client: client.clone(),
            host: name.clone(),
            rank: 1,
            reasons: Vec::new(),
            findings: vec![finding("a", Fix::In(model::Version::new("2"))), finding("b", Fix::NotYet)],
            state: IncidentHostState::Patched,
        };
        let seen = HostEvidence {
            client,
            host: name,
            taken_at: Timestamp::UNIX_EPOCH,
            rungs: Vec::new(),
            verdict: HostVerdict::Proven,
            problems: Vec::new(),
        };
        assert_eq!(state(&host, &seen), IncidentHostState::NoFix);
    }
}
