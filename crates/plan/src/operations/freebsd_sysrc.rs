//! `freebsd.sysrc`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{NumberOrText, as_text, checked_line, checked_name, checked_path, given, so_anyway};
use super::services::freebsd::jail_name;
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
struct Sysrc {
    parameter: String,
    value: String,
    command: &'static str,
    file: String,
    jail: String,
}

impl Sysrc {
    fn probe(&self) -> Question {
        Question::new(&sh::SYSRC_STATE, [&self.parameter, &self.file, &self.jail])
    }
}

impl Operation for Sysrc {
    const NAME: &'static str = "freebsd.sysrc";

    fn subject(&self) -> String {
        match self.jail.as_str() {
            "" => self.parameter.clone(),
            jail => format!("{} in the jail {jail}", self.parameter),
        }
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        let file = if self.file.is_empty() { "/etc/rc.conf" } else { &self.file };
        vec![Area::Entry(file.to_owned())]
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let found = before.as_deref().and_then(|text| text.strip_prefix("= "));
        let words: Vec<&str> = found.unwrap_or_default().split_whitespace().collect();
        let has = words.contains(&self.value.as_str());
        let (name, value) = (&self.parameter, &self.value);
        let (after, change) = match self.command {
            "absent" => ("absent".to_owned(), String::new()),
            "add" if has => (before.clone().unwrap_or_default(), format!("{name}+={value}")),
            "add" => (["= ", &[words, vec![value]].concat().join(" ")].concat(), format!("{name}+={value}")),
            "sub" if has => {
                let rest: Vec<&str> = words.into_iter().filter(|word| word != value).collect();
                (["= ", &rest.join(" ")].concat(), format!("{name}-={value}"))
            }
            "sub" => (before.clone().unwrap_or_else(|| "absent".to_owned()), format!("{name}-={value}")),
            _ => (format!("= {value}"), format!("{name}={value}")),
        };
        let action = Script::call(&sh::SET_SYSRC, &[name.as_str(), &change, &self.file, &self.jail]);
        let decision = Decision::from_to(self.probe(), before, after.trim_end().to_owned(), action);
        Ok(if asked.is_none() && self.command != "set" { decision.without_after() } else { decision })
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a setting of rc.conf(5) has a value. It is `sysrc.sysrc` too, as in pyinfra.
    ///
    /// ```python
    /// freebsd.sysrc("sshd_enable", "YES")
    /// freebsd.sysrc("cloned_interfaces", "wg0", command = "add")
    /// ```
    ///
    /// # Arguments
    /// * `parameter`: its name
    /// * `value`: its value
    /// * `command`: `set`, `add` or `sub` (a word of the value), `absent`
    /// * `file`: another file than rc.conf
    /// * `jail`: the jail whose setting it is
    /// * `overwrite`: True, as it always is: a value that differs is set
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn sysrc<'v>(
        parameter: &'v str,
        #[starlark(default = NoneOr::None)] value: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = "set")] command: &'v str,
        #[starlark(require = named, default = NoneOr::None)] file: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] jail: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] overwrite: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            so_anyway("overwrite", overwrite, true, "a value that differs is always set")?;
            let command = match command {
                "set" => "set",
                "add" => "add",
                "sub" => "sub",
                "absent" => "absent",
                other => {
                    return Err(format!(
                        "expected command to be set, add, sub or absent, got `{}`",
                        other.escape_debug()
                    ));
                }
            };
            let value = given(value).map(as_text).unwrap_or_default();
            let file = given(file).map(|file| checked_path("file", file)).transpose()?.unwrap_or_default();
            let parameter = checked_name("parameter", parameter)?;
            if parameter.contains('=') {
                return Err("expected parameter without `=`".to_owned());
            }
            let jail = jail_name(given(jail))?;
            Ok(Sysrc { parameter, value: checked_line("value", &value)?, command, file, jail })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
