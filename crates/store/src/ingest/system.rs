//! What a host runs, as intervals.

use std::collections::HashMap;

use model::{Collection, Platform};

use super::Matched;
use crate::error::StoreError;
use crate::sql::{Row, Tx, Value, without_nul};

/// Columns of os-release: os_id, os_version, codename, pretty_name, ecosystem, release.
type OsColumns = [Option<String>; 6];

/// Columns of the kernel: kernel_name, kernel_running, kernel_installed, machine.
type KernelColumns = [Option<String>; 4];

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct System {
    os: OsColumns,
    kernel: KernelColumns,
}

/// Closes and opens the intervals of hosts that run something else than before.
pub(super) async fn record_systems(tx: &mut Tx, matched: &[Matched<'_>]) -> Result<(), StoreError> {
    let known = known_systems(tx, matched).await?;
    let (mut closed, mut opened) = (Vec::new(), Vec::new());
    for it in matched.iter().filter(|it| !it.is_outdated()) {
        let old = known.get(&it.known.host);
        let before = old.map(|(_, system)| system.clone()).unwrap_or_default();
        let collection = it.prepared.collection;
        // What was not read stays.
        let now = System {
            os: os_columns(collection, it.prepared.platform.as_ref()).unwrap_or_else(|| before.os.clone()),
            kernel: kernel_columns(collection).unwrap_or_else(|| before.kernel.clone()),
        };
        if now == before {
            continue;
        }
        let (client, host, at) = (it.known.client, it.known.host, it.finished_at());
        if let Some((valid_from, _)) = old {
            closed.push([client.into(), host.into(), (*valid_from).into(), at.into()]);
        }
        opened.push(columns(client, host, at, now));
    }
    write_intervals(tx, closed, opened).await
}

async fn known_systems(
    tx: &mut Tx,
    matched: &[Matched<'_>],
) -> Result<HashMap<i64, (i64, System)>, StoreError> {
    let head = "SELECT host_id, valid_from, os_id, os_version, codename, pretty_name, ecosystem, release, \
                kernel_name, kernel_running, kernel_installed, machine FROM host_system \
                WHERE valid_to IS NULL AND host_id IN (VALUES";
    let ids = matched.iter().map(|it| [it.known.host.into()]).collect();
    let read = |row: &Row| {
        let mut system = System::default();
        for (column, text) in (2..).zip(system.os.iter_mut().chain(&mut system.kernel)) {
            *text = row.get(column)?;
        }
        Ok((row.get(0)?, (row.get(1)?, system)))
    };
    Ok(tx.fetch_rows(head, ")", ids, read).await?.into_iter().collect())
}

fn os_columns(collection: &Collection, platform: Option<&Platform>) -> Option<OsColumns> {
    let os = collection.os.as_ref()?;
    Some([
        Some(stored(&os.id)),
        Some(stored(&os.version)),
        os.codename.as_deref().map(stored),
        Some(stored(&os.pretty_name)),
        platform.map(|platform| platform.ecosystem.as_str().to_owned()),
        platform.map(|platform| platform.release.as_str().to_owned()),
    ])
}

fn kernel_columns(collection: &Collection) -> Option<KernelColumns> {
    let kernel = collection.kernel.as_ref()?;
    Some([
        Some(stored(&kernel.name)),
        Some(stored(&kernel.running)),
        kernel.installed.as_deref().map(stored),
        Some(stored(&kernel.machine)),
    ])
}

/// Returns a text as it will come back, so that it can be compared.
fn stored(text: &str) -> String {
    without_nul(text).into_owned()
}

fn columns(client: i64, host: i64, valid_from: i64, system: System) -> [Value<'static>; 13] {
    let text = |text: Option<String>| text.map_or(Value::Text(None), Value::from);
    let [os_id, os_version, codename, pretty_name, ecosystem, release] = system.os.map(text);
    let [kernel_name, running, installed, machine] = system.kernel.map(text);
    let (client, host, valid_from) = (client.into(), host.into(), valid_from.into());
    [
        client,
        host,
        valid_from,
        os_id,
        os_version,
        codename,
        pretty_name,
        ecosystem,
        release,
        kernel_name,
        running,
        installed,
        machine,
    ]
}

async fn write_intervals(
    tx: &mut Tx,
    closed: Vec<[Value<'_>; 4]>,
    opened: Vec<[Value<'_>; 13]>,
) -> Result<(), StoreError> {
    tx.execute_rows(
        "INSERT INTO host_system (client_id, host_id, valid_from, valid_to) VALUES",
        "ON CONFLICT (host_id, valid_from) DO UPDATE SET valid_to = excluded.valid_to",
        closed,
    )
    .await?;
    // An interval that began at the same microsecond never was; the one that follows takes its place.
    tx.execute_rows(
        "INSERT INTO host_system (client_id, host_id, valid_from, os_id, os_version, codename, pretty_name, \
         ecosystem, release, kernel_name, kernel_running, kernel_installed, machine) VALUES",
        "ON CONFLICT (host_id, valid_from) DO UPDATE SET os_id = excluded.os_id, os_version = excluded.os_version, \
         codename = excluded.codename, pretty_name = excluded.pretty_name, ecosystem = excluded.ecosystem, \
         release = excluded.release, kernel_name = excluded.kernel_name, kernel_running = excluded.kernel_running, \
         kernel_installed = excluded.kernel_installed, machine = excluded.machine, valid_to = NULL",
        opened,
    )
    .await
}
