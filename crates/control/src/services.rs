//! `ifrit services`: what is declared to run beside what was seen to.

use std::collections::BTreeMap;
use std::fmt;

use model::selector::Selector;
use model::{
    ClientName, HostName, Listener, Observed, ObservedService, Service, ServiceName, ServicePackage,
};
use store::{ClientScope, HostId, ItemKind};

use crate::error::Error;
use crate::session::Session;

/// What was seen of a declared service on a host, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceVerdict {
    /// The host has no such service, and nothing listens on its port.
    Missing,
    /// It does not run.
    Stopped,
    /// Nothing listens on its port.
    NotListening,
    /// It runs, and will not after the next boot.
    NotEnabled,
    /// Too little was ever read of the host.
    Unknown,
    /// All that is declared of it was seen.
    Running,
}

impl ServiceVerdict {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stopped => "stopped",
            Self::NotListening => "not-listening",
            Self::NotEnabled => "not-enabled",
            Self::Unknown => "unknown",
            Self::Running => "running",
        }
    }

    /// Says whether there is something to act on.
    pub fn is_fault(self) -> bool {
        !matches!(self, Self::Unknown | Self::Running)
    }
}

impl fmt::Display for ServiceVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A declared service on one of its hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRow {
    /// What was seen.
    pub verdict: ServiceVerdict,
    /// The client.
    pub client: ClientName,
    /// The service.
    pub service: ServiceName,
    /// Whether its failure is an emergency.
    pub is_critical: bool,
    /// The host.
    pub host: HostName,
    /// The port that is declared.
    pub port: Option<u16>,
    /// The host's own service that is taken for it.
    pub observed: Option<ObservedService>,
    /// What listens on its port; `None` = not known, or no port is declared.
    pub listeners: Option<Vec<Listener>>,
}

/// Returns each declared service on each of its selected hosts, sorted by verdict, client, service, host.
///
/// # Errors
/// [`Error::NoHost`] where nothing is selected; [`Error::Store`].
pub async fn services(session: &Session, selector: &Selector) -> Result<Vec<ServiceRow>, Error> {
    let selected = session.select(selector).await?;
    let records = session.store.hosts(&ClientScope::All).await?;
    let ids: BTreeMap<&HostName, HostId> = records
        .iter()
        .filter(|record| selected.iter().any(|host| host.name == record.name))
        .map(|record| (&record.name, record.id))
        .collect();
    let kinds = [ItemKind::Service, ItemKind::Listener];
    let hosts: Vec<HostId> = ids.values().copied().collect();
    let observed = session.store.observed(&ClientScope::All, &hosts, &kinds, None).await?;
    let nothing = Observed::default();
    let mut rows = Vec::new();
    for service in &session.workspace.inventory.services {
        for host in &service.hosts {
            if let Some(id) = ids.get(host) {
                rows.push(judge(service, host, observed.get(id).unwrap_or(&nothing)));
            }
        }
    }
    rows.sort_by(|a, b| {
        (a.verdict, &a.client, &a.service, &a.host).cmp(&(b.verdict, &b.client, &b.service, &b.host))
    });
    Ok(rows)
}

fn judge(service: &Service, host: &HostName, observed: &Observed) -> ServiceRow {
    let found = observed.services.as_ref().and_then(|services| find(service, services));
    let listeners = service
        .port
        .zip(observed.listeners.as_ref())
        .map(|(port, all)| all.iter().filter(|listener| listener.port == port).cloned().collect::<Vec<_>>());
    let listens = listeners.as_ref().map(|listeners| !listeners.is_empty());
    let is_known = observed.services.is_some();
    let verdict = match (found, listens) {
        (Some(ObservedService { is_running: Some(false), .. }), _) => ServiceVerdict::Stopped,
        (None, Some(true)) => ServiceVerdict::Running,
        (None, _) if !is_known => ServiceVerdict::Unknown,
        (None, _) => ServiceVerdict::Missing,
        (Some(_), Some(false)) => ServiceVerdict::NotListening,
        (Some(ObservedService { is_enabled: Some(false), .. }), _) => ServiceVerdict::NotEnabled,
        (Some(ObservedService { is_running: None, .. }), None) => ServiceVerdict::Unknown,
        (Some(_), _) => ServiceVerdict::Running,
    };
    ServiceRow {
        verdict,
        client: service.client.clone(),
        service: service.name.clone(),
        is_critical: service.is_critical,
        host: host.clone(),
        port: service.port,
        observed: found.cloned(),
        listeners,
    }
}

/// Finds the host's own service: of the same name, else of the name of its package.
fn find<'a>(service: &Service, observed: &'a [ObservedService]) -> Option<&'a ObservedService> {
    let named = |name: &str| observed.iter().find(|it| it.name == name);
    let package = match &service.package {
        Some(ServicePackage::Package(package)) => Some(package.as_str()),
        Some(ServicePackage::VersionCommand(_)) | None => None,
    };
    named(service.name.as_str()).or_else(|| named(package?))
}

#[cfg(test)]
mod tests {
    use model::{PackageName, Place, ServiceManager, Transport};

    use super::*;

    /// Name, enabled, running.
    type Seen = (&'static str, Option<bool>, Option<bool>);

    /// `ports`: what listens. `None` = not read.
    fn check(seen: Option<&[Seen]>, ports: Option<&[u16]>, expected: ServiceVerdict) {
        let service = Service {
            name: ServiceName::new("acme-web").expect("valid"),
            client: ClientName::new("acme").expect("valid"),
            hosts: vec![],
            port: Some(443),
            package: Some(ServicePackage::Package(PackageName::new("nginx"))),
            paths: vec![],
            depends_on: vec![],
            owner: None,
            is_critical: true,
            place: Place::Nowhere,
        };
        let observed_service = |(name, is_enabled, is_running): &Seen| {
            let manager = ServiceManager::OpenRc;
            ObservedService {
                manager,
                name: (*name).to_owned(),
                is_enabled: *is_enabled,
                is_running: *is_running,
            }
        };
        let listener = |port: &u16| Listener {
            transport: Transport::Tcp,
            address: "0.0.0.0".parse().expect("an address"),
            port: *port,
            process: None,
            package: None,
        };
        let observed = Observed {
            services: seen.map(|all| all.iter().map(observed_service).collect()),
            listeners: ports.map(|ports| ports.iter().map(listener).collect()),
            ..Observed::default()
        };
        let host = HostName::new("a").expect("valid");
        assert_eq!(judge(&service, &host, &observed).verdict, expected, "{seen:?} {ports:?}");
    }

    #[test]
    fn verdicts() {
        let (yes, no) = (Some(true), Some(false));
        check(None, None, ServiceVerdict::Unknown);
        check(None, Some(&[443]), ServiceVerdict::Running);
        check(None, Some(&[80]), ServiceVerdict::Unknown);
        check(Some(&[]), None, ServiceVerdict::Missing);
        check(Some(&[]), Some(&[22]), ServiceVerdict::Missing);
        check(Some(&[("apache", yes, yes)]), Some(&[443]), ServiceVerdict::Running);
        check(Some(&[("nginx", yes, yes)]), Some(&[443]), ServiceVerdict::Running);
        check(Some(&[("acme-web", yes, no), ("nginx", yes, yes)]), Some(&[443]), ServiceVerdict::Stopped);
        check(Some(&[("nginx", yes, yes)]), Some(&[80]), ServiceVerdict::NotListening);
        check(Some(&[("nginx", no, yes)]), Some(&[443]), ServiceVerdict::NotEnabled);
        check(Some(&[("nginx", yes, yes)]), None, ServiceVerdict::Running);
        check(Some(&[("nginx", yes, None)]), None, ServiceVerdict::Unknown);
    }
}
