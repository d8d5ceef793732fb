//! `jail.config` and `jail.service`.

use model::{Content, Risk};
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::UnpackValue;
use starlark::values::Value;
use starlark::values::dict::UnpackDictEntries;
use starlark::values::none::NoneOr;

use super::Area;
use super::argument::{OneOrMore, checked_line, checked_path, given, quoted, texts};
use super::goal::{Goal, Managed, Named};
use super::whole_file::{Access, WholeFile};
use crate::deploy::{Common, Session, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// The most parameters of one jail.
const PARAMETERS_MAX: usize = 200;

struct Config;

impl Named for Config {
    const NAME: &'static str = "jail.config";
}

struct Service;

impl Named for Service {
    const NAME: &'static str = "jail.service";
}

fn checked_jail(jail: &str) -> Result<String, String> {
    /// The longest name, in bytes.
    const BYTES_MAX: usize = 100;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_first = jail.starts_with(|letter: char| letter.is_ascii_alphabetic());
    if is_first && jail.len() <= BYTES_MAX && jail.bytes().all(is_word) {
        return Ok(jail.to_owned());
    }
    Err(format!("expected jail to be a name of letters, digits, `-` and `_`, got {}", quoted(jail)))
}

/// Returns the text of jail.conf(5) for one jail.
fn config_text(jail: &str, parameters: Vec<(&str, Value<'_>)>) -> Result<String, String> {
    if parameters.is_empty() || parameters.len() > PARAMETERS_MAX {
        return Err(format!("expected 1 to {PARAMETERS_MAX} parameters, got {}", parameters.len()));
    }
    let mut text = format!("{jail} {{\n");
    for (key, value) in parameters {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"._".contains(&byte);
        if !key.starts_with(|letter: char| letter.is_ascii_alphabetic()) || !key.bytes().all(is_word) {
            return Err(format!("expected the name of a parameter, got {}", quoted(key)));
        }
        match value.unpack_bool() {
            Some(true) => text.push_str(&format!("    {key};\n")),
            Some(false) => {
                return Err(format!(
                    "{key}: a parameter is turned off by its name with `no`: `allow.nomount = True`"
                ));
            }
            None => {
                let values = parameter_words(key, value)?.join(", ");
                text.push_str(&format!("    {key} = {values};\n"));
            }
        }
    }
    text.push_str("}\n");
    Ok(text)
}

/// In double quotes `$name` and the like are replaced by jail(8), which deploys may want.
fn parameter_words(key: &str, value: Value<'_>) -> Result<Vec<String>, String> {
    if let Some(number) = value.unpack_i32() {
        return Ok(vec![number.to_string()]);
    }
    let words = OneOrMore::unpack_value_opt(value).map(texts);
    let words = words.ok_or_else(|| format!("expected {key} to be a text, a number, True or texts"))?;
    let quote = |word: &String| {
        let word = checked_line(key, word)?;
        Ok(format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")))
    };
    words.iter().map(quote).collect()
}

fn service_goal(jail: &str, running: Option<bool>, enabled: Option<bool>) -> Result<Goal<Service>, String> {
    let jail = checked_jail(jail)?;
    let word = |wanted: Option<bool>| match wanted {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    let runs = |is_so: bool| if is_so { "running" } else { "stopped" };
    let starts = |is_so: bool| if is_so { "enabled" } else { "disabled" };
    // What is left as it is may be either.
    let either = |wanted: Option<bool>| wanted.map_or(vec![true, false], |it| vec![it]);
    let after: Vec<String> = either(running)
        .into_iter()
        .flat_map(|run| either(enabled).into_iter().map(move |start| (run, start)))
        .map(|(run, start)| format!("{}\n{}", runs(run), starts(start)))
        .collect();
    let action = Script::call(&sh::SET_JAIL, &[jail.as_str(), word(running), word(enabled)]);
    let goal = Goal::new(jail.as_str(), action).asks(Question::new(&sh::JAIL_STATE, [jail.as_str()]), after);
    let files = [Area::Entry("/etc/rc.conf".to_owned()), Area::Services];
    let config = [Area::Tree("/etc/jail.conf.d".to_owned()), Area::Entry("/etc/jail.conf".to_owned())];
    Ok(goal
        .touches(files.clone())
        .depends(files.into_iter().chain(config))
        .risks(if running == Some(false) { vec![Risk::Restart] } else { Vec::new() }))
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that a jail of FreeBSD is declared in a file of its own, as jail.conf(5) has them, or is not.
    ///
    /// ```python
    /// cfg = jail.config("web", {"path": "/jails/web", "host.hostname": "web.example.org", "vnet": True,
    ///     "exec.start": "/bin/sh /etc/rc", "exec.stop": "/bin/sh /etc/rc.shutdown"})
    /// jail.service("web")
    /// ```
    ///
    /// # Arguments
    /// * `jail`: its name
    /// * `parameters`: parameters of jail(8) and their values: a text, a number, a list, or True for one without a value
    /// * `present`: False: the file goes
    /// * `folder`: the directory, which jail.conf includes by itself from FreeBSD 14 on
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn config<'v>(
        jail: &'v str,
        #[starlark(default = NoneOr::None)] parameters: NoneOr<UnpackDictEntries<&'v str, Value<'v>>>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = "/etc/jail.conf.d")] folder: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            let jail = checked_jail(jail)?;
            let path = checked_path("folder", &format!("{folder}/{jail}.conf"))?;
            if !present {
                return Ok(Managed::<Config>::gone(&path));
            }
            let parameters = given(parameters).map(|it| it.entries).unwrap_or_default();
            let content = Content::plain(config_text(&jail, parameters)?);
            let access = Access { mode: Some("0644".to_owned()), ..Access::default() };
            WholeFile::new(session, path, content, access, true, None).map(Managed::There)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Makes sure that a jail of FreeBSD runs and starts at boot, or does not.
    ///
    /// ```python
    /// jail.service("web")
    /// ```
    ///
    /// # Arguments
    /// * `jail`: its name
    /// * `running`: whether it runs; None: as it is
    /// * `enabled`: whether it starts at boot (jail_enable and jail_list of rc.conf); None: as it is
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn service<'v>(
        jail: &'v str,
        #[starlark(require = named, default = NoneOr::Other(true))] running: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::Other(true))] enabled: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || service_goal(jail, given(running), given(enabled));
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
