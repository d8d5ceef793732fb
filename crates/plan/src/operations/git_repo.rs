//! `git.repo`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;
use std::time::Duration;

use super::Area;
use super::argument::{checked_line, checked_path, given, optional_account, quoted};
use super::goal::{Goal, Named};
use crate::deploy::{Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// How long a clone may take.
const TIME_LIMIT: Duration = Duration::from_secs(1800);
/// The most commits of a shallow clone.
const DEPTH_MAX: u32 = 1_000_000;

struct Repo;

impl Named for Repo {
    const NAME: &'static str = "git.repo";
}

/// What is wanted of a checkout.
struct Checkout<'a> {
    src: &'a str,
    dest: &'a str,
    branch: &'a str,
    pull: bool,
    rebase: bool,
    user: String,
    group: String,
    modules: &'a str,
    depth: Option<i32>,
    tags: bool,
}

/// Checks a source: an address, `user@host:path` or a path, and no password.
fn checked_source(src: &str) -> Result<String, String> {
    let src = checked_line("src", src)?;
    let scheme = src.split_once("://").map(|(scheme, _)| scheme);
    let is_known = match scheme {
        Some(scheme) => ["https", "http", "ssh", "git", "file"].contains(&scheme),
        None => src.starts_with('/') || (src.contains(':') && !src.contains("::")),
    };
    if !is_known || src.starts_with('-') {
        return Err(format!("expected src to be an address of a repository, got {}", quoted(&src)));
    }
    let login = src.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.split_once('@'));
    if let Some((login, _)) = login
        && (scheme != Some("ssh") || login.contains(':'))
    {
        return Err(
            "src: a password or token in an address is seen by every process of the host and stays in the \
                    checkout: use a key of ssh or git's credential helper on the host"
                .to_owned(),
        );
    }
    Ok(src)
}

fn goal(wanted: &Checkout<'_>) -> Result<Goal<Repo>, String> {
    let src = checked_source(wanted.src)?;
    let dest = checked_path("dest", wanted.dest)?;
    let branch = checked_line("branch", wanted.branch)?;
    let is_ref = |letter: char| letter.is_ascii_alphanumeric() || "._/+-@".contains(letter);
    if branch.starts_with('-')
        || !branch.chars().all(is_ref)
        || branch.contains("..")
        || branch.contains("@{")
    {
        return Err(format!("expected branch to be a branch, tag or commit, got {}", quoted(&branch)));
    }
    let depth = match wanted.depth.map(u32::try_from) {
        None => String::new(),
        Some(Ok(depth)) if (1..=DEPTH_MAX).contains(&depth) => depth.to_string(),
        Some(_) => return Err(format!("expected depth of 1 to {DEPTH_MAX} commits")),
    };
    let pull = if wanted.pull { "pull" } else { "" };
    let flag = |is_so: bool| if is_so { "yes" } else { "" };
    let Checkout { modules, user, group, .. } = wanted;
    let asked = [dest.as_str(), &src, &branch, pull, modules, user];
    let action = [&asked[..], &[group.as_str(), &depth, flag(wanted.tags), flag(wanted.rebase)]].concat();
    Ok(Goal::new(dest.as_str(), Script::call(&sh::GIT_CHECKOUT, &action))
        .asks(Question::new(&sh::GIT_STATE, asked), ["origin same\ncheckout same\ntip same\nmodules same"])
        .touches([Area::Tree(dest.clone())])
        .depends([Area::Tree(dest), Area::Packages, Area::Accounts])
        .within(TIME_LIMIT))
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a directory is a checkout of a git repository. A branch follows the remote one by fast-forward; a
    /// tag or commit stays. git runs as `user`, so that hooks and settings of the checkout never run as root.
    ///
    /// ```python
    /// git.repo("https://example.org/app.git", "/srv/app", branch = "v1.2", user = "app")
    /// ```
    ///
    /// # Arguments
    /// * `src`: the repository: an address without a password, `git@host:path` or a path
    /// * `dest`: the directory
    /// * `branch`: a branch, tag or commit; else the remote's own branch
    /// * `pull`: whether a branch follows the remote one; the remote is asked at every plan
    /// * `rebase`: whether commits of the host are kept on top of the remote ones
    /// * `user`: as whom git runs and who owns the directory; else the login
    /// * `group`: the directory's group
    /// * `update_submodules`: whether submodules are checked out
    /// * `recursive_submodules`: whether those of submodules are, too
    /// * `depth`: how many commits are fetched
    /// * `fetch_tags`: whether every tag is fetched
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn repo<'v>(
        src: &'v str,
        dest: &'v str,
        #[starlark(default = NoneOr::None)] branch: NoneOr<&'v str>,
        #[starlark(require = named, default = true)] pull: bool,
        #[starlark(require = named, default = false)] rebase: bool,
        #[starlark(require = named, default = NoneOr::None)] user: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] group: NoneOr<&'v str>,
        #[starlark(require = named, default = false)] update_submodules: bool,
        #[starlark(require = named, default = false)] recursive_submodules: bool,
        #[starlark(require = named, default = NoneOr::None)] depth: NoneOr<i32>,
        #[starlark(require = named, default = false)] fetch_tags: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let modules = match (update_submodules, recursive_submodules) {
                (_, true) => "--recursive",
                (true, false) => "--",
                (false, false) => "",
            };
            let dash = |name: Option<String>| name.unwrap_or_else(|| "-".to_owned());
            goal(&Checkout {
                src,
                dest,
                branch: given(branch).unwrap_or_default(),
                pull,
                rebase,
                user: dash(optional_account("user", given(user))?),
                group: dash(optional_account("group", given(group))?),
                modules,
                depth: given(depth),
                tags: fetch_tags,
            })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
