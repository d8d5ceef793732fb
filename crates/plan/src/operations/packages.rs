//! `server.packages`, `apk.packages`, `apt.packages`, `pkg.packages`: one file for each manager.

pub(super) mod apk;
pub(super) mod apt;
pub(super) mod pkg;
pub(super) mod server;

use std::time::Duration;

use model::{DiffLine, Risk};

use super::argument::{OneOrMore, checked_name, texts};
use super::{Area, Decision, Operation};
use crate::deploy::Asked;
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
    /// When lists are fetched before: `update` = always, a number = where they are older, in seconds.
    update: String,
    /// Options of apt-get for what is done.
    options: String,
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
        let update = if update { "update".to_owned() } else { String::new() };
        Ok(Self { names, how, update, options: String::new() })
    }

    /// Fetches lists only where they are older than some seconds.
    fn with_cache_time(mut self, seconds: Option<u32>) -> Self {
        if let Some(seconds) = seconds.filter(|_| !self.update.is_empty()) {
            self.update = seconds.to_string();
        }
        self
    }

    /// Takes options of apt-get; those of installing or those of removing count.
    fn with_options(mut self, installing: &[String], removing: &[String]) -> Self {
        let options = if self.how == How::Absent { removing } else { installing };
        self.options = options.join(" ");
        self
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
        let names = self.words(before.as_deref(), &after);
        let words = [MANAGERS[M].1, verb, &self.update, &self.options];
        let words: Vec<&str> = words.into_iter().chain(names.iter().map(String::as_str)).collect();
        let action = Script::call(&sh::CHANGE_PACKAGES, &words);
        let is_open = after.lines().any(|line| line.ends_with(" ?"));
        let mut decision = Decision::from_to(self.probe(), before, after, action);
        if !self.options.is_empty() && !decision.diff.is_empty() {
            decision.diff.push(DiffLine::Added(format!("with {}", self.options)));
        }
        Ok(if is_open { decision.without_after() } else { decision })
    }
}
