//! `files.sync`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Content, DiffLine, Risk};
use sha2::{Digest, Sha256};
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{
    FROM_THE_ROOT, NumberOrText, OneOrMore, checked_mode, checked_path, given, quoted, so_anyway, texts,
};
use super::decision::capped;
use super::files_put::asset;
use super::whole_file::{Access, path_risks};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, Session, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// How long writing all files may take.
const TIME_LIMIT: Duration = Duration::from_secs(1800);
/// The largest folder that travels in a plan, in bytes.
const BODIES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most files of one step.
const FILES_MAX: usize = 1_000;
/// The bytes of all names together: they are words of a probe.
const NAMES_BYTES_MAX: usize = 96 * 1024;

struct Sync {
    dest: String,
    access: Access,
    dir_mode: String,
    delete: bool,
    /// By their paths from the folder.
    files: BTreeMap<String, File>,
}

struct File {
    bytes: Vec<u8>,
    digest: String,
}

/// What is left out: patterns with `*` and `?` of a file's name, and of a folder's path.
struct Excluded {
    files: Vec<String>,
    folders: Vec<String>,
}

impl Excluded {
    fn has(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        self.files.iter().any(|pattern| matches(pattern, name))
            || folders.into_iter().any(|folder| self.folders.iter().any(|pattern| matches(pattern, folder)))
    }
}

/// Compares text with a pattern in which `*` is anything and `?` any letter.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(letter) if *letter == '?' || *letter == text[from] => {
                at += 1;
                from += 1;
            }
            // The last star takes one letter more.
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    from = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

impl Sync {
    fn read(session: &Session<'_>, src: &str, excluded: &Excluded) -> Result<BTreeMap<String, File>, String> {
        let src = src.trim_end_matches('/');
        let paths = (session.view.folders)(src).map_err(|why| format!("src {}: {why}", quoted(src)))?;
        let mut files = BTreeMap::new();
        let (mut bytes, mut names) = (0, 0);
        for path in paths.into_iter().filter(|path| !excluded.has(path)) {
            if path.ends_with(char::is_whitespace) {
                return Err(format!("src: the name {} ends in a blank", quoted(&path)));
            }
            let content = asset(session, &format!("{src}/{path}"))?;
            bytes += content.len();
            names += path.len() + 3;
            let digest = Sha256::digest(&content);
            let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            files.insert(path, File { bytes: content, digest });
            if files.len() > FILES_MAX || bytes > BODIES_BYTES_MAX || names > NAMES_BYTES_MAX {
                return Err(format!(
                    "src {}: expected at most {FILES_MAX} files of {BODIES_BYTES_MAX} bytes and {NAMES_BYTES_MAX} \
                     bytes of names together; send an archive in place of them",
                    quoted(src)
                ));
            }
        }
        if files.is_empty() {
            return Err(format!("src {}: expected a file in it, got none", quoted(src)));
        }
        Ok(files)
    }

    fn probe(&self) -> Question {
        let letters = self.access.letters();
        let delete = if self.delete { "delete" } else { "" };
        let words = [self.dest.clone(), letters, delete.to_owned()];
        Question::new(&sh::SYNC_STATE, words.into_iter().chain(self.names()))
    }

    fn names(&self) -> impl Iterator<Item = String> {
        self.files.keys().map(|path| format!("./{path}"))
    }

    fn after(&self) -> String {
        let mut lines: Vec<String> =
            self.files.iter().map(|(path, file)| format!("{} ./{path}", file.digest)).collect();
        if !self.access.letters().is_empty() {
            lines.extend(self.files.keys().map(|path| self.access_line(path)));
        }
        lines.join("\n")
    }

    fn access_line(&self, path: &str) -> String {
        let [mode, user, group] = self.access.words();
        let mode = mode.strip_prefix('0').unwrap_or(mode);
        format!("access {mode} {user} {group} ./{path}")
    }

    /// Returns the files that are not as they should be, each with the word for it.
    fn open<'a>(&'a self, before: Option<&str>) -> BTreeMap<&'a str, &'static str> {
        let lines: BTreeSet<&str> = before.unwrap_or_default().lines().collect();
        let has_access = !self.access.letters().is_empty();
        let mut open = BTreeMap::new();
        for (path, file) in &self.files {
            let is_new = before.is_none()
                || lines.contains("absent")
                || lines.contains(format!("absent ./{path}").as_str());
            if is_new {
                open.insert(path.as_str(), "new");
            } else if !lines.contains(format!("{} ./{path}", file.digest).as_str()) {
                open.insert(path.as_str(), "changed");
            } else if has_access && !lines.contains(self.access_line(path).as_str()) {
                open.insert(path.as_str(), "access");
            }
        }
        open
    }

    fn action(&self, open: &BTreeMap<&str, &'static str>) -> (Script, Vec<Content>) {
        let [mode, user, group] = self.access.words();
        let mut folders = BTreeSet::from([self.dest.clone()]);
        for path in open.keys() {
            folders.extend(path.match_indices('/').map(|(at, _)| format!("{}/{}", self.dest, &path[..at])));
        }
        let mut script = Script::default();
        for folder in &folders {
            script = script.and(&sh::MAKE_DIRECTORY, &[folder, self.dir_mode.as_str(), user, group, ""]);
        }
        let mut bodies = Vec::new();
        for (path, file) in self.files.iter().filter(|(path, _)| open.contains_key(path.as_str())) {
            let target = format!("{}/{path}", self.dest);
            script = script.and_body(&sh::PUT_FILE, bodies.len(), &[&target, mode, user, group, ""]);
            bodies.push(Content::plain(file.bytes.clone()));
        }
        if self.delete {
            let words: Vec<String> = [self.dest.clone()].into_iter().chain(self.names()).collect();
            script = script.and(&sh::SYNC_DELETE, &words);
        }
        (script, bodies)
    }
}

impl Operation for Sync {
    const NAME: &'static str = "files.sync";

    fn subject(&self) -> String {
        self.dest.clone()
    }

    fn questions(&self) -> Vec<Question> {
        vec![self.probe()]
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Tree(self.dest.clone())]
    }

    fn risks(&self) -> Vec<Risk> {
        let data = if self.delete { vec![Risk::Data] } else { Vec::new() };
        [path_risks(&self.dest), data].concat()
    }

    fn time_limit(&self) -> Duration {
        TIME_LIMIT
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let before = asked.map(|asked| asked.said(&self.probe())).transpose()?.flatten();
        let lines = || before.iter().flat_map(|text| text.lines());
        if let Some(other) = lines().find_map(|line| line.strip_prefix("other ./")) {
            let path = format!("{}/{other}", self.dest);
            return Err(format!("expected {} to be a file or nothing, got something else", quoted(&path)));
        }
        let open = self.open(before.as_deref());
        let mut diff: Vec<DiffLine> = lines()
            .filter_map(|line| line.strip_prefix("extra ./"))
            .map(|path| DiffLine::Removed(path.to_owned()))
            .collect();
        let shown = |(path, word): (&&str, &&str)| DiffLine::Added(format!("{path} ({word})"));
        diff.extend(open.iter().map(shown));
        let (action, bodies) = self.action(&open);
        let decision = Decision::from_to(self.probe(), before.clone(), self.after(), action);
        Ok(bodies.into_iter().fold(decision, Decision::with_body).with_diff(capped(diff)))
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Makes a directory of the host have the files of a folder of the workspace. Only files that differ travel; each
    /// is written as a whole or not at all. Modes of the workspace's files do not travel, and links are refused.
    ///
    /// ```python
    /// files.sync("files/site", "/srv/www/site", user = "www", delete = True)
    /// ```
    ///
    /// # Arguments
    /// * `src`: a folder of the workspace, its path from the root: 1,000 files and 16 MiB at most
    /// * `dest`: the directory on the host
    /// * `user`: who owns the files, and the directories of those that are written
    /// * `group`: their group
    /// * `mode`: the files' mode; as it is unless given, 644 for new ones
    /// * `dir_mode`: the mode of the directories of files that are written
    /// * `delete`: whether other files and links below `dest` are removed; directories stay
    /// * `exclude`: names of files that are left out: patterns with `*` and `?`
    /// * `exclude_dir`: paths of folders that are left out, from `src`: patterns with `*` and `?`
    /// * `add_deploy_dir`: True, as it always is: paths are from the root of the workspace
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn sync<'v>(
        src: &'v str,
        dest: &'v str,
        #[starlark(require = named, default = NoneOr::None)] user: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] group: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] mode: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = NoneOr::None)] dir_mode: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = false)] delete: bool,
        #[starlark(require = named, default = NoneOr::None)] exclude: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = NoneOr::None)] exclude_dir: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = NoneOr::None)] add_deploy_dir: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            so_anyway("add_deploy_dir", add_deploy_dir, true, FROM_THE_ROOT)?;
            let excluded = Excluded {
                files: given(exclude).map(texts).unwrap_or_default(),
                folders: given(exclude_dir).map(texts).unwrap_or_default(),
            };
            let access = Access::read(mode, user, group)?;
            let dir_mode = checked_mode(given(dir_mode))?.unwrap_or_else(|| "-".to_owned());
            let files = Sync::read(session, src, &excluded)?;
            Ok(Sync { dest: checked_path("dest", dest)?, access, dir_mode, delete, files })
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        };
        check("*.pyc", "a.pyc", true);
        check("*.pyc", "a.py", false);
        check("a*b*c", "aXXbYYbZc", true);
        check("a*b*c", "aXXbYYbZ", false);
        check("?", "x", true);
        check("?", "", false);
        check("*/cache", "a/b/cache", true);
        check("", "", true);
        check("*", "", true);
    }
}
