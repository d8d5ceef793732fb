//! `service()`.

use std::fmt;
use std::hash::Hash;

use allocative::Allocative;
use either::Either;
use model::{PackageName, ServiceName, ServicePackage};
use starlark::any::ProvidesStaticType;
use starlark::collections::StarlarkHasher;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::eval::Evaluator;
use starlark::values::list::UnpackList;
use starlark::values::none::NoneOr;
use starlark::values::type_repr::StarlarkTypeRepr;
use starlark::values::{
    NoSerialize, StarlarkPagablePanic, StarlarkValue, StringValue, UnpackValue, Value, ValueOfUnchecked,
    starlark_value,
};
use starlark::{starlark_module, starlark_simple_value};

use crate::inventory::argument::Call;
use crate::inventory::client::ClientRef;
use crate::inventory::host::HostRef;
use crate::inventory::person::PersonRef;
use crate::inventory::session::{DeclaredService, Session};
use crate::limits::{PACKAGE_BYTES_MAX, SERVICE_PATH_BYTES_MAX, SERVICE_PATHS_MAX};

/// What `service()` returns.
#[derive(Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(crate) struct ServiceValue {
    name: String,
    client: String,
}

starlark_simple_value!(ServiceValue);

impl fmt::Display for ServiceValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service(\"{}\")", self.name.escape_debug())
    }
}

#[starlark_value(type = "Service")]
impl<'v> StarlarkValue<'v> for ServiceValue {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("service", methods);
        Some(METHODS.methods())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(ServiceValue::from_value(other).is_some_and(|other| other.name == self.name))
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        self.name.hash(hasher);
        Ok(())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// The service's name.
    #[starlark(attribute)]
    fn name<'v>(this: &'v ServiceValue) -> starlark::Result<&'v str> {
        Ok(&this.name)
    }

    /// The name of the service's client.
    #[starlark(attribute)]
    fn client<'v>(this: &'v ServiceValue) -> starlark::Result<&'v str> {
        Ok(&this.client)
    }
}

/// A service as an argument: what `service()` returned, or a name.
#[derive(StarlarkTypeRepr, UnpackValue)]
pub(crate) enum ServiceRef<'v> {
    Value(&'v ServiceValue),
    Name(StringValue<'v>),
}

#[starlark_module]
#[starlark_types(ServiceValue as Service)]
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    /// Declares a service: something that hosts do for a client.
    ///
    /// ```python
    /// service("shop", client = acme, hosts = web, port = 443, package = "nginx", depends_on = ["shop-db"])
    /// service("wiki", client = acme, hosts = "web-1", version_command = ["/opt/wiki/bin/wiki", "--version"], paths = ["/opt/wiki"])
    /// ```
    ///
    /// # Arguments
    /// * `name`: unique in the workspace; ASCII letters, digits, `.`, `_` and `-`
    /// * `client`: the client it is for, or its name
    /// * `hosts`: the host or the list of hosts that run it, or their names
    /// * `port`: the TCP or UDP port it answers on
    /// * `package`: the installed package that its software comes from
    /// * `version_command`: in place of `package`: the command that prints the software's version on a host, program and arguments
    /// * `paths`: directories on its hosts where a scan looks for software outside packages; absolute, at most 16, none = it looks nowhere
    /// * `depends_on`: services it needs, or their names; they may be declared later
    /// * `owner`: the person who answers for it, or their name
    /// * `critical`: True if its failure is an emergency
    #[expect(clippy::too_many_arguments, reason = "they are what people may declare, each one by its name")]
    fn service<'v>(
        name: ValueOfUnchecked<'v, String>,
        client: ValueOfUnchecked<'v, ClientRef<'v>>,
        hosts: ValueOfUnchecked<'v, Either<HostRef<'v>, UnpackList<HostRef<'v>>>>,
        #[starlark(require = named)] port: Option<ValueOfUnchecked<'v, NoneOr<i32>>>,
        #[starlark(require = named)] package: Option<ValueOfUnchecked<'v, NoneOr<String>>>,
        #[starlark(require = named)] version_command: Option<ValueOfUnchecked<'v, UnpackList<String>>>,
        #[starlark(require = named)] paths: Option<ValueOfUnchecked<'v, UnpackList<String>>>,
        #[starlark(require = named)] depends_on: Option<ValueOfUnchecked<'v, UnpackList<ServiceRef<'v>>>>,
        #[starlark(require = named)] owner: Option<ValueOfUnchecked<'v, NoneOr<PersonRef<'v>>>>,
        #[starlark(require = named)] critical: Option<ValueOfUnchecked<'v, bool>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<ServiceValue> {
        let mut call = Call::new(eval);
        let text = name.get().unpack_str().unwrap_or_default().to_owned();
        let name = call.name(name.get(), ServiceName::new);
        let client = call.client(client.get());
        let hosts = call.hosts(hosts.get());
        let port = call.port(port.map(|it| it.get()));
        let package = call.package(package.map(|it| it.get()), version_command.map(|it| it.get()));
        let paths = call.paths(paths.map(|it| it.get()));
        let depends_on = call.services(depends_on.map(|it| it.get()));
        let owner = call.owner(owner.map(|it| it.get()));
        let is_critical = call.flag("critical", critical.map(|it| it.get()));
        call.name_caller(eval);
        let value = ServiceValue { name: text, client: client.clone().unwrap_or_default() };
        let place = call.place();
        let declared = match (name, client) {
            (Some(name), Some(client)) if call.is_good() => Some(DeclaredService {
                name,
                client,
                hosts,
                port,
                package,
                paths,
                depends_on,
                owner,
                is_critical,
                place,
            }),
            _ => None,
        };
        Session::add(eval, call, &value.name, declared, |all, service| all.services.push(service))?;
        Ok(value)
    }
}

impl Call {
    fn package(&mut self, package: Option<Value<'_>>, command: Option<Value<'_>>) -> Option<ServicePackage> {
        let is_given = |value: &Option<Value<'_>>| value.is_some_and(|value| !value.is_none());
        if is_given(&package) && is_given(&command) {
            self.problem("expected either package or version_command, got both".to_owned());
        }
        if is_given(&command) {
            return self.command("version_command", command?).map(ServicePackage::VersionCommand);
        }
        let package = self.text("package", "a package name without spaces", package, is_package);
        package.map(|name| ServicePackage::Package(PackageName::new(name)))
    }

    /// Reads the argument `hosts`; the names are not looked up yet.
    pub fn hosts<'v>(&mut self, value: Value<'v>) -> Vec<String> {
        if let Ok(Some(host)) = HostRef::unpack_value(value) {
            return vec![host.name().to_owned()];
        }
        let read = |call: &mut Self, value: Value<'v>| match HostRef::unpack_value(value) {
            Ok(Some(host)) => Some(host.name().to_owned()),
            _ => {
                call.bad("hosts", "hosts or their names", value);
                None
            }
        };
        let was_good = self.is_good();
        let hosts = self.list("hosts", "a host, its name or a list of hosts", Some(value), read);
        if hosts.is_empty() && was_good && self.is_good() {
            self.empty("expected hosts to name at least one host, got none");
        }
        hosts
    }

    /// Reads the argument `paths`; sorted, each once.
    fn paths(&mut self, value: Option<Value<'_>>) -> Vec<String> {
        let expected =
            "absolute directories below `/` without `..`, blanks at their ends or control characters";
        let read = |call: &mut Self, value: Value<'_>| {
            let path = value.unpack_str().filter(|path| is_directory(path));
            if path.is_none() {
                call.bad("paths", expected, value);
            }
            path.map(|path| path.trim_end_matches('/').to_owned())
        };
        let mut paths = self.list("paths", "a list of absolute directories", value, read);
        if paths.len() > SERVICE_PATHS_MAX {
            let count = paths.len();
            self.problem(format!("expected at most {SERVICE_PATHS_MAX} elements in paths, got {count}"));
        }
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    fn services(&mut self, value: Option<Value<'_>>) -> Vec<String> {
        let read = |call: &mut Self, value| match ServiceRef::unpack_value(value) {
            Ok(Some(ServiceRef::Value(service))) => Some(service.name.clone()),
            Ok(Some(ServiceRef::Name(name))) => Some(name.as_str().to_owned()),
            _ => {
                call.bad("depends_on", "services or their names", value);
                None
            }
        };
        self.list("depends_on", "a list of services or their names", value, read)
    }
}

/// The whole file system is no service's directory.
fn is_directory(path: &str) -> bool {
    let parts = path.split('/').filter(|part| !part.is_empty());
    path.starts_with('/')
        && path.len() <= SERVICE_PATH_BYTES_MAX
        && path.trim() == path
        && !path.contains(char::is_control)
        && parts.clone().next().is_some()
        && parts.clone().all(|part| part != ".." && part != ".")
}

/// The union of what apk, dpkg and FreeBSD's pkg allow in a name; it is only compared, never run.
fn is_package(text: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._@:/".contains(&byte);
    let is_first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_';
    text.len() <= PACKAGE_BYTES_MAX && text.bytes().next().is_some_and(is_first) && text.bytes().all(is_valid)
}
