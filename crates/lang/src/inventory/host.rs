//! `host()`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::Hash;

use allocative::Allocative;
use model::{Address, Connection, DataValue, Ecosystem, HostName, Tag};
use starlark::any::ProvidesStaticType;
use starlark::collections::StarlarkHasher;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::eval::Evaluator;
use starlark::values::dict::UnpackDictEntries;
use starlark::values::list::UnpackList;
use starlark::values::none::NoneOr;
use starlark::values::type_repr::StarlarkTypeRepr;
use starlark::values::{
    Heap, NoSerialize, StarlarkPagablePanic, StarlarkValue, StringValue, UnpackValue, Value,
    ValueOfUnchecked, starlark_value,
};
use starlark::{starlark_module, starlark_simple_value};

use crate::inventory::argument::Call;
use crate::inventory::client::ClientRef;
use crate::inventory::form::is_address;
use crate::inventory::host_data::alloc_map;
use crate::inventory::interface::InterfaceValue;
use crate::inventory::session::{DeclaredHost, Session};
use crate::inventory::site::SiteRef;

/// The port of SSH (RFC 4253 §4.1).
const SSH_PORT: u16 = 22;

/// What `host()` returns.
#[derive(Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct HostValue {
    name: String,
    client: String,
    address: String,
    site: String,
    os: &'static str,
    tags: Vec<String>,
    #[allocative(skip)]
    data: BTreeMap<String, DataValue>,
}

starlark_simple_value!(HostValue);

impl fmt::Display for HostValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host(\"{}\")", self.name.escape_debug())
    }
}

#[starlark_value(type = "Host")]
impl<'v> StarlarkValue<'v> for HostValue {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("host", methods);
        Some(METHODS.methods())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(HostValue::from_value(other).is_some_and(|other| other.name == self.name))
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        self.name.hash(hasher);
        Ok(())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// The host's name.
    #[starlark(attribute)]
    fn name<'v>(this: &'v HostValue) -> starlark::Result<&'v str> {
        Ok(&this.name)
    }

    /// The name of the host's client.
    #[starlark(attribute)]
    fn client<'v>(this: &'v HostValue) -> starlark::Result<&'v str> {
        Ok(&this.client)
    }

    /// How the host is reached; empty for the machine that ifrit runs on.
    #[starlark(attribute)]
    fn address<'v>(this: &'v HostValue) -> starlark::Result<&'v str> {
        Ok(&this.address)
    }

    /// The name of the host's site; empty where none is declared.
    #[starlark(attribute)]
    fn site<'v>(this: &'v HostValue) -> starlark::Result<&'v str> {
        Ok(&this.site)
    }

    /// What the host is expected to run; empty where it is not declared.
    #[starlark(attribute)]
    fn os(this: &HostValue) -> starlark::Result<&'static str> {
        Ok(this.os)
    }

    /// The host's tags, sorted.
    #[starlark(attribute)]
    fn tags(this: &HostValue) -> starlark::Result<Vec<String>> {
        Ok(this.tags.clone())
    }

    /// The host's data: a dictionary.
    #[starlark(attribute)]
    fn data<'v>(this: &HostValue, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(alloc_map(&this.data, heap))
    }
}

/// A host as an argument: what `host()` returned, or a name.
#[derive(StarlarkTypeRepr, UnpackValue)]
pub(crate) enum HostRef<'v> {
    Value(&'v HostValue),
    Name(StringValue<'v>),
}

impl HostRef<'_> {
    /// Returns the name, which is not looked up yet.
    pub fn name(&self) -> &str {
        match self {
            Self::Value(host) => &host.name,
            Self::Name(name) => name.as_str(),
        }
    }
}

#[starlark_module]
#[starlark_types(HostValue as Host)]
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    /// Declares a host and how it is reached.
    ///
    /// ```python
    /// web = [host(f"web-{i}", client = acme, address = f"10.0.0.{i}") for i in range(1, 4)]
    /// ```
    ///
    /// # Arguments
    /// * `name`: unique in the workspace; ASCII letters, digits, `.`, `_` and `-`
    /// * `client`: the client it belongs to, or its name
    /// * `address`: DNS name, IPv4 or IPv6 address; the name unless given
    /// * `user`: the login; the settings decide unless given
    /// * `port`: the TCP port of SSH; 22 unless given
    /// * `os`: what it is expected to run: `alpine`, `debian` or `freebsd`; a hint for people, the scan finds out
    /// * `site`: where it stands: a site of the same client, or its name
    /// * `tags`: labels to select hosts by
    /// * `interfaces`: its network interfaces, each made by `interface()`
    /// * `data`: whatever else your deploys want to know of it: strings, whole numbers, True, False, None, lists and dictionaries
    /// * `host_keys`: its public keys in OpenSSH's form; those recorded by `ifrit hosts trust` unless given
    /// * `local`: True for the machine that ifrit runs on; it has no address
    #[expect(clippy::too_many_arguments, reason = "they are what people may declare, each one by its name")]
    fn host<'v>(
        name: ValueOfUnchecked<'v, String>,
        client: ValueOfUnchecked<'v, ClientRef<'v>>,
        #[starlark(require = named)] address: Option<ValueOfUnchecked<'v, NoneOr<String>>>,
        #[starlark(require = named)] user: Option<ValueOfUnchecked<'v, NoneOr<String>>>,
        #[starlark(require = named)] port: Option<ValueOfUnchecked<'v, NoneOr<i32>>>,
        #[starlark(require = named)] os: Option<ValueOfUnchecked<'v, NoneOr<String>>>,
        #[starlark(require = named)] site: Option<ValueOfUnchecked<'v, NoneOr<SiteRef<'v>>>>,
        #[starlark(require = named)] tags: Option<ValueOfUnchecked<'v, UnpackList<String>>>,
        #[starlark(require = named)] interfaces: Option<ValueOfUnchecked<'v, UnpackList<&'v InterfaceValue>>>,
        #[starlark(require = named)] data: Option<
            ValueOfUnchecked<'v, NoneOr<UnpackDictEntries<String, Value<'v>>>>,
        >,
        #[starlark(require = named)] host_keys: Option<ValueOfUnchecked<'v, UnpackList<String>>>,
        #[starlark(require = named)] local: Option<ValueOfUnchecked<'v, bool>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<HostValue> {
        let mut call = Call::new(eval);
        let text = name.get().unpack_str().unwrap_or_default().to_owned();
        let name = call.name(name.get(), HostName::new);
        let client = call.client(client.get());
        let given = Given {
            address: address.map(|it| it.get()),
            user: user.map(|it| it.get()),
            port: port.map(|it| it.get()),
            host_keys: host_keys.map(|it| it.get()),
        };
        let is_local = call.flag("local", local.map(|it| it.get()));
        let connection = if is_local { given.local(&mut call) } else { given.ssh(&mut call, &text) };
        let is_os = |word: &str| Ecosystem::parse_distribution(word).is_some();
        let os = call.text("os", "\"alpine\", \"debian\" or \"freebsd\"", os.map(|it| it.get()), is_os);
        let os = os.and_then(|word| Ecosystem::parse_distribution(&word));
        let site = call.site(site.map(|it| it.get()));
        let tags = call.tags(tags.map(|it| it.get()));
        let interfaces = call.interfaces(interfaces.map(|it| it.get()));
        let data = call.host_data(data.map(|it| it.get()));
        call.name_caller(eval);
        let value = HostValue {
            name: text,
            client: client.clone().unwrap_or_default(),
            address: match &connection {
                Some(Connection::Ssh { address, .. }) => address.as_str().to_owned(),
                _ => String::new(),
            },
            site: site.clone().unwrap_or_default(),
            os: os.map_or("", Ecosystem::as_str),
            tags: tags.iter().map(ToString::to_string).collect(),
            data: data.clone(),
        };
        let place = call.place();
        let declared = match (name, client, connection) {
            (Some(name), Some(client), Some(connection)) if call.is_good() => {
                Some(DeclaredHost { name, client, connection, site, os, tags, interfaces, data, place })
            }
            _ => None,
        };
        Session::add(eval, call, &value.name, declared, |all, host| all.hosts.push(host))?;
        Ok(value)
    }
}

/// The arguments that say how a host is reached.
struct Given<'v> {
    address: Option<Value<'v>>,
    user: Option<Value<'v>>,
    port: Option<Value<'v>>,
    host_keys: Option<Value<'v>>,
}

impl Given<'_> {
    fn local(&self, call: &mut Call) -> Option<Connection> {
        let all = [
            ("address", self.address),
            ("user", self.user),
            ("port", self.port),
            ("host_keys", self.host_keys),
        ];
        for (argument, _) in all.iter().filter(|(_, value)| value.is_some_and(|value| !value.is_none())) {
            call.problem(format!(
                "expected no {argument} for a host with local = True, which is not reached over SSH"
            ));
        }
        Some(Connection::Local)
    }

    fn ssh(&self, call: &mut Call, name: &str) -> Option<Connection> {
        let address = match self.address.filter(|value| !value.is_none()) {
            Some(value) => call.address(Some(value)),
            None if is_address(name) => Some(Address::new(name)),
            None => {
                if HostName::new(name).is_ok() {
                    call.problem(format!(
                        "expected an address: the name `{name}` is no DNS name or IP address itself"
                    ));
                }
                None
            }
        };
        let user = call.user(self.user);
        let port = call.port(self.port).unwrap_or(SSH_PORT);
        let expected = "a list of public keys in OpenSSH's form";
        let host_keys = call.list("host_keys", expected, self.host_keys, |call, key| call.host_key(key));
        Some(Connection::Ssh { address: address?, port, user, host_keys })
    }
}

impl Call {
    fn tags(&mut self, value: Option<Value<'_>>) -> Vec<Tag> {
        let read = |call: &mut Self, value: Value<'_>| {
            let tag = value.unpack_str().and_then(|text| Tag::new(text).ok());
            if tag.is_none() {
                let expected =
                    "words of ASCII letters, digits, `.`, `_` and `-` that start with a letter or digit";
                call.bad("tags", expected, value);
            }
            tag
        };
        let tags: BTreeSet<Tag> = self.list("tags", "a list of strings", value, read).into_iter().collect();
        tags.into_iter().collect()
    }
}
