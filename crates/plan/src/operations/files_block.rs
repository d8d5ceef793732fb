//! `files.block`.

use model::{Content, Risk};
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{OneOrMore, checked_line, checked_path, checked_text, given, texts};
use super::files_line::escaped;
use super::whole_file::path_risks;
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// What a marker says of itself, as pyinfra writes it: a block that it wrote is found.
const MARKER: &str = "# {mark} PYINFRA BLOCK";
/// The place in a marker for its end.
const MARK: &str = "{mark}";
struct Block {
    path: String,
    /// The lines; `None` = the block is to go.
    lines: Option<Vec<String>>,
    begin: String,
    end: String,
    place: &'static str,
    pattern: String,
    backup: String,
}

impl Block {
    fn probe(&self) -> Question {
        Question::new(&sh::BLOCK_STATE, [self.path.as_str(), &self.begin, &self.end])
    }
}

impl Operation for Block {
    const NAME: &'static str = "files.block";

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
        let after = match &self.lines {
            None if before.as_deref() == Some("absent") => "absent".to_owned(),
            None => "no block".to_owned(),
            Some(lines) => {
                let lines: String = lines.iter().map(|line| format!("\n= {line}")).collect();
                format!("block{lines}")
            }
        };
        let place = if self.lines.is_some() { self.place } else { "remove" };
        let words = [self.path.as_str(), &self.begin, &self.end, place, &self.pattern, &self.backup];
        let action = Script::default().and_body(&sh::EDIT_BLOCK, 0, &words);
        let body: String = self.lines.iter().flatten().map(|line| format!("{line}\n")).collect();
        let decision = Decision::from_to(self.probe(), before, after, action).with_body(Content::plain(body));
        let is_removed = asked.is_none() && self.lines.is_none();
        Ok(if is_removed { decision.without_after() } else { decision })
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that lines stand between two markers in a file, or that there is no such block.
    ///
    /// ```python
    /// files.block("/etc/hosts", content = ["198.51.100.7 db-1", "198.51.100.8 db-2"])
    /// ```
    ///
    /// # Arguments
    /// * `path`: the file; it is created where a block is to be in it
    /// * `content`: the text, or the list of lines
    /// * `present`: False: the block goes
    /// * `line`: where a new block goes: a POSIX extended regular expression that the line matches
    /// * `before`: whether a new block goes before that line
    /// * `after`: whether it goes after that line
    /// * `marker`: the markers, with `{mark}` where begin and end differ
    /// * `begin`: what `{mark}` is in the first one: `BEGIN`
    /// * `end`: what it is in the last one: `END`
    /// * `escape_regex_characters`: whether `line` is a text and no expression
    /// * `try_prevent_shell_expansion`: nothing depends on it: no shell ever expands a text of a deploy
    /// * `backup`: whether the file is kept beside itself as `PATH.ifrit-backup`
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn block<'v>(
        path: &'v str,
        #[starlark(default = NoneOr::None)] content: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] line: NoneOr<&'v str>,
        #[starlark(require = named, default = false)] before: bool,
        #[starlark(require = named, default = false)] after: bool,
        #[starlark(require = named, default = NoneOr::None)] marker: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] begin: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] end: NoneOr<&'v str>,
        #[starlark(require = named, default = false)] escape_regex_characters: bool,
        #[starlark(require = named, default = NoneOr::None)] try_prevent_shell_expansion: NoneOr<bool>,
        #[starlark(require = named, default = false)] backup: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let path = checked_path("path", path)?;
            let marker = checked_line("marker", given(marker).unwrap_or(MARKER))?;
            if !marker.contains(MARK) {
                return Err(format!("expected marker with {MARK} in it, got `{marker}`"));
            }
            let begin = marker.replace(MARK, given(begin).unwrap_or("BEGIN"));
            let end = marker.replace(MARK, given(end).unwrap_or("END"));
            // Whatever it says, no shell sees the text.
            let _ = given(try_prevent_shell_expansion);
            let pattern =
                given(line).map(|it| if escape_regex_characters { escaped(it) } else { it.to_owned() });
            let place = match (before, after, &pattern) {
                (false, false, None) => "end",
                (true, false, Some(_)) => "before",
                (false, true, Some(_)) => "after",
                _ => return Err("expected either before or after to be True, and with it line".to_owned()),
            };
            let lines: Vec<String> = match given(content) {
                Some(content) => {
                    let content = texts(content).join("\n");
                    checked_text("content", &content)?.lines().map(str::to_owned).collect()
                }
                None if !present => Vec::new(),
                None => return Err("expected content".to_owned()),
            };
            if lines.iter().any(|line| *line == begin || *line == end) {
                return Err("expected content without the markers in it".to_owned());
            }
            Ok(Block {
                path,
                lines: present.then_some(lines),
                begin: checked_line("begin", &begin)?,
                end: checked_line("end", &end)?,
                place,
                pattern: checked_line("line", &pattern.unwrap_or_default())?,
                backup: if backup { "ifrit-backup".to_owned() } else { String::new() },
            })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
