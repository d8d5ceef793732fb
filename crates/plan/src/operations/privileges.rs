//! `sudo.rule`, `doas.rule`, `pf.file` and `sshd.settings`: who gets in and what he may do.

use model::{Content, Risk};
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::UnpackValue;
use starlark::values::Value;
use starlark::values::dict::UnpackDictEntries;
use starlark::values::none::NoneOr;

use super::Area;
use super::argument::{OneOrMore, checked_line, checked_name, checked_path, given, quoted, texts};
use super::files_put::asset;
use super::goal::{Goal, Managed, Named};
use super::whole_file::{Access, WholeFile, path_risks};
use crate::deploy::{Common, Session, StepValue, TextOrSecret, read_content, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// The most lines of a rule, and settings of sshd.
const LINES_MAX: usize = 200;

struct Sudo;

impl Named for Sudo {
    const NAME: &'static str = "sudo.rule";
}

struct Doas;

impl Named for Doas {
    const NAME: &'static str = "doas.rule";
}

struct Pf;

impl Named for Pf {
    const NAME: &'static str = "pf.file";
}

struct Sshd;

impl Named for Sshd {
    const NAME: &'static str = "sshd.settings";
}

fn rule_lines(lines: OneOrMore<'_>) -> Result<String, String> {
    let lines = texts(lines);
    if lines.is_empty() || lines.len() > LINES_MAX {
        return Err(format!("expected 1 to {LINES_MAX} lines, got {}", lines.len()));
    }
    let lines = lines.iter().map(|line| checked_line("lines", line)).collect::<Result<Vec<_>, _>>()?;
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

/// Checks the name of a rule: sudo skips files with a dot in their names.
fn rule_name(rule: &str) -> Result<String, String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let name = checked_name("rule", rule)?;
    if name.bytes().all(is_word) {
        return Ok(name);
    }
    Err(format!("expected rule to be a name of letters, digits, `-` and `_`, got {}", quoted(rule)))
}

/// A file that is root's, and looked at by its own program before it takes its place.
fn checked_file(
    session: &Session<'_>,
    path: String,
    content: Content,
    mode: &str,
    check: &str,
) -> Result<WholeFile, String> {
    let access = Access { mode: Some(mode.to_owned()), ..Access::default() };
    WholeFile::new(session, path, content, access, true, Some(check))
}

/// Reads a value of a setting: `yes` and `no` for True and False.
fn setting_words(keyword: &str, value: Value<'_>) -> Result<Vec<String>, String> {
    if let Some(is_so) = value.unpack_bool() {
        return Ok(vec![if is_so { "yes" } else { "no" }.to_owned()]);
    }
    if let Some(number) = value.unpack_i32() {
        return Ok(vec![number.to_string()]);
    }
    let words = OneOrMore::unpack_value_opt(value).map(texts);
    let words =
        words.ok_or_else(|| format!("expected {keyword} to be a text, a number, True, False or texts"))?;
    words.iter().map(|word| checked_line(keyword, word)).collect()
}

fn sshd_goal(settings: Vec<(&str, Value<'_>)>, config: &str) -> Result<Goal<Sshd>, String> {
    let config = checked_path("config", config)?;
    let mut lines = Vec::new();
    let mut keywords = Vec::new();
    for (keyword, value) in settings {
        let is_word = keyword.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let low = keyword.to_ascii_lowercase();
        if !is_word || low.is_empty() || ["match", "include"].contains(&low.as_str()) {
            return Err(format!(
                "expected a keyword of sshd_config(5) but Match and Include, got {}",
                quoted(keyword)
            ));
        }
        lines.extend(setting_words(keyword, value)?.iter().map(|word| format!("{keyword} {word}")));
        keywords.push(low);
    }
    if lines.is_empty() || lines.len() > LINES_MAX {
        return Err(format!("expected 1 to {LINES_MAX} settings, got {}", lines.len()));
    }
    let keywords = keywords.join(" ");
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let after: Vec<String> = lines.iter().map(|line| format!("= {line}")).collect();
    let action = Script::default().and_body(&sh::EDIT_SSHD, 0, &[&config, &keywords]);
    Ok(Goal::new(config.as_str(), action)
        .asks(Question::new(&sh::SSHD_STATE, [&config, &keywords]), [after.join("\n")])
        .refuses("absent", format!("there is no {}: is sshd installed?", quoted(&config)))
        .with_bodies(vec![Content::plain(body)])
        .risks(if path_risks(&config).is_empty() { vec![Risk::Access] } else { path_risks(&config) })
        .touches([Area::Entry(config)]))
}

#[starlark_module]
pub(super) fn register_sudo(builder: &mut GlobalsBuilder) {
    /// Makes sure that sudo has some rules, or has not. `visudo -c` looks at the file before it takes its place.
    ///
    /// ```python
    /// sudo.rule("deploy", "deploy ALL=(root) NOPASSWD: /usr/sbin/service nginx reload")
    /// ```
    ///
    /// # Arguments
    /// * `rule`: the name of its file: letters, digits, `-` and `_`
    /// * `lines`: lines of sudoers(5)
    /// * `present`: False: the file goes
    /// * `folder`: the directory; FreeBSD has /usr/local/etc/sudoers.d
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn rule<'v>(
        rule: &'v str,
        #[starlark(default = either::Either::Left(""))] lines: OneOrMore<'v>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = "/etc/sudoers.d")] folder: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            let path = checked_path("folder", &format!("{folder}/{}", rule_name(rule)?))?;
            if !present {
                return Ok(Managed::<Sudo>::gone(&path));
            }
            let content = Content::plain(rule_lines(lines)?);
            checked_file(session, path, content, "0440", "visudo -cqf %s").map(Managed::There)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_doas(builder: &mut GlobalsBuilder) {
    /// Makes sure that doas has some rules, or has not. `doas -C` looks at the file before it takes its place.
    ///
    /// ```python
    /// doas.rule("wheel", "permit persist :wheel")
    /// doas.rule("all", ["permit persist :wheel"], path = "/usr/local/etc/doas.conf")
    /// ```
    ///
    /// # Arguments
    /// * `rule`: the name of its file in /etc/doas.d, without `.conf`
    /// * `lines`: lines of doas.conf(5)
    /// * `present`: False: the file goes
    /// * `path`: another file, for a doas that reads just one
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn rule<'v>(
        rule: &'v str,
        #[starlark(default = either::Either::Left(""))] lines: OneOrMore<'v>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] path: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            let path = match given(path) {
                Some(path) => checked_path("path", path)?,
                None => format!("/etc/doas.d/{}.conf", rule_name(rule)?),
            };
            if !present {
                return Ok(Managed::<Doas>::gone(&path));
            }
            let content = Content::plain(rule_lines(lines)?);
            checked_file(session, path, content, "0600", "doas -C %s").map(Managed::There)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_pf(builder: &mut GlobalsBuilder) {
    /// Puts the rules of FreeBSD's pf(4) on the host: `pfctl -n` reads them, they are loaded, and only then the file
    /// takes its place. So a crash between the two is done again, and rules that pf refuses never stay.
    ///
    /// ```python
    /// pf.file("files/pf.conf")
    /// ```
    ///
    /// # Arguments
    /// * `src`: a file of the workspace, its path from the root
    /// * `dest`: the path on the host
    /// * `content`: in place of `src`: a text, or a `secret()`
    /// * `reload`: whether the rules are loaded
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn file<'v>(
        #[starlark(default = NoneOr::None)] src: NoneOr<&'v str>,
        #[starlark(default = "/etc/pf.conf")] dest: &'v str,
        #[starlark(require = named, default = NoneOr::None)] content: NoneOr<TextOrSecret<'v>>,
        #[starlark(require = named, default = true)] reload: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            let content = match (given(src), given(content)) {
                (Some(src), None) => Content::plain(asset(session, src)?),
                (None, Some(content)) => read_content(content),
                _ => return Err("expected either src or content".to_owned()),
            };
            let check = if reload { "pfctl -nf %s && pfctl -f %s" } else { "pfctl -nf %s" };
            let path = checked_path("dest", dest)?;
            checked_file(session, path, content, "0600", check).map(Managed::<Pf>::There)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_sshd(builder: &mut GlobalsBuilder) {
    /// Makes sure that sshd has some settings. They become a block at the top of the file, because sshd takes the first
    /// value of a keyword; lines before the first Match that say something else for the same keywords become comments.
    /// `sshd -t` looks at the file before it takes its place. sshd reads it when it is reloaded.
    ///
    /// ```python
    /// cfg = sshd.settings({"PasswordAuthentication": False, "PermitRootLogin": "prohibit-password"})
    /// service.reload("sshd", when = cfg.changed, handler = True)
    /// ```
    ///
    /// # Arguments
    /// * `settings`: keywords of sshd_config(5) and their values: a text, a number, True for `yes`, False for `no`, or a list for several lines
    /// * `config`: the file
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn settings<'v>(
        settings: UnpackDictEntries<&'v str, Value<'v>>,
        #[starlark(require = named, default = "/etc/ssh/sshd_config")] config: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || sshd_goal(settings.entries, config);
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
