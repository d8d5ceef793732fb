//! `ifrit approve`: a person's signature over a plan's hash, by an SSH key that the inventory declares for
//! that person.
//!
//! Which keys count is read from git, at the commit that the plan was made of: a key that stands in the
//! working tree alone counts for nobody. Who may commit there, and who reviews it, is git's business.

mod people;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fleet::Identities;
use jiff::Timestamp;
use model::{ClientName, Person, PersonName, Plan, PublicKey, Role};
use plan::{APPROVAL_NAMESPACE, ApprovalCheck, ApprovalPolicy, ApprovedPlan, approval_message};
use store::{ClientScope, PlanRecord};

use crate::deploy::record::{Action, event};
use crate::deploy::{FixError, author_person, load_plan};
use crate::error::Error;
use crate::session::Session;
use people::people_at;

/// An approval that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The plan.
    pub plan: String,
    /// By whom.
    pub person: PersonName,
    /// The fingerprint of the key.
    pub fingerprint: String,
    /// Until when it counts.
    pub expires_at: Timestamp,
}

/// Approves a saved plan with the key of whoever sits at the keyboard: one of the agent's, or of a file.
///
/// # Errors
/// [`FixError::CannotApprove`]; [`FixError::OwnApproval`] where it is the author's own; [`Error::Store`].
pub async fn approve(session: &Session, plan_id: &str, key: Option<&Path>) -> Result<Approved, Error> {
    let (record, plan, _) = load_plan(session, plan_id).await?;
    give(session, &record, &plan, key, None).await
}

/// Approves the own plan in an emergency, with a reason that stays on record.
///
/// # Errors
/// As [`approve`].
pub async fn break_glass(session: &Session, plan_id: &str, reason: &str) -> Result<Approved, Error> {
    let (record, plan, _) = load_plan(session, plan_id).await?;
    if reason.trim().is_empty() {
        return Err(cannot(&record, "the reason is empty", "say why in some words that will be read later"));
    }
    give(session, &record, &plan, None, Some(reason)).await
}

async fn give(
    session: &Session,
    record: &PlanRecord,
    plan: &Plan,
    key: Option<&Path>,
    reason: Option<&str>,
) -> Result<Approved, Error> {
    let clients = clients(plan);
    let commit = commit(record)?;
    let people = people_at(&session.workspace.root, commit)
        .map_err(|why| cannot(record, &why, "the keys that count are those of the plan's commit"))?;
    let identities = identities(session, key);
    let (held, notes) = fleet::signing_keys(&identities).await;
    let role = if reason.is_some() { Role::Operator } else { Role::Approver };
    let (person, key) = signer(&people, &held, record, &clients, role, &notes)?;
    if reason.is_none() {
        refuse_own(session, record, &person)?;
    }
    let now = session.clock.now();
    let expires_at =
        now.checked_add(session.workspace.settings.approval_lifetime()).unwrap_or(Timestamp::MAX);
    // As it is stored and read back: whole seconds.
    let expires_at = Timestamp::from_second(expires_at.as_second()).unwrap_or(expires_at);
    let message = approval_message(&record.hash, &person, expires_at, reason);
    let signed = fleet::sign(&identities, &key, APPROVAL_NAMESPACE, &message).await;
    let signature =
        signed.map_err(|error| cannot(record, &error.to_string(), "try `--key FILE` or another agent"))?;
    plan::verify_signature(&message, &signature, std::slice::from_ref(&key))
        .map_err(|error| cannot(record, &error.to_string(), "use an ed25519 key"))?;
    let fingerprint = fleet::fingerprint(&model::HostKey::new(key.as_str())).unwrap_or_default();
    let approval = store::Approval {
        hash: record.hash,
        person: person.clone(),
        signature,
        fingerprint: fingerprint.clone(),
        commit: commit.to_owned(),
        approved_at: now,
        expires_at,
        reason: reason.map(str::to_owned),
    };
    let records = clients.iter().map(|client| {
        let action = Action {
            client: Some((*client).clone()),
            target: record.deploy.clone(),
            action: if reason.is_some() { "plan.break-glass" } else { "plan.approve" },
            reason: reason.map(str::to_owned),
            plan: Some(record.hash),
            commit: record.commit.clone(),
            more: vec![
                ("person", person.as_str().into()),
                ("key", fingerprint.as_str().into()),
                ("expires", expires_at.to_string().into()),
            ],
            ..Action::default()
        };
        event(session, action)
    });
    let records = records.collect::<Result<Vec<_>, _>>()?;
    session.store.add_approval(&approval, &records).await?;
    crate::record::seal_if_due(session).await;
    Ok(Approved { plan: record.id.to_string(), person, fingerprint, expires_at })
}

/// Lets a plan through where the settings ask for no approval of it, or where one counts at that time.
///
/// # Errors
/// [`FixError::NotApproved`].
pub(crate) async fn check(
    session: &Session,
    record: &PlanRecord,
    plan: Arc<Plan>,
    at: Timestamp,
) -> Result<ApprovedPlan, Error> {
    let policy = ApprovalPolicy { four_eyes: session.workspace.settings.approval_four_eyes() };
    let not_approved = |why: String| FixError::NotApproved { id: record.id.to_string(), why };
    let (mut keys, mut approvals) = (BTreeMap::new(), Vec::new());
    if !policy.asks_for(&plan).is_empty() {
        let commit = record.commit.as_deref();
        let commit =
            commit.ok_or_else(|| not_approved("it was made of no commit, so no key counts".to_owned()))?;
        let people = people_at(&session.workspace.root, commit).map_err(not_approved)?;
        let clients = clients(&plan);
        let given = session.store.approvals(&ClientScope::All, &record.id).await?.unwrap_or_default();
        for approval in given {
            let role = if approval.reason.is_some() { Role::Operator } else { Role::Approver };
            let Some(person) = people.iter().find(|person| person.name == approval.person) else { continue };
            if !may(person, &clients, role) {
                continue;
            }
            keys.insert(person.name.clone(), person.keys.clone());
            approvals.push(plan::Approval {
                person: approval.person,
                expires_at: approval.expires_at,
                reason: approval.reason,
                signature: approval.signature,
            });
        }
    }
    let author = author_name(record);
    let check =
        ApprovalCheck { author: &author, policy: &policy, approvals: &approvals, keys: &keys, now: at };
    Ok(ApprovedPlan::check(plan, &check).map_err(|error| not_approved(error.to_string()))?)
}

/// Finds a key at hand that is declared for a person who may approve.
fn signer(
    people: &[Person],
    held: &[PublicKey],
    record: &PlanRecord,
    clients: &[&ClientName],
    role: Role,
    notes: &[String],
) -> Result<(PersonName, PublicKey), Error> {
    let owner = |key: &PublicKey| people.iter().find(|person| person.keys.contains(key));
    let owned: Vec<_> = held.iter().filter_map(|key| Some((owner(key)?, key))).collect();
    if let Some((person, key)) = owned.iter().find(|(person, _)| may(person, clients, role)) {
        return Ok((person.name.clone(), (*key).clone()));
    }
    let commit = record.commit.as_deref().unwrap_or_default();
    let commit = commit.get(..12).unwrap_or(commit);
    match owned.first() {
        Some((person, _)) => Err(cannot(
            record,
            &format!(
                "{} is not declared as {} of all its clients in commit {commit}",
                person.name,
                role.as_str()
            ),
            "declare the role in the inventory, commit it, and plan again",
        )),
        None => {
            let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
            let why = format!(
                "none of the {} keys at hand is declared for a person in commit {commit}{notes}",
                held.len()
            );
            Err(cannot(
                record,
                &why,
                "declare the key in the inventory, commit it, and plan again; or add it to the SSH agent",
            ))
        }
    }
}

/// Says whether a person has a role, or a stronger one, for all of these clients.
fn may(person: &Person, clients: &[&ClientName], role: Role) -> bool {
    let has = |client: &ClientName| {
        let is_for = |access: &&model::Access| access.client.as_ref().is_none_or(|of| of == client);
        person.access.iter().filter(is_for).any(|access| access.role >= role)
    };
    clients.iter().all(|client| has(client))
}

/// The author is who the plan says, and whoever would be recorded as its author here and now.
fn refuse_own(session: &Session, record: &PlanRecord, person: &PersonName) -> Result<(), Error> {
    if author_name(record) == *person {
        return Err(FixError::OwnApproval { person: person.clone() }.into());
    }
    let is_declared = session.workspace.inventory.people.iter().any(|it| it.name.as_str() == record.author);
    if !is_declared {
        let why = format!(
            "its author, `{}`, is no declared person, so it cannot be told that you are somebody else",
            record.author
        );
        return Err(cannot(
            record,
            &why,
            "declare the author with the mail address that git has, and plan again",
        ));
    }
    match author_person(session) {
        Some(here) if here == author_name(record) => Err(cannot(
            record,
            "this login belongs to its author",
            "approve it from your own login, with your own git identity",
        )),
        _ => Ok(()),
    }
}

fn author_name(record: &PlanRecord) -> PersonName {
    // A login that is no name of a person is nobody's: no person of the inventory has this one.
    PersonName::new(&record.author).unwrap_or_else(|_| nobody())
}

fn nobody() -> PersonName {
    PersonName::new("nobody").expect("invariant: a word of letters is a name")
}

fn clients(plan: &Plan) -> Vec<&ClientName> {
    let mut clients: Vec<_> = plan.hosts.iter().map(|host| &host.client).collect();
    clients.sort_unstable();
    clients.dedup();
    clients
}

fn commit(record: &PlanRecord) -> Result<&str, Error> {
    record.commit.as_deref().ok_or_else(|| {
        cannot(record, "it was made of no commit, so no key counts", "commit the workspace, and plan again")
    })
}

fn identities(session: &Session, key: Option<&Path>) -> Identities {
    if let Some(key) = key {
        return Identities { agent_socket: None, key_files: vec![key.to_owned()] };
    }
    crate::scan::identities(session)
}

fn cannot(record: &PlanRecord, why: &str, hint: &str) -> Error {
    FixError::CannotApprove { id: record.id.to_string(), why: why.to_owned(), hint: hint.to_owned() }.into()
}
