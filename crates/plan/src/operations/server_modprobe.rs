//! `server.modprobe`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{OneOrMore, checked_name, given, texts};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// The most modules of one call.
const MODULES_MAX: usize = 100;

struct Modules {
    module: String,
    present: bool,
}

impl Modules {
    fn probe(&self) -> Question {
        Question::new(&sh::MODULE_STATE, [&self.module])
    }
}

impl Operation for Modules {
    const NAME: &'static str = "server.modprobe";

    fn subject(&self) -> String {
        self.module.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Named("modules")]
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let (after, verb) = if self.present { ("loaded", "load") } else { ("absent", "remove") };
        let action = Script::call(&sh::SET_MODULE, &[self.module.as_str(), verb]);
        Ok(Decision::from_to(self.probe(), before, after.to_owned(), action))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that kernel modules are loaded, or are not: a step for each. The next boot is not changed.
    ///
    /// ```python
    /// server.modprobe("tun")
    /// ```
    ///
    /// # Arguments
    /// * `module`: a module or a list of them
    /// * `present`: False: it is removed
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn modprobe<'v>(
        module: OneOrMore<'v>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let modules = texts(module);
        let is_several = (1..=MODULES_MAX).contains(&modules.len());
        let none = || Err(format!("expected 1 to {MODULES_MAX} modules, got {}", modules.len()));
        let make = |module: &String| Ok(Modules { module: checked_name("module", module)?, present });
        let first = if is_several { make(&modules[0]) } else { none() };
        let common = || Common { name: given(name), when, handler };
        let mut step = run(eval, first, &common())?;
        for module in modules.iter().skip(1).filter(|_| is_several) {
            step = step.and(run(eval, make(module), &common())?);
        }
        Ok(step)
    }
}
