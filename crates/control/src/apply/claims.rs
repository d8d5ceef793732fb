//! One lease for each host over all processes, so that two runs do not work on one host at once.

use std::time::Duration;

use jiff::Timestamp;
use model::{ClientName, Code, HostName, Place, Problem};
use store::{HostClaim, RunHostState};

use super::{Contacts, HostResult, Ready};
use crate::error::Error;
use crate::session::Session;

/// How long a claim holds that nobody renews: as long a host stays closed after its controller died.
const CLAIM_LIFETIME: Duration = Duration::from_secs(30);
/// How often claims are renewed.
pub(super) const CLAIM_RENEWAL: Duration = Duration::from_secs(10);

/// What became of claims.
pub(super) struct Claims {
    /// Hosts that nobody else works on now.
    pub claimed: Vec<HostName>,
    /// The others, each with the reason.
    pub refused: Vec<HostResult>,
}

/// Returns until when a claim made now holds.
pub(super) fn until(now: Timestamp) -> Timestamp {
    now.checked_add(CLAIM_LIFETIME).unwrap_or(Timestamp::MAX)
}

/// Claims hosts for a new run. A host that another run has left in doubt is not touched.
pub(super) async fn claim(session: &Session, ready: &Ready, hosts: &[HostName]) -> Result<Claims, Error> {
    let now = session.clock.now();
    let told = session.store.claim_hosts(&ready.run, hosts, now, until(now)).await?;
    let mut claims = Claims { claimed: Vec::new(), refused: Vec::new() };
    for (host, claim) in hosts.iter().zip(told) {
        let why = match claim {
            HostClaim::Claimed { unsettled } => match unsettled.iter().find(|run| **run != ready.run) {
                None => {
                    claims.claimed.push(host.clone());
                    continue;
                }
                Some(run) => problem(host, &format!("run {run} has left it in doubt")).with_hint(format!(
                    "`ifrit run resume {run}` finds out what it has done, and finishes it"
                )),
            },
            HostClaim::Held { by, until } => problem(host, &format!("run {by} works on it"))
                .with_hint(format!("its claim ends at {until} if its ifrit no longer lives")),
            HostClaim::Undeclared => problem(host, "it is not declared"),
        };
        let client = ready.clients.get(host);
        claims.refused.extend(client.map(|client| refused(client, host, why)));
    }
    Ok(claims)
}

/// Returns the result of a host that was not touched.
pub(super) fn refused(client: &ClientName, host: &HostName, why: Problem) -> HostResult {
    let (client, host) = (client.clone(), host.clone());
    HostResult {
        client,
        host,
        state: RunHostState::Refused,
        why: Some(why),
        steps: Vec::new(),
        duration: None,
        contacts: Contacts::default(),
    }
}

/// Makes the problem of a host that is not touched.
pub(super) fn problem(host: &HostName, why: &str) -> Problem {
    let place = Place::Host { host: host.clone(), part: String::new() };
    Problem::new(Code::ApplyRefused, place, why)
}
