//! `server.packages`, `apk.packages`, `apt.packages`, `pkg.packages`.

use model::Risk;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use std::time::Duration;

use super::argument::{OneOrMore, checked_name, given, texts};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};
/// How long installing may take.
const TIME_LIMIT: Duration = Duration::from_secs(1800);
/// The most packages of one step.
const PACKAGES_MAX: usize = 1_000;

/// What is to be of some packages; `M` is the name of the operation.
struct Packages<const M: usize> {
    names: Vec<Wanted>,
    how: How,
    update: bool,
}

struct Wanted {
    name: String,
    version: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Present,
    Latest,
    Absent,
}

/// The operations and the manager of each.
const MANAGERS: [(&str, &str); 4] =
    [("server.packages", "auto"), ("apk.packages", "apk"), ("apt.packages", "apt"), ("pkg.packages", "pkg")];

impl<const M: usize> Packages<M> {
    fn new(names: OneOrMore<'_>, present: bool, latest: bool, update: bool) -> Result<Self, String> {
        let how = match (present, latest) {
            (false, _) => How::Absent,
            (true, true) => How::Latest,
            (true, false) => How::Present,
        };
        let names: Vec<Wanted> =
            texts(names).iter().map(|text| wanted(text)).collect::<Result<_, String>>()?;
        if names.is_empty() || names.len() > PACKAGES_MAX {
            return Err(format!("expected 1 to {PACKAGES_MAX} packages, got {}", names.len()));
        }
        Ok(Self { names, how, update })
    }

    fn probe(&self) -> Question {
        let is_pinned = self.names.iter().any(|it| it.version.is_some());
        let how = match self.how {
            How::Latest => "latest",
            _ if is_pinned => "version",
            _ => "present",
        };
        let names = self.names.iter().map(|it| it.name.as_str());
        Question::new(&sh::PACKAGE_STATE, [MANAGERS[M].1, how].into_iter().chain(names))
    }

    /// Returns the state that is wanted, line by line.
    fn after(&self, before: Option<&str>) -> String {
        let found: Vec<&str> = before.map(|text| text.lines().collect()).unwrap_or_default();
        let is_pinned = self.names.iter().any(|it| it.version.is_some());
        let line = |(at, wanted): (usize, &Wanted)| {
            let now = found.get(at).and_then(|line| line.split(' ').nth(1)).filter(|it| *it != "absent");
            let state = match (self.how, &wanted.version) {
                (How::Absent, _) => "absent",
                (How::Latest, _) => "latest",
                (How::Present, Some(version)) => version,
                // Beside a pinned package: any version that is there will do.
                (How::Present, None) if is_pinned => now.unwrap_or("?"),
                (How::Present, None) => "present",
            };
            format!("{} {state}", wanted.name)
        };
        self.names.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Returns only what is to be changed, where it is known.
    fn words(&self, before: Option<&str>, after: &str) -> Vec<String> {
        let found: Vec<&str> = before.map(|text| text.lines().collect()).unwrap_or_default();
        let wanted: Vec<&str> = after.lines().collect();
        let is_open = |at: &usize| before.is_none() || found.get(*at) != wanted.get(*at);
        let word = |at: usize| match &self.names[at].version {
            Some(version) if self.how == How::Present => format!("{}={version}", self.names[at].name),
            _ => self.names[at].name.clone(),
        };
        (0..self.names.len()).filter(is_open).map(word).collect()
    }
}

/// Reads `nginx` or `nginx=1.2`.
fn wanted(text: &str) -> Result<Wanted, String> {
    let (name, version) = match text.split_once('=') {
        Some((name, version)) => (name, Some(checked_name("version", version)?)),
        None => (text, None),
    };
    if name.contains(['=', '<', '>', '~']) {
        return Err(format!("expected `name` or `name=version`, got `{}`", text.escape_debug()));
    }
    Ok(Wanted { name: checked_name("packages", name)?, version })
}

impl<const M: usize> Operation for Packages<M> {
    const NAME: &'static str = MANAGERS[M].0;

    fn subject(&self) -> String {
        let names: Vec<&str> = self.names.iter().take(4).map(|it| it.name.as_str()).collect();
        let more = self.names.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", names.join(", "))
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        Area::of_packages()
    }

    fn depends(&self) -> Vec<Area> {
        let repositories = ["/etc/apk", "/etc/apt", "/usr/local/etc/pkg"];
        let trees = repositories.into_iter().map(|path| Area::Tree(path.to_owned()));
        let lists = (self.how == How::Latest).then_some(Area::Named("lists"));
        trees.chain([Area::Packages]).chain(lists).collect()
    }

    fn risks(&self) -> Vec<Risk> {
        if self.how == How::Absent { vec![Risk::Data] } else { vec![Risk::Restart] }
    }

    fn time_limit(&self) -> Duration {
        TIME_LIMIT
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let after = self.after(before.as_deref());
        let verb = match self.how {
            How::Present => "install",
            How::Latest => "latest",
            How::Absent => "remove",
        };
        let update = if self.update { "update" } else { "" };
        let names = self.words(before.as_deref(), &after);
        let words: Vec<&str> =
            [MANAGERS[M].1, verb, update].into_iter().chain(names.iter().map(String::as_str)).collect();
        let action = Script::call(&sh::CHANGE_PACKAGES, &words);
        let is_open = after.lines().any(|line| line.ends_with(" ?"));
        let decision = Decision::from_to(self.probe(), before, after, action);
        Ok(if is_open { decision.without_after() } else { decision })
    }
}

#[starlark_module]
pub(super) fn register_server(builder: &mut GlobalsBuilder) {
    /// Makes sure that packages are installed, or are not, with the package manager that the host has.
    ///
    /// ```python
    /// server.packages(["nginx", "curl"])
    /// server.packages("nginx=1.26.2-r0")
    /// ```
    ///
    /// # Arguments
    /// * `packages`: a package or a list of them; `name=version` pins a version
    /// * `present`: False: they go
    /// * `latest`: whether the newest version of the repositories is wanted
    /// * `update`: whether the lists of packages are fetched before something is installed
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn packages<'v>(
        packages: OneOrMore<'v>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] latest: bool,
        #[starlark(require = named, default = false)] update: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Packages::<0>::new(packages, present, latest, update);
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_apk(builder: &mut GlobalsBuilder) {
    /// Makes sure that packages are installed, or are not, on Alpine Linux.
    ///
    /// ```python
    /// apk.packages(["nginx", "curl"])
    /// apk.packages("nginx=1.26.2-r0")
    /// ```
    ///
    /// # Arguments
    /// * `packages`: a package or a list of them; `name=version` pins a version
    /// * `present`: False: they go
    /// * `latest`: whether the newest version of the repositories is wanted
    /// * `update`: whether the lists of packages are fetched before something is installed
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn packages<'v>(
        packages: OneOrMore<'v>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] latest: bool,
        #[starlark(require = named, default = false)] update: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Packages::<1>::new(packages, present, latest, update);
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_apt(builder: &mut GlobalsBuilder) {
    /// Makes sure that packages are installed, or are not, on Debian.
    ///
    /// ```python
    /// apt.packages(["nginx", "curl"])
    /// apt.packages("nginx=1.26.2-r0")
    /// ```
    ///
    /// # Arguments
    /// * `packages`: a package or a list of them; `name=version` pins a version
    /// * `present`: False: they go
    /// * `latest`: whether the newest version of the repositories is wanted
    /// * `update`: whether the lists of packages are fetched before something is installed
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn packages<'v>(
        packages: OneOrMore<'v>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] latest: bool,
        #[starlark(require = named, default = false)] update: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Packages::<2>::new(packages, present, latest, update);
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_pkg(builder: &mut GlobalsBuilder) {
    /// Makes sure that packages are installed, or are not, on FreeBSD.
    ///
    /// ```python
    /// pkg.packages(["nginx", "curl"])
    /// pkg.packages("nginx=1.26.2-r0")
    /// ```
    ///
    /// # Arguments
    /// * `packages`: a package or a list of them; `name=version` pins a version
    /// * `present`: False: they go
    /// * `latest`: whether the newest version of the repositories is wanted
    /// * `update`: whether the lists of packages are fetched before something is installed
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn packages<'v>(
        packages: OneOrMore<'v>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = false)] latest: bool,
        #[starlark(require = named, default = false)] update: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || Packages::<3>::new(packages, present, latest, update);
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
