//! `site()`.

use std::fmt;
use std::hash::Hash;

use allocative::Allocative;
use either::Either;
use model::SiteName;
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

use crate::inventory::argument::Call;
use crate::inventory::client::ClientRef;
use crate::inventory::session::{DeclaredSite, Session};

/// What `site()` returns.
#[derive(Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct SiteValue {
    name: String,
    client: String,
    title: String,
}

starlark_simple_value!(SiteValue);

/// A site as an argument: what `site()` returned, or a name.
pub(crate) type SiteRef<'v> = Either<&'v SiteValue, StringValue<'v>>;

impl fmt::Display for SiteValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "site(\"{}\")", self.name.escape_debug())
    }
}

#[starlark_value(type = "Site")]
impl<'v> StarlarkValue<'v> for SiteValue {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("site", methods);
        Some(METHODS.methods())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(SiteValue::from_value(other).is_some_and(|other| other.name == self.name))
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        self.name.hash(hasher);
        Ok(())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// The site's name.
    #[starlark(attribute)]
    fn name<'v>(this: &'v SiteValue) -> starlark::Result<&'v str> {
        Ok(&this.name)
    }

    /// The name of the site's client.
    #[starlark(attribute)]
    fn client<'v>(this: &'v SiteValue) -> starlark::Result<&'v str> {
        Ok(&this.client)
    }

    /// What the site is called in a report.
    #[starlark(attribute)]
    fn title<'v>(this: &'v SiteValue) -> starlark::Result<&'v str> {
        Ok(&this.title)
    }
}

impl Call {
    /// Reads the argument `site`; the name is not looked up yet.
    pub fn site(&mut self, value: Option<Value<'_>>) -> Option<String> {
        let value = value.filter(|value| !value.is_none())?;
        self.reference("site", "a site or its name", value, |value| {
            value.downcast_ref::<SiteValue>().map(|site| site.name.as_str())
        })
    }
}

#[starlark_module]
#[starlark_types(SiteValue as Site)]
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    /// Declares a site: a place where hosts of a client stand.
    ///
    /// ```python
    /// fra = site("fra", client = acme, title = "Frankfurt", location = "Example St. 1, rack 4")
    /// ```
    ///
    /// # Arguments
    /// * `name`: unique in the workspace; ASCII letters, digits, `.`, `_` and `-`
    /// * `client`: the client whose hosts stand there, or its name
    /// * `title`: what the site is called in a report; the name unless given
    /// * `location`: where it is, in your words: a street, a room, a rack
    fn site<'v>(
        name: ValueOfUnchecked<'v, String>,
        client: ValueOfUnchecked<'v, ClientRef<'v>>,
        #[starlark(require = named)] title: Option<ValueOfUnchecked<'v, NoneOr<String>>>,
        #[starlark(require = named)] location: Option<ValueOfUnchecked<'v, NoneOr<String>>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<SiteValue> {
        let mut call = Call::new(eval);
        let text = name.get().unpack_str().unwrap_or_default().to_owned();
        let name = call.name(name.get(), SiteName::new);
        let client = call.client(client.get());
        let title = call.line("title", title.map(|it| it.get())).unwrap_or_else(|| text.clone());
        let location = call.line("location", location.map(|it| it.get()));
        call.name_caller(eval);
        let value =
            SiteValue { name: text, client: client.clone().unwrap_or_default(), title: title.clone() };
        let place = call.place();
        let declared = match (name, client) {
            (Some(name), Some(client)) if call.is_good() => {
                Some(DeclaredSite { name, client, title, location, place })
            }
            _ => None,
        };
        Session::add(eval, call, &value.name, declared, |all, site| all.sites.push(site))?;
        Ok(value)
    }
}
