//! `pkg.packages`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::Packages;
use crate::deploy::{Common, StepValue, run};
use crate::operations::argument::{OneOrMore, given};

#[starlark_module]
pub(in crate::operations) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that packages are installed, or are not, on FreeBSD.
    ///
    /// ```python
    /// pkg.packages(["nginx", "curl"])
    /// pkg.packages("nginx=1.26.2-r0")
    /// ```
    ///
    /// # Arguments
    /// * `packages`: a package or a list of them; `name=version` pins a version
    /// * `present`: False: they go
    /// * `latest`: whether the newest version of the repositories is wanted
    /// * `update`: whether the lists of packages are fetched before something is installed
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn packages<'v>(
        packages: OneOrMore<'v>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] latest: bool,
        #[starlark(require = named, default = false)] update: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Packages::<3>::new(packages, present, latest, update);
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
