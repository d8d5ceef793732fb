//! `lbu.commit`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::word;
use crate::deploy::{Common, StepValue, run};
use crate::facts::Question;
use crate::operations::Area;
use crate::operations::argument::given;
use crate::operations::goal::{Goal, Named};
use crate::sh::{self, Script};

struct LbuCommit;

impl Named for LbuCommit {
    const NAME: &'static str = "lbu.commit";
}

fn lbu_commit(media: &str) -> Goal<LbuCommit> {
    Goal::new("changed files", Script::call(&sh::LBU_COMMIT, &[media]))
        .asks(Question::new::<String>(&sh::LBU_STATE, []), [""])
        .touches([Area::Named("lbu")])
        .depends([Area::Everything])
}

#[starlark_module]
pub(in crate::operations) fn register(builder: &mut GlobalsBuilder) {
    /// Saves what has changed on an Alpine host that runs from memory, as lbu(8) does.
    ///
    /// ```python
    /// lbu.commit(handler = True)
    /// ```
    ///
    /// # Arguments
    /// * `media`: where it is saved: `usb`; else what /etc/lbu/lbu.conf says
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn commit<'v>(
        #[starlark(require = named, default = NoneOr::None)] media: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Ok(lbu_commit(&word("media", given(media))?));
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
