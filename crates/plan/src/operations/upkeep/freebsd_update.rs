//! `freebsd.freebsd_update.update`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::TIME_LIMIT;
use crate::deploy::{Common, StepValue, run};
use crate::facts::Question;
use crate::operations::Area;
use crate::operations::argument::given;
use crate::operations::goal::{Goal, Named};
use crate::sh::{self, Script};

struct FreebsdUpdate;

impl Named for FreebsdUpdate {
    const NAME: &'static str = "freebsd.freebsd_update.update";
}

fn base_update() -> Goal<FreebsdUpdate> {
    Goal::new("FreeBSD", Script::call::<&str>(&sh::UPDATE_BASE, &[]))
        .asks(Question::new::<String>(&sh::BASE_STATE, []), Vec::<String>::new())
        .touches(Area::of_packages())
        .risks([Risk::Restart])
        .within(TIME_LIMIT)
}

#[starlark_module]
pub(in crate::operations) fn register(builder: &mut GlobalsBuilder) {
    /// Brings FreeBSD's base system to its newest patch level, by freebsd-update(8) or pkgbase, and asks nothing. What
    /// would come is known only once it is fetched, so it is done every time. Its output says where a reboot is needed; it
    /// never reboots.
    ///
    /// ```python
    /// patched = freebsd.freebsd_update.update()
    /// server.reboot(when = patched.changed)
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
        let make = || Ok(base_update());
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
