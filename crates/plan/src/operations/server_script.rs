//! `server.script` and `server.script_template`: scripts of the workspace, run on the host.

use std::time::Duration;

use model::{Content, ContentPiece, Risk};
use starlark::collections::SmallMap;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::none::NoneOr;

use super::Area;
use super::argument::{checked_text, given, quoted};
use super::decision::lines_diff;
use super::files_put::asset;
use super::goal::{Goal, Named};
use super::server_shell::{Guard, checked_limit};
use crate::deploy::{Common, Session, StepValue, render, run};
use crate::sh::{self, Script};

/// The most words that a script gets.
const WORDS_MAX: usize = 1_000;

struct Plain;

impl Named for Plain {
    const NAME: &'static str = "server.script";
}

struct Rendered;

impl Named for Rendered {
    const NAME: &'static str = "server.script_template";
}

/// A script that is run.
fn goal<N: Named>(
    src: &str,
    content: Content,
    words: &[&str],
    guard: &Guard,
    time_limit: Duration,
) -> Result<Goal<N>, String> {
    if words.len() > WORDS_MAX {
        return Err(format!("expected at most {WORDS_MAX} args, got {}", words.len()));
    }
    let words = words.iter().map(|it| checked_text("args", it)).collect::<Result<Vec<_>, _>>()?;
    // A person who approves a plan reads what will run.
    let shown = |piece: &ContentPiece| match piece {
        ContentPiece::Plain(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ContentPiece::Secret(secret) => format!("<secret {}>", secret.name),
    };
    let text: String = content.0.iter().map(shown).collect();
    let goal = Goal::new(src, Script::default().and_body(&sh::RUN_SCRIPT, 0, &words))
        .touches([Area::Everything])
        .risks([Risk::Unknown])
        .shows(lines_diff(None, &text))
        .with_bodies(vec![content])
        .within(time_limit);
    Ok(match guard.probe() {
        Some((question, after)) => goal.asks(question, [after]),
        None => goal,
    })
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Runs a script of the workspace on the host, by the interpreter that its first line names. Without a guard it
    /// runs every time, and is never run again after a crash. It is never kept on the host.
    ///
    /// ```python
    /// server.script("files/migrate.sh", args = ["--to", "42"], creates = "/srv/app/migrated-42")
    /// ```
    ///
    /// # Arguments
    /// * `src`: a file of the workspace, its path from the root
    /// * `args`: the words that it gets
    /// * `unless`: a command that changes nothing: where it succeeds, there is nothing to do
    /// * `creates`: a path: where something is there, there is nothing to do
    /// * `time_limit`: how long it may take, in seconds
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn script<'v>(
        src: &'v str,
        #[starlark(default = UnpackListOrTuple::default())] args: UnpackListOrTuple<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] unless: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] creates: NoneOr<&'v str>,
        #[starlark(require = named, default = 300)] time_limit: i32,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            let guard = Guard::read(given(unless), given(creates))?;
            let content = Content::plain(asset(session, src)?);
            goal::<Plain>(src, content, &args.items, &guard, checked_limit(time_limit)?)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Renders a template of the workspace, as `files.template` does, and runs it as `server.script` does. What is put
    /// into the template becomes a part of the script: give values that are not yours as `args`.
    ///
    /// ```python
    /// server.script_template("templates/join.sh.j2", leader = "db-1", unless = "test -e /srv/db/joined")
    /// ```
    ///
    /// # Arguments
    /// * `src`: a file of the workspace, its path from the root
    /// * `args`: the words that it gets
    /// * `unless`: a command that changes nothing: where it succeeds, there is nothing to do
    /// * `creates`: a path: where something is there, there is nothing to do
    /// * `time_limit`: how long it may take, in seconds
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    /// * `data`: names in the template: texts, numbers, lists, dictionaries, hosts, secrets; no quotes are added
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn script_template<'v>(
        src: &'v str,
        #[starlark(default = UnpackListOrTuple::default())] args: UnpackListOrTuple<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] unless: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] creates: NoneOr<&'v str>,
        #[starlark(require = named, default = 300)] time_limit: i32,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        #[starlark(kwargs)] data: SmallMap<String, Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            let guard = Guard::read(given(unless), given(creates))?;
            let source = String::from_utf8(asset(session, src)?)
                .map_err(|_| format!("src {}: expected UTF-8 text", quoted(src)))?;
            let data: Vec<(String, Value<'v>)> = data.into_iter().collect();
            let content = render(&source, src, &data)?;
            goal::<Rendered>(src, content, &args.items, &guard, checked_limit(time_limit)?)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
