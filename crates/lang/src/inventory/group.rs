//! `group()`.

use std::fmt;
use std::hash::Hash;

use allocative::Allocative;
use either::Either;
use model::GroupName;
use starlark::any::ProvidesStaticType;
use starlark::collections::StarlarkHasher;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::eval::Evaluator;
use starlark::values::list::UnpackList;
use starlark::values::none::NoneOr;
use starlark::values::{
    NoSerialize, StarlarkPagablePanic, StarlarkValue, Value, ValueOfUnchecked, starlark_value,
};
use starlark::{starlark_module, starlark_simple_value};

use crate::inventory::argument::Call;
use crate::inventory::client::ClientRef;
use crate::inventory::host::HostRef;
use crate::inventory::session::{DeclaredGroup, Session};

/// What `group()` returns.
#[derive(Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct GroupValue {
    name: String,
    hosts: Vec<String>,
}

starlark_simple_value!(GroupValue);

impl fmt::Display for GroupValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group(\"{}\")", self.name.escape_debug())
    }
}

#[starlark_value(type = "Group")]
impl<'v> StarlarkValue<'v> for GroupValue {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("group", methods);
        Some(METHODS.methods())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(GroupValue::from_value(other).is_some_and(|other| other.name == self.name))
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        self.name.hash(hasher);
        Ok(())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// The group's name.
    #[starlark(attribute)]
    fn name<'v>(this: &'v GroupValue) -> starlark::Result<&'v str> {
        Ok(&this.name)
    }

    /// The names of the group's hosts, in the order of declaration.
    #[starlark(attribute)]
    fn hosts(this: &GroupValue) -> starlark::Result<Vec<String>> {
        Ok(this.hosts.clone())
    }
}

#[starlark_module]
#[starlark_types(GroupValue as Group)]
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    /// Declares a group: hosts that are selected together, as in `ifrit scan group:edge`.
    ///
    /// A group names its hosts; a host does not name its groups. For a label that belongs to the
    /// host itself, give it `tags`.
    ///
    /// ```python
    /// group("edge", hosts = web + [db], client = acme)
    /// ```
    ///
    /// # Arguments
    /// * `name`: unique in the workspace; ASCII letters, digits, `.`, `_` and `-`
    /// * `hosts`: the hosts in it, or their names; they may be declared later
    /// * `client`: the client that all of them must belong to, or its name; any unless given
    fn group<'v>(
        name: ValueOfUnchecked<'v, String>,
        hosts: ValueOfUnchecked<'v, Either<HostRef<'v>, UnpackList<HostRef<'v>>>>,
        #[starlark(require = named)] client: Option<ValueOfUnchecked<'v, NoneOr<ClientRef<'v>>>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<GroupValue> {
        let mut call = Call::new(eval);
        let text = name.get().unpack_str().unwrap_or_default().to_owned();
        let name = call.name(name.get(), GroupName::new);
        let hosts = call.hosts(hosts.get());
        let client = call.client_or_none(client.map(|it| it.get()));
        call.name_caller(eval);
        let value = GroupValue { name: text, hosts: hosts.clone() };
        let place = call.place();
        let declared =
            name.filter(|_| call.is_good()).map(|name| DeclaredGroup { name, client, hosts, place });
        Session::add(eval, call, &value.name, declared, |all, group| all.groups.push(group))?;
        Ok(value)
    }
}
