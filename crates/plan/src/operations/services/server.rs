//! `server.service`, `sysvinit.service`.

use either::Either;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::{OnChange, Service, Verbs, run_service};
use crate::deploy::{Common, StepValue};
use crate::operations::argument::given;

#[starlark_module]
pub(in crate::operations) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a service runs or not, and starts at boot or not.
    ///
    /// ```python
    /// server.service("nginx", running = True, enabled = True)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager
    /// * `running`: whether it is to run; None = as it is
    /// * `restarted`: `.changed` of another step: it is restarted where that changed something; True: every time
    /// * `reloaded`: `.changed` of another step: it is reloaded where that changed something; True: every time
    /// * `enabled`: whether it starts at boot; as it is unless given
    /// * `command`: another word for its script, which is run every time
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn service<'v>(
        service: &'v str,
        #[starlark(require = named, default = NoneOr::Other(true))] running: NoneOr<bool>,
        #[starlark(require = named, default = Either::Left(false))] restarted: OnChange<'v>,
        #[starlark(require = named, default = Either::Left(false))] reloaded: OnChange<'v>,
        #[starlark(require = named, default = NoneOr::None)] enabled: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] command: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = |verbs: Verbs| {
            Service::<0>::new(service, given(running), given(enabled), verbs, given(command), "")
        };
        let common = Common { name: given(name), when, handler };
        run_service(eval, &make, [restarted, reloaded], &common)
    }
}
