//! `files.line`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{EXTENDED, UNEXPANDED, checked_line, checked_path, given, quoted, so_anyway};
use super::whole_file::path_risks;
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
struct Line {
    path: String,
    /// A POSIX extended regular expression that a whole line matches.
    pattern: String,
    /// What the line is to be; `None` = it is to go.
    line: Option<String>,
    /// Whether every line that matches becomes `line`; else one that matches is enough.
    replaces: bool,
    backup: String,
}

impl Line {
    fn probe(&self) -> Question {
        Question::new(&sh::LINE_STATE, [self.path.as_str(), &self.pattern])
    }

    fn action(&self) -> Script {
        let (how, line) = match &self.line {
            None => ("remove", ""),
            Some(line) if self.replaces => ("replace", line.as_str()),
            Some(line) => ("append", line.as_str()),
        };
        Script::call(&sh::EDIT_LINE, &[self.path.as_str(), &self.pattern, how, line, &self.backup])
    }
}

impl Operation for Line {
    const NAME: &'static str = "files.line";

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
        let found: Vec<&str> =
            before.iter().flat_map(|text| text.lines()).filter(|it| *it != "absent").collect();
        let is_there = before.as_deref().is_some_and(|text| text != "absent");
        let after = match &self.line {
            // A file that is not there has no such line.
            None if before.as_deref() == Some("absent") => "absent".to_owned(),
            None => String::new(),
            Some(line) if self.replaces && !found.is_empty() => {
                vec![format!("= {line}"); found.len()].join("\n")
            }
            Some(_) if is_there && !found.is_empty() => found.join("\n"),
            Some(line) => format!("= {line}"),
        };
        let decision = Decision::from_to(self.probe(), before.clone(), after, self.action());
        Ok(if asked.is_none() { decision.without_after() } else { decision })
    }
}

/// Returns the pattern of a whole line that holds a text or expression, as pyinfra makes it.
fn whole_line(text: &str) -> String {
    let before = if text.starts_with('^') { "" } else { "^.*" };
    let after = if text.ends_with('$') { "" } else { ".*$" };
    format!("{before}{text}{after}")
}

/// Returns a text with what is special in a pattern escaped.
pub(super) fn escaped(text: &str) -> String {
    let escape = |letter: char| match letter {
        '\\' | '.' | '[' | ']' | '(' | ')' | '*' | '+' | '?' | '{' | '}' | '|' | '^' | '$' => {
            vec!['\\', letter]
        }
        letter => vec![letter],
    };
    text.chars().flat_map(escape).collect()
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a line is in a file, or is not.
    ///
    /// ```python
    /// files.line("/etc/ssh/sshd_config", "PasswordAuthentication .*", replace = "PasswordAuthentication no")
    /// files.line("/etc/modules", "tun")
    /// files.line("/etc/hosts", "badhost", present = False)
    /// ```
    ///
    /// # Arguments
    /// * `path`: the file; it is created where a line is to be in it
    /// * `line`: the line, or a POSIX extended regular expression (awk's) that a part of the line matches
    /// * `present`: False: every line that matches goes
    /// * `replace`: what every line that matches becomes; where none does, it is added
    /// * `escape_regex_characters`: whether `line` is a text and no expression
    /// * `ensure_newline`: True, as it always is: the last line gets its newline
    /// * `extended_regex`: True, as it always is: expressions are POSIX extended ones
    /// * `interpolate_variables`: False, as it always is: no shell ever expands a text of a deploy
    /// * `backup`: whether the file is kept beside itself as `PATH.ifrit-backup`
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn line<'v>(
        path: &'v str,
        line: &'v str,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] replace: NoneOr<&'v str>,
        #[starlark(require = named, default = false)] escape_regex_characters: bool,
        #[starlark(require = named, default = NoneOr::None)] ensure_newline: NoneOr<bool>,
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
            // Whatever it says, the last line gets its newline.
            let _ = given(ensure_newline);
            let path = checked_path("path", path)?;
            let text = checked_line("line", line)?;
            if text.is_empty() {
                return Err(format!("expected line to be a line, got {}", quoted(line)));
            }
            let text = if escape_regex_characters { escaped(&text) } else { text };
            let replace = given(replace).map(|it| checked_line("replace", it)).transpose()?;
            let wanted = replace.clone().unwrap_or_else(|| line.to_owned());
            let backup = if backup { "ifrit-backup".to_owned() } else { String::new() };
            Ok(Line {
                path,
                pattern: whole_line(&text),
                line: present.then_some(wanted),
                replaces: replace.is_some(),
                backup,
            })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
