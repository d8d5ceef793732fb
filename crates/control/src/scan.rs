//! `ifrit scan`: asks hosts what they are and keeps the answers.

use std::sync::Arc;

use fleet::{
    Access, AnyConnector, Identities, Limits, LocalConnector, Progress, SshConnector, Target,
    TargetConnection,
};
use jiff::SignedDuration;
use model::selector::Selector;
use model::{
    ClientName, Collection, Connection, Host, HostName, Platform, Problem, Service, ServicePackage, UserName,
};
use plan::FactRequests;
use store::{ClientScope, IngestReport};
use tokio::sync::mpsc::Sender;

use crate::error::Error;
use crate::reach::{Reached, reach};
use crate::session::Session;

/// What a scan saw.
#[derive(Debug, Clone)]
pub struct ScanReport {
    /// One row per host, in inventory order.
    pub hosts: Vec<ScannedHost>,
    /// What it changed in the database.
    pub ingest: IngestReport,
    /// What is wrong with the SSH configuration and known_hosts, whichever host it concerns.
    pub problems: Vec<Problem>,
}

/// How complete a host's answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Completeness {
    /// Every fact was read.
    Complete,
    /// Some facts were.
    Partial,
    /// Nothing was.
    Failed,
}

/// One host of a scan.
#[derive(Debug, Clone)]
pub struct ScannedHost {
    /// Its client.
    pub client: ClientName,
    /// The host.
    pub host: HostName,
    /// How complete its answer is.
    pub completeness: Completeness,
    /// What it runs, where it said so and ifrit knows it.
    pub platform: Option<Platform>,
    /// The running kernel.
    pub kernel: Option<String>,
    /// How many packages are installed.
    pub packages: Option<usize>,
    /// How long it took, from connecting to the last byte.
    pub duration: SignedDuration,
    /// What went wrong.
    pub problems: Vec<Problem>,
}

impl ScanReport {
    /// Says whether every host answered completely.
    pub fn is_complete(&self) -> bool {
        self.hosts.iter().all(|host| host.completeness == Completeness::Complete)
    }
}

/// Scans the selected hosts: read-only, one connection and one exec each.
///
/// # Errors
/// [`Error::NoHost`] where nothing is selected; [`Error::Store`] where the answers cannot be kept.
/// Hosts that fail are rows of the report, not errors.
pub async fn scan(
    session: &Session,
    selector: &Selector,
    progress: Option<Sender<Progress>>,
) -> Result<ScanReport, Error> {
    let hosts = session.select(selector).await?;
    scan_hosts(session, &hosts, progress).await
}

/// Scans these hosts.
///
/// # Errors
/// As [`scan`].
pub(crate) async fn scan_hosts(
    session: &Session,
    hosts: &[&Host],
    progress: Option<Sender<Progress>>,
) -> Result<ScanReport, Error> {
    let Reached { targets, problems } = reach(session, hosts).await?;
    let connector = Arc::new(AnyConnector { local: LocalConnector, ssh: ssh_connector(session) });
    let limits = limits(session);
    let services = &session.workspace.inventory.services;
    let asked: Vec<_> = targets
        .into_iter()
        .map(|target| {
            let requests = requests(&target.host, services);
            (target, requests)
        })
        .collect();
    let collections = fleet::collect_each(&asked, connector, &limits, progress).await;
    let ingest = session.store.record_collections(&collections, session.clock.now()).await?;
    let rows =
        hosts.iter().zip(&collections).map(|(host, collection)| scanned_host(host, collection)).collect();
    Ok(ScanReport { hosts: rows, ingest, problems })
}

/// Returns what a host is asked: the fixed set, and what its services declare.
fn requests(host: &HostName, services: &[Service]) -> FactRequests {
    let mut requests = FactRequests::scan();
    for service in services.iter().filter(|service| service.hosts.contains(host)) {
        requests = requests.with_software(&service.paths);
        if let Some(ServicePackage::VersionCommand(command)) = &service.package {
            requests = requests.with_version_command(&service.name, command);
        }
    }
    requests
}

/// Returns the limits that the settings ask for.
pub(crate) fn limits(session: &Session) -> Limits {
    let settings = &session.workspace.settings;
    Limits {
        concurrent_hosts_max: settings.ssh_parallel(),
        connect_timeout: settings.ssh_connect_timeout(),
        host_timeout: settings.ssh_host_timeout(),
        lost_after: settings.ssh_lost_after(),
        silent_after: settings.ssh_silent_after(),
        ..Limits::default()
    }
}

/// Joins each host with its pinned keys, as ifrit itself knows them (without the SSH configuration): those of the inventory if it has any, else the recorded ones.
pub(crate) async fn targets(session: &Session, hosts: &[&Host]) -> Result<Vec<Target>, Error> {
    let mut recorded = session.store.trusted_host_keys(&ClientScope::All).await?;
    let default_user = UserName::new(session.workspace.settings.ssh_user());
    let mut target = |host: &&Host| {
        let connection = match &host.connection {
            Connection::Local => TargetConnection::Local,
            Connection::Ssh { address, port, user, host_keys } => TargetConnection::Ssh {
                address: address.clone(),
                port: *port,
                user: user.clone().unwrap_or_else(|| default_user.clone()),
                pinned: match host_keys.is_empty() {
                    true => recorded.remove(&host.name).unwrap_or_default(),
                    false => host_keys.clone(),
                },
            },
        };
        Target { host: host.name.clone(), connection, access: Access::default() }
    };
    Ok(hosts.iter().map(&mut target).collect())
}

/// Makes the connector of one run, with the keys that the settings and the surroundings name.
pub(crate) fn ssh_connector(session: &Session) -> SshConnector {
    SshConnector::new(identities(session))
}

/// Returns the keys that the settings and the surroundings name.
pub(crate) fn identities(session: &Session) -> Identities {
    let (workspace, surroundings) = (&session.workspace, &session.surroundings);
    let agent_socket =
        workspace.settings.ssh_uses_agent().then(|| surroundings.agent_socket.clone()).flatten();
    let key_files = workspace.settings.ssh_identities().iter();
    let key_files = key_files.map(|path| workspace.resolve(path, surroundings.home.as_deref())).collect();
    Identities { agent_socket, key_files }
}

fn scanned_host(host: &Host, collection: &Collection) -> ScannedHost {
    let (os, packages) = (collection.os.as_ref(), collection.packages.as_ref());
    ScannedHost {
        client: host.client.clone(),
        host: host.name.clone(),
        completeness: completeness(collection),
        platform: os.and_then(|os| os.platform().ok()),
        kernel: collection.kernel.as_ref().map(|kernel| kernel.running.clone()),
        packages: packages.map(Vec::len),
        duration: collection.finished_at.duration_since(collection.started_at),
        problems: collection.problems.clone(),
    }
}

fn completeness(collection: &Collection) -> Completeness {
    let known = [collection.os.is_some(), collection.kernel.is_some(), collection.packages.is_some()];
    let has_error = collection.problems.iter().any(|problem| problem.level == model::Level::Error);
    match known.iter().filter(|is_known| **is_known).count() {
        0 => Completeness::Failed,
        3 if !has_error => Completeness::Complete,
        _ => Completeness::Partial,
    }
}
