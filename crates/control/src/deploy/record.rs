//! Audit records of what is planned, approved and applied: an intent before acting, an outcome after.

use model::ClientName;
use store::{NewRecord, RecordBody, RecordKind, RecordNumber, RecordValue, Via};

use crate::error::Error;
use crate::session::Session;

/// What a record is about.
#[derive(Default)]
pub(crate) struct Action {
    /// Whose it is; `None` = the team's own.
    pub client: Option<ClientName>,
    /// The host, plan or secret.
    pub target: String,
    /// What is done: `run.host`.
    pub action: &'static str,
    /// Why, where a person said so.
    pub reason: Option<String>,
    /// The hash of the plan.
    pub plan: Option<[u8; 32]>,
    /// The commit that the plan was made of.
    pub commit: Option<String>,
    /// A hash of the target's state before.
    pub before: Option<[u8; 32]>,
    /// The same after.
    pub after: Option<[u8; 32]>,
    /// What came of it.
    pub outcome: Option<String>,
    /// Whatever else there is to say.
    pub more: Vec<(&'static str, RecordValue)>,
}

/// Makes the record of something that happened and that nothing announced.
pub(crate) fn event(session: &Session, action: Action) -> Result<NewRecord, Error> {
    record(session, RecordKind::Event, action)
}

/// Makes the record of what is about to be done.
pub(crate) fn intent(session: &Session, action: Action) -> Result<NewRecord, Error> {
    record(session, RecordKind::Intent, action)
}

/// Makes the record of what came of an intent.
pub(crate) fn outcome(session: &Session, answers: RecordNumber, action: Action) -> Result<NewRecord, Error> {
    record(session, RecordKind::Outcome { answers }, action)
}

fn record(session: &Session, kind: RecordKind, action: Action) -> Result<NewRecord, Error> {
    let body = action.more.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Ok(NewRecord {
        at: session.clock.now(),
        kind,
        actor: session.surroundings.person.clone(),
        via: Via::Cli,
        client: action.client,
        target: action.target,
        action: action.action.to_owned(),
        reason: action.reason,
        plan: action.plan,
        commit: action.commit,
        before: action.before,
        after: action.after,
        outcome: action.outcome,
        body: RecordBody(body),
        salt: random()?,
    })
}

/// Draws random bytes.
///
/// # Errors
/// [`Error::Random`].
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random { why: error.to_string() })?;
    Ok(bytes)
}
