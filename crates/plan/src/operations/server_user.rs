//! `server.user`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{
    NumberOrText, OneOrMore, as_text, checked_account, checked_line, checked_path, given, optional_account,
    texts,
};
use super::files_directory::Directory;
use super::server_authorized_keys::Keys;
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, Session, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
/// The largest user number that hosts agree on.
const UID_MAX: u32 = 2_147_483_647;
/// The most groups of one account (NGROUPS_MAX of FreeBSD is 1023).
const GROUPS_MAX: usize = 1_000;

#[derive(Default)]
struct User {
    user: String,
    present: bool,
    uid: String,
    group: String,
    home: String,
    shell: String,
    comment: String,
    groups: Vec<String>,
    /// Whether it is to be in no other groups.
    exact: bool,
    system: bool,
    create_home: bool,
    delete_home: bool,
}

/// Returns where an account's home is by default.
fn home_of(user: &str) -> String {
    if user == "root" { "/root".to_owned() } else { format!("/home/{user}") }
}

impl User {
    fn fields(&self) -> String {
        let fields = [
            (&self.uid, 'u'),
            (&self.group, 'g'),
            (&self.home, 'h'),
            (&self.shell, 's'),
            (&self.comment, 'c'),
        ];
        fields.iter().filter(|(value, _)| !value.is_empty()).map(|(_, letter)| letter).collect()
    }

    fn exact(&self) -> &'static str {
        if self.exact { "exact" } else { "" }
    }

    fn after(&self) -> String {
        let fields = [
            ("uid", &self.uid),
            ("group", &self.group),
            ("home", &self.home),
            ("shell", &self.shell),
            ("comment", &self.comment),
        ];
        let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let lines = given.map(|(name, value)| format!("\n{name} {value}"));
        let groups = self.groups.iter().map(|group| format!("\nin {group}"));
        let others = self.exact.then(|| "\nothers".to_owned());
        std::iter::once("user".to_owned()).chain(lines).chain(groups).chain(others).collect()
    }

    fn action(&self) -> Script {
        let flag = |is_set: bool| if is_set { "yes" } else { "" };
        let words = [
            self.user.as_str(),
            &self.uid,
            &self.group,
            &self.home,
            &self.shell,
            &self.comment,
            flag(self.system),
            flag(self.create_home),
            self.exact(),
        ];
        let groups = self.groups.iter().map(String::as_str);
        Script::call(&sh::MAKE_USER, &words.into_iter().chain(groups).collect::<Vec<_>>())
    }
}

impl User {
    fn probe(&self) -> Question {
        let words = [self.user.clone(), self.fields(), self.exact().to_owned()];
        Question::new(&sh::USER_STATE, words.into_iter().chain(self.groups.iter().cloned()))
    }
}

impl Operation for User {
    const NAME: &'static str = "server.user";

    fn subject(&self) -> String {
        self.user.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        let home = if self.home.is_empty() { home_of(&self.user) } else { self.home.clone() };
        vec![
            Area::Accounts,
            Area::Tree(home),
            Area::Entry("/etc/passwd".to_owned()),
            Area::Entry("/etc/group".to_owned()),
        ]
    }

    fn risks(&self) -> Vec<Risk> {
        vec![Risk::Access]
    }

    fn depends(&self) -> Vec<Area> {
        vec![Area::Accounts, Area::Entry("/etc/passwd".to_owned()), Area::Entry("/etc/group".to_owned())]
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        if !self.present {
            let home = if self.delete_home { "home" } else { "" };
            let action = Script::call(&sh::REMOVE_USER, &[self.user.as_str(), home]);
            return Ok(Decision::from_to(self.probe(), before, "absent".to_owned(), action));
        }
        Ok(Decision::from_to(self.probe(), before, self.after(), self.action()))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes sure that an account is there, or is not. What is not given is left to the host.
    ///
    /// ```python
    /// server.user("app", shell = "/sbin/nologin", home = "/srv/app", create_home = True, groups = ["www-data"])
    /// ```
    ///
    /// # Arguments
    /// * `user`: the login
    /// * `present`: False: it goes; its home stays
    /// * `home`: its home directory
    /// * `shell`: its login shell
    /// * `group`: its primary group
    /// * `groups`: further groups that it is a member of
    /// * `append`: True: it stays in groups beside `groups`
    /// * `uid`: its number
    /// * `system`: whether a new one is an account of the system
    /// * `comment`: its real name, or whatever it is for
    /// * `create_home`: whether a new one gets its home directory
    /// * `ensure_home`: whether its home directory is made sure of, as a step of its own: it is its user's
    /// * `public_keys`: lines of authorized_keys, or files of the workspace with such lines, that may log in to it: `server.user_authorized_keys`, a step of its own
    /// * `delete_keys`: with `public_keys`: whether all other keys go
    /// * `delete_home`: with `present = False`: whether its home goes too
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn user<'v>(
        user: &'v str,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] home: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] shell: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] group: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] groups: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = false)] append: bool,
        #[starlark(require = named, default = NoneOr::None)] uid: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = false)] system: bool,
        #[starlark(require = named, default = NoneOr::None)] comment: NoneOr<&'v str>,
        #[starlark(require = named, default = false)] create_home: bool,
        #[starlark(require = named, default = false)] ensure_home: bool,
        #[starlark(require = named, default = NoneOr::None)] public_keys: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = false)] delete_keys: bool,
        #[starlark(require = named, default = false)] delete_home: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let common = || Common { name: given(name), when, handler };
        let (home, group) = (given(home), given(group));
        let make = || {
            let uid = given(uid).map(as_text).unwrap_or_default();
            if !uid.is_empty() && uid.parse::<u32>().ok().is_none_or(|uid| uid > UID_MAX) {
                return Err(format!(
                    "expected uid to be a number up to {UID_MAX}, got `{}`",
                    uid.escape_debug()
                ));
            }
            let field = |argument: &str, value: Option<&str>| match value {
                Some(value) if value.contains([':', '\n']) => Err(format!("expected {argument} without `:`")),
                Some(value) => checked_line(argument, value),
                None => Ok(String::new()),
            };
            let names = given(groups).map(texts);
            let groups = names
                .iter()
                .flatten()
                .map(|it| checked_account("groups", it))
                .collect::<Result<Vec<_>, _>>()?;
            if groups.len() > GROUPS_MAX {
                return Err(format!("expected at most {GROUPS_MAX} groups, got {}", groups.len()));
            }
            let home = home.map(|home| checked_path("home", home)).transpose()?;
            Ok(User {
                user: checked_account("user", user)?,
                present,
                uid,
                group: optional_account("group", group)?.unwrap_or_default(),
                home: field("home", home.as_deref())?,
                shell: field("shell", given(shell))?,
                comment: field("comment", given(comment))?,
                exact: !append && names.is_some(),
                groups,
                system,
                create_home,
                delete_home,
            })
        };
        let account = make();
        let is_good = account.is_ok() && present;
        let mut step = run(eval, account, &common())?;
        if is_good && ensure_home {
            let home = home.map_or_else(|| home_of(user), str::to_owned);
            let directory = Directory::owned(&home, user, group.unwrap_or(user));
            step = step.and(run(eval, directory, &common())?);
        }
        if let Some(keys) = given(public_keys).filter(|_| is_good) {
            let home = home.map(str::to_owned);
            let keys = Keys::of_account(user, group, home, keys, delete_keys, Session::of(eval)?);
            step = step.and(run(eval, keys, &common())?);
        }
        Ok(step)
    }
}
