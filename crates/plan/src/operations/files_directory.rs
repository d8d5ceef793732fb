//! `files.directory`.

use model::{DiffLine, Risk};
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{NumberOrText, checked_path, given, removable};
use super::making_room::Room;
use super::whole_file::{Access, path_risks, refuse_other_kinds};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
pub(super) struct Directory {
    path: String,
    present: bool,
    access: Access,
    recursive: bool,
    room: Room,
}

impl Directory {
    /// A directory that is there and belongs to an account.
    pub(super) fn owned(path: &str, user: &str, group: &str) -> Result<Self, String> {
        let path = checked_path("home", path)?;
        let room = Room::read(&path, false, true, NoneOr::None)?;
        let access = Access::read(NoneOr::None, NoneOr::Other(user), NoneOr::Other(group))?;
        Ok(Self { path, present: true, access, recursive: false, room })
    }

    fn probe(&self) -> Question {
        Question::new(&sh::FILE_STATE, [self.path.clone(), self.access.letters()])
    }

    fn tree(&self) -> Question {
        let [mode, user, group] = self.access.words();
        Question::new(&sh::TREE_STATE, [self.path.as_str(), mode, user, group])
    }

    fn decide_present(&self, asked: Option<&Asked<'_>>, before: Option<String>) -> Result<Decision, String> {
        self.room.refuse(&self.path, before.as_deref(), "directory")?;
        let [mode, user, group] = self.access.words();
        let how = if self.recursive { "recursive" } else { "" };
        let room = self.room.script(&self.path, "directory");
        let action = room.and(&sh::MAKE_DIRECTORY, &[self.path.as_str(), mode, user, group, how]);
        let after = self.access.state("directory", "-");
        let decision = Decision::from_to(self.probe(), before, after, action);
        let Some(asked) = asked.filter(|_| self.recursive) else {
            // What is below is not in the probe: it is always walked.
            return Ok(if self.recursive { decision.without_after() } else { decision });
        };
        let rest = asked.said(&self.tree())?.unwrap_or_default();
        let is_done = decision.change() == model::Change::None && rest == "rest same";
        let mut decision = decision.without_after();
        decision.is_done = Some(is_done);
        if rest == "rest differs" {
            decision.diff.push(DiffLine::Added("mode, owner or group of what is below".to_owned()));
        }
        Ok(decision)
    }
}

impl Operation for Directory {
    const NAME: &'static str = "files.directory";

    fn subject(&self) -> String {
        self.path.clone()
    }

    fn questions(&self) -> Vec<Question> {
        let tree = self.recursive.then(|| self.tree());
        std::iter::once(self.probe()).chain(tree).collect()
    }

    fn touches(&self) -> Vec<Area> {
        let is_tree = self.recursive || !self.present || self.room.is_forced();
        vec![if is_tree { Area::Tree(self.path.clone()) } else { Area::Entry(self.path.clone()) }]
    }

    fn risks(&self) -> Vec<Risk> {
        let data = (!self.present).then_some(Risk::Data).or(self.room.risks());
        path_risks(&self.path).into_iter().chain(data).collect()
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        if self.present {
            return self.decide_present(asked, before);
        }
        refuse_other_kinds(&self.path, before.as_deref(), "directory")?;
        let action = Script::call(&sh::REMOVE_PATH, &[self.path.as_str(), "directory"]);
        Ok(Decision::from_to(self.probe(), before, "absent".to_owned(), action))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a directory is there, with its parents, or is not.
    ///
    /// ```python
    /// files.directory("/srv/app", user = "app", group = "app", mode = "750")
    /// ```
    ///
    /// # Arguments
    /// * `path`: the directory
    /// * `present`: False: it goes, with all that is in it
    /// * `user`: its owner; as it is unless given
    /// * `group`: its group; as it is unless given
    /// * `mode`: its mode: `"755"`; as it is unless given
    /// * `recursive`: whether mode, owner and group hold for all that is below it
    /// * `force`: whether something of another kind at the path makes room
    /// * `force_backup`: with `force`: whether it is kept beside itself, as `PATH.ifrit-TIME`; else it is removed
    /// * `force_backup_dir`: with `force`: the directory that it is kept in
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn directory<'v>(
        path: &'v str,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] user: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] group: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] mode: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = false)] recursive: bool,
        #[starlark(require = named, default = false)] force: bool,
        #[starlark(require = named, default = true)] force_backup: bool,
        #[starlark(require = named, default = NoneOr::None)] force_backup_dir: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let path = checked_path("path", path)?;
            if !present {
                removable("path", &path)?;
            }
            let access = Access::read(mode, user, group)?;
            let room = Room::read(&path, force && present, force_backup, force_backup_dir)?;
            Ok(Directory { path, present, access, recursive: recursive && present, room })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
