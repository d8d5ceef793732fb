//! `server.sysctl`.

use either::Either;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::none::NoneOr;

use super::argument::{NumberOrText, as_text, checked_line, checked_path, given};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

struct Sysctl {
    key: String,
    value: String,
    /// Where it is kept; empty = it is not.
    file: String,
}

impl Sysctl {
    fn probe(&self) -> Question {
        Question::new(&sh::SYSCTL_STATE, [&self.key, &self.file, &self.value])
    }
}

impl Operation for Sysctl {
    const NAME: &'static str = "server.sysctl";

    fn subject(&self) -> String {
        self.key.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        let file = (!self.file.is_empty()).then(|| Area::Entry(self.file.clone()));
        file.into_iter().chain([Area::Named("sysctl")]).collect()
    }

    fn depends(&self) -> Vec<Area> {
        self.touches().into_iter().chain([Area::Named("modules")]).collect()
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let kept = if self.file.is_empty() { "" } else { "\nkept" };
        let after = format!("runs {}{kept}", self.value);
        let key: String =
            self.key.chars().flat_map(|it| if it == '.' { vec!['\\', it] } else { vec![it] }).collect();
        let pattern = format!("^[ \t]*{key}[ \t]*=.*$");
        let words = [self.key.as_str(), &self.value, &self.file, &pattern];
        Ok(Decision::from_to(self.probe(), before, after, Script::call(&sh::SET_SYSCTL, &words)))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Sets a setting of the kernel.
    ///
    /// ```python
    /// server.sysctl("net.ipv4.ip_forward", 1, persist = True)
    /// ```
    ///
    /// # Arguments
    /// * `key`: its name
    /// * `value`: its value; several words with a space between them, or as a list
    /// * `persist`: whether it is kept for the next boot
    /// * `persist_file`: where it is kept
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn sysctl<'v>(
        key: &'v str,
        value: Either<NumberOrText<'v>, UnpackListOrTuple<NumberOrText<'v>>>,
        #[starlark(require = named, default = false)] persist: bool,
        #[starlark(require = named, default = "/etc/sysctl.conf")] persist_file: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/%".contains(&byte);
            if !key.bytes().all(is_key) || !key.starts_with(|it: char| it.is_ascii_alphanumeric()) {
                return Err(format!(
                    "expected key to be the name of a setting, got `{}`",
                    key.escape_debug()
                ));
            }
            let values: Vec<String> = match value {
                Either::Left(value) => vec![as_text(value)],
                Either::Right(values) => values.items.into_iter().map(as_text).collect(),
            };
            let value = values.iter().flat_map(|it| it.split_whitespace()).collect::<Vec<_>>().join(" ");
            let file = if persist { checked_path("persist_file", persist_file)? } else { String::new() };
            Ok(Sysctl { key: key.to_owned(), value: checked_line("value", &value)?, file })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
