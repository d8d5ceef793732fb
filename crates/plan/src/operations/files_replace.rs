//! `files.replace`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{EXTENDED, UNEXPANDED, checked_line, checked_path, given, so_anyway};
use super::whole_file::path_risks;
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
struct Replace {
    path: String,
    pattern: String,
    by: String,
    backup: String,
}

impl Replace {
    fn probe(&self) -> Question {
        Question::new(&sh::REPLACE_STATE, [self.path.as_str(), &self.pattern, &self.by])
    }
}

impl Operation for Replace {
    const NAME: &'static str = "files.replace";

    fn subject(&self) -> String {
        self.path.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Entry(self.path.clone())]
    }

    fn risks(&self) -> Vec<Risk> {
        path_risks(&self.path)
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        if before.as_deref() == Some("absent") {
            return Err(format!("expected a file, got nothing at `{}`", self.path));
        }
        let words = [self.path.as_str(), &self.pattern, &self.by, &self.backup];
        let action = Script::call(&sh::REPLACE_TEXT, &words);
        Ok(Decision::from_to(self.probe(), before, String::new(), action))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Replaces every match of an expression in a file. It is done when nothing matches any more, so the
    /// replacement must not match itself.
    ///
    /// ```python
    /// files.replace("/etc/locale.conf", text = "en_US", replace = "en_GB")
    /// ```
    ///
    /// # Arguments
    /// * `path`: the file
    /// * `text`: a POSIX extended regular expression (awk's)
    /// * `replace`: what a match becomes; nothing in it is special
    /// * `extended_regex`: True, as it always is: expressions are POSIX extended ones
    /// * `interpolate_variables`: False, as it always is: no shell ever expands a text of a deploy
    /// * `backup`: whether the file is kept beside itself as `PATH.ifrit-backup`
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn replace<'v>(
        path: &'v str,
        text: &'v str,
        replace: &'v str,
        #[starlark(require = named, default = NoneOr::None)] extended_regex: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] interpolate_variables: NoneOr<bool>,
        #[starlark(require = named, default = false)] backup: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            so_anyway("extended_regex", extended_regex, true, EXTENDED)?;
            so_anyway("interpolate_variables", interpolate_variables, false, UNEXPANDED)?;
            let backup = if backup { "ifrit-backup".to_owned() } else { String::new() };
            if text.is_empty() {
                return Err("expected text to be an expression, got nothing".to_owned());
            }
            Ok(Replace {
                path: checked_path("path", path)?,
                pattern: checked_line("text", text)?,
                by: checked_line("replace", replace)?,
                backup,
            })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
