//! `files.template`.

use model::Risk;
use starlark::collections::SmallMap;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{NumberOrText, given, quoted};
use super::files_put::{asset, destination};
use super::whole_file::{Access, WholeFile, path_risks};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, Session, StepValue, render, run};
use crate::facts::Question;

struct Template(WholeFile);

impl Operation for Template {
    const NAME: &'static str = "files.template";

    fn subject(&self) -> String {
        self.0.path().to_owned()
    }

    fn questions(&self) -> Vec<Question> {
        self.0.questions()
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Entry(self.0.path().to_owned())]
    }

    fn risks(&self) -> Vec<Risk> {
        path_risks(self.0.path())
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        self.0.decide(asked)
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Renders a template of the workspace (Jinja's language, as minijinja reads it) and puts it on the
    /// host. A name that is not defined is an error. Every further argument is a name in the template.
    ///
    /// ```python
    /// files.template("templates/haproxy.cfg.j2", "/etc/haproxy/haproxy.cfg",
    ///     backends = inventory.hosts("service:web"), validate = "haproxy -c -f %s")
    /// ```
    ///
    /// # Arguments
    /// * `src`: a file of the workspace, its path from the root
    /// * `dest`: the path on the host
    /// * `user`: its owner; as it is unless given
    /// * `group`: its group; as it is unless given
    /// * `mode`: its mode: `"644"`; as it is unless given, 644 for a new file
    /// * `create_remote_dir`: whether its directory is created where it is missing
    /// * `validate`: a command that must succeed before the file takes its place; `%s` is the new file
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    /// * `data`: names in the template: texts, numbers, lists, dictionaries, hosts, secrets
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn template<'v>(
        src: &'v str,
        dest: &'v str,
        #[starlark(require = named, default = NoneOr::None)] user: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] group: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] mode: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = true)] create_remote_dir: bool,
        #[starlark(require = named, default = NoneOr::None)] validate: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        #[starlark(kwargs)] data: SmallMap<String, Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            let source = String::from_utf8(asset(session, src)?)
                .map_err(|_| format!("src {}: expected UTF-8 text", quoted(src)))?;
            let arguments: Vec<(String, Value<'v>)> = data.into_iter().collect();
            let content = render(&source, src, &arguments)?;
            let access = Access::read(mode, user, group)?;
            let dest = destination(Some(src.strip_suffix(".j2").unwrap_or(src)), dest)?;
            WholeFile::new(session, dest, content, access, create_remote_dir, given(validate)).map(Template)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
