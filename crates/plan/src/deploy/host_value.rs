//! `host` and `inventory`: what is declared, as deploys see it.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use allocative::Allocative;
use model::{Code, Connection, DataValue, Host, HostAttributes, Inventory, OsRelease, Selector, Service};
use starlark::any::ProvidesStaticType;
use starlark::collections::StarlarkHasher;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::eval::Evaluator;
use starlark::values::{Heap, NoSerialize, StarlarkPagablePanic, StarlarkValue, Value, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

use super::evaluate::HostView;
use super::fact_values::OsValue;
use super::session::Session;

/// Whether the operating system is to be asked for.
#[derive(Debug, Clone, Default, Allocative)]
pub(crate) struct AsksOs(Arc<AtomicBool>);

impl AsksOs {
    /// Says whether it is.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Says again whether it is.
    pub(crate) fn restore(&self, is_asked: bool) {
        self.0.store(is_asked, Ordering::Relaxed);
    }
}

/// A host of the inventory.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct HostValue {
    #[allocative(skip)]
    host: Box<Host>,
    groups: Vec<String>,
    services: Vec<String>,
    /// What it runs, where that is known.
    #[allocative(skip)]
    os: Option<OsRelease>,
    /// Of the host that the deploy is evaluated for: set when its operating system is looked at and not
    /// known.
    asks_os: Option<AsksOs>,
}

starlark_simple_value!(HostValue);

impl HostValue {
    /// Makes the argument of `deploy`.
    pub(crate) fn current(view: &HostView<'_>, os: Option<OsRelease>, asks_os: AsksOs) -> Self {
        Self { os, asks_os: Some(asks_os), ..Self::new(view.inventory, view.host) }
    }

    fn new(inventory: &Inventory, host: &Host) -> Self {
        let is_in = |hosts: &[model::HostName]| hosts.contains(&host.name);
        let groups = inventory.groups.iter().filter(|group| is_in(&group.hosts));
        let services = inventory.services.iter().filter(|service| is_in(&service.hosts));
        Self {
            host: Box::new(host.clone()),
            groups: groups.map(|group| group.name.to_string()).collect(),
            services: services.map(|service| service.name.to_string()).collect(),
            os: None,
            asks_os: None,
        }
    }

    /// Returns everything that is declared of it, for templates.
    pub(crate) fn data(&self) -> DataValue {
        let text = |text: &str| DataValue::Text(text.to_owned());
        let list = |items: &[String]| DataValue::List(items.iter().map(|item| text(item)).collect());
        let tags: Vec<String> = self.host.tags.iter().map(ToString::to_string).collect();
        let fields = [
            ("name", text(self.host.name.as_str())),
            ("client", text(self.host.client.as_str())),
            ("site", self.host.site.as_ref().map_or(DataValue::None, |site| text(site.as_str()))),
            ("tags", list(&tags)),
            ("groups", list(&self.groups)),
            ("services", list(&self.services)),
            ("data", DataValue::Map(self.host.data.clone())),
            ("address", self.address().map_or(DataValue::None, text)),
            ("interfaces", interfaces(&self.host)),
        ];
        DataValue::Map(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    fn address(&self) -> Option<&str> {
        match &self.host.connection {
            Connection::Local => None,
            Connection::Ssh { address, .. } => Some(address.as_str()),
        }
    }

    fn field<'v>(&self, name: &str, heap: Heap<'v>) -> Value<'v> {
        match self.data() {
            DataValue::Map(mut fields) => {
                lang::starlark_value(&fields.remove(name).unwrap_or(DataValue::None), heap)
            }
            _ => Value::new_none(),
        }
    }
}

fn interfaces(host: &Host) -> DataValue {
    let optional = |text: Option<String>| text.map_or(DataValue::None, DataValue::Text);
    let of = |interface: &model::Interface| {
        let addresses = interface.addresses.iter().map(|it| DataValue::Text(it.to_string())).collect();
        let fields = [
            ("name", DataValue::Text(interface.name.to_string())),
            ("addresses", DataValue::List(addresses)),
            ("mac", optional(interface.mac.as_ref().map(ToString::to_string))),
            ("network", optional(interface.network.as_ref().map(ToString::to_string))),
        ];
        DataValue::Map(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    DataValue::List(host.interfaces.iter().map(of).collect())
}

impl fmt::Display for HostValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host(\"{}\")", self.host.name)
    }
}

#[starlark_value(type = "Host")]
impl<'v> StarlarkValue<'v> for HostValue {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("deploy_host", host_methods);
        Some(METHODS.methods())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(HostValue::from_value(other).is_some_and(|other| other.host.name == self.host.name))
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        self.host.name.hash(hasher);
        Ok(())
    }
}

#[starlark_module]
fn host_methods(builder: &mut MethodsBuilder) {
    /// The host's name.
    #[starlark(attribute)]
    fn name<'v>(this: &'v HostValue) -> starlark::Result<&'v str> {
        Ok(this.host.name.as_str())
    }

    /// The name of its client.
    #[starlark(attribute)]
    fn client<'v>(this: &'v HostValue) -> starlark::Result<&'v str> {
        Ok(this.host.client.as_str())
    }

    /// The name of its site, or None.
    #[starlark(attribute)]
    fn site<'v>(this: &HostValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(this.field("site", heap))
    }

    /// Its tags.
    #[starlark(attribute)]
    fn tags<'v>(this: &HostValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(this.field("tags", heap))
    }

    /// The names of the groups that it is in.
    #[starlark(attribute)]
    fn groups<'v>(this: &HostValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(this.field("groups", heap))
    }

    /// The names of its services.
    #[starlark(attribute)]
    fn services<'v>(this: &HostValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(this.field("services", heap))
    }

    /// What the inventory says of it in `data`.
    #[starlark(attribute)]
    fn data<'v>(this: &HostValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(this.field("data", heap))
    }

    /// The name or address that it is reached at; None where it is the machine that ifrit runs on.
    #[starlark(attribute)]
    fn address<'v>(this: &HostValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(this.field("address", heap))
    }

    /// Its interfaces: dictionaries with `name`, `addresses`, `mac` and `network`.
    #[starlark(attribute)]
    fn interfaces<'v>(this: &HostValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(this.field("interfaces", heap))
    }

    /// What it runs: `.id` (`alpine`, `debian`, `freebsd`) and `.version`, as its last scan found it. Where
    /// it was not scanned yet, the host is asked.
    #[starlark(attribute)]
    fn os(this: &HostValue) -> starlark::Result<OsValue> {
        if let (None, Some(asks)) = (&this.os, &this.asks_os) {
            asks.0.store(true, Ordering::Relaxed);
        }
        Ok(OsValue::new(this.os.as_ref(), this.asks_os.is_some()))
    }
}

/// A service of the inventory.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct DeployService {
    name: String,
    client: String,
    port: Option<i32>,
    hosts: Vec<HostValue>,
}

starlark_simple_value!(DeployService);

impl DeployService {
    fn new(inventory: &Inventory, service: &Service) -> Self {
        let hosts = service.hosts.iter().filter_map(|name| inventory.host(name.as_str()));
        Self {
            name: service.name.to_string(),
            client: service.client.to_string(),
            port: service.port.map(i32::from),
            hosts: hosts.map(|host| HostValue::new(inventory, host)).collect(),
        }
    }
}

impl fmt::Display for DeployService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service(\"{}\")", self.name)
    }
}

#[starlark_value(type = "Service")]
impl<'v> StarlarkValue<'v> for DeployService {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("deploy_service", service_methods);
        Some(METHODS.methods())
    }
}

#[starlark_module]
fn service_methods(builder: &mut MethodsBuilder) {
    /// The service's name.
    #[starlark(attribute)]
    fn name<'v>(this: &'v DeployService) -> starlark::Result<&'v str> {
        Ok(&this.name)
    }

    /// The name of its client.
    #[starlark(attribute)]
    fn client<'v>(this: &'v DeployService) -> starlark::Result<&'v str> {
        Ok(&this.client)
    }

    /// The port that it answers on, or None.
    #[starlark(attribute)]
    fn port<'v>(this: &DeployService, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(this.port.map_or_else(Value::new_none, |port| heap.alloc(port)))
    }

    /// The hosts that run it, sorted by name.
    #[starlark(attribute)]
    fn hosts<'v>(this: &DeployService, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(heap.alloc(this.hosts.clone()))
    }
}

/// The namespace `inventory` of deploys.
#[starlark_module]
pub(crate) fn inventory_namespace(builder: &mut GlobalsBuilder) {
    /// Returns the hosts that a selector chooses, sorted by client, then name.
    ///
    /// ```python
    /// backends = inventory.hosts("client:acme service:web")
    /// ```
    ///
    /// # Arguments
    /// * `selector`: as on the command line; of operating systems it knows what is declared
    fn hosts<'v>(
        #[starlark(require = pos)] selector: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let selector = Selector::parse(selector)
            .map_err(|error| lang::fault(Code::PlanBadArgument, format!("inventory.hosts: {error}"), None))?;
        let chosen = chosen(Session::of(eval)?.view.inventory, &selector);
        Ok(eval.heap().alloc(chosen))
    }

    /// Returns a host.
    ///
    /// # Arguments
    /// * `name`: its name
    fn host<'v>(
        #[starlark(require = pos)] name: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<HostValue> {
        let inventory = Session::of(eval)?.view.inventory;
        match inventory.host(name) {
            Some(host) => Ok(HostValue::new(inventory, host)),
            None => Err(missing("host", name)),
        }
    }

    /// Returns a service, with its port and its hosts.
    ///
    /// # Arguments
    /// * `name`: its name
    fn service<'v>(
        #[starlark(require = pos)] name: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<DeployService> {
        let inventory = Session::of(eval)?.view.inventory;
        match inventory.services.iter().find(|service| service.name.as_str() == name) {
            Some(service) => Ok(DeployService::new(inventory, service)),
            None => Err(missing("service", name)),
        }
    }

    /// Returns the hosts of a group, sorted by name.
    ///
    /// # Arguments
    /// * `name`: its name
    fn group<'v>(
        #[starlark(require = pos)] name: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let inventory = Session::of(eval)?.view.inventory;
        let Some(group) = inventory.groups.iter().find(|group| group.name.as_str() == name) else {
            return Err(missing("group", name));
        };
        let hosts = group.hosts.iter().filter_map(|name| inventory.host(name.as_str()));
        let hosts: Vec<HostValue> = hosts.map(|host| HostValue::new(inventory, host)).collect();
        Ok(eval.heap().alloc(hosts))
    }
}

fn missing(kind: &str, name: &str) -> starlark::Error {
    let message = format!("expected a {kind} of the inventory, got `{}`", name.escape_debug());
    lang::fault(Code::PlanBadArgument, message, None)
}

fn chosen(inventory: &Inventory, selector: &Selector) -> Vec<HostValue> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut services: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for group in &inventory.groups {
        for host in &group.hosts {
            groups.entry(host.as_str()).or_default().push(group.name.as_str());
        }
    }
    for service in &inventory.services {
        for host in &service.hosts {
            services.entry(host.as_str()).or_default().push(service.name.as_str());
        }
    }
    let is_chosen = |host: &&Host| {
        let name = host.name.as_str();
        let tags: Vec<&str> = host.tags.iter().map(|tag| tag.as_str()).collect();
        selector.matches(&HostAttributes {
            name,
            client: host.client.as_str(),
            services: services.get(name).map_or(&[], Vec::as_slice),
            tags: &tags,
            os: host.os.map(|os| os.as_str()),
            site: host.site.as_ref().map(|site| site.as_str()),
            groups: groups.get(name).map_or(&[], Vec::as_slice),
        })
    };
    inventory.hosts.iter().filter(is_chosen).map(|host| HostValue::new(inventory, host)).collect()
}
