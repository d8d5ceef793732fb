//! `server.user_authorized_keys`.

use model::{Content, Risk};
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{
    OneOrMore, checked_account, checked_line, checked_path, given, optional_account, quoted, texts,
};
use super::files_put::asset;
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, Session, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
/// The most keys of one account.
const KEYS_MAX: usize = 5_000;

pub(super) struct Keys {
    user: String,
    group: String,
    keys: Vec<String>,
    exact: bool,
    path: String,
    /// The home directory that its account will have, where that is known.
    home: Option<String>,
}

impl Keys {
    /// Keys of an account, where it has them by default.
    pub(super) fn of_account(
        user: &str,
        group: Option<&str>,
        home: Option<String>,
        keys: OneOrMore<'_>,
        exact: bool,
        session: &Session<'_>,
    ) -> Result<Self, String> {
        Ok(Self {
            user: checked_account("user", user)?,
            group: optional_account("group", group)?.unwrap_or_default(),
            keys: checked_keys(session, keys)?,
            exact,
            path: String::new(),
            home,
        })
    }

    fn probe(&self) -> Question {
        Question::new(&sh::KEYS_STATE, [&self.user, &self.path])
    }
}

impl Operation for Keys {
    const NAME: &'static str = "server.user_authorized_keys";

    fn subject(&self) -> String {
        self.user.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        let path = match (&self.home, self.path.as_str()) {
            (Some(home), "") => format!("{home}/.ssh/authorized_keys"),
            (None, "") => format!("/home/{}/.ssh/authorized_keys", self.user),
            (_, path) => path.to_owned(),
        };
        vec![Area::Entry(path)]
    }

    fn risks(&self) -> Vec<Risk> {
        vec![Risk::Access]
    }

    fn depends(&self) -> Vec<Area> {
        self.touches().into_iter().chain([Area::Accounts]).collect()
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let old: Vec<&str> = before
            .iter()
            .flat_map(|text| text.lines())
            .filter_map(|line| line.strip_prefix('=').map(|line| line.strip_prefix(' ').unwrap_or(line)))
            .collect();
        let kept = if self.exact { Vec::new() } else { old.clone() };
        let mut lines: Vec<&str> = Vec::new();
        for key in kept.into_iter().chain(self.keys.iter().map(String::as_str)) {
            if key.is_empty() || !lines.contains(&key) {
                lines.push(key);
            }
        }
        let after = lines.iter().map(|line| format!("= {line}")).collect::<Vec<_>>().join("\n");
        let body: String = self.keys.iter().map(|key| format!("{key}\n")).collect();
        let exact = if self.exact { "exact" } else { "" };
        let group = if self.group.is_empty() { "-" } else { &self.group };
        let words = [self.user.as_str(), group, &self.path, exact];
        let action = Script::default().and_body(&sh::PUT_KEYS, 0, &words);
        let text = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let diff = super::decision::text_diff(&text(&old), &text(&lines));
        let decision = Decision::from_to(self.probe(), before, after, action).with_diff(diff);
        let decision = decision.with_body(Content::plain(body));
        Ok(if asked.is_none() && !self.exact { decision.without_after() } else { decision })
    }
}

/// Reads keys; a text without a space is no key but a file of the workspace with some.
fn checked_keys(session: &Session<'_>, given: OneOrMore<'_>) -> Result<Vec<String>, String> {
    let mut keys = Vec::new();
    for key in texts(given) {
        let key = checked_line("public_keys", key.trim())?;
        if key.is_empty() || key.contains(' ') {
            keys.push(key);
            continue;
        }
        let bytes = asset(session, &key).map_err(|_| {
            let key = quoted(&key);
            format!("expected public_keys to be lines like `ssh-ed25519 AAAA... maria` or files of the workspace, got {key}")
        })?;
        let file = String::from_utf8(bytes)
            .map_err(|_| format!("public_keys: expected {} to be lines of keys", quoted(&key)))?;
        let lines = file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            keys.push(checked_line("public_keys", line)?);
        }
    }
    if keys.is_empty() || keys.len() > KEYS_MAX || keys.iter().any(String::is_empty) {
        return Err(format!("expected 1 to {KEYS_MAX} keys, none of them empty"));
    }
    Ok(keys)
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that keys may log in to an account. Lines are compared as a whole, options and comment too.
    ///
    /// ```python
    /// server.user_authorized_keys("deploy", ["ssh-ed25519 AAAA... maria"], delete_keys = True)
    /// ```
    ///
    /// # Arguments
    /// * `user`: the account
    /// * `public_keys`: a line of authorized_keys, a file of the workspace with such lines, or a list of them
    /// * `group`: the group of its file; its primary group unless given
    /// * `delete_keys`: whether all other keys go
    /// * `authorized_key_directory`: where its file is, in place of `.ssh` in its home
    /// * `authorized_key_filename`: the name of its file: `authorized_keys`
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn user_authorized_keys<'v>(
        user: &'v str,
        public_keys: OneOrMore<'v>,
        #[starlark(require = named, default = NoneOr::None)] group: NoneOr<&'v str>,
        #[starlark(require = named, default = false)] delete_keys: bool,
        #[starlark(require = named, default = NoneOr::None)] authorized_key_directory: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] authorized_key_filename: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            let file = given(authorized_key_filename).unwrap_or("authorized_keys");
            let folder = given(authorized_key_directory);
            if folder.is_none() && file != "authorized_keys" {
                return Err("expected authorized_key_directory beside authorized_key_filename".to_owned());
            }
            let whole = folder
                .map(|folder| checked_path("authorized_key_directory", &format!("{folder}/{file}")))
                .transpose()?;
            let keys = Keys::of_account(user, given(group), None, public_keys, delete_keys, session)?;
            Ok(Keys { path: whole.unwrap_or_default(), ..keys })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
