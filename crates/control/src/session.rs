//! A workspace with its database opened: what every use case that knows the past works on.

use std::collections::BTreeMap;
use std::path::Path;

use model::selector::{HostAttributes, Selector};
use model::{Host, HostName, Inventory, Problem, Service};
use store::{ClientScope, DatabaseUrl, Store};

use crate::clock::Clock;
use crate::deploy::PlanAtHand;
use crate::error::Error;
use crate::settings::Settings;
use crate::workspace::{self, Surroundings, Workspace};

/// A workspace, its database and the clock.
pub struct Session {
    /// The workspace as declared.
    pub workspace: Workspace,
    pub(crate) store: Store,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) surroundings: Surroundings,
    pub(crate) at_hand: PlanAtHand,
}

/// What to do with a workspace whose declarations have errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFaultyWorkspace {
    /// Refuse: for what acts on hosts.
    Refuse,
    /// Go on with the hosts that the database knows from the last sound state: a typo in the
    /// inventory must not keep anybody from asking who is vulnerable.
    UseLastKnown,
}

impl Session {
    /// Loads the workspace, opens its database and brings the declared hosts into it.
    ///
    /// # Errors
    /// [`Error::Declarations`] where the workspace is faulty and `on_fault` refuses that;
    /// [`Error::Store`] where the database cannot be used.
    pub async fn open(
        root: &Path,
        surroundings: Surroundings,
        clock: Box<dyn Clock>,
        on_fault: OnFaultyWorkspace,
    ) -> Result<Self, Error> {
        let mut workspace = workspace::load(root, &surroundings)?;
        if on_fault == OnFaultyWorkspace::Refuse {
            workspace = workspace.require_sound()?;
        }
        let store = Store::open(&database_url(&workspace)?).await?;
        if !workspace.has_errors() {
            store.sync_inventory(&workspace.inventory, workspace.source, clock.now()).await?;
        }
        Ok(Self { workspace, store, clock, surroundings, at_hand: PlanAtHand::default() })
    }

    /// Closes the database.
    pub async fn close(self) {
        self.store.close().await;
    }

    /// Returns the declared hosts that the selector takes, in inventory order.
    ///
    /// # Errors
    /// [`Error::NoHosts`] where none is declared; [`Error::NoHost`] where it takes none: a typo must not look like "all is well".
    pub async fn select(&self, selector: &Selector) -> Result<Vec<&Host>, Error> {
        let systems = self.systems().await?;
        let inventory = &self.workspace.inventory;
        if inventory.hosts.is_empty() && !self.workspace.has_errors() {
            return Err(Error::NoHosts);
        }
        let services = services_by_host(inventory);
        let groups = groups_by_host(inventory);
        let is_taken = |host: &&Host| is_taken(selector, host, &services, &groups, &systems);
        let hosts: Vec<_> = inventory.hosts.iter().filter(is_taken).collect();
        if hosts.is_empty() {
            return Err(Error::NoHost { selector: selector.to_string() });
        }
        Ok(hosts)
    }

    /// Returns what each host was last seen to run, as the selector's `os:alpine:3.20` wants it.
    async fn systems(&self) -> Result<BTreeMap<HostName, String>, Error> {
        let records = self.store.hosts(&ClientScope::All).await?;
        let system = |record: store::HostRecord| {
            let platform = record.platform?;
            Some((record.name, format!("{}:{}", platform.ecosystem, platform.release)))
        };
        Ok(records.into_iter().filter_map(system).collect())
    }
}

/// Reads the setting `database`: a relative path starts at the workspace, wherever ifrit is started.
///
/// # Errors
/// [`Error::DatabaseUncertain`] where a fault in `ifrit.toml` may hide the setting: an empty default
/// database would answer "nobody is vulnerable".
pub(crate) fn database_url(workspace: &Workspace) -> Result<DatabaseUrl, Error> {
    database_url_of(&workspace.root, &workspace.settings, &workspace.problems)
}

/// As [`database_url`], of a workspace whose declarations are not loaded.
pub(crate) fn database_url_of(
    root: &Path,
    settings: &Settings,
    problems: &[Problem],
) -> Result<DatabaseUrl, Error> {
    if settings.is_database_hidden() {
        let of_settings = |problem: &&Problem| problem.code.as_str().starts_with("config.");
        let problems = problems.iter().filter(of_settings).cloned().collect();
        return Err(Error::DatabaseUncertain { problems });
    }
    let database = settings.database();
    let path = database.strip_prefix("sqlite:").unwrap_or(database);
    if database.contains("://") {
        return Ok(DatabaseUrl::parse(database)?);
    }
    Ok(DatabaseUrl::sqlite(&root.join(path)))
}

fn services_by_host(inventory: &Inventory) -> BTreeMap<&HostName, Vec<&Service>> {
    let mut services: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for service in &inventory.services {
        for host in &service.hosts {
            services.entry(host).or_default().push(service);
        }
    }
    services
}

fn groups_by_host(inventory: &Inventory) -> BTreeMap<&HostName, Vec<&str>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for group in &inventory.groups {
        for host in &group.hosts {
            groups.entry(host).or_default().push(group.name.as_str());
        }
    }
    groups
}

fn is_taken(
    selector: &Selector,
    host: &Host,
    services: &BTreeMap<&HostName, Vec<&Service>>,
    groups: &BTreeMap<&HostName, Vec<&str>>,
    systems: &BTreeMap<HostName, String>,
) -> bool {
    let services: Vec<_> =
        services.get(&host.name).into_iter().flatten().map(|it| it.name.as_str()).collect();
    let tags: Vec<_> = host.tags.iter().map(|it| it.as_str()).collect();
    selector.matches(&HostAttributes {
        name: host.name.as_str(),
        client: host.client.as_str(),
        services: &services,
        tags: &tags,
        os: systems.get(&host.name).map(String::as_str),
        site: host.site.as_ref().map(|it| it.as_str()),
        groups: groups.get(&host.name).map(Vec::as_slice).unwrap_or_default(),
    })
}
