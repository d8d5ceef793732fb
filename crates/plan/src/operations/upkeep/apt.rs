//! `apt.update`, `apt.upgrade`, `apt.dist_upgrade` and `apt.deb`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::{LISTS, TIME_LIMIT, update, upgrade};
use crate::deploy::{Common, StepValue, run};
use crate::facts::Question;
use crate::operations::Area;
use crate::operations::argument::{checked_path, given, quoted, seconds};
use crate::operations::goal::{Goal, Named};
use crate::sh::{self, Script};

/// The longest age of lists, in seconds: ten years.
pub(in crate::operations) const CACHE_SECONDS_MAX: u32 = 315_360_000;

pub(in crate::operations) struct AptUpdate;

impl Named for AptUpdate {
    const NAME: &'static str = "apt.update";
}

pub(in crate::operations) struct AptUpgrade;

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

/// Fetches the lists of packages; with a number only where they are older, in seconds.
pub(in crate::operations) fn apt_update(cache_time: Option<i32>) -> Result<Goal<AptUpdate>, String> {
    let goal = update("apt", "", "", "");
    let Some(age) = cache_time else { return Ok(goal) };
    let age = seconds("cache_time", age, 0..=CACHE_SECONDS_MAX)?;
    let question = Question::new(&sh::LISTS_STATE, [age.to_string()]);
    let sources = Area::Tree("/etc/apt".to_owned());
    Ok(goal.asks(question, ["fresh"]).depends([LISTS, sources]))
}

/// Upgrades every package.
pub(in crate::operations) fn apt_upgrade(auto_remove: bool) -> Goal<AptUpgrade> {
    upgrade("apt", if auto_remove { "upgrade auto" } else { "upgrade" }, "", "", "")
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

#[starlark_module]
pub(in crate::operations) fn register(builder: &mut GlobalsBuilder) {
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
        let make = || Ok(apt_upgrade(auto_remove));
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
