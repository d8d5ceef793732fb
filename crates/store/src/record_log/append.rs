//! Writing records, within the transaction of whatever they are about.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use model::ClientName;

use super::canonical::{FORMAT, canonical_record, fitted, leaf_hash};
use super::{NewRecord, RecordKind, RecordNumber};
use crate::clients::clients_in;
use crate::digest::hash_or_null;
use crate::error::StoreError;
use crate::record::ClientScope;
use crate::sql::{Row, Tx, Value};

pub(super) const WHAT: &str = "write the audit record";

/// Writes records and returns their numbers in the same order.
pub(crate) async fn append_records(
    tx: &mut Tx,
    records: &[NewRecord],
) -> Result<Vec<RecordNumber>, StoreError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let clients = client_ids(tx, records).await?;
    check_answers(tx, records).await?;
    let first = tx.next_id("SELECT max(number) FROM audit_record").await?;
    let numbers: Vec<_> = (first..).map(RecordNumber).take(records.len()).collect();
    let fitted: Vec<NewRecord> = records.iter().map(fitted).collect();
    let rows = numbers.iter().zip(&fitted).map(|(number, record)| row(*number, record, &clients)).collect();
    tx.execute_rows_prepared(
        "INSERT INTO audit_record (number, format, at, kind, answers, actor, via, client_id, target, action, \
         reason, plan_hash, git_commit, before_hash, after_hash, outcome, body, salt, leaf_hash) VALUES",
        "",
        rows,
    )
    .await?;
    Ok(numbers)
}

fn row<'a>(
    number: RecordNumber,
    record: &'a NewRecord,
    clients: &BTreeMap<ClientName, i64>,
) -> [Value<'a>; 19] {
    let answers = match record.kind {
        RecordKind::Outcome { answers } => Some(answers.0),
        RecordKind::Intent | RecordKind::Event => None,
    };
    let client = record.client.as_ref().and_then(|client| clients.get(client)).copied();
    let leaf = leaf_hash(&record.salt, &canonical_record(number, record));
    [
        number.0.into(),
        FORMAT.into(),
        record.at.into(),
        record.kind.as_str().into(),
        answers.into(),
        record.actor.as_str().into(),
        record.via.as_str().into(),
        client.into(),
        record.target.as_str().into(),
        record.action.as_str().into(),
        record.reason.as_deref().into(),
        hash_or_null(record.plan.as_ref()),
        record.commit.as_deref().into(),
        hash_or_null(record.before.as_ref()),
        hash_or_null(record.after.as_ref()),
        record.outcome.as_deref().into(),
        record.body.canonical().into(),
        Value::Blob(Some(Cow::Borrowed(&record.salt))),
        leaf.to_vec().into(),
    ]
}

/// Returns the numbers of the clients that records name.
async fn client_ids(tx: &mut Tx, records: &[NewRecord]) -> Result<BTreeMap<ClientName, i64>, StoreError> {
    let named: BTreeSet<ClientName> = records.iter().filter_map(|record| record.client.clone()).collect();
    if named.is_empty() {
        return Ok(BTreeMap::new());
    }
    let scope = ClientScope::Only(named);
    let found = clients_in(tx, &scope).await?;
    let found: BTreeMap<ClientName, i64> = found.into_iter().map(|(id, name)| (name, id)).collect();
    let ClientScope::Only(named) = scope else { return Ok(found) };
    match named.into_iter().find(|name| !found.contains_key(name)) {
        Some(missing) => Err(StoreError::NoSuch { what: "client", name: missing.to_string() }),
        None => Ok(found),
    }
}

/// Checks that each outcome is the first of an intent that is on record.
async fn check_answers(tx: &mut Tx, records: &[NewRecord]) -> Result<(), StoreError> {
    let answered = |record: &NewRecord| match record.kind {
        RecordKind::Outcome { answers } => Some(answers.0),
        RecordKind::Intent | RecordKind::Event => None,
    };
    let answered: Vec<i64> = records.iter().filter_map(answered).collect();
    let tail = ") AS v JOIN audit_record r ON r.number = v.column1 LEFT JOIN audit_record o ON o.answers = r.number \
                WHERE r.kind = 'intent'";
    let rows = answered.iter().map(|number| [(*number).into()]).collect();
    let read = |row: &Row| Ok((row.get::<i64>(0)?, row.get::<Option<i64>>(1)?));
    let found = tx.fetch_rows("SELECT r.number, o.number FROM (VALUES", tail, rows, read).await?;
    let mut open: BTreeMap<i64, Option<i64>> = found.into_iter().collect();
    for number in answered {
        let why = match open.remove(&number) {
            Some(None) => continue,
            Some(Some(outcome)) => format!("intent {number} has its outcome in record {outcome}"),
            None => format!("record {number} is no intent without outcome"),
        };
        return Err(StoreError::Refused { what: WHAT, why });
    }
    Ok(())
}
