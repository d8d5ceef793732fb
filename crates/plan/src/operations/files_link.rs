//! `files.link`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{checked_line, checked_path, given, quoted, removable};
use super::files_put::{Access, path_risks, refuse_other_kinds};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
struct Link {
    path: String,
    /// `None` = it is to go.
    target: Option<String>,
    access: Access,
    force: bool,
    makes_parent: bool,
}

impl Link {
    fn probe(&self) -> Question {
        Question::new(&sh::FILE_STATE, [self.path.clone(), format!("{}c", self.access.letters())])
    }
}

impl Operation for Link {
    const NAME: &'static str = "files.link";

    fn subject(&self) -> String {
        self.path.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Tree(self.path.clone())]
    }

    fn risks(&self) -> Vec<Risk> {
        let data = self.force.then_some(Risk::Data);
        path_risks(&self.path).into_iter().chain(data).collect()
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        if !self.force {
            refuse_other_kinds(&self.path, before.as_deref(), "link")?;
        }
        let path = self.path.as_str();
        let Some(target) = &self.target else {
            let action = Script::call(&sh::REMOVE_PATH, &[path, "link"]);
            return Ok(Decision::from_to(self.probe(), before, "absent".to_owned(), action));
        };
        let [_, user, group] = self.access.words();
        let force = if self.force { "force" } else { "" };
        let script = Script::default();
        let script =
            if self.makes_parent { script.and(&sh::MAKE_PARENT, &[path, user, group]) } else { script };
        let action = script.and(&sh::MAKE_LINK, &[path, target, user, group, force]);
        Ok(Decision::from_to(self.probe(), before, self.access.state("link", target), action))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a symbolic link is there, or is not.
    ///
    /// ```python
    /// files.link("/etc/nginx/sites-enabled/shop", target = "../sites-available/shop")
    /// ```
    ///
    /// # Arguments
    /// * `path`: the link
    /// * `target`: what it points to
    /// * `present`: False: it goes
    /// * `user`: its owner; as it is unless given
    /// * `group`: its group; as it is unless given
    /// * `force`: whether something else at the path is removed for it
    /// * `create_remote_dir`: whether its directory is created where it is missing
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn link<'v>(
        path: &'v str,
        #[starlark(default = NoneOr::None)] target: NoneOr<&'v str>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] user: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] group: NoneOr<&'v str>,
        #[starlark(require = named, default = false)] force: bool,
        #[starlark(require = named, default = true)] create_remote_dir: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let path = checked_path("path", path)?;
            if !present || force {
                removable("path", &path)?;
            }
            let target = given(target).map(|target| checked_line("target", target)).transpose()?;
            if present && target.as_ref().is_none_or(String::is_empty) {
                return Err(format!("expected target of the link {}", quoted(&path)));
            }
            let access = Access::read(NoneOr::None, user, group)?;
            Ok(Link {
                path,
                target: target.filter(|_| present),
                access,
                force,
                makes_parent: create_remote_dir,
            })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
