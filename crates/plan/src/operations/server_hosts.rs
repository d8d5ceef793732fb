//! `server.etc_hosts`, `server.security_limit` and `server.locale`.

use core::net::IpAddr;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::Area;
use super::argument::{NumberOrText, OneOrMore, as_text, checked_line, checked_path, given, quoted, texts};
use super::files_line::escaped;
use super::goal::{Goal, Named};
use crate::deploy::{Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// The most names of one address.
const NAMES_MAX: usize = 100;
/// The file of limits, pam_limits(8).
const LIMITS: &str = "/etc/security/limits.conf";

struct EtcHosts;

impl Named for EtcHosts {
    const NAME: &'static str = "server.etc_hosts";
}

struct SecurityLimit;

impl Named for SecurityLimit {
    const NAME: &'static str = "server.security_limit";
}

struct Locale;

impl Named for Locale {
    const NAME: &'static str = "server.locale";
}

fn hosts_goal(
    ip: &str,
    names: Option<OneOrMore<'_>>,
    present: bool,
    path: &str,
) -> Result<Goal<EtcHosts>, String> {
    let path = checked_path("path", path)?;
    if ip.parse::<IpAddr>().is_err() {
        return Err(format!("expected ip to be an address, got {}", quoted(ip)));
    }
    let given = names.map(texts).unwrap_or_default();
    let names: Vec<&str> = given.iter().flat_map(|text| text.split_whitespace()).collect();
    let is_name =
        |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte));
    if names.len() > NAMES_MAX || !names.iter().all(is_name) {
        return Err(format!("expected hostnames to be at most {NAMES_MAX} names of hosts"));
    }
    if present && names.is_empty() {
        return Err("expected hostnames where the entry is to be there".to_owned());
    }
    let how = if present { "set" } else { "drop" };
    let names = names.join(" ");
    let after = if present { format!("= {names}") } else { String::new() };
    let words = [path.as_str(), ip, how, &names];
    Ok(Goal::new(format!("{ip} in {path}"), Script::call(&sh::EDIT_HOSTS, &words))
        .asks(Question::new(&sh::HOSTS_STATE, words), [after])
        .touches([Area::Entry(path)]))
}

fn limit_goal(words: [&str; 3], value: &str) -> Result<Goal<SecurityLimit>, String> {
    for (name, word) in ["domain", "limit_type", "item"].into_iter().zip(words) {
        if word.is_empty() || word.contains(|letter: char| letter.is_whitespace() || letter == '#') {
            return Err(format!("expected {name} to be one word, got {}", quoted(word)));
        }
        checked_line(name, word)?;
    }
    if !["soft", "hard", "-"].contains(&words[1]) {
        return Err(format!("expected limit_type to be soft, hard or `-`, got {}", quoted(words[1])));
    }
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(format!("expected value to be a number or `unlimited`, got {}", quoted(value)));
    }
    let blank = "[[:blank:]]";
    let key = words.map(escaped).join(&format!("{blank}+"));
    let pattern = format!("^{blank}*{key}{blank}+.*$");
    let line = format!("{}\t{value}", words.join("\t"));
    let action = Script::call(&sh::SET_LINE, &[LIMITS, &pattern, &line]);
    Ok(Goal::new(words.join(" "), action)
        .asks(Question::new(&sh::LINE_STATE, [LIMITS, &pattern]), [format!("= {line}")])
        .touches([Area::Entry(LIMITS.to_owned())]))
}

fn locale_goal(locale: &str, present: bool) -> Result<Goal<Locale>, String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.@-".contains(&byte);
    if !locale.starts_with(|letter: char| letter.is_ascii_alphabetic()) || !locale.bytes().all(is_word) {
        return Err(format!("expected locale to be a name like `en_GB.UTF-8`, got {}", quoted(locale)));
    }
    let (verb, after) = if present {
        ("enable", vec!["enabled"])
    } else {
        ("disable", vec!["disabled", "unknown", "no locale.gen"])
    };
    let goal = Goal::new(locale, Script::call(&sh::SET_LOCALE, &[locale, verb]))
        .asks(Question::new(&sh::LOCALE_STATE, [locale]), after)
        .touches([Area::Entry("/etc/locale.gen".to_owned()), Area::Tree("/usr/lib/locale".to_owned())]);
    if !present {
        return Ok(goal);
    }
    Ok(goal
        .refuses("unknown", format!("/etc/locale.gen has no line for {}", quoted(locale)))
        .refuses("no locale.gen", "there is no /etc/locale.gen: is the package locales installed?"))
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that hosts(5) has one entry for an address, with just these names, or that names or the entry go.
    /// Other lines stay as they are; a comment on the entry's own line goes.
    ///
    /// ```python
    /// server.etc_hosts("192.168.1.10", ["db.internal", "db"])
    /// server.etc_hosts("192.168.1.10", "db", present = False)
    /// ```
    ///
    /// # Arguments
    /// * `ip`: the address
    /// * `hostnames`: its names: a list, or a text with blanks between them
    /// * `present`: False: these names go, or without names every entry of the address
    /// * `path`: the file
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn etc_hosts<'v>(
        ip: &'v str,
        #[starlark(default = NoneOr::None)] hostnames: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = "/etc/hosts")] path: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || hosts_goal(ip, given(hostnames), present, path);
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Makes sure that /etc/security/limits.conf has a limit.
    ///
    /// ```python
    /// server.security_limit("*", "soft", "nofile", 65536)
    /// ```
    ///
    /// # Arguments
    /// * `domain`: whom it is for: an account, `@group` or `*`
    /// * `limit_type`: `soft`, `hard` or `-` (both)
    /// * `item`: what is limited: `nofile`
    /// * `value`: the limit: a number or `unlimited`
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn security_limit<'v>(
        domain: &'v str,
        limit_type: &'v str,
        item: &'v str,
        value: NumberOrText<'v>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || limit_goal([domain, limit_type, item], &as_text(value));
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Makes sure that a locale of a Debian host is generated, or is not: its line in /etc/locale.gen, then locale-gen(8).
    ///
    /// ```python
    /// server.locale("de_AT.UTF-8")
    /// ```
    ///
    /// # Arguments
    /// * `locale`: its name, as in /etc/locale.gen
    /// * `present`: False: its line becomes a comment
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn locale<'v>(
        locale: &'v str,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || locale_goal(locale, present);
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
