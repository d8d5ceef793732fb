//! What was seen goes into the store, and its hashes onto the record.

use model::IncidentId;
use sha2::{Digest as _, Sha256};
use store::{NewEvidence, NewRecord, RecordBody, RecordValue};

use super::HostEvidence;
use crate::deploy::record::{Action, event};
use crate::error::Error;
use crate::session::Session;

/// Keeps the evidence of all hosts: one audit record for each host, with the verdict and the hash of every rung.
///
/// # Errors
/// [`Error::Store`]; then nothing of it is kept.
pub(super) async fn keep(
    session: &Session,
    hosts: &[HostEvidence],
    incident: Option<IncidentId>,
) -> Result<(), Error> {
    let (mut records, mut evidence) = (Vec::new(), Vec::new());
    for host in hosts {
        let place = records.len();
        records.push(record(session, host, incident)?);
        evidence.extend(host.rungs.iter().map(|rung| NewEvidence {
            incident,
            client: host.client.clone(),
            host: host.host.clone(),
            package: rung.package.clone(),
            rung: rung.rung,
            verdict: rung.verdict,
            detail: rung.detail.clone(),
            output: rung.output.clone(),
            is_cut: rung.is_cut,
            taken_at: host.taken_at,
            record: Some(place),
        }));
    }
    if !records.is_empty() {
        session.store.add_evidence(&evidence, &records).await?;
    }
    Ok(())
}

fn record(session: &Session, host: &HostEvidence, incident: Option<IncidentId>) -> Result<NewRecord, Error> {
    let rungs: Vec<RecordBody> = host
        .rungs
        .iter()
        .map(|rung| {
            let hash: String =
                Sha256::digest(&rung.output).iter().map(|byte| format!("{byte:02x}")).collect();
            RecordBody::default()
                .with("package", rung.package.as_str())
                .with("rung", rung.rung.as_str())
                .with("verdict", rung.verdict.as_str())
                .with("output_sha256", hash)
        })
        .collect();
    let rungs: RecordValue = rungs.into();
    let why = host.problems.first().map(|problem| problem.message.clone());
    let more = std::iter::once(("rungs", rungs))
        .chain(incident.map(|id| ("incident", id.to_string().into())))
        .chain(why.map(|why| ("why", why.into())));
    let action = Action {
        client: Some(host.client.clone()),
        target: host.host.to_string(),
        action: "verify.host",
        outcome: Some(host.verdict.as_str().to_owned()),
        more: more.collect(),
        ..Action::default()
    };
    event(session, action)
}
