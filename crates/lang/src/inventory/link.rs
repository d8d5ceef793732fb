//! `link()`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::none::NoneType;
use starlark::values::{UnpackValue, Value, ValueOfUnchecked};

use crate::inventory::argument::Call;
use crate::inventory::host::{HostRef, HostValue};
use crate::inventory::session::{DeclaredLink, Session};

#[starlark_module]
#[starlark_types(HostValue as Host)]
pub(crate) fn register(builder: &mut GlobalsBuilder) {
    /// Declares that two hosts are joined: by a cable, a tunnel, a cross connect.
    ///
    /// An end is a host, its name, or `"host/interface"`.
    ///
    /// ```python
    /// link("fw-1/em2", "fw-2/em2")
    /// link(web[0], "switch-1/GigabitEthernet0/4")
    /// ```
    ///
    /// # Arguments
    /// * `a`: one end; it may be declared later
    /// * `b`: the other end
    fn link<'v>(
        a: ValueOfUnchecked<'v, HostRef<'v>>,
        b: ValueOfUnchecked<'v, HostRef<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let mut call = Call::new(eval);
        let a = call.link_end("a", a.get());
        let b = call.link_end("b", b.get());
        if a.is_some() && a == b {
            call.problem("expected a link between two ends, got the same one twice".to_owned());
        }
        call.name_caller(eval);
        let place = call.place();
        let declared = match (a, b) {
            (Some(a), Some(b)) if call.is_good() => Some(DeclaredLink { ends: [a, b], place }),
            _ => None,
        };
        // A link has no name that anything could refer to.
        Session::add(eval, call, "", declared, |all, link| all.links.push(link))?;
        Ok(NoneType)
    }
}

impl Call {
    /// Reads a host and, where it is said, its interface. Neither is looked up yet.
    fn link_end(&mut self, argument: &str, value: Value<'_>) -> Option<(String, Option<String>)> {
        let Ok(Some(end)) = HostRef::unpack_value(value) else {
            self.bad(argument, "a host, its name or \"host/interface\"", value);
            return None;
        };
        // No host's name has a `/`; an interface's may.
        let (host, interface) = match end.name().split_once('/') {
            Some((host, interface)) => (host, Some(interface.to_owned())),
            None => (end.name(), None),
        };
        Some((host.to_owned(), interface))
    }
}
