//! `files.link`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{checked_line, checked_path, given, quoted, removable, so_anyway};
use super::making_room::Room;
use super::whole_file::{Access, path_risks, refuse_other_kinds};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
struct Link {
    path: String,
    /// `None` = it is to go.
    target: Option<String>,
    access: Access,
    room: Room,
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
        path_risks(&self.path).into_iter().chain(self.room.risks()).collect()
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let path = self.path.as_str();
        let Some(target) = &self.target else {
            refuse_other_kinds(path, before.as_deref(), "link")?;
            let action = Script::call(&sh::REMOVE_PATH, &[path, "link"]);
            return Ok(Decision::from_to(self.probe(), before, "absent".to_owned(), action));
        };
        let [_, user, group] = self.access.words();
        self.room.refuse(path, before.as_deref(), "link")?;
        let script = self.room.script(path, "link");
        let script =
            if self.makes_parent { script.and(&sh::MAKE_PARENT, &[path, user, group]) } else { script };
        let action = script.and(&sh::MAKE_LINK, &[path, target, user, group]);
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
    /// * `force`: whether something of another kind at the path makes room
    /// * `force_backup`: with `force`: whether it is kept beside itself, as `PATH.ifrit-TIME`; else it is removed
    /// * `force_backup_dir`: with `force`: the directory that it is kept in
    /// * `create_remote_dir`: whether its directory is created where it is missing
    /// * `symbolic`: True, as it always is: hard links are not managed
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
        #[starlark(require = named, default = true)] force_backup: bool,
        #[starlark(require = named, default = NoneOr::None)] force_backup_dir: NoneOr<&'v str>,
        #[starlark(require = named, default = true)] create_remote_dir: bool,
        #[starlark(require = named, default = NoneOr::None)] symbolic: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            so_anyway("symbolic", symbolic, true, "hard links are not managed")?;
            let path = checked_path("path", path)?;
            if !present {
                removable("path", &path)?;
            }
            let target = given(target).map(|target| checked_line("target", target)).transpose()?;
            if present && target.as_ref().is_none_or(String::is_empty) {
                return Err(format!("expected target of the link {}", quoted(&path)));
            }
            let access = Access::read(NoneOr::None, user, group)?;
            let room = Room::read(&path, force && present, force_backup, force_backup_dir)?;
            let target = target.filter(|_| present);
            Ok(Link { path, target, access, room, makes_parent: create_remote_dir })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
