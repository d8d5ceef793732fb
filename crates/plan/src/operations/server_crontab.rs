//! `server.crontab`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{NumberOrText, UNEXPANDED, as_text, checked_account, checked_line, given, so_anyway};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
struct Crontab {
    command: String,
    user: String,
    name: String,
    /// Empty = the entry is to go.
    line: String,
}

impl Crontab {
    fn probe(&self) -> Question {
        Question::new(&sh::CRON_STATE, [&self.user, &self.name, &self.command])
    }
}

impl Operation for Crontab {
    const NAME: &'static str = "server.crontab";

    fn subject(&self) -> String {
        if self.name.is_empty() { self.command.clone() } else { self.name.clone() }
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Named("crontab")]
    }

    fn risks(&self) -> Vec<Risk> {
        vec![Risk::Unknown]
    }

    fn depends(&self) -> Vec<Area> {
        vec![Area::Named("crontab"), Area::Accounts, Area::Packages]
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let words = [self.user.as_str(), &self.name, &self.command, &self.line];
        let action = Script::call(&sh::CHANGE_CRONTAB, &words);
        let after = if self.line.is_empty() { String::new() } else { format!("= {}", self.line) };
        Ok(Decision::from_to(self.probe(), before, after, action))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a command is in a user's crontab, or is not.
    ///
    /// ```python
    /// server.crontab("/usr/local/bin/backup", cron_name = "backup", minute = 0, hour = 3)
    /// ```
    ///
    /// # Arguments
    /// * `command`: the command
    /// * `present`: False: it goes
    /// * `user`: whose crontab; of the login that runs it unless given
    /// * `cron_name`: a name to find the entry by, which is kept in a comment; else it is found by its command
    /// * `minute`: 0 to 59, or as crontab(5) has it
    /// * `hour`: 0 to 23
    /// * `day_of_month`: 1 to 31
    /// * `month`: 1 to 12
    /// * `day_of_week`: 0 (Sunday) to 6
    /// * `special_time`: in place of these: `@daily`, `@reboot`
    /// * `interpolate_variables`: False, as it always is: no shell ever expands a text of a deploy
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn crontab<'v>(
        command: &'v str,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] user: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] cron_name: NoneOr<&'v str>,
        #[starlark(require = named, default = either::Either::Right("*"))] minute: NumberOrText<'v>,
        #[starlark(require = named, default = either::Either::Right("*"))] hour: NumberOrText<'v>,
        #[starlark(require = named, default = either::Either::Right("*"))] day_of_month: NumberOrText<'v>,
        #[starlark(require = named, default = either::Either::Right("*"))] month: NumberOrText<'v>,
        #[starlark(require = named, default = either::Either::Right("*"))] day_of_week: NumberOrText<'v>,
        #[starlark(require = named, default = NoneOr::None)] special_time: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] interpolate_variables: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            so_anyway("interpolate_variables", interpolate_variables, false, UNEXPANDED)?;
            let times = [minute, hour, month, day_of_month, day_of_week].map(as_text);
            let is_time = |text: &str| {
                !text.is_empty()
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*/,-".contains(&byte))
            };
            let special = given(special_time);
            if !times.iter().all(|time| is_time(time))
                || special.is_some_and(|it| !it.starts_with('@') || !is_time(&it[1..]))
            {
                return Err("expected times as crontab(5) has them".to_owned());
            }
            let [minute, hour, month, day_of_month, day_of_week] = times;
            let command = checked_line("command", command)?;
            let time = special
                .map_or(format!("{minute} {hour} {day_of_month} {month} {day_of_week}"), str::to_owned);
            Ok(Crontab {
                line: if present { format!("{time} {command}") } else { String::new() },
                command,
                user: given(user).map(|user| checked_account("user", user)).transpose()?.unwrap_or_default(),
                name: given(cron_name)
                    .map(|name| checked_line("cron_name", name))
                    .transpose()?
                    .unwrap_or_default(),
            })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
