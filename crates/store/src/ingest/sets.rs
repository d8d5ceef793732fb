//! Sets of packages, and of software outside of them, as intervals.

use std::collections::BTreeMap;

use super::intern::resolve_sets;
use super::prepare::PackageNews;
use super::{KnownSet, Matched};
use crate::error::StoreError;
use crate::package_set::{ContentHash, PreparedSet};
use crate::posting::{PostingChanges, load_sets};
use crate::record::IngestReport;
use crate::sql::{Tx, Value};

/// Which of a host's two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SetKind {
    Packages,
    Software,
}

/// A set of a host that is not what it was.
struct SetChange<'a> {
    kind: SetKind,
    host: i64,
    client: i64,
    at: i64,
    old: Option<&'a KnownSet>,
    new: Option<&'a PreparedSet<'a>>,
}

/// Closes and opens the intervals of sets that changed, and brings the posting lists in line.
pub(super) async fn record_sets(
    tx: &mut Tx,
    matched: &[Matched<'_>],
    report: &mut IngestReport,
) -> Result<(), StoreError> {
    let changes = changes(matched, report);
    if changes.is_empty() {
        return Ok(());
    }
    let wanted = changes.iter().filter_map(|change| Some(((change.client, change.new?.hash), change.new?)));
    let wanted: BTreeMap<(i64, ContentHash), &PreparedSet<'_>> = wanted.collect();
    let new_sets = resolve_sets(tx, &wanted).await?;
    let old_sets = load_sets(tx, changes.iter().filter_map(|change| Some(change.old?.id)).collect()).await?;
    let mut postings = PostingChanges::default();
    for change in &changes {
        let old = change.old.and_then(|old| old_sets.get(&old.id)).map_or(&[][..], Vec::as_slice);
        let new = change.new.and_then(|new| new_sets.get(&(change.client, new.hash)));
        postings.replace(change.client, change.host, old, new.map_or(&[][..], |new| &new.ids));
    }
    postings.apply(tx).await?;
    for kind in [SetKind::Packages, SetKind::Software] {
        let (mut closed, mut opened) = (Vec::new(), Vec::new());
        for change in changes.iter().filter(|change| change.kind == kind) {
            let (client, host, at) = (change.client.into(), change.host.into(), change.at.into());
            if let Some(new) = change.new.and_then(|new| new_sets.get(&(change.client, new.hash))) {
                opened.push([change.client.into(), change.host.into(), new.id.into(), change.at.into()]);
            }
            if let Some(old) = change.old {
                closed.push([client, host, old.id.into(), old.valid_from.into(), at]);
            }
        }
        write_intervals(tx, kind, closed, opened).await?;
    }
    Ok(())
}

/// Compares what was read with what is known, and counts the packages' part of it.
fn changes<'a>(matched: &'a [Matched<'_>], report: &mut IngestReport) -> Vec<SetChange<'a>> {
    let mut changes: Vec<SetChange<'_>> = Vec::new();
    let is_same = |old: Option<&KnownSet>, new: Option<&PreparedSet<'_>>| {
        old.map(|old| old.hash.as_slice()) == new.map(|new| new.hash.as_slice())
    };
    for it in matched.iter().filter(|it| !it.is_outdated()) {
        let (host, client, at) = (it.known.host, it.known.client, it.finished_at());
        if let Some(new) = &it.prepared.software {
            let (old, new) = (it.known.software.as_ref(), Some(new));
            if !is_same(old, new) {
                changes.push(SetChange { kind: SetKind::Software, host, client, at, old, new });
            }
        }
        let new = match &it.prepared.packages {
            PackageNews::NotRead => continue,
            PackageNews::Unsupported => None,
            PackageNews::Read(set) => Some(set),
        };
        let old = it.known.packages.as_ref();
        if is_same(old, new) {
            report.packages_unchanged += usize::from(new.is_some());
            continue;
        }
        report.packages_changed += 1;
        changes.push(SetChange { kind: SetKind::Packages, host, client, at, old, new });
    }
    changes
}

/// Closes and opens intervals, in this order: a host has one open at a time.
async fn write_intervals(
    tx: &mut Tx,
    kind: SetKind,
    closed: Vec<[Value<'_>; 5]>,
    opened: Vec<[Value<'_>; 4]>,
) -> Result<(), StoreError> {
    let table = match kind {
        SetKind::Packages => "host_package_set",
        SetKind::Software => "host_software_set",
    };
    let head =
        format!("INSERT INTO {table} (client_id, host_id, package_set_id, valid_from, valid_to) VALUES");
    let tail = "ON CONFLICT (host_id, valid_from) DO UPDATE SET valid_to = excluded.valid_to";
    tx.execute_rows(&head, tail, closed).await?;
    // An interval that began at the same microsecond never was; the one that follows takes its place.
    let head = format!("INSERT INTO {table} (client_id, host_id, package_set_id, valid_from) VALUES");
    let tail = "ON CONFLICT (host_id, valid_from) DO UPDATE SET package_set_id = excluded.package_set_id, \
                valid_to = NULL";
    tx.execute_rows(&head, tail, opened).await
}
