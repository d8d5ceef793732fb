//! What a test says of its host, and the answers that follow from it.

use sha2::{Digest, Sha256};

use super::missing;
use super::patterns;
use crate::facts::{FactAnswer, Question};

/// One thing that a test says of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// What is at a path.
    Path(PathGiven),
    /// A package.
    Package {
        /// Its name.
        name: String,
        /// Its version; `None` = it is not installed.
        version: Option<String>,
        /// Whether the repositories have a newer one.
        is_old: bool,
    },
    /// A service of the host's manager.
    Service {
        /// Its name.
        name: String,
        /// `None` = there is none; else whether it runs, and whether it is started at boot.
        state: Option<(bool, bool)>,
    },
    /// An account.
    User(UserGiven),
    /// A group: its number; `None` = there is none.
    Group(String, Option<i32>),
    /// What a command does: its status and its output.
    Command(String, i32, String),
    /// Another thing with one value: its kind (the sh function that asks for it), key and lines.
    Named(&'static str, String, Vec<String>),
    /// A setting of the kernel: its value, and whether it is kept over a restart.
    Sysctl(String, Option<String>, bool),
    /// An answer as the host prints it.
    Answer(Vec<String>, Option<String>),
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathGiven {
    pub path: String,
    pub kind: PathKind,
    /// Four octal digits.
    pub mode: String,
    pub user: String,
    pub group: String,
}

/// What can be at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PathKind {
    File { content: String },
    Directory,
    Link { target: String },
    Absent,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UserGiven {
    pub name: String,
    pub exists: bool,
    pub uid: i32,
    pub group: String,
    pub home: String,
    pub shell: String,
    pub comment: String,
    pub groups: Vec<String>,
}

/// What follows for a question, or the lines that a test must add to say it.
pub(super) type Answered = Result<FactAnswer, Vec<String>>;

fn said(text: impl Into<String>) -> FactAnswer {
    FactAnswer::Said(text.into().trim_end_matches('\n').as_bytes().to_vec())
}

/// Answers a question from what is given; later ones replace earlier ones.
pub(super) fn answer(given: &[&Given], question: &Question) -> Answered {
    let words: Vec<&str> = question.arguments().iter().map(String::as_str).collect();
    let tool = question.tool().name;
    let exact = given.iter().rev().find_map(|it| match it {
        Given::Answer(asked, says) if is_asked(asked, tool, &words) => Some(says),
        _ => None,
    });
    if let Some(says) = exact {
        return Ok(says.as_ref().map_or(FactAnswer::Absent, said));
    }
    let followed = match (tool, words.as_slice()) {
        ("file_state", [path, letters]) => path_of(given, path).map(|it| said(it.state(letters))),
        ("show_file", [path, ..]) => {
            path_of(given, path).map(|it| it.content().map_or(FactAnswer::Absent, said))
        }
        ("tree_state", [path, access @ ..]) => path_of(given, path).map(|it| said(it.tree(access))),
        ("paths_state", paths) => {
            let each = paths.iter().map(|path| path_of(given, path).map(PathGiven::presence));
            each.collect::<Option<Vec<_>>>().map(|lines| said(lines.join("\n")))
        }
        ("line_state" | "replace_state" | "block_state", [path, rest @ ..]) => {
            path_of(given, path).and_then(|it| match it.content() {
                Some(content) => patterns::state(tool, content, rest).map(said),
                None => Some(said("absent")),
            })
        }
        ("package_state", [_, how, names @ ..]) => return packages(given, how, names),
        ("service_state", [_, name, fields, ..]) => service(given, name, fields),
        ("user_state", [name, fields, exact, groups @ ..]) => {
            user_of(given, name).map(|it| said(it.state(fields, !exact.is_empty(), groups)))
        }
        ("group_state", [name, gid]) => group(given, name, !gid.is_empty()),
        ("guard_state", [command]) => {
            command_of(given, command).map(|(status, _)| said(if status == 0 { "done" } else { "open" }))
        }
        ("run_command", [command]) => {
            command_of(given, command).map(|(status, output)| said(format!("{status}\n{output}")))
        }
        ("own_state", [command]) => command_of(given, command).map(|(status, output)| match status {
            0 => said(output),
            status => said(format!("failed with {status}")),
        }),
        ("sysctl_state", [key, file, value]) => sysctl(given, key, !file.is_empty(), value),
        ("keys_state", [user, ..]) => named(given, tool, user).map(|lines| said(marked(lines))),
        ("cron_state", [user, name, command]) => {
            named(given, tool, user).map(|lines| said(cron(lines, name, command)))
        }
        (_, []) => named(given, tool, "").map(|lines| said(lines.join("\n"))),
        (_, [key, ..]) => named(given, tool, key).map(|lines| said(lines.join("\n"))),
    };
    followed.ok_or_else(|| missing::lines(question))
}

fn is_asked(asked: &[String], tool: &str, words: &[&str]) -> bool {
    asked.split_first().is_some_and(|(first, rest)| first == tool && rest == words)
}

fn path_of<'g>(given: &[&'g Given], path: &str) -> Option<&'g PathGiven> {
    given.iter().rev().find_map(|it| match it {
        Given::Path(about) if about.path == path => Some(about),
        _ => None,
    })
}

impl PathGiven {
    /// As `file_state` prints it.
    fn state(&self, letters: &str) -> String {
        let wanted = |letter: char, value: &str| {
            if letters.contains(letter) { value.to_owned() } else { "-".to_owned() }
        };
        let (kind, digest) = match &self.kind {
            PathKind::Absent => return "absent".to_owned(),
            PathKind::File { content } => ("file", hex(&Sha256::digest(content))),
            PathKind::Directory => ("directory", "-".to_owned()),
            PathKind::Link { target } => ("link", target.clone()),
        };
        let mode = if kind == "link" { "-".to_owned() } else { wanted('m', &self.mode) };
        format!(
            "{kind} {mode} {} {} {}",
            wanted('u', &self.user),
            wanted('g', &self.group),
            wanted('c', &digest)
        )
    }

    fn content(&self) -> Option<&str> {
        match &self.kind {
            PathKind::File { content } => Some(content),
            _ => None,
        }
    }

    fn presence(&self) -> &'static str {
        if self.kind == PathKind::Absent { "absent" } else { "there" }
    }

    /// As `tree_state` prints it, if everything below is as the directory itself.
    fn tree(&self, access: &[&str]) -> &'static str {
        if self.kind != PathKind::Directory {
            return "rest absent";
        }
        let own = [&self.mode, &self.user, &self.group];
        let is_same = access.iter().zip(own).all(|(wanted, own)| *wanted == "-" || wanted == own);
        if is_same { "rest same" } else { "rest differs" }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn packages(given: &[&Given], how: &str, names: &[&str]) -> Answered {
    let mut lines = Vec::new();
    let mut absent = Vec::new();
    for wanted in names {
        let found = given.iter().rev().find_map(|it| match it {
            Given::Package { name, version, is_old } if name == wanted => Some((version, *is_old)),
            _ => None,
        });
        let state = match (found, how) {
            (None, _) => {
                absent.push(missing::package(wanted));
                continue;
            }
            (Some((None, _)), _) => "absent",
            (Some((Some(_), _)), "present") => "present",
            (Some((Some(_), is_old)), "latest") => {
                if is_old {
                    "old"
                } else {
                    "latest"
                }
            }
            (Some((Some(version), _)), _) => version,
        };
        lines.push(format!("{wanted} {state}"));
    }
    if absent.is_empty() { Ok(said(lines.join("\n"))) } else { Err(absent) }
}

fn service(given: &[&Given], wanted: &str, fields: &str) -> Option<FactAnswer> {
    let state = given.iter().rev().find_map(|it| match it {
        Given::Service { name, state } if name == wanted => Some(*state),
        _ => None,
    })?;
    let Some((runs, starts)) = state else { return Some(said("absent")) };
    let runs = fields.contains('r').then_some(if runs { "running" } else { "stopped" });
    let starts = fields.contains('e').then_some(if starts { "enabled" } else { "disabled" });
    Some(said(runs.into_iter().chain(starts).collect::<Vec<_>>().join("\n")))
}

fn user_of<'g>(given: &[&'g Given], name: &str) -> Option<&'g UserGiven> {
    given.iter().rev().find_map(|it| match it {
        Given::User(user) if user.name == name => Some(user),
        _ => None,
    })
}

impl UserGiven {
    /// As `user_state` prints it.
    fn state(&self, fields: &str, is_exact: bool, groups: &[&str]) -> String {
        if !self.exists {
            return "absent".to_owned();
        }
        let uid = self.uid.to_string();
        let about = [
            ('u', "uid", &uid),
            ('g', "group", &self.group),
            ('h', "home", &self.home),
            ('s', "shell", &self.shell),
            ('c', "comment", &self.comment),
        ];
        let mut lines = vec!["user".to_owned()];
        let wanted = about.into_iter().filter(|(letter, ..)| fields.contains(*letter));
        lines.extend(wanted.map(|(_, name, value)| format!("{name} {value}")));
        let member = |group: &&&str| self.groups.iter().any(|own| own == **group);
        lines.extend(groups.iter().filter(member).map(|group| format!("in {group}")));
        if is_exact {
            let others = self.groups.iter().filter(|own| !groups.contains(&own.as_str()));
            lines.push(format!("others{}", others.map(|own| format!(" {own}")).collect::<String>()));
        }
        lines.join("\n")
    }
}

fn group(given: &[&Given], wanted: &str, with_number: bool) -> Option<FactAnswer> {
    let gid = given.iter().rev().find_map(|it| match it {
        Given::Group(name, gid) if name == wanted => Some(*gid),
        _ => None,
    })?;
    Some(match gid {
        None => said("absent"),
        Some(gid) if with_number => said(format!("group {gid}")),
        Some(_) => said("group"),
    })
}

fn command_of<'g>(given: &[&'g Given], wanted: &str) -> Option<(i32, &'g str)> {
    given.iter().rev().find_map(|it| match it {
        Given::Command(command, status, output) if command == wanted => Some((*status, output.as_str())),
        _ => None,
    })
}

fn sysctl(given: &[&Given], wanted: &str, with_file: bool, expected: &str) -> Option<FactAnswer> {
    let (value, is_kept) = given.iter().rev().find_map(|it| match it {
        Given::Sysctl(key, value, is_kept) if key == wanted => Some((value, *is_kept)),
        _ => None,
    })?;
    let Some(value) = value else { return Some(said("absent")) };
    let kept = match (with_file, is_kept && value == expected) {
        (false, _) => "",
        (true, true) => "\nkept",
        (true, false) => "\nnot kept",
    };
    Some(said(format!("runs {value}{kept}")))
}

fn named<'g>(given: &[&'g Given], kind: &str, key: &str) -> Option<&'g [String]> {
    given.iter().rev().find_map(|it| match it {
        Given::Named(its_kind, its_key, lines)
            if *its_kind == kind && (its_key == key || its_key.is_empty()) =>
        {
            Some(lines.as_slice())
        }
        _ => None,
    })
}

fn marked(lines: &[String]) -> String {
    lines.iter().map(|line| format!("= {line}\n")).collect()
}

/// As `cron_state` prints it: the entry below its name's comment, or those that run the command.
fn cron(lines: &[String], name: &str, command: &str) -> String {
    if !name.is_empty() {
        let title = format!("# pyinfra-name={name}");
        let found = lines.iter().zip(lines.iter().skip(1)).filter(|(before, _)| **before == title);
        return found.map(|(_, line)| format!("= {line}\n")).collect();
    }
    let runs = |line: &&String| {
        !line.starts_with('#')
            && line.strip_suffix(command).is_some_and(|before| before.ends_with([' ', '\t']))
    };
    lines.iter().filter(runs).map(|line| format!("= {line}\n")).collect()
}

#[cfg(test)]
mod tests;
