//! `apk.packages`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::Packages;
use crate::deploy::{Common, StepValue, run};
use crate::operations::argument::{OneOrMore, given};
use crate::operations::upkeep::apk::{apk_update, apk_upgrade};

#[starlark_module]
pub(in crate::operations) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that packages are installed, or are not, on Alpine Linux.
    ///
    /// ```python
    /// apk.packages(["nginx", "curl"])
    /// apk.packages("nginx=1.26.2-r0")
    /// ```
    ///
    /// # Arguments
    /// * `packages`: a package or a list of them; `name=version` pins a version
    /// * `present`: False: they go
    /// * `latest`: whether the newest version of the repositories is wanted
    /// * `update`: whether the lists of packages are fetched before something is installed
    /// * `upgrade`: whether all packages are upgraded before: a step of its own
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn packages<'v>(
        packages: OneOrMore<'v>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] latest: bool,
        #[starlark(require = named, default = false)] update: bool,
        #[starlark(require = named, default = false)] upgrade: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let common = || Common { name: given(name), when, handler };
        let mut before = None;
        if upgrade {
            if update {
                before = Some(run(eval, Ok(apk_update()), &common())?);
            }
            let upgraded = run(eval, Ok(apk_upgrade(false)), &common())?;
            before = Some(before.map_or(upgraded.clone(), |before| before.and(upgraded)));
        }
        let wanted = Packages::<1>::new(packages, present, latest, update && !upgrade);
        let packages = run(eval, wanted, &common())?;
        Ok(match before {
            Some(before) => before.and(packages),
            None => packages,
        })
    }
}
