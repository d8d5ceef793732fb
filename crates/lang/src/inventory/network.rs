//! `network()`.

use std::fmt;
use std::hash::Hash;

use allocative::Allocative;
use either::Either;
use model::{InvalidPrefix, NetworkName, Prefix, Tag};
use starlark::any::ProvidesStaticType;
use starlark::collections::StarlarkHasher;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::eval::Evaluator;
use starlark::values::none::NoneOr;
use starlark::values::{
    NoSerialize, StarlarkPagablePanic, StarlarkValue, StringValue, Value, ValueLike, ValueOfUnchecked,
    starlark_value,
};
use starlark::{starlark_module, starlark_simple_value};

use crate::inventory::argument::{Call, describe};
use crate::inventory::client::ClientRef;
use crate::inventory::session::{DeclaredNetwork, Session};
use crate::inventory::site::SiteRef;

/// The greatest number of a VLAN (IEEE 802.1Q: 4095 is reserved).
const VLAN_MAX: u16 = 4094;

/// What `network()` returns.
#[derive(Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct NetworkValue {
    name: String,
    prefix: String,
}

starlark_simple_value!(NetworkValue);

/// A network as an argument: what `network()` returned, or a name.
pub(crate) type NetworkRef<'v> = Either<&'v NetworkValue, StringValue<'v>>;

impl fmt::Display for NetworkValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "network(\"{}\")", self.prefix.escape_debug())
    }
}

#[starlark_value(type = "Network")]
impl<'v> StarlarkValue<'v> for NetworkValue {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("network", methods);
        Some(METHODS.methods())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(NetworkValue::from_value(other).is_some_and(|other| other.name == self.name))
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        self.name.hash(hasher);
        Ok(())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// The network's name; its prefix where none is declared.
    #[starlark(attribute)]
    fn name<'v>(this: &'v NetworkValue) -> starlark::Result<&'v str> {
        Ok(&this.name)
    }

    /// The network's prefix: `10.0.0.0/24`.
    #[starlark(attribute)]
    fn prefix<'v>(this: &'v NetworkValue) -> starlark::Result<&'v str> {
        Ok(&this.prefix)
    }
}

#[starlark_module]
#[starlark_types(NetworkValue as Network)]
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    /// Declares a network.
    ///
    /// ```python
    /// lan = network("10.0.0.0/24", name = "acme-lan", client = acme, vlan = 10)
    /// ```
    ///
    /// # Arguments
    /// * `prefix`: its address and the number of leading bits: `10.0.0.0/24`, `2001:db8::/64`
    /// * `name`: unique in the workspace; the prefix unless given. Name them apart where two clients have the same prefix
    /// * `client`: the client it belongs to, or its name; that of the site unless given
    /// * `vlan`: its VLAN, 1 to 4094
    /// * `site`: where it is
    fn network<'v>(
        prefix: ValueOfUnchecked<'v, String>,
        #[starlark(require = named)] name: Option<ValueOfUnchecked<'v, NoneOr<String>>>,
        #[starlark(require = named)] client: Option<ValueOfUnchecked<'v, NoneOr<ClientRef<'v>>>>,
        #[starlark(require = named)] vlan: Option<ValueOfUnchecked<'v, NoneOr<i32>>>,
        #[starlark(require = named)] site: Option<ValueOfUnchecked<'v, NoneOr<SiteRef<'v>>>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NetworkValue> {
        let mut call = Call::new(eval);
        let text = prefix.get().unpack_str().unwrap_or_default().to_owned();
        let prefix = call.prefix(prefix.get());
        // The naming rule is the same for every kind of name.
        let name = name.map(|it| it.get()).filter(|value| !value.is_none());
        let name = name.and_then(|value| call.name(value, Tag::new)).map(|name| name.to_string());
        let client = call.client_or_none(client.map(|it| it.get()));
        let expected = "a whole number 1-4094";
        let vlan = call.number("vlan", expected, vlan.map(|it| it.get()), 1..=VLAN_MAX);
        let site = call.site(site.map(|it| it.get()));
        call.name_caller(eval);
        // The same prefix may be written in several ways; the name is the canonical one.
        let text = prefix.map_or(text, |prefix| prefix.to_string());
        let value = NetworkValue { name: name.unwrap_or_else(|| text.clone()), prefix: text };
        let (place, name) = (call.place(), NetworkName::new(value.name.as_str()));
        let declared = prefix.filter(|_| call.is_good()).map(|prefix| DeclaredNetwork {
            name,
            prefix,
            vlan,
            client,
            site,
            place,
        });
        Session::add(eval, call, &value.name, declared, |all, network| all.networks.push(network))?;
        Ok(value)
    }
}

impl Call {
    /// Reads the argument `network`; the name is not looked up yet.
    pub fn network(&mut self, value: Option<Value<'_>>) -> Option<String> {
        let value = value.filter(|value| !value.is_none())?;
        self.reference("network", "a network or its name", value, |value| {
            value.downcast_ref::<NetworkValue>().map(|network| network.name.as_str())
        })
    }

    fn prefix(&mut self, value: Value<'_>) -> Option<Prefix> {
        let Some(text) = value.unpack_str() else {
            self.bad("prefix", "a string such as \"10.0.0.0/24\"", value);
            return None;
        };
        let error = match Prefix::parse(text) {
            Ok(prefix) => return Some(prefix),
            Err(error) => error,
        };
        let message = format!("expected prefix to be a network, got {}: {error}", describe(value));
        match error {
            InvalidPrefix::HostBits { network } => {
                self.problem_with_hint(message, format!("did you mean `{network}`?"));
            }
            InvalidPrefix::Form { .. } | InvalidPrefix::Length { .. } => self.problem(message),
        }
        None
    }
}
