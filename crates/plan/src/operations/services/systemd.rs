//! `systemd.service` and `systemd.daemon_reload`.

use either::Either;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::{OnChange, Service, Verbs, run_service};
use crate::deploy::{Common, StepValue, run};
use crate::operations::Area;
use crate::operations::argument::{checked_account, checked_name, given};
use crate::operations::goal::{Goal, Named};
use crate::sh::{self, Script};

struct DaemonReload;

impl Named for DaemonReload {
    const NAME: &'static str = "systemd.daemon_reload";
}

/// Returns the options of systemctl(1) that say whose manager is meant.
fn whose(user_mode: bool, machine: Option<&str>, user: Option<&str>) -> Result<String, String> {
    if user.is_some() && !user_mode {
        return Err("expected user_mode = True beside user_name".to_owned());
    }
    let user = user.map(|user| checked_account("user_name", user)).transpose()?;
    let machine = machine.map(|machine| checked_name("machine", machine)).transpose()?;
    let machine = match (user, machine) {
        (Some(user), machine) => {
            let machine = machine.unwrap_or_else(|| ".host".to_owned());
            Some(format!("--machine={user}@{machine}"))
        }
        (None, machine) => machine.map(|machine| format!("--machine={machine}")),
    };
    let mode = user_mode.then(|| "--user".to_owned());
    Ok(mode.into_iter().chain(machine).collect::<Vec<_>>().join(" "))
}

#[starlark_module]
pub(in crate::operations) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a service runs or not, and starts at boot or not.
    ///
    /// ```python
    /// systemd.service("nginx", running = True, enabled = True)
    ///
    /// files.put("files/app.service", "/etc/systemd/system/app.service")
    /// systemd.service("app", running = True, enabled = True, daemon_reload = True)
    /// ```
    ///
    /// # Arguments
    /// * `service`: its name for the service manager
    /// * `running`: whether it is to run; None = as it is
    /// * `restarted`: `.changed` of another step: it is restarted where that changed something; True: every time
    /// * `reloaded`: `.changed` of another step: it is reloaded where that changed something; True: every time
    /// * `enabled`: whether it starts at boot; as it is unless given
    /// * `command`: another word for systemctl, which is run every time
    /// * `daemon_reload`: whether systemd reads its units again before, where this one has changed
    /// * `user_mode`: whether it is a service of a user's own manager: `systemctl --user`
    /// * `machine`: the container of systemd-machined(8) that it runs in
    /// * `user_name`: with `user_mode`: whose manager; else the login's
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
        #[starlark(require = named, default = false)] daemon_reload: bool,
        #[starlark(require = named, default = false)] user_mode: bool,
        #[starlark(require = named, default = NoneOr::None)] machine: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] user_name: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = |verbs: Verbs| {
            let service = Service::<2>::new(
                service,
                given(running),
                given(enabled),
                verbs,
                given(command),
                &whose(user_mode, given(machine), given(user_name))?,
            )?;
            Ok(service.reading_again(daemon_reload))
        };
        let common = Common { name: given(name), when, handler };
        run_service(eval, &make, [restarted, reloaded], &common)
    }

    /// Lets systemd read its units again. It is done every time, so give it a `when`.
    ///
    /// ```python
    /// unit = files.put("files/app.service", "/etc/systemd/system/app.service")
    /// systemd.daemon_reload(when = unit.changed)
    /// ```
    ///
    /// # Arguments
    /// * `user_mode`: whether it is a user's own manager: `systemctl --user`
    /// * `machine`: the container of systemd-machined(8)
    /// * `user_name`: with `user_mode`: whose manager; else the login's
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn daemon_reload<'v>(
        #[starlark(require = named, default = false)] user_mode: bool,
        #[starlark(require = named, default = NoneOr::None)] machine: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] user_name: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let whose = whose(user_mode, given(machine), given(user_name))?;
            let action = Script::call(&sh::RUN_SERVICE, &["systemd", "", "daemon-reload", &whose]);
            Ok(Goal::<DaemonReload>::new("units", action).touches([Area::Services]))
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
