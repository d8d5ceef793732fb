//! `server.hostname`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{checked_path, given};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
struct Hostname {
    hostname: String,
    file: String,
}

impl Hostname {
    fn probe(&self) -> Question {
        Question::new(&sh::HOSTNAME_STATE, [&self.file])
    }
}

impl Operation for Hostname {
    const NAME: &'static str = "server.hostname";

    fn subject(&self) -> String {
        self.hostname.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Named("hostname"), Area::Entry(self.file.clone())]
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let action = Script::call(&sh::SET_HOSTNAME, &[&self.hostname, &self.file]);
        let after = format!("runs {0}\nboots {0}", self.hostname);
        Ok(Decision::from_to(self.probe(), before, after, action))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Sets the host's name, now and for the next boot.
    ///
    /// ```python
    /// server.hostname("web-1.example.org")
    /// ```
    ///
    /// # Arguments
    /// * `hostname`: the name
    /// * `hostname_file`: where the next boot finds it: /etc/hostname; FreeBSD has it in rc.conf
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn hostname<'v>(
        hostname: &'v str,
        #[starlark(require = named, default = NoneOr::None)] hostname_file: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let name = model::HostName::new(hostname).map_err(|error| error.to_string())?;
            let file = checked_path("hostname_file", given(hostname_file).unwrap_or("/etc/hostname"))?;
            Ok(Hostname { hostname: name.to_string(), file })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
