//! Everything that was seen or done, in one database: SQLite (one file) or PostgreSQL.
//!
//! Architecture invariant: this is the only crate that speaks SQL. It knows the nouns of `model` and
//! nothing of feeds' formats, hosts' answers, matching or plans; it has no clock: `now` is an argument.
//!
//! # Schema
//! `migrations/{sqlite,postgres}/` hold the same tables in two dialects, with the conventions at
//! their top. The idea, from declared to derived:
//!
//! - `client`, `host`: what the inventory declares, and what it once declared.
//! - `package_version`: the dictionary. A fleet has a few thousand distinct ones, however large it is.
//! - `package_set`: one client's set of interned packages, or of software outside packages, found by a hash
//!   over its content.
//! - `host_package_set`, `host_software_set`, `host_system`: intervals. A new row means that something changed, so
//!   history costs what changes cost, and any moment can be asked for.
//! - `host_item`, `host_item_state`: services, listeners, accounts, keys and so on, as intervals of
//!   single items, and since when each kind of them is known. A change between two collections is
//!   the border between two intervals ([`Store::changes`]), so none is recorded for itself.
//! - `service`, `service_host`: what the inventory declares of services now.
//! - `host_declared`: when a host was declared. A running jail is a `host` too, of kind `jail`, named
//!   `JAIL.PARENT`: it has packages and postings of its own and lives as long as it runs.
//! - `collection`, `host_state`: the log of looks at hosts, and the last one for each host.
//! - `posting`: from a package version to a bitmap of the hosts that have it now. This is what makes
//!   "who has it" a matter of milliseconds; it is derived, and [`Store::check_postings`] proves it.
//! - `host_key`: public keys that a person trusts.
//! - `advisory` and its index tables, `exploited`, `coverage`, `feed_snapshot`: what feeds say, each
//!   revision with the dates between which it was said.
//! - `exploit_score`, `news_item`: the last forecast of EPSS; what news feeds showed.
//! - `feed_document`: the documents that the content of each feed was read from, as fetched.
//! - `plan`, `approval`, `run`, `host_claim`: what is to be done to hosts, who said yes, what became of it,
//!   and who works on a host now.
//! - `audit_record`: the append-only record of intents and outcomes, each with the leaf hash of a Merkle tree;
//!   `audit_checkpoint`: what was signed of that tree, `audit_anchor`: where that was brought to.
//! - `incident` and `incident_*`, `evidence`: emergencies and exercises with their hosts, clocks, plans and
//!   runs; what was seen when fixes were verified. `evidence` is append-only.
//! - `exception`, `exception_host`: what the inventory declares to be left open, and where.
//! - `secret`: secrets, sealed with a key that is never in the database ([`SealingKey`]).
//!
//! # Invariants
//! - Each read of what belongs to a client takes a [`ClientScope`], and one module puts it into the
//!   query. The dictionary and the feeds hold nothing of a client.
//! - There is one writer at a time, in all processes (SQLite: `BEGIN IMMEDIATE`; PostgreSQL: an
//!   advisory lock). Readers never wait. A writer that waits longer than 30 s gets [`StoreError::Busy`].
//! - A call is one transaction, unless it says otherwise: dropped or killed in the middle it leaves
//!   nothing. What is acknowledged survives a power cut (SQLite runs with `synchronous = FULL`).
//! - What was not seen does not change what is known: a failed collection closes nothing.
//! - Times are stored in whole microseconds; finer ones are cut. A NUL in a text is stored as U+FFFD.

mod approvals;
mod bell;
mod bitmap;
mod census;
mod changes;
mod clients;
mod db;
mod declared;
mod digest;
mod error;
mod exceptions;
mod feed;
mod history;
mod host_keys;
mod host_page;
mod host_set;
mod hosts;
mod incidents;
mod ingest;
mod inventory;
mod item;
mod item_wire;
mod maintenance;
mod moment;
mod package_set;
mod packages;
mod plan_id;
mod plans;
mod posting;
mod problem_text;
mod record;
mod record_log;
mod runs;
mod scan_age;
mod scope;
mod sealing;
mod secrets;
mod services;
mod snapshot;
mod sql;
mod url;
mod via;

pub use approvals::Approval;
pub use bell::{
    AnnouncedFinding, BellBase, BellHost, BellHosts, BellOutcome, BellSets, BellState, MessageRecord,
    MessageUrgency, NewBell, NewMessage, SetBodies, SetId,
};
pub use census::{CensusRow, HostGroup};
pub use changes::{CHANGES_PAGE_MOMENTS, Change, ChangeEvent, ChangePage, ChangeQuery};
pub use clients::ClientRecord;
pub use db::Store;
pub use error::{StoreCause, StoreError, StoreErrorKind};
pub use exceptions::DeclaredException;
pub use feed::{DocumentRecord, NewDocument, NewNews, NewScores, NewsRecord, ScoresReport};
pub use history::SetInterval;
pub use host_page::HostLine;
pub use host_set::HostSet;
pub use incidents::{
    EVIDENCE_OUTPUT_BYTES_MAX, EvidenceRecord, INCIDENT_RECORDS_MAX, IncidentDetail, IncidentFinding,
    IncidentHost, IncidentHostState, IncidentLink, IncidentMark, IncidentRecord, NewEvidence, NewIncident,
    NewMark,
};
pub use ingest::INGEST_BATCH_HOSTS;
pub use item::{Item, ItemKind, manager_word, transport_word};
pub use maintenance::{DatabaseCheck, backup, check, restore};
pub use plan_id::PlanId;
pub use plans::{NewPlan, PLAN_BYTES_MAX, PlanBody, PlanHost, PlanRecord, SavedPlan};
pub use record::{
    ClientScope, CollectionOutcome, CollectionRecord, CoverageRow, EntryChanges, FeedRecord, HostId,
    HostRecord, IngestReport, InventoryChanges, NewSnapshot, PackageVersionId, PlatformCount,
    PostingDifference, PostingDifferenceKind, SnapshotOutcome, SnapshotReport, SyncOutcome, SyncRecord,
};
pub use record_log::{
    AnchorRecord, CheckpointRecord, NewRecord, RECORD_FAULTS_MAX, RECORDS_PAGE_MAX, RecordBody, RecordEntry,
    RecordFault, RecordFaultKind, RecordFilter, RecordKind, RecordLine, RecordNumber, RecordValue,
    RecordWalk, SealedRecord, canonical_record, leaf_hash,
};
pub use runs::{
    HostClaim, HostEnd, HostIntent, HostStart, NewRun, RunDetail, RunHostRecord, RunHostState, RunRecord,
    RunStep, RunStepRecord, STEP_OUTPUT_BYTES_MAX, StepOutput, UnsettledHost,
};
pub use scan_age::{OldScan, OldScans};
pub use sealing::{SECRET_BYTES_MAX, SealError, SealingKey, SecretSlot};
pub use secrets::{NewSecret, SealedSecret, SecretRecord};
pub use services::DeclaredService;
pub use snapshot::HostSnapshot;
pub use url::DatabaseUrl;
pub use via::Via;
