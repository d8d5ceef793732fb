//! `apt.packages`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::Packages;
use crate::deploy::{Common, StepValue, run};
use crate::operations::argument::{OneOrMore, given, quoted, seconds, so_anyway, texts};
use crate::operations::upkeep::apt::{CACHE_SECONDS_MAX, apt_update, apt_upgrade};

/// Reads further options of apt-get: words, each of which is an option.
fn options(argument: &str, given: Option<OneOrMore<'_>>) -> Result<Vec<String>, String> {
    let texts = given.map(texts).unwrap_or_default();
    let words: Vec<String> =
        texts.iter().flat_map(|text| text.split_ascii_whitespace()).map(str::to_owned).collect();
    let is_option = |word: &String| {
        word.starts_with('-')
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-=:._/,+~".contains(&byte))
    };
    match words.iter().find(|word| !is_option(word)) {
        Some(word) => Err(format!("expected {argument} to be options like `--no-act`, got {}", quoted(word))),
        None => Ok(words),
    }
}

#[starlark_module]
pub(in crate::operations) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that packages are installed, or are not, on Debian.
    ///
    /// ```python
    /// apt.packages(["nginx", "curl"])
    /// apt.packages("nginx=1.22.1-9+deb12u1", update = True, cache_time = 3600)
    /// ```
    ///
    /// # Arguments
    /// * `packages`: a package or a list of them; `name=version` pins a version
    /// * `present`: False: they go
    /// * `latest`: whether the newest version of the repositories is wanted
    /// * `update`: whether the lists of packages are fetched before something is installed
    /// * `cache_time`: with `update`: the age in seconds below which lists are not fetched
    /// * `upgrade`: whether all packages are upgraded before: a step of its own
    /// * `no_recommends`: whether packages that are only recommended stay away
    /// * `allow_downgrades`: True, as it always is: a pinned version may be an older one
    /// * `purge`: with `present = False`: whether their files of configuration go too
    /// * `extra_install_args`: further options of apt-get for installing: `"--install-suggests"`
    /// * `extra_uninstall_args`: further options of apt-get for removing: `"--auto-remove"`
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn packages<'v>(
        packages: OneOrMore<'v>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] latest: bool,
        #[starlark(require = named, default = false)] update: bool,
        #[starlark(require = named, default = NoneOr::None)] cache_time: NoneOr<i32>,
        #[starlark(require = named, default = false)] upgrade: bool,
        #[starlark(require = named, default = false)] no_recommends: bool,
        #[starlark(require = named, default = NoneOr::None)] allow_downgrades: NoneOr<bool>,
        #[starlark(require = named, default = false)] purge: bool,
        #[starlark(require = named, default = NoneOr::None)] extra_install_args: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = NoneOr::None)] extra_uninstall_args: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let common = || Common { name: given(name), when, handler };
        let cache_time = given(cache_time);
        let mut before = None;
        if upgrade {
            if update {
                before = Some(run(eval, apt_update(cache_time), &common())?);
            }
            let upgraded = run(eval, Ok(apt_upgrade(false)), &common())?;
            before = Some(before.map_or(upgraded.clone(), |before| before.and(upgraded)));
        }
        let make = || {
            so_anyway("allow_downgrades", allow_downgrades, true, "a pinned version may be an older one")?;
            let age = cache_time.map(|it| seconds("cache_time", it, 0..=CACHE_SECONDS_MAX)).transpose()?;
            let mut installing = options("extra_install_args", given(extra_install_args))?;
            installing.extend(no_recommends.then(|| "--no-install-recommends".to_owned()));
            let mut removing = options("extra_uninstall_args", given(extra_uninstall_args))?;
            removing.extend(purge.then(|| "--purge".to_owned()));
            let wanted = Packages::<2>::new(packages, present, latest, update && !upgrade)?;
            Ok(wanted.with_cache_time(age).with_options(&installing, &removing))
        };
        let packages = run(eval, make(), &common())?;
        Ok(match before {
            Some(before) => before.and(packages),
            None => packages,
        })
    }
}
