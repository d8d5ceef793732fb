//! `operation`: an operation of a workspace's own, from a command that tells the state and commands that change it.

use std::time::Duration;

use either::Either;
use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::none::NoneOr;

use super::argument::{checked_line, checked_text, given, quoted};
use super::server_shell::checked_limit;
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script, word_of};

/// The longest name of an operation, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The most commands of one operation.
const COMMANDS_MAX: usize = 1_000;
/// The longest state, in bytes: what the host says of it is cut there.
const STATE_BYTES_MAX: usize = 64 * 1024;

/// The families that are ifrit's: who reads a plan must know whose operation it is.
const FAMILIES: [&str; 25] = [
    "apk",
    "apt",
    "bsdinit",
    "crontab",
    "doas",
    "files",
    "freebsd",
    "freebsd_update",
    "git",
    "jail",
    "lbu",
    "openrc",
    "pf",
    "pkg",
    "runit",
    "server",
    "service",
    "sshd",
    "sudo",
    "sysrc",
    "systemd",
    "sysvinit",
    "zfs",
    // What is none, but reads like one.
    "facts",
    "inventory",
];

/// sh code, or the words of one command.
type Command<'v> = Either<&'v str, UnpackListOrTuple<&'v str>>;
/// One command or several.
type Commands<'v> = Either<&'v str, UnpackListOrTuple<Command<'v>>>;

struct Own {
    name: String,
    subject: String,
    /// sh code that prints the state.
    reads: String,
    wanted: String,
    commands: Vec<String>,
    time_limit: Duration,
}

impl Own {
    fn probe(&self) -> Question {
        Question::new(&sh::OWN_STATE, [&self.reads])
    }
}

impl Operation for Own {
    const NAME: &'static str = "operation";

    fn name(&self) -> String {
        self.name.clone()
    }

    fn subject(&self) -> String {
        self.subject.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
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
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let action = self
            .commands
            .iter()
            .fold(Script::default(), |script, command| script.and(&sh::SHELL, &[command]));
        Ok(Decision::from_to(self.probe(), before, self.wanted.clone(), action))
    }
}

/// Returns sh code; words are quoted, each one word whatever is in it.
fn code_of(argument: &str, command: Command<'_>) -> Result<String, String> {
    let code = match command {
        Either::Left(code) => checked_text(argument, code)?,
        Either::Right(words) => {
            let words: Vec<String> = words
                .items
                .into_iter()
                .map(|word| checked_text(argument, word).map(|word| word_of(&word)))
                .collect::<Result<_, _>>()?;
            words.join(" ")
        }
    };
    if code.trim().is_empty() {
        return Err(format!("expected {argument} to be a command, got an empty one"));
    }
    Ok(code)
}

fn checked_operation(name: &str) -> Result<String, String> {
    let is_part = |part: &str| {
        part.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_part) || !name.contains('.') {
        return Err(format!("expected a name like `redis.setting`, got {}", quoted(name)));
    }
    let family = name.split('.').next().unwrap_or_default();
    if FAMILIES.contains(&family) {
        return Err(format!("expected a family of your own, got {}: `{family}` is ifrit's", quoted(name)));
    }
    Ok(name.to_owned())
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes an operation of your own: a command that prints the state, the state that is wanted, and the commands
    /// that bring it about. It is planned, shown as a diff, and looked at again before and after, as every operation.
    ///
    /// ```python
    /// def redis_setting(key, value):
    ///     return operation(
    ///         "redis.setting",
    ///         key,
    ///         reads = ["redis-cli", "--raw", "config", "get", key],
    ///         wanted = key + "\\n" + value,
    ///         commands = [["redis-cli", "config", "set", key, value], ["redis-cli", "config", "rewrite"]],
    ///     )
    /// ```
    ///
    /// # Arguments
    /// * `operation`: its name: `redis.setting`
    /// * `subject`: what it is about: a path, a key
    /// * `reads`: the command that prints the state and changes nothing: the list of its words, or sh code
    /// * `wanted`: what it prints when all is as it should be, without final newlines
    /// * `commands`: what changes it: sh code, or a list of commands, each the list of its words or sh code
    /// * `time_limit`: how long it may take, in seconds
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "each one by its name")]
    fn operation<'v>(
        operation: &'v str,
        subject: &'v str,
        #[starlark(require = named)] reads: Command<'v>,
        #[starlark(require = named)] wanted: &'v str,
        #[starlark(require = named)] commands: Commands<'v>,
        #[starlark(require = named, default = 300)] time_limit: i32,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let commands = match commands {
                Either::Left(code) => vec![code_of("commands", Either::Left(code))?],
                Either::Right(list) => {
                    let commands = list.items.into_iter().map(|command| code_of("commands", command));
                    commands.collect::<Result<_, _>>()?
                }
            };
            if commands.is_empty() || commands.len() > COMMANDS_MAX {
                return Err(format!("expected 1 to {COMMANDS_MAX} commands, got {}", commands.len()));
            }
            let wanted = checked_text("wanted", wanted.trim_end_matches('\n'))?;
            if wanted.len() > STATE_BYTES_MAX {
                return Err(format!("expected wanted of at most {STATE_BYTES_MAX} bytes"));
            }
            Ok(Own {
                name: checked_operation(operation)?,
                subject: checked_line("subject", subject)?,
                reads: code_of("reads", reads)?,
                wanted,
                commands,
                time_limit: checked_limit(time_limit)?,
            })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_a_family_of_ones_own() {
        let check =
            |name: &str, is_good: bool| assert_eq!(checked_operation(name).is_ok(), is_good, "{name}");
        check("redis.setting", true);
        check("my_app2.sub.thing", true);
        for name in
            ["redis", "Redis.x", "redis.", ".x", "redis.x y", "redis.x;y", "files.put", "service.x", ""]
        {
            check(name, false);
        }
        for function in lang::functions(&[crate::extension()]) {
            let family = function.name.split('.').next().unwrap_or_default();
            let is_ours = function.scope == lang::Scope::Deploys && function.name.contains('.');
            assert!(!is_ours || FAMILIES.contains(&family), "{}", function.name);
        }
    }
}
