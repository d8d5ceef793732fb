//! `client()`.

use std::fmt;
use std::hash::Hash;

use allocative::Allocative;
use either::Either;
use model::{Client, ClientName};
use starlark::any::ProvidesStaticType;
use starlark::collections::StarlarkHasher;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::eval::Evaluator;
use starlark::values::none::NoneOr;
use starlark::values::{
    NoSerialize, StarlarkPagablePanic, StarlarkValue, StringValue, Value, ValueOfUnchecked, starlark_value,
};
use starlark::{starlark_module, starlark_simple_value};

use crate::inventory::argument::Call;
use crate::inventory::session::Session;

/// What `client()` returns.
#[derive(Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct ClientValue {
    name: String,
    title: String,
}

starlark_simple_value!(ClientValue);

impl fmt::Display for ClientValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client(\"{}\")", self.name.escape_debug())
    }
}

#[starlark_value(type = "Client")]
impl<'v> StarlarkValue<'v> for ClientValue {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("client", methods);
        Some(METHODS.methods())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(ClientValue::from_value(other).is_some_and(|other| other.name == self.name))
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        self.name.hash(hasher);
        Ok(())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// The client's name.
    #[starlark(attribute)]
    fn name<'v>(this: &'v ClientValue) -> starlark::Result<&'v str> {
        Ok(&this.name)
    }

    /// What the client is called in a report.
    #[starlark(attribute)]
    fn title<'v>(this: &'v ClientValue) -> starlark::Result<&'v str> {
        Ok(&this.title)
    }
}

/// A client as an argument: what `client()` returned, or a name.
pub(crate) type ClientRef<'v> = Either<&'v ClientValue, StringValue<'v>>;

impl Call {
    /// Reads the argument `client`; the name is not looked up yet.
    pub fn client(&mut self, value: Value<'_>) -> Option<String> {
        self.reference("client", "a client or its name", value, |value| {
            ClientValue::from_value(value).map(|client| client.name.as_str())
        })
    }

    /// Reads the argument `client` where it may be absent.
    pub fn client_or_none(&mut self, value: Option<Value<'_>>) -> Option<String> {
        self.client(value.filter(|value| !value.is_none())?)
    }
}

#[starlark_module]
#[starlark_types(ClientValue as Client)]
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    /// Declares a client: the organisation that hosts and services belong to.
    ///
    /// ```python
    /// acme = client("acme", title = "ACME Ltd.")
    /// ```
    ///
    /// # Arguments
    /// * `name`: unique in the workspace; ASCII letters, digits, `.`, `_` and `-`
    /// * `title`: what the client is called in a report; the name unless given
    fn client<'v>(
        name: ValueOfUnchecked<'v, String>,
        #[starlark(require = named)] title: Option<ValueOfUnchecked<'v, NoneOr<String>>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<ClientValue> {
        let mut call = Call::new(eval);
        let text = name.get().unpack_str().unwrap_or_default().to_owned();
        let name = call.name(name.get(), ClientName::new);
        let title = call.line("title", title.map(|it| it.get())).unwrap_or_else(|| text.clone());
        call.name_caller(eval);
        let place = call.place();
        let client = name.filter(|_| call.is_good()).map(|name| Client { name, title: title.clone(), place });
        Session::add(eval, call, &text, client, |all, client| all.clients.push(client))?;
        Ok(ClientValue { name: text, title })
    }
}
