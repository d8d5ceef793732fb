//! `server.timezone`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::given;
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
struct Timezone {
    timezone: String,
}

impl Timezone {
    fn probe(&self) -> Question {
        Question::new::<String>(&sh::TIMEZONE_STATE, [])
    }
}

impl Operation for Timezone {
    const NAME: &'static str = "server.timezone";

    fn subject(&self) -> String {
        self.timezone.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Entry("/etc/localtime".to_owned()), Area::Entry("/etc/timezone".to_owned())]
    }

    fn depends(&self) -> Vec<Area> {
        self.touches().into_iter().chain([Area::Packages]).collect()
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let action = Script::call(&sh::SET_TIMEZONE, &[&self.timezone]);
        Ok(Decision::from_to(self.probe(), before, self.timezone.clone(), action))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Sets the host's time zone.
    ///
    /// ```python
    /// server.timezone("Europe/Madrid")
    /// ```
    ///
    /// # Arguments
    /// * `timezone`: its name in /usr/share/zoneinfo
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn timezone<'v>(
        timezone: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let is_name = |part: &str| {
                !part.is_empty()
                    && !part.starts_with('.')
                    && part.bytes().all(|it| it.is_ascii_alphanumeric() || b"_+-.".contains(&it))
            };
            if !timezone.split('/').all(is_name) || timezone.starts_with('-') {
                return Err(format!(
                    "expected timezone to be a name like Europe/Madrid, got `{}`",
                    timezone.escape_debug()
                ));
            }
            Ok(Timezone { timezone: timezone.to_owned() })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
