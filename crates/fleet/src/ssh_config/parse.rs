//! From lines to entries with their conditions.

use std::sync::Arc;

use model::Problem;

use super::resolve::JumpSpec;
use super::word::{arguments, keyword};
use super::{
    Criterion, DEPTH_MAX, Entry, FILES_MAX, Guard, IncludedFile, LINES_MAX, Setting, Spot, SshConfig,
};

/// What lines that are no longer read refuse.
const TOO_MUCH: &str = "the configuration is longer than ifrit reads";

pub(super) fn parse(
    path: &str,
    text: &str,
    include: &mut dyn FnMut(&str) -> Vec<IncludedFile>,
) -> (SshConfig, Vec<Problem>) {
    let mut reader = Reader { include, entries: Vec::new(), problems: Vec::new(), files: 1, lines: 0 };
    reader.file(path, text, &[], 0);
    (SshConfig { entries: reader.entries }, reader.problems)
}

struct Reader<'r> {
    include: &'r mut dyn FnMut(&str) -> Vec<IncludedFile>,
    entries: Vec<Entry>,
    problems: Vec<Problem>,
    files: usize,
    lines: usize,
}

impl Reader<'_> {
    /// Reads a file whose lines count only where all of `outer` do.
    fn file(&mut self, path: &str, text: &str, outer: &[Arc<Guard>], depth: usize) {
        let path: Arc<str> = Arc::from(path);
        let mut guards = outer.to_vec();
        for (index, line) in text.lines().enumerate() {
            let spot = Spot { path: Arc::clone(&path), line: index + 1 };
            self.lines += 1;
            if self.lines > LINES_MAX {
                return self.refuse(spot, &guards, TOO_MUCH.to_owned());
            }
            let Some((word, rest)) = keyword(line) else { continue };
            match word.as_str() {
                "host" | "match" => {
                    let guard = self.guard(&spot, &word, rest);
                    guards.truncate(outer.len());
                    guards.push(Arc::new(guard));
                }
                "include" => self.include(&spot, rest, &guards, depth),
                _ => match setting(&word, rest) {
                    Ok(None) => self.warn_of_weakening(&spot, &word, rest),
                    Ok(Some(setting)) => self.entries.push(Entry { spot, guards: guards.clone(), setting }),
                    Err(why) => self.refuse(spot, &guards, why),
                },
            }
        }
    }

    /// A line that could change where a connection leads refuses the hosts that it counts for.
    fn refuse(&mut self, spot: Spot, guards: &[Arc<Guard>], why: String) {
        self.problems.push(spot.problem(why.clone()));
        self.entries.push(Entry { spot, guards: guards.to_vec(), setting: Setting::Refused(why) });
    }

    fn warn_of_weakening(&mut self, spot: &Spot, word: &str, rest: &str) {
        if let Some(check) = weakening(word, rest) {
            let message =
                format!("{check} has no effect here: ifrit never trusts a key that nobody has pinned");
            self.problems.push(spot.problem(message));
        }
    }

    fn guard(&mut self, spot: &Spot, word: &str, rest: &str) -> Guard {
        let criteria = match arguments(rest) {
            Err(why) => Err(why.to_owned()),
            Ok(words) if words.is_empty() => Err("no pattern".to_owned()),
            Ok(words) if word == "host" => Ok(vec![Criterion::Asked(words)]),
            Ok(words) => match_criteria(&words),
        };
        let criteria = criteria.unwrap_or_else(|why| {
            let message = format!("this block is left out: {why}");
            let hint = "ifrit understands `Host` and `Match` with all, host and originalhost";
            self.problems.push(spot.problem(message).with_hint(hint));
            vec![Criterion::Never]
        });
        Guard { criteria }
    }

    fn include(&mut self, spot: &Spot, rest: &str, guards: &[Arc<Guard>], depth: usize) {
        let patterns = match arguments(rest) {
            Ok(patterns) if !patterns.is_empty() => patterns,
            Ok(_) => return self.refuse(spot.clone(), guards, "Include names no file".to_owned()),
            Err(why) => return self.refuse(spot.clone(), guards, why.to_owned()),
        };
        if depth >= DEPTH_MAX {
            let why = format!("files include each other more than {DEPTH_MAX} deep");
            return self.refuse(spot.clone(), guards, why);
        }
        for pattern in patterns {
            for file in (self.include)(&pattern) {
                if self.files >= FILES_MAX {
                    let why = format!("the configuration has more than {FILES_MAX} files");
                    return self.refuse(spot.clone(), guards, why);
                }
                self.files += 1;
                match file.text {
                    Ok(text) => self.file(&file.path, &text, guards, depth + 1),
                    Err(why) => self.refuse(spot.clone(), guards, format!("{}: {why}", file.path)),
                }
            }
        }
    }
}

fn match_criteria(words: &[String]) -> Result<Vec<Criterion>, String> {
    let mut criteria = Vec::new();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let (is_negated, name) = match word.strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, word),
        };
        let name = name.to_ascii_lowercase();
        if name == "all" {
            // OpenSSH: alone, and never negated.
            return match (is_negated, criteria.is_empty(), words.next()) {
                (false, true, None) => Ok(criteria),
                _ => Err("`Match all` stands alone".to_owned()),
            };
        }
        if name != "host" && name != "originalhost" {
            return Err(format!("the condition `{name}` is not understood"));
        }
        let patterns = words.next().ok_or_else(|| format!("the condition `{name}` names no pattern"))?;
        let patterns = patterns.split(',').map(str::to_owned).collect();
        criteria.push(match name.as_str() {
            "host" => Criterion::Current { patterns, is_negated },
            _ => Criterion::Original { patterns, is_negated },
        });
    }
    Ok(criteria)
}

/// Reads a keyword's value; `None` for keywords that neither lead elsewhere nor weaken a check.
fn setting(word: &str, rest: &str) -> Result<Option<Setting>, String> {
    // Commands are the rest of the line, quotes and all.
    if word == "proxycommand" {
        return match rest {
            "" => Err("ProxyCommand has no value".to_owned()),
            rest => Ok(Some(Setting::ProxyCommand(!rest.eq_ignore_ascii_case("none")))),
        };
    }
    let is_known = matches!(
        word,
        "hostname"
            | "user"
            | "port"
            | "proxyjump"
            | "identityfile"
            | "certificatefile"
            | "identityagent"
            | "identitiesonly"
            | "hostkeyalias"
    );
    if !is_known {
        return Ok(None);
    }
    let words = arguments(rest).map_err(str::to_owned)?;
    match words.as_slice() {
        [one] if !one.is_empty() => value(word, one).map(Some),
        _ => Err(format!("{word} takes one value, got {}", words.len())),
    }
}

fn value(word: &str, text: &str) -> Result<Setting, String> {
    let text_of = || text.to_owned();
    Ok(match word {
        "hostname" => Setting::HostName(text_of()),
        "user" => Setting::User(text_of()),
        "identityfile" => Setting::IdentityFile(text_of()),
        "certificatefile" => Setting::CertificateFile(text_of()),
        "identityagent" => Setting::IdentityAgent(text_of()),
        "hostkeyalias" => Setting::HostKeyAlias(text_of()),
        "identitiesonly" => Setting::IdentitiesOnly(switch(text)?),
        "proxyjump" => Setting::ProxyJump(jumps(text)?),
        _ => match text.parse() {
            Ok(port @ 1..) => Setting::Port(port),
            _ => return Err(format!("expected a port from 1 to 65535, got `{}`", text.escape_debug())),
        },
    })
}

fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(format!("expected yes or no, got `{}`", text.escape_debug())),
    }
}

fn jumps(text: &str) -> Result<Option<Vec<JumpSpec>>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let parse = |part: &str| {
        JumpSpec::parse(part)
            .ok_or_else(|| format!("`{}` names no host to jump through", part.escape_debug()))
    };
    text.split(',').map(parse).collect::<Result<_, _>>().map(Some)
}

/// Says which check a line would switch off.
fn weakening(word: &str, rest: &str) -> Option<&'static str> {
    let words = arguments(rest).unwrap_or_default();
    let first = words.first().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    match (word, first.as_str()) {
        ("stricthostkeychecking", "no" | "off" | "false" | "accept-new") => Some("StrictHostKeyChecking"),
        ("userknownhostsfile", "/dev/null" | "none") => Some("UserKnownHostsFile"),
        ("nohostauthenticationforlocalhost", "yes" | "true") => Some("NoHostAuthenticationForLocalhost"),
        _ => None,
    }
}
