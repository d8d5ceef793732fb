//! `interface()`.

use std::fmt;

use allocative::Allocative;
use either::Either;
use model::{InterfaceAddress, InterfaceName, MacAddress};
use starlark::any::ProvidesStaticType;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::eval::Evaluator;
use starlark::values::list::UnpackList;
use starlark::values::none::NoneOr;
use starlark::values::{
    NoSerialize, StarlarkPagablePanic, StarlarkValue, StringValue, Value, ValueLike, ValueOfUnchecked,
    starlark_value,
};
use starlark::{starlark_module, starlark_simple_value};

use crate::inventory::argument::{Call, describe};
use crate::inventory::network::NetworkRef;
use crate::inventory::session::{DeclaredInterface, Session};
use crate::limits::INTERFACE_BYTES_MAX;

/// What `interface()` returns.
#[derive(Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct InterfaceValue {
    name: String,
    addresses: Vec<String>,
    /// What it declares, for the host that it is given to; absent where that is not understood.
    #[allocative(skip)]
    declared: Option<DeclaredInterface>,
}

starlark_simple_value!(InterfaceValue);

/// A string or a list of strings.
type OneOrMore<'v> = Either<StringValue<'v>, UnpackList<StringValue<'v>>>;

impl fmt::Display for InterfaceValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interface(\"{}\")", self.name.escape_debug())
    }
}

#[starlark_value(type = "Interface")]
impl<'v> StarlarkValue<'v> for InterfaceValue {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("interface", methods);
        Some(METHODS.methods())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// The interface's name.
    #[starlark(attribute)]
    fn name<'v>(this: &'v InterfaceValue) -> starlark::Result<&'v str> {
        Ok(&this.name)
    }

    /// The interface's addresses with the lengths of their prefixes, in the order of declaration.
    #[starlark(attribute)]
    fn addresses(this: &InterfaceValue) -> starlark::Result<Vec<String>> {
        Ok(this.addresses.clone())
    }
}

#[starlark_module]
#[starlark_types(InterfaceValue as Interface)]
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    /// Describes a network interface, to be given to `host(interfaces = [...])`.
    ///
    /// ```python
    /// host("fw-1", client = acme, interfaces = [
    ///     interface("em0", address = "192.0.2.2/29"),
    ///     interface("em1", address = ["10.0.0.1/24", "2001:db8::1/64"], network = lan),
    /// ])
    /// ```
    ///
    /// # Arguments
    /// * `name`: as the host calls it: `eth0`, `em0`, `vlan10`; unique on the host
    /// * `address`: its address with the length of the network's prefix, or a list of them
    /// * `mac`: its hardware address
    /// * `network`: the network it is in, or its name; one of the addresses must be of it
    fn interface<'v>(
        name: ValueOfUnchecked<'v, String>,
        #[starlark(require = named)] address: Option<ValueOfUnchecked<'v, NoneOr<OneOrMore<'v>>>>,
        #[starlark(require = named)] mac: Option<ValueOfUnchecked<'v, NoneOr<String>>>,
        #[starlark(require = named)] network: Option<ValueOfUnchecked<'v, NoneOr<NetworkRef<'v>>>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<InterfaceValue> {
        let mut call = Call::new(eval);
        let text = name.get().unpack_str().unwrap_or_default().to_owned();
        let expected = "an interface's name (printable ASCII without spaces, at most 64 bytes)";
        let name = call.text("name", expected, Some(name.get()), is_interface_name);
        if name.is_none() && call.is_good() {
            call.problem(format!("expected name to be {expected}, got None"));
        }
        let addresses = call.interface_addresses(address.map(|it| it.get()));
        let is_mac = |text: &str| MacAddress::parse(text).is_some();
        let expected = "a hardware address such as \"52:54:00:12:34:56\"";
        let mac = call.text("mac", expected, mac.map(|it| it.get()), is_mac);
        let mac = mac.and_then(|text| MacAddress::parse(&text));
        let network = call.network(network.map(|it| it.get()));
        call.name_caller(eval);
        let place = call.place();
        let value = InterfaceValue {
            name: text,
            addresses: addresses.iter().map(ToString::to_string).collect(),
            declared: name.filter(|_| call.is_good()).map(|name| DeclaredInterface {
                name: InterfaceName::new(name),
                addresses,
                mac,
                network,
                place,
            }),
        };
        // It is the host that declares it: here only its problems are kept.
        Session::add(eval, call, &value.name, Some(()), |_, ()| ())?;
        Ok(value)
    }
}

impl Call {
    /// Reads the argument `interfaces`. One that has problems of its own is left out.
    pub fn interfaces(&mut self, value: Option<Value<'_>>) -> Vec<DeclaredInterface> {
        let expected = "a list of interfaces: `interface(\"eth0\", address = \"10.0.0.1/24\")`";
        let mut names = std::collections::HashSet::new();
        self.list("interfaces", expected, value, |call, value| {
            let Some(interface) = value.downcast_ref::<InterfaceValue>() else {
                call.bad("interfaces", "interfaces (`interface(...)`)", value);
                return None;
            };
            if !names.insert(interface.name.clone()) {
                call.problem(format!(
                    "expected interfaces with different names, got {} twice",
                    interface.name
                ));
            }
            interface.declared.clone()
        })
    }

    fn interface_addresses(&mut self, value: Option<Value<'_>>) -> Vec<InterfaceAddress> {
        let Some(value) = value.filter(|value| !value.is_none()) else { return Vec::new() };
        let read = |call: &mut Self, value: Value<'_>| {
            let Some(text) = value.unpack_str() else {
                call.bad("address", "a string such as \"10.0.0.1/24\"", value);
                return None;
            };
            match InterfaceAddress::parse(text) {
                Ok(address) => Some(address),
                Err(error) => {
                    call.problem(format!(
                        "expected address to be an interface's address, got {}: {error}",
                        describe(value)
                    ));
                    None
                }
            }
        };
        if value.unpack_str().is_some() {
            return read(self, value).into_iter().collect();
        }
        self.list("address", "an address such as \"10.0.0.1/24\" or a list of them", Some(value), read)
    }
}

fn is_interface_name(text: &str) -> bool {
    (1..=INTERFACE_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
