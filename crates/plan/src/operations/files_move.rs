//! `files.move`, `files.copy` and `files.flags`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::Area;
use super::argument::{OneOrMore, checked_path, given, quoted, removable, texts};
use super::goal::{Goal, Named};
use super::whole_file::path_risks;
use crate::deploy::{Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

struct Move;

impl Named for Move {
    const NAME: &'static str = "files.move";
}

struct Copy;

impl Named for Copy {
    const NAME: &'static str = "files.copy";
}

struct Flags;

impl Named for Flags {
    const NAME: &'static str = "files.flags";
}

/// Returns the two paths, the second one within the directory `dest`.
fn pair(src: &str, dest: &str) -> Result<(String, String), String> {
    let src = checked_path("src", src)?;
    let name = src.rsplit('/').next().unwrap_or_default();
    if name.is_empty() {
        return Err("expected src to be a path below the root".to_owned());
    }
    let dest = checked_path("dest", dest)?;
    let target = format!("{}/{name}", dest.trim_end_matches('/'));
    if target == src || target.starts_with(&format!("{src}/")) {
        return Err(format!("expected dest to be another place than src, got {}", quoted(&dest)));
    }
    Ok((src, target))
}

fn overwrite_word(overwrite: bool) -> &'static str {
    if overwrite { "overwrite" } else { "" }
}

fn move_goal(src: &str, dest: &str, overwrite: bool) -> Result<Goal<Move>, String> {
    let (src, target) = pair(src, dest)?;
    removable("src", &src)?;
    let action = Script::call(&sh::MOVE_PATH, &[&src, &target, overwrite_word(overwrite)]);
    let goal = Goal::new(src.as_str(), action)
        .asks(Question::new(&sh::PATHS_STATE, [src.as_str(), &target]), ["absent\nthere"])
        .refuses("absent\nabsent", format!("there is no {}", quoted(&src)))
        .risks(
            [path_risks(&src), path_risks(&target), if overwrite { vec![Risk::Data] } else { Vec::new() }]
                .concat(),
        );
    let there = format!("{} is there already and overwrite is not given", quoted(&target));
    let goal = if overwrite { goal } else { goal.refuses("there\nthere", there) };
    Ok(goal.touches([Area::Tree(src), Area::Tree(target)]))
}

fn copy_goal(src: &str, dest: &str, overwrite: bool) -> Result<Goal<Copy>, String> {
    let (src, target) = pair(src, dest)?;
    let action = Script::call(&sh::COPY_PATH, &[&src, &target, overwrite_word(overwrite)]);
    let goal = Goal::new(target.as_str(), action)
        .asks(Question::new(&sh::COPY_STATE, [src.as_str(), &target]), ["same"])
        .refuses("no source", format!("there is no {}", quoted(&src)))
        .risks(path_risks(&target));
    let differs = format!("{} is there already and differs, and overwrite is not given", quoted(&target));
    let goal = if overwrite { goal } else { goal.refuses("differs", differs) };
    Ok(goal.touches([Area::Tree(target.clone())]).depends([Area::Tree(src), Area::Tree(target)]))
}

fn flags_goal(path: &str, flags: Option<OneOrMore<'_>>, present: bool) -> Result<Goal<Flags>, String> {
    let path = checked_path("path", path)?;
    let flags = flags.map(texts).unwrap_or_default();
    let is_flag = |flag: &String| !flag.is_empty() && flag.bytes().all(|byte| byte.is_ascii_lowercase());
    if flags.is_empty() || !flags.iter().all(is_flag) {
        return Err("expected flags to be words like `uchg`".to_owned());
    }
    let word = |flag: &String| match (present, flag.strip_prefix("no")) {
        (true, _) => flag.clone(),
        // `nodump` is a flag, and `dump` takes it away.
        (false, Some(rest)) => rest.to_owned(),
        (false, None) => format!("no{flag}"),
    };
    let change: Vec<String> = flags.iter().map(word).collect();
    let state = if present { "set" } else { "clear" };
    let after: Vec<String> = flags.iter().map(|flag| format!("{flag} {state}")).collect();
    let question = Question::new(&sh::FLAGS_STATE, [vec![path.clone()], flags].concat());
    Ok(Goal::new(path.as_str(), Script::call(&sh::SET_FLAGS, &[path.as_str(), &change.join(",")]))
        .asks(question, [after.join("\n")])
        .touches([Area::Entry(path)]))
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Moves a file, directory or link of the host into a directory. Where it is there already and no longer at its
    /// old place, there is nothing to do.
    ///
    /// ```python
    /// files.move("/srv/upload/site", "/srv/www")
    /// ```
    ///
    /// # Arguments
    /// * `src`: what is moved
    /// * `dest`: the directory that it goes into
    /// * `overwrite`: whether what is there under this name is removed first
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn r#move<'v>(
        src: &'v str,
        dest: &'v str,
        #[starlark(require = named, default = false)] overwrite: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || move_goal(src, dest, overwrite);
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Copies a file, directory or link of the host into a directory, so that both are the same.
    ///
    /// ```python
    /// files.copy("/etc/nginx/nginx.conf", "/var/backups", overwrite = True)
    /// ```
    ///
    /// # Arguments
    /// * `src`: what is copied
    /// * `dest`: the directory that it goes into
    /// * `overwrite`: whether what differs there is overwritten
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn copy<'v>(
        src: &'v str,
        dest: &'v str,
        #[starlark(require = named, default = false)] overwrite: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || copy_goal(src, dest, overwrite);
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Sets or clears flags of a file, as chflags(1) of FreeBSD does.
    ///
    /// ```python
    /// files.flags("/etc/rc.conf", "schg")
    /// ```
    ///
    /// # Arguments
    /// * `path`: the file or directory
    /// * `flags`: a flag or a list of them
    /// * `present`: False: they are cleared
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn flags<'v>(
        path: &'v str,
        #[starlark(default = NoneOr::None)] flags: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || flags_goal(path, given(flags), present);
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
