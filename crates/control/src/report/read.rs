//! Reading what a report of an incident is made of.

use std::collections::{BTreeMap, BTreeSet};

use model::{ClientName, IncidentId, Mark};
use sha2::{Digest as _, Sha256};
use store::{ClientScope, PlanRecord, RunRecord, StoreError};

use super::compose::{Surrounding, View, compose};
use super::incident::{CheckpointReport, IncidentReport, PlanReport, RunReport};
use super::notes::NOTE;
use super::redaction::{Redaction, TEAM};
use super::words::hex;
use crate::deploy::record::event;
use crate::error::Error;
use crate::incident::{self, IncidentView};
use crate::session::Session;

/// Makes the report of an incident. It only reads.
///
/// A client's view is made of what a reader of this client alone may see, and of nothing else.
///
/// # Errors
/// [`Error::ClientUnknown`]; [`Error::Store`] where there is no such incident or none of its hosts is the client's.
pub async fn incident(
    session: &Session,
    scope: &ClientScope,
    id: IncidentId,
    of: &View,
) -> Result<IncidentReport, Error> {
    let own;
    let asked = scope;
    let scope = match of {
        View::Internal => scope,
        View::Client(client) => {
            if !sees(asked, client) || !session.store.has_client(client).await? {
                return Err(Error::ClientUnknown { given: client.to_string() });
            }
            own = ClientScope::Only(BTreeSet::from([client.clone()]));
            &own
        }
    };
    let view = incident::view(session, scope, id).await?;
    let mut surrounding = surrounding(session, scope, &view, of).await?;
    // Notes of no single client are read by who may see every client. Of these, the ones that are written for reports go
    // into each; whatever names another client is withheld.
    if of.client().is_some() && *asked == ClientScope::All {
        let all = incident::view(session, asked, id).await?.timeline;
        surrounding.notes = all.into_iter().filter(|it| it.action == NOTE && it.client.is_none()).collect();
    }
    Ok(compose(&view, of, surrounding))
}

/// Records that a report was written: a client's view ends that client's clock. It is called when the file is complete,
/// and before it comes to its place.
///
/// # Errors
/// [`Error::Store`], [`Error::Random`]: then the report must not be given away.
pub async fn record_report(
    session: &Session,
    id: IncidentId,
    of: &View,
    format: &str,
    bytes: &[u8],
) -> Result<(), Error> {
    let action = crate::deploy::record::Action {
        client: of.client().cloned(),
        more: vec![
            ("format", format.to_owned().into()),
            ("sha256", hex(&Sha256::digest(bytes)).into()),
            ("view", if of.client().is_some() { "client" } else { "internal" }.to_owned().into()),
        ],
        ..incident::action(id, "incident.report")
    };
    let record = event(session, action)?;
    let mark = of.client().map(|client| store::NewMark {
        mark: Mark::Reported,
        client: Some(client.clone()),
        host: None,
        at: session.clock.now(),
    });
    session.store.add_marks(id, mark.as_slice(), &[record]).await?;
    Ok(())
}

/// Says whether a client is in a scope.
pub(super) fn sees(scope: &ClientScope, client: &ClientName) -> bool {
    match scope {
        ClientScope::All => true,
        ClientScope::Only(clients) => clients.contains(client),
    }
}

async fn surrounding(
    session: &Session,
    scope: &ClientScope,
    view: &IncidentView,
    of: &View,
) -> Result<Surrounding, Error> {
    let inventory = &session.workspace.inventory;
    let redaction = of.client().map_or_else(Redaction::none, |client| Redaction::of(inventory, client));
    let redactions = match of {
        View::Client(_) => BTreeMap::new(),
        View::Internal => view
            .clients()
            .into_iter()
            .map(|client| (client.clone(), Redaction::of(inventory, client)))
            .collect(),
    };
    let titles = inventory.clients.iter().map(|client| (client.name.clone(), client.title.clone())).collect();
    let mut plans = Vec::new();
    for plan in &view.plans {
        // Of a plan without any of the reader's hosts the reader sees nothing.
        match session.store.plan(scope, &plan.to_string()).await {
            Err(StoreError::NoSuch { .. }) => {}
            saved => plans.push(plan_report(&saved?.record, of)),
        }
    }
    let mut runs = Vec::new();
    for run in &view.runs {
        match session.store.run(scope, run.as_str()).await {
            Err(StoreError::NoSuch { .. }) => {}
            run => runs.push(run_report(&run?.record, of)),
        }
    }
    let checkpoint = session.store.last_checkpoint().await?.map(|it| CheckpointReport {
        size: it.size,
        // The third line of a checkpoint (https://c2sp.org/tlog-checkpoint), so that both are spelled alike.
        root: it.note.lines().nth(2).unwrap_or_default().to_owned(),
        signed_at: it.at,
    });
    Ok(Surrounding { titles, plans, runs, notes: Vec::new(), checkpoint, redaction, redactions })
}

fn plan_report(plan: &PlanRecord, of: &View) -> PlanReport {
    PlanReport {
        plan: plan.id.to_string(),
        // It may be made of a selector, which names what a client must not know.
        about: matches!(of, View::Internal).then(|| plan.deploy.clone()),
        sha256: hex(&plan.hash),
        commit: plan.commit.clone(),
        made_at: plan.made_at,
        by: person(of, &plan.author),
        hosts: plan.hosts.len(),
    }
}

fn run_report(run: &RunRecord, of: &View) -> RunReport {
    RunReport {
        run: run.id.to_string(),
        plan: run.plan.to_string(),
        begun_at: run.begun_at,
        ended_at: run.ended_at,
        by: person(of, &run.actor),
        hosts: run.hosts.iter().map(|(state, hosts)| (state.as_str().to_owned(), *hosts)).collect(),
    }
}

fn person(of: &View, name: &str) -> String {
    if of.client().is_some() { TEAM.to_owned() } else { name.to_owned() }
}
