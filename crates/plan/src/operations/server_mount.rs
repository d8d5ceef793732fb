//! `server.mount`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{OneOrMore, checked_line, checked_path, given, texts};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
struct Mount {
    path: String,
    mounted: bool,
    device: String,
    fs_type: String,
    options: String,
}

impl Mount {
    fn probe(&self) -> Question {
        Question::new(&sh::MOUNT_STATE, [&self.path])
    }
}

impl Operation for Mount {
    const NAME: &'static str = "server.mount";

    fn subject(&self) -> String {
        self.path.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Tree(self.path.clone()), Area::Named("mounts")]
    }

    fn risks(&self) -> Vec<Risk> {
        if self.mounted { Vec::new() } else { vec![Risk::Data] }
    }

    fn depends(&self) -> Vec<Area> {
        vec![Area::Named("mounts")]
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let (after, verb) = if self.mounted { ("mounted", "mount") } else { ("absent", "umount") };
        let words = [verb, &self.path, &self.device, &self.fs_type, &self.options];
        let action = Script::call(&sh::SET_MOUNT, &words);
        Ok(Decision::from_to(self.probe(), before, after.to_owned(), action))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that something is mounted at a path, or is not. fstab(5) is not changed, and the options of
    /// what is mounted already are not compared.
    ///
    /// ```python
    /// server.mount("/srv/data", device = "/dev/vdb1", fs_type = "ext4", options = ["noatime"])
    /// ```
    ///
    /// # Arguments
    /// * `path`: the path
    /// * `mounted`: False: it is unmounted
    /// * `options`: options of mount(8)
    /// * `device`: what is mounted; else fstab(5) says it
    /// * `fs_type`: the type of its file system
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn mount<'v>(
        path: &'v str,
        #[starlark(require = named, default = true)] mounted: bool,
        #[starlark(require = named, default = NoneOr::None)] options: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = NoneOr::None)] device: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] fs_type: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let word = |argument: &str, value: Option<&str>| match value {
                Some(value) if value.starts_with('-') => {
                    Err(format!("expected {argument} not to begin with `-`"))
                }
                Some(value) => checked_line(argument, value),
                None => Ok(String::new()),
            };
            let options = given(options).map(texts).unwrap_or_default().join(",");
            Ok(Mount {
                path: checked_path("path", path)?,
                mounted,
                device: word("device", given(device))?,
                fs_type: word("fs_type", given(fs_type))?,
                options: checked_line("options", &options)?,
            })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
