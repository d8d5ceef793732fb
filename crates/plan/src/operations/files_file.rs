//! `files.file` and `files.absent`.

use model::Risk;
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
struct File {
    path: String,
    present: bool,
    access: Access,
    touch: bool,
    makes_parent: bool,
    room: Room,
}

impl File {
    fn probe(&self) -> Question {
        Question::new(&sh::FILE_STATE, [self.path.clone(), self.access.letters()])
    }
}

impl Operation for File {
    const NAME: &'static str = "files.file";

    fn subject(&self) -> String {
        self.path.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        let path = self.path.clone();
        vec![if self.room.is_forced() { Area::Tree(path) } else { Area::Entry(path) }]
    }

    fn risks(&self) -> Vec<Risk> {
        let data = (!self.present).then_some(Risk::Data).or(self.room.risks());
        path_risks(&self.path).into_iter().chain(data).collect()
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let path = self.path.as_str();
        if !self.present {
            refuse_other_kinds(path, before.as_deref(), "file")?;
            let action = Script::call(&sh::REMOVE_PATH, &[path, "file"]);
            return Ok(Decision::from_to(self.probe(), before, "absent".to_owned(), action));
        }
        self.room.refuse(path, before.as_deref(), "file")?;
        let [mode, user, group] = self.access.words();
        let script = self.room.script(path, "file");
        let script =
            if self.makes_parent { script.and(&sh::MAKE_PARENT, &[path, user, group]) } else { script };
        let script = script.and(&sh::TOUCH_FILE, &[path, mode, user, group]);
        let decision = Decision::from_to(self.probe(), before, self.access.state("file", "-"), script);
        if self.touch {
            return Ok(Decision { is_done: Some(false), probe: None, ..decision });
        }
        Ok(decision)
    }
}

struct Absent {
    path: String,
}

impl Absent {
    fn probe(&self) -> Question {
        Question::new(&sh::FILE_STATE, [self.path.as_str(), ""])
    }
}

impl Operation for Absent {
    const NAME: &'static str = "files.absent";

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
        path_risks(&self.path).into_iter().chain([Risk::Data]).collect()
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let action = Script::call(&sh::REMOVE_PATH, &[self.path.as_str(), "any"]);
        Ok(Decision::from_to(self.probe(), before, "absent".to_owned(), action))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a plain file is there, whatever is in it, or is not.
    ///
    /// ```python
    /// files.file("/var/log/app.log", user = "app", mode = "640")
    /// files.file("/etc/nologin", present = False)
    /// ```
    ///
    /// # Arguments
    /// * `path`: the file
    /// * `present`: False: it goes
    /// * `user`: its owner; as it is unless given
    /// * `group`: its group; as it is unless given
    /// * `mode`: its mode: `"755"`; as it is unless given
    /// * `touch`: whether its time is set even where it is there: it runs every time
    /// * `create_remote_dir`: whether its directory is created where it is missing
    /// * `force`: whether something of another kind at the path makes room
    /// * `force_backup`: with `force`: whether it is kept beside itself, as `PATH.ifrit-TIME`; else it is removed
    /// * `force_backup_dir`: with `force`: the directory that it is kept in
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn file<'v>(
        path: &'v str,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] user: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] group: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] mode: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = false)] touch: bool,
        #[starlark(require = named, default = true)] create_remote_dir: bool,
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
            Ok(File { path, present, access, touch, makes_parent: create_remote_dir, room })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Makes sure that nothing is at a path: a file, a link, or a directory with all that is in it.
    ///
    /// ```python
    /// files.absent("/etc/cron.d/old-job")
    /// ```
    ///
    /// # Arguments
    /// * `path`: the path
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn absent<'v>(
        path: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let path = checked_path("path", path)?;
            removable("path", &path)?;
            Ok(Absent { path })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
