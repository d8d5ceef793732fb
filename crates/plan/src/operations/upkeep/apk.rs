//! `apk.update` and `apk.upgrade`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::{update, upgrade};
use crate::deploy::{Common, StepValue, run};
use crate::operations::argument::given;
use crate::operations::goal::{Goal, Named};

pub(in crate::operations) struct ApkUpdate;

impl Named for ApkUpdate {
    const NAME: &'static str = "apk.update";
}

pub(in crate::operations) struct ApkUpgrade;

impl Named for ApkUpgrade {
    const NAME: &'static str = "apk.upgrade";
}

/// Fetches the lists of packages.
pub(in crate::operations) fn apk_update() -> Goal<ApkUpdate> {
    update("apk", "", "", "")
}

/// Upgrades every package.
pub(in crate::operations) fn apk_upgrade(available: bool) -> Goal<ApkUpgrade> {
    upgrade("apk", if available { "available" } else { "" }, "", "", "")
}

#[starlark_module]
pub(in crate::operations) fn register(builder: &mut GlobalsBuilder) {
    /// Fetches apk's lists of packages.
    ///
    /// ```python
    /// apk.update()
    /// ```
    ///
    /// # Arguments
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn update<'v>(
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Ok(apk_update());
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Upgrades every package of an Alpine host.
    ///
    /// ```python
    /// apk.update()
    /// apk.upgrade()
    /// ```
    ///
    /// # Arguments
    /// * `available`: whether packages that no repository has any more are replaced or removed
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn upgrade<'v>(
        #[starlark(require = named, default = false)] available: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Ok(apk_upgrade(available));
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
