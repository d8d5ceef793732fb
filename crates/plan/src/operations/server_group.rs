//! `server.group`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{NumberOrText, as_text, checked_account, given};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
/// The largest group number that hosts agree on.
const GID_MAX: u32 = 2_147_483_647;

struct Group {
    group: String,
    present: bool,
    gid: String,
    system: bool,
}

impl Group {
    fn probe(&self) -> Question {
        Question::new(&sh::GROUP_STATE, [&self.group, &self.gid])
    }
}

impl Operation for Group {
    const NAME: &'static str = "server.group";

    fn subject(&self) -> String {
        self.group.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Accounts, Area::Entry("/etc/group".to_owned())]
    }

    fn risks(&self) -> Vec<Risk> {
        vec![Risk::Access]
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        if !self.present {
            let action = Script::call(&sh::REMOVE_GROUP, &[&self.group]);
            return Ok(Decision::from_to(self.probe(), before, "absent".to_owned(), action));
        }
        let system = if self.system { "system" } else { "" };
        let action = Script::call(&sh::MAKE_GROUP, &[self.group.as_str(), &self.gid, system]);
        let after = format!("group {}", self.gid);
        Ok(Decision::from_to(self.probe(), before, after.trim_end().to_owned(), action))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a group is there, or is not.
    ///
    /// ```python
    /// server.group("app", system = True)
    /// ```
    ///
    /// # Arguments
    /// * `group`: its name
    /// * `present`: False: it goes
    /// * `system`: whether a new one is a group of the system
    /// * `gid`: its number
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn group<'v>(
        group: &'v str,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] system: bool,
        #[starlark(require = named, default = NoneOr::None)] gid: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let group = checked_account("group", group)?;
            let gid = given(gid).map(as_text).unwrap_or_default();
            if !gid.is_empty() && gid.parse::<u32>().ok().is_none_or(|gid| gid > GID_MAX) {
                return Err(format!(
                    "expected gid to be a number up to {GID_MAX}, got `{}`",
                    gid.escape_debug()
                ));
            }
            Ok(Group { group, present, gid, system })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
