//! `testing.host(...)`: a host that a test makes up.

use std::fmt;

use allocative::Allocative;
use either::Either;
use model::{
    Address, ClientName, Code, Connection, DataValue, Ecosystem, Group, GroupName, Host, HostName, Inventory,
    OsRelease, Service, ServiceName, SiteName, Tag,
};
use starlark::any::ProvidesStaticType;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::values::dict::UnpackDictEntries;
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::none::NoneOr;
use starlark::values::{NoSerialize, StarlarkPagablePanic, StarlarkValue, Value, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

use crate::operations::argument::given;

/// The port of SSH (RFC 4253 §4.1).
const SSH_PORT: u16 = 22;

/// A host that a test makes up.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(super) struct TestHost {
    #[allocative(skip)]
    pub host: Host,
    /// What it runs, where the test says it.
    #[allocative(skip)]
    pub os: Option<OsRelease>,
    groups: Vec<String>,
    /// Names, with ports where they are given.
    services: Vec<(String, Option<u16>)>,
}

starlark_simple_value!(TestHost);

impl fmt::Display for TestHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "testing.host(\"{}\")", self.host.name)
    }
}

#[starlark_value(type = "TestHost")]
impl<'v> StarlarkValue<'v> for TestHost {}

fn wrong(argument: &str, why: impl fmt::Display) -> starlark::Error {
    lang::fault(Code::PlanBadArgument, format!("testing.host: {argument}: {why}"), None)
}

/// Returns the inventory of a test: nothing but these hosts.
pub(super) fn inventory(hosts: &[&TestHost]) -> starlark::Result<Inventory> {
    let mut inventory = Inventory::default();
    let mut sorted: Vec<&&TestHost> = hosts.iter().collect();
    sorted.sort_by(|a, b| (&a.host.client, &a.host.name).cmp(&(&b.host.client, &b.host.name)));
    for it in sorted {
        if inventory.host(it.host.name.as_str()).is_some() {
            return Err(wrong("name", format_args!("there are two hosts `{}`", it.host.name)));
        }
        inventory.hosts.push(it.host.clone());
        for name in &it.groups {
            add_to_group(&mut inventory, name, it)?;
        }
        for (name, port) in &it.services {
            add_to_service(&mut inventory, name, *port, it)?;
        }
    }
    inventory.groups.sort_by(|a, b| a.name.cmp(&b.name));
    inventory.services.sort_by(|a, b| (&a.client, &a.name).cmp(&(&b.client, &b.name)));
    Ok(inventory)
}

fn add_to_group(inventory: &mut Inventory, name: &str, it: &TestHost) -> starlark::Result<()> {
    let host = it.host.name.clone();
    if let Some(group) = inventory.groups.iter_mut().find(|group| group.name.as_str() == name) {
        group.hosts.push(host);
        group.hosts.sort();
        return Ok(());
    }
    let name = GroupName::new(name).map_err(|why| wrong("groups", why))?;
    let place = it.host.place.clone();
    inventory.groups.push(Group { name, client: None, hosts: vec![host], place });
    Ok(())
}

fn add_to_service(
    inventory: &mut Inventory,
    name: &str,
    port: Option<u16>,
    it: &TestHost,
) -> starlark::Result<()> {
    let host = it.host.name.clone();
    if let Some(service) = inventory.services.iter_mut().find(|service| service.name.as_str() == name) {
        service.port = service.port.or(port);
        service.hosts.push(host);
        service.hosts.sort();
        return Ok(());
    }
    inventory.services.push(Service {
        name: ServiceName::new(name).map_err(|why| wrong("services", why))?,
        client: it.host.client.clone(),
        hosts: vec![host],
        port,
        package: None,
        paths: Vec::new(),
        depends_on: Vec::new(),
        owner: None,
        is_critical: false,
        place: it.host.place.clone(),
    });
    Ok(())
}

/// Reads `alpine:3.20`.
fn os_of(text: &str) -> OsRelease {
    let (id, version) = text.split_once(':').unwrap_or((text, ""));
    OsRelease { id: id.to_owned(), version: version.to_owned(), codename: None, pretty_name: String::new() }
}

type Services<'v> = Either<UnpackListOrTuple<&'v str>, UnpackDictEntries<&'v str, i32>>;

fn services_of(services: Services<'_>) -> starlark::Result<Vec<(String, Option<u16>)>> {
    match services {
        Either::Left(names) => Ok(names.items.into_iter().map(|name| (name.to_owned(), None)).collect()),
        Either::Right(ports) => {
            let read = |(name, port): (&str, i32)| match u16::try_from(port) {
                Ok(port) if port > 0 => Ok((name.to_owned(), Some(port))),
                _ => Err(wrong("services", format_args!("expected a port from 1 to 65535, got {port}"))),
            };
            ports.entries.into_iter().map(read).collect()
        }
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes up a host for a test. Nothing of the inventory is taken.
    ///
    /// ```python
    /// web = testing.host("web-1", os = "alpine:3.20", tags = ["edge"], services = {"shop": 443})
    /// ```
    ///
    /// # Arguments
    /// * `name`: its name
    /// * `client`: its client
    /// * `os`: what it runs: `alpine:3.20`, `debian:12`, `freebsd:14.1-RELEASE-p5`
    /// * `address`: the name or address that it is reached at; None where it is the machine that ifrit runs on
    /// * `site`: the name of its site
    /// * `tags`: its tags
    /// * `groups`: the names of its groups
    /// * `services`: the names of its services, or a dictionary of them and their ports
    /// * `data`: what the inventory says of it in `data`
    #[expect(clippy::too_many_arguments, reason = "they are those of the inventory's host, each by its name")]
    fn host<'v>(
        #[starlark(require = pos)] name: &'v str,
        #[starlark(require = named, default = "test")] client: &'v str,
        #[starlark(require = named, default = NoneOr::None)] os: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] address: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] site: NoneOr<&'v str>,
        #[starlark(require = named, default = UnpackListOrTuple::default())] tags: UnpackListOrTuple<&'v str>,
        #[starlark(require = named, default = UnpackListOrTuple::default())] groups: UnpackListOrTuple<
            &'v str,
        >,
        #[starlark(require = named)] services: Option<Services<'v>>,
        #[starlark(require = named, default = NoneOr::None)] data: NoneOr<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<TestHost> {
        let name = HostName::new(name).map_err(|why| wrong("name", why))?;
        let client = ClientName::new(client).map_err(|why| wrong("client", why))?;
        let connection = match given(address) {
            None => Connection::Local,
            Some(address) => Connection::Ssh {
                address: Address::new(address),
                port: SSH_PORT,
                user: None,
                host_keys: Vec::new(),
            },
        };
        let os = given(os).map(os_of);
        let mut host = Host::new(name, client, connection, lang::place_of_call(eval).0);
        host.os = os.as_ref().and_then(|os| Ecosystem::parse_distribution(&os.id));
        host.site = given(site).map(SiteName::new).transpose().map_err(|why| wrong("site", why))?;
        let tags = tags.items.into_iter().map(Tag::new);
        host.tags = tags.collect::<Result<_, _>>().map_err(|why| wrong("tags", why))?;
        host.tags.sort();
        host.data = match given(data).map(lang::data_value) {
            None => std::collections::BTreeMap::new(),
            Some(Ok(DataValue::Map(data))) => data,
            Some(Ok(_)) => return Err(wrong("data", "expected a dictionary with strings as keys")),
            Some(Err(why)) => return Err(wrong("data", why)),
        };
        Ok(TestHost {
            host,
            os,
            groups: groups.items.into_iter().map(str::to_owned).collect(),
            services: services.map(services_of).transpose()?.unwrap_or_default(),
        })
    }
}
