//! Lists of packages, upgrades of everything: `apt.update`, `apk.upgrade`, `pkg.autoremove` and the like,
//! `freebsd.freebsd_update.update`, `lbu.commit`.

use std::time::Duration;

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::Area;
use super::argument::{checked_name, checked_path, given, quoted};
use super::goal::{Goal, Named};
use crate::deploy::{Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// How long an upgrade may take.
const TIME_LIMIT: Duration = Duration::from_secs(3600);
/// The longest age of lists, in seconds: ten years.
const CACHE_SECONDS_MAX: u32 = 315_360_000;
/// What fetching lists changes.
const LISTS: Area = Area::Named("lists");

struct AptUpdate;

impl Named for AptUpdate {
    const NAME: &'static str = "apt.update";
}

struct AptUpgrade;

impl Named for AptUpgrade {
    const NAME: &'static str = "apt.upgrade";
}

struct AptDistUpgrade;

impl Named for AptDistUpgrade {
    const NAME: &'static str = "apt.dist_upgrade";
}

struct AptDeb;

impl Named for AptDeb {
    const NAME: &'static str = "apt.deb";
}

struct ApkUpdate;

impl Named for ApkUpdate {
    const NAME: &'static str = "apk.update";
}

struct ApkUpgrade;

impl Named for ApkUpgrade {
    const NAME: &'static str = "apk.upgrade";
}

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

struct FreebsdUpdate;

impl Named for FreebsdUpdate {
    const NAME: &'static str = "freebsd.freebsd_update.update";
}

struct LbuCommit;

impl Named for LbuCommit {
    const NAME: &'static str = "lbu.commit";
}

/// An upgrade of everything: what would change is asked, and nothing is left afterwards.
fn upgrade<N: Named>(manager: &str, how: &str, jail: &str, repository: &str, force: &str) -> Goal<N> {
    let subject = if jail.is_empty() { manager.to_owned() } else { format!("{manager} in the jail {jail}") };
    let question = Question::new(&sh::PENDING_STATE, [manager, how, jail, repository]);
    let action = Script::call(&sh::UPGRADE_ALL, &[manager, how, jail, repository, force]);
    let repositories = ["/etc/apk", "/etc/apt", "/usr/local/etc/pkg"];
    let repositories = repositories.into_iter().map(|path| Area::Tree(path.to_owned()));
    Goal::new(subject, action)
        .asks(question, [""])
        .touches(Area::of_packages())
        .depends(repositories.chain([Area::Packages, LISTS]))
        .risks([Risk::Restart])
        .within(TIME_LIMIT)
}

fn update<N: Named>(manager: &str, jail: &str, force: &str, repository: &str) -> Goal<N> {
    let subject = if jail.is_empty() { manager.to_owned() } else { format!("{manager} in the jail {jail}") };
    let action = Script::call(&sh::UPDATE_LISTS, &[manager, jail, force, repository]);
    Goal::new(subject, action).touches([LISTS]).within(TIME_LIMIT)
}

fn apt_update(cache_time: Option<i32>) -> Result<Goal<AptUpdate>, String> {
    let goal = update("apt", "", "", "");
    let Some(seconds) = cache_time else { return Ok(goal) };
    let seconds = u32::try_from(seconds).ok().filter(|it| *it <= CACHE_SECONDS_MAX);
    let seconds =
        seconds.ok_or_else(|| format!("expected cache_time of 0 to {CACHE_SECONDS_MAX} seconds"))?;
    let question = Question::new(&sh::LISTS_STATE, [seconds.to_string()]);
    let sources = Area::Tree("/etc/apt".to_owned());
    Ok(goal.asks(question, ["fresh"]).depends([LISTS, sources]))
}

fn apt_deb(src: &str, present: bool, force: bool) -> Result<Goal<AptDeb>, String> {
    if src.contains("://") {
        return Err(format!(
            "expected src to be a path on the host, got {}: use files.download",
            quoted(src)
        ));
    }
    let src = checked_path("src", src)?;
    let (verb, after) = if present { ("install", vec!["installed"]) } else { ("remove", vec!["absent"]) };
    let words = [src.as_str(), verb, if force { "force" } else { "" }];
    let no_file = format!("there is no file {}, so its package is not known", quoted(&src));
    let repositories = Area::Tree("/etc/apt".to_owned());
    Ok(Goal::new(src.as_str(), Script::call(&sh::CHANGE_DEB, &words))
        .asks(Question::new(&sh::DEB_STATE, [src.as_str()]), after)
        .refuses("no file", no_file)
        .touches(Area::of_packages())
        .depends([Area::Packages, Area::Entry(src), repositories])
        .risks([if present { Risk::Restart } else { Risk::Data }])
        .within(TIME_LIMIT))
}

fn word(argument: &str, value: Option<&str>) -> Result<String, String> {
    value.map(|value| checked_name(argument, value)).transpose().map(Option::unwrap_or_default)
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

fn base_update() -> Goal<FreebsdUpdate> {
    Goal::new("FreeBSD", Script::call::<&str>(&sh::UPDATE_BASE, &[]))
        .asks(Question::new::<String>(&sh::BASE_STATE, []), Vec::<String>::new())
        .touches(Area::of_packages())
        .risks([Risk::Restart])
        .within(TIME_LIMIT)
}

fn lbu_commit(media: &str) -> Goal<LbuCommit> {
    Goal::new("changed files", Script::call(&sh::LBU_COMMIT, &[media]))
        .asks(Question::new::<String>(&sh::LBU_STATE, []), [""])
        .touches([Area::Named("lbu")])
        .depends([Area::Everything])
}

#[starlark_module]
pub(super) fn register_apt(builder: &mut GlobalsBuilder) {
    /// Fetches apt's lists of packages.
    ///
    /// ```python
    /// apt.update(cache_time = 3600)
    /// ```
    ///
    /// # Arguments
    /// * `cache_time`: the age in seconds below which there is nothing to do
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn update<'v>(
        #[starlark(default = NoneOr::None)] cache_time: NoneOr<i32>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || apt_update(given(cache_time));
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Upgrades every package of a Debian host that can be without removing another. Changed files of configuration
    /// stay, and nothing is asked.
    ///
    /// ```python
    /// apt.update()
    /// apt.upgrade()
    /// ```
    ///
    /// # Arguments
    /// * `auto_remove`: whether packages that nothing needs any more are removed
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn upgrade<'v>(
        #[starlark(require = named, default = false)] auto_remove: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            Ok(upgrade::<AptUpgrade>("apt", if auto_remove { "upgrade auto" } else { "upgrade" }, "", "", ""))
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Upgrades every package of a Debian host, also where others have to be removed or installed for it.
    ///
    /// ```python
    /// apt.dist_upgrade()
    /// ```
    ///
    /// # Arguments
    /// * `auto_remove`: whether packages that nothing needs any more are removed
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn dist_upgrade<'v>(
        #[starlark(require = named, default = false)] auto_remove: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            Ok(upgrade::<AptDistUpgrade>(
                "apt",
                if auto_remove { "dist-upgrade auto" } else { "dist-upgrade" },
                "",
                "",
                "",
            ))
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Makes sure that the package of a .deb file is installed in its version, with what it needs, or is not installed.
    ///
    /// ```python
    /// files.put("files/tool.deb", "/var/cache/tool.deb")
    /// apt.deb("/var/cache/tool.deb")
    /// ```
    ///
    /// # Arguments
    /// * `src`: the file on the host
    /// * `present`: False: its package goes
    /// * `force`: whether it may take the place of a newer or held version
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn deb<'v>(
        src: &'v str,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] force: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || apt_deb(src, present, force);
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_apk(builder: &mut GlobalsBuilder) {
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
        let make = || Ok(update::<ApkUpdate>("apk", "", "", ""));
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
        let make = || Ok(upgrade::<ApkUpgrade>("apk", if available { "available" } else { "" }, "", "", ""));
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_pkg(builder: &mut GlobalsBuilder) {
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

#[starlark_module]
pub(super) fn register_freebsd_update(builder: &mut GlobalsBuilder) {
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

#[starlark_module]
pub(super) fn register_lbu(builder: &mut GlobalsBuilder) {
    /// Saves what has changed on an Alpine host that runs from memory, as lbu(8) does.
    ///
    /// ```python
    /// lbu.commit(handler = True)
    /// ```
    ///
    /// # Arguments
    /// * `media`: where it is saved: `usb`; else what /etc/lbu/lbu.conf says
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn commit<'v>(
        #[starlark(require = named, default = NoneOr::None)] media: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Ok(lbu_commit(&word("media", given(media))?));
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
