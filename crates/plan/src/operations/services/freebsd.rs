//! `freebsd.service`, `bsdinit.service`.

use either::Either;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::{OnChange, Service, Verbs, run_service};
use crate::deploy::{Common, StepValue, run};
use crate::operations::argument::{checked_name, given, quoted};

/// Checks the name of a jail; empty = the host itself.
pub(in crate::operations) fn jail_name(jail: Option<&str>) -> Result<String, String> {
    jail.map(|jail| checked_name("jail", jail)).transpose().map(Option::unwrap_or_default)
}

/// What pyinfra's `srvstate` says: whether it runs, and what is done every time.
fn state(word: &str) -> Result<(Option<bool>, &'static str), String> {
    match word {
        "started" => Ok((Some(true), "")),
        "stopped" => Ok((Some(false), "")),
        "restarted" => Ok((None, "restart")),
        "reloaded" => Ok((None, "reload")),
        "custom" => Ok((None, "")),
        other => Err(format!(
            "expected srvstate to be started, stopped, restarted, reloaded or custom, got {}",
            quoted(other)
        )),
    }
}

#[starlark_module]
pub(in crate::operations) fn register_service(builder: &mut GlobalsBuilder) {
    /// Makes sure that a service of FreeBSD runs or not: pyinfra's `freebsd.service.service`.
    ///
    /// ```python
    /// service.service("nginx")
    /// service.service("nginx", srvstate = "reloaded", when = cfg.changed)
    /// ```
    ///
    /// # Arguments
    /// * `srvname`: its name for rc(8)
    /// * `jail`: the jail that it runs in
    /// * `srvstate`: `started`, `stopped`, `restarted`, `reloaded`, or `custom` with `command`
    /// * `command`: another word for its script, which is run every time
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn service<'v>(
        srvname: &'v str,
        #[starlark(require = named, default = NoneOr::None)] jail: NoneOr<&'v str>,
        #[starlark(require = named, default = "started")] srvstate: &'v str,
        #[starlark(require = named, default = NoneOr::None)] command: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let (running, verb) = state(srvstate)?;
            let command = given(command);
            if (srvstate == "custom") != command.is_some() {
                return Err("expected command with srvstate = \"custom\", and only then".to_owned());
            }
            let verbs: Verbs = [(!verb.is_empty(), verb), (false, "")];
            Service::<6>::new(srvname, running, None, verbs, command, &jail_name(given(jail))?)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(in crate::operations) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a service runs or not, and starts at boot or not.
    ///
    /// ```python
    /// freebsd.service("nginx", running = True, enabled = True)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager
    /// * `running`: whether it is to run; None = as it is
    /// * `restarted`: `.changed` of another step: it is restarted where that changed something; True: every time
    /// * `reloaded`: `.changed` of another step: it is reloaded where that changed something; True: every time
    /// * `enabled`: whether it starts at boot; as it is unless given
    /// * `command`: another word for its script, which is run every time
    /// * `jail`: the jail that it runs in
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
        #[starlark(require = named, default = NoneOr::None)] jail: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = |verbs: Verbs| {
            Service::<4>::new(
                service,
                given(running),
                given(enabled),
                verbs,
                given(command),
                &jail_name(given(jail))?,
            )
        };
        let common = Common { name: given(name), when, handler };
        run_service(eval, &make, [restarted, reloaded], &common)
    }
}
