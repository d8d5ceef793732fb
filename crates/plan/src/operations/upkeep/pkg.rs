//! `pkg.update`, `pkg.upgrade`, `pkg.install` and the like, in jails too.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::{TIME_LIMIT, update, upgrade, word};
use crate::deploy::{Common, StepValue, run};
use crate::facts::Question;
use crate::operations::Area;
use crate::operations::argument::{checked_name, given};
use crate::operations::goal::{Goal, Named};
use crate::sh::{self, Script};

struct PkgUpdate;

impl Named for PkgUpdate {
    const NAME: &'static str = "pkg.update";
}

struct PkgUpgrade;

impl Named for PkgUpgrade {
    const NAME: &'static str = "pkg.upgrade";
}

struct PkgAutoremove;

impl Named for PkgAutoremove {
    const NAME: &'static str = "pkg.autoremove";
}

struct PkgClean;

impl Named for PkgClean {
    const NAME: &'static str = "pkg.clean";
}

struct PkgInstall;

impl Named for PkgInstall {
    const NAME: &'static str = "pkg.install";
}

struct PkgRemove;

impl Named for PkgRemove {
    const NAME: &'static str = "pkg.remove";
}

fn one_package<N: Named>(verb: &str, package: &str, jail: &str, repository: &str) -> Result<Goal<N>, String> {
    let package = checked_name("package", package)?;
    let (after, risk) = if verb == "install" { ("installed", Risk::Restart) } else { ("absent", Risk::Data) };
    let subject = if jail.is_empty() { package.clone() } else { format!("{package} in the jail {jail}") };
    let action = Script::call(&sh::CHANGE_PKG, &[verb, jail, &package, repository]);
    Ok(Goal::new(subject, action)
        .asks(Question::new(&sh::PKG_STATE, [jail, &package]), [after])
        .touches(Area::of_packages())
        .depends([Area::Packages, Area::Tree("/usr/local/etc/pkg".to_owned())])
        .risks([risk])
        .within(TIME_LIMIT))
}

#[starlark_module]
pub(in crate::operations) fn register(builder: &mut GlobalsBuilder) {
    /// Fetches pkg(8)'s lists of packages. It is `freebsd.pkg.update` too.
    ///
    /// ```python
    /// pkg.update()
    /// ```
    ///
    /// # Arguments
    /// * `jail`: the jail in which it is done
    /// * `force`: whether they are fetched though they are new
    /// * `reponame`: only this repository
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn update<'v>(
        #[starlark(require = named, default = NoneOr::None)] jail: NoneOr<&'v str>,
        #[starlark(require = named, default = false)] force: bool,
        #[starlark(require = named, default = NoneOr::None)] reponame: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let force = if force { "force" } else { "" };
            Ok(update::<PkgUpdate>(
                "pkg",
                &word("jail", given(jail))?,
                force,
                &word("reponame", given(reponame))?,
            ))
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Upgrades every package of a FreeBSD host. It is `freebsd.pkg.upgrade` too.
    ///
    /// ```python
    /// pkg.update()
    /// pkg.upgrade()
    /// ```
    ///
    /// # Arguments
    /// * `jail`: the jail in which it is done
    /// * `force`: whether packages are installed again though they are the same
    /// * `reponame`: only this repository
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn upgrade<'v>(
        #[starlark(require = named, default = NoneOr::None)] jail: NoneOr<&'v str>,
        #[starlark(require = named, default = false)] force: bool,
        #[starlark(require = named, default = NoneOr::None)] reponame: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let force = if force { "force" } else { "" };
            let (jail, repository) = (word("jail", given(jail))?, word("reponame", given(reponame))?);
            Ok(upgrade::<PkgUpgrade>("pkg", "", &jail, &repository, force))
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Removes packages of a FreeBSD host that nothing needs any more. It is `freebsd.pkg.autoremove` too.
    ///
    /// ```python
    /// pkg.autoremove()
    /// ```
    ///
    /// # Arguments
    /// * `jail`: the jail in which it is done
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn autoremove<'v>(
        #[starlark(require = named, default = NoneOr::None)] jail: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let goal = upgrade::<PkgAutoremove>("pkg", "autoremove", &word("jail", given(jail))?, "", "");
            Ok(goal.risks([Risk::Data]))
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Removes the packages that pkg(8) has fetched and keeps. It is `freebsd.pkg.clean` too, and is done every time.
    ///
    /// ```python
    /// pkg.clean(all_pkg = True)
    /// ```
    ///
    /// # Arguments
    /// * `all_pkg`: whether those go too that could be installed again
    /// * `jail`: the jail in which it is done
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn clean<'v>(
        #[starlark(require = named, default = false)] all_pkg: bool,
        #[starlark(require = named, default = NoneOr::None)] jail: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let jail = word("jail", given(jail))?;
            let how = if all_pkg { "clean-all" } else { "clean" };
            let action = Script::call(&sh::UPGRADE_ALL, &["pkg", how, &jail]);
            Ok(Goal::<PkgClean>::new("fetched packages", action).touches([Area::Named("pkg-cache")]))
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Makes sure that one package of FreeBSD is installed, in a jail too. It is `freebsd.pkg.install` too.
    ///
    /// ```python
    /// pkg.install("nginx", jail = "web")
    /// ```
    ///
    /// # Arguments
    /// * `package`: its name
    /// * `jail`: the jail in which it is done
    /// * `reponame`: only from this repository
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn install<'v>(
        package: &'v str,
        #[starlark(require = named, default = NoneOr::None)] jail: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] reponame: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let (jail, repository) = (word("jail", given(jail))?, word("reponame", given(reponame))?);
            one_package::<PkgInstall>("install", package, &jail, &repository)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Makes sure that one package of FreeBSD is not installed, in a jail too. It is `freebsd.pkg.remove` too.
    ///
    /// ```python
    /// pkg.remove("nginx", jail = "web")
    /// ```
    ///
    /// # Arguments
    /// * `package`: its name
    /// * `jail`: the jail in which it is done
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn remove<'v>(
        package: &'v str,
        #[starlark(require = named, default = NoneOr::None)] jail: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || one_package::<PkgRemove>("remove", package, &word("jail", given(jail))?, "");
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
