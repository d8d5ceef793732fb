//! `service.reload` and its kin.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::Service;
use crate::deploy::{Common, StepValue, run};
use crate::operations::argument::given;

#[starlark_module]
pub(in crate::operations) fn register(builder: &mut GlobalsBuilder) {
    /// Reloads a service.
    ///
    /// ```python
    /// service.reload("haproxy", when = cfg.changed)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager that the host has
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn reload<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Service::<5>::new(service, None, None, [(true, "reload"), (false, "")], None, "");
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Restarts a service.
    ///
    /// ```python
    /// service.restart("haproxy", when = cfg.changed)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager that the host has
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn restart<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Service::<5>::new(service, None, None, [(true, "restart"), (false, "")], None, "");
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Starts a service.
    ///
    /// ```python
    /// service.start("haproxy", when = cfg.changed)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager that the host has
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn start<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Service::<5>::new(service, None, None, [(true, "start"), (false, "")], None, "");
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Stops a service.
    ///
    /// ```python
    /// service.stop("haproxy", when = cfg.changed)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager that the host has
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn stop<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Service::<5>::new(service, None, None, [(true, "stop"), (false, "")], None, "");
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
