//! Evidence: what was seen when it was looked whether a fix is in force. It is only ever added to.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{ClientName, HostName, IncidentId, PackageName, Rung, Verdict};

use super::read::read_incident_id;
use super::write::{HostNumbers, require};
use crate::db::Store;
use crate::digest::{read_bytes, sha256};
use crate::error::StoreError;
use crate::record::ClientScope;
use crate::record_log::{NewRecord, RecordNumber, append_records};
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx, Value};

/// How much is kept of what a look has brought, in bytes: the beginning.
pub const EVIDENCE_OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// How much is kept of the sentence that tells it, in bytes.
const DETAIL_BYTES_MAX: usize = 4096;

const WRITE: &str = "keep evidence";

const EVIDENCE: &str = "SELECT e.id, e.incident_id, c.name, h.name, e.package, e.rung, e.verdict, e.detail, e.output, \
    e.is_cut, e.output_hash, e.taken_at, e.record_number FROM evidence e JOIN client c ON c.id = e.client_id \
    JOIN host h ON h.id = e.host_id WHERE 1 = 1";

/// What was seen at one rung of the ladder, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvidence {
    /// The incident; `None` = it was looked outside of one.
    pub incident: Option<IncidentId>,
    /// The host's client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// The package that the fix is of.
    pub package: PackageName,
    /// The rung.
    pub rung: Rung,
    /// What was seen.
    pub verdict: Verdict,
    /// What was seen, in one sentence for people.
    pub detail: String,
    /// What the look has brought, as it came. Kept is the beginning, up to [`EVIDENCE_OUTPUT_BYTES_MAX`].
    pub output: Vec<u8>,
    /// Whether it is the beginning of a longer one.
    pub is_cut: bool,
    /// When it was looked.
    pub taken_at: Timestamp,
    /// The position, among the records of the same call, of the one whose body has the verdict and
    /// [`NewEvidence::output_hash`].
    pub record: Option<usize>,
}

impl NewEvidence {
    /// Returns SHA-256 over what is kept of the output.
    pub fn output_hash(&self) -> [u8; 32] {
        sha256(self.kept())
    }

    fn kept(&self) -> &[u8] {
        &self.output[..self.output.len().min(EVIDENCE_OUTPUT_BYTES_MAX)]
    }
}

/// What was seen at one rung of the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRecord {
    /// Its number; later looks have greater ones.
    pub id: i64,
    /// The incident; `None` = it was looked outside of one.
    pub incident: Option<IncidentId>,
    /// The host's client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// The package that the fix is of.
    pub package: PackageName,
    /// The rung.
    pub rung: Rung,
    /// What was seen.
    pub verdict: Verdict,
    /// What was seen, in one sentence for people.
    pub detail: String,
    /// What the look has brought, as it came.
    pub output: Vec<u8>,
    /// Whether it is the beginning of a longer one.
    pub is_cut: bool,
    /// SHA-256 over the output, as it was when it was kept.
    pub output_hash: [u8; 32],
    /// Whether the output still has that hash.
    pub is_intact: bool,
    /// When it was looked.
    pub taken_at: Timestamp,
    /// The audit record that has the hash and the verdict too.
    pub record: Option<RecordNumber>,
}

impl Store {
    /// Keeps evidence, with the records that go with it.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] incident; [`StoreError::UnknownHost`] for a host that is neither declared for the
    /// client it is given with nor in the incident; [`StoreError::Refused`] where a record is named that is
    /// not among those of the call; [`StoreError::Busy`], [`StoreError::Database`].
    pub async fn add_evidence(
        &self,
        evidence: &[NewEvidence],
        records: &[NewRecord],
    ) -> Result<(), StoreError> {
        let mut tx = self.write(WRITE).await?;
        let numbers = append_records(&mut tx, records).await?;
        let incidents: BTreeSet<Option<IncidentId>> = evidence.iter().map(|it| it.incident).collect();
        let mut hosts = BTreeMap::new();
        for incident in incidents {
            if let Some(incident) = incident {
                require(&mut tx, incident).await?;
            }
            let of_it = evidence.iter().filter(|it| it.incident == incident);
            let names = of_it.map(|it| (&it.client, &it.host));
            hosts.insert(incident, HostNumbers::read(&mut tx, incident, names).await?);
        }
        insert(&mut tx, evidence, &hosts, &numbers).await?;
        tx.commit().await
    }

    /// Returns the evidence of a host, inside and outside of incidents, the last look first.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn evidence_of(
        &self,
        scope: &ClientScope,
        host: &HostName,
        limit: u32,
    ) -> Result<Vec<EvidenceRecord>, StoreError> {
        let mut tx = self.read("read the evidence of a host").await?;
        let mut query = ScopedQuery::new(&tx, EVIDENCE, "e.client_id", scope)?;
        query.push(" AND h.name =").push_value(host.as_str());
        query.push(" ORDER BY e.id DESC LIMIT").push_value(i64::from(limit));
        query.fetch(&mut tx, read_evidence).await
    }
}

async fn insert(
    tx: &mut Tx,
    evidence: &[NewEvidence],
    hosts: &BTreeMap<Option<IncidentId>, HostNumbers>,
    records: &[RecordNumber],
) -> Result<(), StoreError> {
    let first = tx.next_id("SELECT max(id) FROM evidence").await?;
    let mut rows = Vec::with_capacity(evidence.len());
    for (id, it) in (first..).zip(evidence) {
        let unknown = || StoreError::UnknownHost { host: it.host.clone() };
        let (client_id, host_id) = hosts.get(&it.incident).ok_or_else(unknown)?.of(&it.client, &it.host)?;
        let record = match it.record.map(|position| (position, records.get(position))) {
            None => None,
            Some((_, Some(number))) => Some(number.0),
            Some((position, None)) => {
                let why = format!("record {position} of {} is named", records.len());
                return Err(StoreError::Refused { what: WRITE, why });
            }
        };
        let detail = &it.detail[..it.detail.floor_char_boundary(DETAIL_BYTES_MAX)];
        rows.push([
            id.into(),
            it.incident.map(|id| id.to_string()).map_or(Value::Text(None), Into::into),
            client_id.into(),
            host_id.into(),
            it.package.as_str().into(),
            it.rung.as_str().into(),
            it.verdict.as_str().into(),
            detail.into(),
            it.kept().into(),
            (it.is_cut || it.kept().len() < it.output.len()).into(),
            it.output_hash().to_vec().into(),
            it.taken_at.into(),
            record.into(),
        ]);
    }
    let head = "INSERT INTO evidence (id, incident_id, client_id, host_id, package, rung, verdict, detail, output, \
                is_cut, output_hash, taken_at, record_number) VALUES";
    tx.execute_rows(head, "", rows).await
}

/// Reads the evidence of an incident that is in the scope, the first look first.
pub(super) async fn of_incident(
    tx: &mut Tx,
    scope: &ClientScope,
    id: IncidentId,
) -> Result<Vec<EvidenceRecord>, StoreError> {
    let mut query = ScopedQuery::new(tx, EVIDENCE, "e.client_id", scope)?;
    query.push(" AND e.incident_id =").push_value(id.to_string()).push(" ORDER BY e.id");
    query.fetch(tx, read_evidence).await
}

fn read_evidence(row: &Row) -> Result<EvidenceRecord, sqlx::Error> {
    let output: Vec<u8> = row.get(8)?;
    let output_hash = read_bytes(row, 10)?;
    let incident: Option<&str> = row.get(1)?;
    Ok(EvidenceRecord {
        id: row.get(0)?,
        incident: incident.map(|_| row.parse(1, read_incident_id)).transpose()?,
        client: row.parse(2, ClientName::new)?,
        host: row.parse(3, HostName::new)?,
        package: PackageName::new(row.get::<String>(4)?),
        rung: row.parse(5, |word| Rung::parse(word).ok_or_else(|| format!("rung `{word}` is not known")))?,
        verdict: row
            .parse(6, |word| Verdict::parse(word).ok_or_else(|| format!("verdict `{word}` is not known")))?,
        detail: row.get(7)?,
        is_cut: row.get::<i64>(9)? != 0,
        is_intact: sha256(&output) == output_hash,
        output,
        output_hash,
        taken_at: row.time(11)?,
        record: row.get::<Option<i64>>(12)?.map(RecordNumber),
    })
}
