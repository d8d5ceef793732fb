//! `server.shell`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use std::time::Duration;

use super::argument::{OneOrMore, checked_path, checked_text, given, seconds, texts};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// The longest time that a command may be given, in seconds.
const SECONDS_MAX: u32 = 86_400;

struct Shell {
    commands: Vec<String>,
    guard: Guard,
    time_limit: Duration,
}

/// What says that a command need not run.
pub(super) enum Guard {
    None,
    Unless(String),
    Creates(String),
}

impl Guard {
    /// Reads the arguments.
    pub(super) fn read(unless: Option<&str>, creates: Option<&str>) -> Result<Self, String> {
        match (unless, creates) {
            (None, None) => Ok(Self::None),
            (Some(command), None) => Ok(Self::Unless(checked_text("unless", command)?)),
            (None, Some(path)) => Ok(Self::Creates(checked_path("creates", path)?)),
            _ => Err("expected either unless or creates, got both".to_owned()),
        }
    }

    /// Returns the question, and its answer where there is nothing to do.
    pub(super) fn probe(&self) -> Option<(Question, &'static str)> {
        match self {
            Self::None => None,
            Self::Unless(command) => Some((Question::new(&sh::GUARD_STATE, [command]), "done")),
            Self::Creates(path) => Some((Question::new(&sh::PATHS_STATE, [path]), "there")),
        }
    }
}

impl Operation for Shell {
    const NAME: &'static str = "server.shell";

    fn subject(&self) -> String {
        const CHARS_MAX: usize = 60;
        let first = self.commands.first().and_then(|it| it.lines().next()).unwrap_or_default();
        let shown: String = first.chars().take(CHARS_MAX).collect();
        let is_cut = shown.len() < first.len() || self.commands.len() > 1;
        if is_cut { format!("{shown}...") } else { shown }
    }

    fn questions(&self) -> Vec<Question> {
        self.guard.probe().map(|(question, _)| question).into_iter().collect()
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Everything]
    }

    fn risks(&self) -> Vec<Risk> {
        vec![Risk::Unknown]
    }

    fn time_limit(&self) -> Duration {
        self.time_limit
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let script = |script: Script, command: &String| script.and(&sh::SHELL, &[command]);
        let action = self.commands.iter().fold(Script::default(), script);
        let shown: String = self.commands.iter().map(|command| format!("{command}\n")).collect();
        let diff = super::decision::lines_diff(None, &shown);
        let Some((question, after)) = self.guard.probe() else {
            return Ok(Decision::always(action).with_diff(diff));
        };
        let before = asked.map(|asked| asked.said(&question)).transpose()?.flatten();
        Ok(Decision::from_to(question, before, after.to_owned(), action).with_diff(diff))
    }
}

/// Checks how long a command may take.
pub(super) fn checked_limit(time_limit: i32) -> Result<Duration, String> {
    Ok(Duration::from_secs(seconds("time_limit", time_limit, 1..=SECONDS_MAX)?.into()))
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Runs commands with sh. Without a guard it runs every time, and is never run again after a crash.
    ///
    /// ```python
    /// server.shell("newaliases", when = aliases.changed)
    /// server.shell("tar xf /srv/app.tar -C /srv/app", creates = "/srv/app/VERSION")
    /// ```
    ///
    /// # Arguments
    /// * `commands`: a command or a list of them; the first that fails ends it
    /// * `unless`: a command that changes nothing: where it succeeds, there is nothing to do
    /// * `creates`: a path: where something is there, there is nothing to do
    /// * `time_limit`: how long it may take, in seconds
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn shell<'v>(
        commands: OneOrMore<'v>,
        #[starlark(require = named, default = NoneOr::None)] unless: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] creates: NoneOr<&'v str>,
        #[starlark(require = named, default = 300)] time_limit: i32,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let commands = texts(commands)
                .iter()
                .map(|it| checked_text("commands", it))
                .collect::<Result<Vec<_>, _>>()?;
            if commands.is_empty() || commands.iter().any(|command| command.trim().is_empty()) {
                return Err("expected commands, got an empty one".to_owned());
            }
            let guard = Guard::read(given(unless), given(creates))?;
            Ok(Shell { commands, guard, time_limit: checked_limit(time_limit)? })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
