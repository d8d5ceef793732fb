//! `files.unarchive` and `files.archive`.

use std::time::Duration;

use model::Content;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::Area;
use super::argument::{OneOrMore, checked_line, checked_path, given, optional_account, quoted, texts};
use super::files_put::asset;
use super::goal::{Goal, Named};
use crate::deploy::{Common, Session, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// How long packing and unpacking may take.
const TIME_LIMIT: Duration = Duration::from_secs(1800);
/// The largest archive that travels in a plan, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The formats, by the end of the name.
const ENDINGS: [&str; 9] =
    [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".zip"];

struct Unarchive;

impl Named for Unarchive {
    const NAME: &'static str = "files.unarchive";
}

struct Archive;

impl Named for Archive {
    const NAME: &'static str = "files.archive";
}

fn checked_format<'a>(argument: &str, path: &'a str) -> Result<&'a str, String> {
    let name = path.rsplit('/').next().unwrap_or_default();
    if ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return Ok(name);
    }
    Err(format!("expected {argument} to end in one of {}, got {}", ENDINGS.join(", "), quoted(path)))
}

fn options(given: Option<OneOrMore<'_>>) -> Result<Vec<String>, String> {
    /// The most options.
    const MAX: usize = 20;
    let options = given.map(texts).unwrap_or_default();
    let is_option = |text: &String| text.starts_with('-');
    if options.len() > MAX || !options.iter().all(is_option) {
        return Err(format!("expected extra_opts to be at most {MAX} options, each beginning with `-`"));
    }
    options.iter().map(|text| checked_line("extra_opts", text)).collect()
}

fn unarchive_goal(
    archive: Option<Vec<u8>>,
    src: &str,
    dest: &str,
    creates: Option<&str>,
    words: &[String],
) -> Result<Goal<Unarchive>, String> {
    let dest = checked_path("dest", dest)?;
    let name = checked_format("src", src)?;
    let words = [&[name.to_owned(), dest.clone()], words].concat();
    let (action, bodies) = match archive {
        Some(bytes) if bytes.len() > BODY_BYTES_MAX => {
            return Err(format!(
                "expected an archive of at most {BODY_BYTES_MAX} bytes, got {}",
                bytes.len()
            ));
        }
        Some(bytes) => (Script::default().and_body(&sh::UNPACK, 0, &words), vec![Content::plain(bytes)]),
        None => {
            let src = checked_path("src", src)?;
            (Script::call(&sh::UNPACK, &[vec![src], words].concat()), Vec::new())
        }
    };
    let goal = Goal::new(dest.as_str(), action).with_bodies(bodies).within(TIME_LIMIT);
    let goal = match creates {
        Some(path) => {
            let path = checked_path("creates", path)?;
            goal.asks(Question::new(&sh::PATHS_STATE, [path.as_str()]), ["there"])
                .touches([Area::Tree(dest), Area::Entry(path)])
        }
        None => goal.touches([Area::Tree(dest)]),
    };
    Ok(goal)
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Unpacks an archive into a directory that is there. Without `creates` it is unpacked every time.
    ///
    /// ```python
    /// files.unarchive("files/app-1.2.tar.gz", "/srv/app", creates = "/srv/app/app-1.2")
    /// files.unarchive("/srv/app-1.2.tar.gz", "/srv/app", remote_src = True, creates = "/srv/app/app-1.2")
    /// ```
    ///
    /// # Arguments
    /// * `src`: the archive: a file of the workspace, its path from the root (tar, with gz, bz2, xz or zst; zip)
    /// * `dest`: the directory on the host
    /// * `remote_src`: whether `src` is a path on the host
    /// * `creates`: a path: where something is there, there is nothing to do
    /// * `extra_opts`: more options for tar or unzip
    /// * `user`: who owns the directory and all below it afterwards
    /// * `group`: their group
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn unarchive<'v>(
        src: &'v str,
        dest: &'v str,
        #[starlark(require = named, default = false)] remote_src: bool,
        #[starlark(require = named, default = NoneOr::None)] creates: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] extra_opts: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = NoneOr::None)] user: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] group: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            let bytes = if remote_src { None } else { Some(asset(session, src)?) };
            let user = optional_account("user", given(user))?.unwrap_or_else(|| "-".to_owned());
            let group = optional_account("group", given(group))?.unwrap_or_else(|| "-".to_owned());
            let words = [vec![user, group], options(given(extra_opts))?].concat();
            unarchive_goal(bytes, src, dest, given(creates), &words)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Packs a file or directory of the host into a tar archive beside others, where that archive is not there.
    /// It is not packed again when what is in it changes.
    ///
    /// ```python
    /// files.archive("/srv/app", "/var/backups/app-before-2.0.tar.gz")
    /// ```
    ///
    /// # Arguments
    /// * `src`: what is packed
    /// * `dest`: the archive: its name ends in .tar, .tar.gz, .tgz, .tar.bz2, .tbz2, .tar.xz or .txz
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn archive<'v>(
        src: &'v str,
        dest: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let src = checked_path("src", src)?;
            let dest = checked_path("dest", dest)?;
            if checked_format("dest", &dest)?.ends_with(".zip") || dest.ends_with(".zst") {
                return Err("expected dest to be a tar archive with gz, bz2, xz or nothing".to_owned());
            }
            let words = [src.as_str(), &dest];
            Ok(Goal::<Archive>::new(dest.as_str(), Script::call(&sh::PACK, &words))
                .asks(Question::new(&sh::PATHS_STATE, [dest.as_str()]), ["there"])
                .touches([Area::Entry(dest.clone())])
                .within(TIME_LIMIT))
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
