//! Services: which the inventory declares, and which hosts run them. There is no history: it is in the
//! repository that declares them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{ClientName, Inventory, PackageName, PersonName, Service, ServiceName, ServicePackage};

use crate::db::Store;
use crate::error::StoreError;
use crate::record::{ClientScope, HostId};
use crate::scope::ScopedQuery;
use crate::sql::{Row, Tx, Value};

/// Hosts asked for in one statement.
const HOSTS_PER_QUERY: usize = 1024;

/// A service as it is declared now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredService {
    /// Its name.
    pub name: ServiceName,
    /// Its client.
    pub client: ClientName,
    /// The TCP or UDP port it answers on.
    pub port: Option<u16>,
    /// Where its software comes from.
    pub package: Option<ServicePackage>,
    /// Absolute directories whose software a scan looks for, sorted.
    pub paths: Vec<String>,
    /// Who answers for it.
    pub owner: Option<PersonName>,
    /// Whether its failure is an emergency.
    pub is_critical: bool,
}

impl Store {
    /// Returns the services that are declared for hosts, sorted by name; a host without any is left out.
    /// Both the host's and the service's client must be in the scope.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`], [`StoreError::TooMany`] clients.
    pub async fn services_of(
        &self,
        scope: &ClientScope,
        hosts: &[HostId],
    ) -> Result<BTreeMap<HostId, Vec<DeclaredService>>, StoreError> {
        let mut tx = self.read("read the services of hosts").await?;
        let head = "SELECT x.host_id, s.name, c.name, s.port, s.package, s.version_command, s.paths, s.owner, \
                    s.is_critical FROM service_host x JOIN service s ON s.id = x.service_id \
                    JOIN client c ON c.id = s.client_id WHERE 1 = 1";
        let mut services: BTreeMap<HostId, Vec<DeclaredService>> = BTreeMap::new();
        for hosts in hosts.chunks(HOSTS_PER_QUERY) {
            let mut query = ScopedQuery::new(&tx, head, "x.client_id", scope)?;
            query.push_scope("s.client_id", scope)?;
            query.push(" AND x.host_id IN").push_list("hosts", hosts.iter().map(|host| host.0.into()))?;
            for (host, service) in query.fetch(&mut tx, read_service).await? {
                services.entry(host).or_default().push(service);
            }
        }
        for services in services.values_mut() {
            services.sort_by(|a, b| (&a.name, &a.client).cmp(&(&b.name, &b.client)));
            // A host may have been asked for twice.
            services.dedup();
        }
        Ok(services)
    }
}

fn read_service(row: &Row) -> Result<(HostId, DeclaredService), sqlx::Error> {
    let words = |text: &str| serde_json::from_str::<Vec<String>>(text);
    let port: Option<i64> = row.get(3)?;
    let port = port.map(u16::try_from).transpose().map_err(|error| sqlx::Error::Decode(error.into()))?;
    let package: Option<String> = row.get(4)?;
    let command = row.get::<Option<&str>>(5)?.map(|_| row.parse(5, words)).transpose()?;
    let service = DeclaredService {
        name: row.parse(1, ServiceName::new)?,
        client: row.parse(2, ClientName::new)?,
        port,
        package: match (package, command) {
            (Some(name), _) => Some(ServicePackage::Package(PackageName::new(name))),
            (None, Some(command)) => Some(ServicePackage::VersionCommand(command)),
            (None, None) => None,
        },
        paths: row.parse(6, words)?,
        owner: row.get::<Option<&str>>(7)?.map(|_| row.parse(7, PersonName::new)).transpose()?,
        is_critical: row.get::<i64>(8)? != 0,
    };
    Ok((HostId(row.get(0)?), service))
}

/// Replaces the declared services by those of the inventory, whose clients and hosts are there already.
pub(crate) async fn sync_services(
    tx: &mut Tx,
    inventory: &Inventory,
    clients: &HashMap<String, i64>,
) -> Result<(), StoreError> {
    tx.execute("DELETE FROM service_host", vec![]).await?;
    tx.execute("DELETE FROM service", vec![]).await?;
    let services: Vec<(i64, i64, &Service)> = (1..)
        .zip(&inventory.services)
        .filter_map(|(id, service)| Some((id, *clients.get(service.client.as_str())?, service)))
        .collect();
    let rows = services.iter().map(|(id, client, service)| service_row(*id, *client, service)).collect();
    let head = "INSERT INTO service (id, client_id, name, port, package, version_command, paths, owner, \
                is_critical) VALUES";
    tx.execute_rows(head, "", rows).await?;
    let sql = "SELECT name, id, client_id FROM host WHERE retired_at IS NULL AND parent_id IS NULL";
    let read = |row: &Row| Ok((row.get::<String>(0)?, (row.get::<i64>(1)?, row.get::<i64>(2)?)));
    let hosts: HashMap<String, (i64, i64)> = tx.fetch(sql, vec![], read).await?.into_iter().collect();
    let runs: BTreeSet<(i64, i64, i64)> = services
        .iter()
        .flat_map(|(id, _, service)| service.hosts.iter().map(move |host| (*id, host)))
        .filter_map(|(id, host)| hosts.get(host.as_str()).map(|(host, client)| (*client, *host, id)))
        .collect();
    let rows = runs.into_iter().map(|(client, host, id)| [client.into(), host.into(), id.into()]).collect();
    tx.execute_rows("INSERT INTO service_host (client_id, host_id, service_id) VALUES", "", rows).await
}

fn service_row(id: i64, client: i64, service: &Service) -> [Value<'_>; 9] {
    let (package, command) = match &service.package {
        Some(ServicePackage::Package(name)) => (Some(name.as_str()), None),
        Some(ServicePackage::VersionCommand(command)) => (None, Some(words(command))),
        None => (None, None),
    };
    [
        id.into(),
        client.into(),
        service.name.as_str().into(),
        service.port.map(i64::from).into(),
        package.into(),
        command.map_or(Value::Text(None), Value::from),
        words(&service.paths).into(),
        service.owner.as_ref().map(|owner| owner.as_str()).into(),
        service.is_critical.into(),
    ]
}

/// Writes a JSON list.
pub(crate) fn words(words: &[String]) -> String {
    serde_json::to_string(words).expect("invariant: a list of strings has a JSON form")
}
