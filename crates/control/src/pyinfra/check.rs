//! What pyinfra said to people, as a problem of a host.

use model::{Code, HostName, Place, Problem};

use super::process::Said;

/// The lines of what was said that a problem quotes.
const LINES_MAX: usize = 8;
/// The characters of them.
const CHARS_MAX: usize = 600;

/// What pyinfra says where a login failed, and what that is for ifrit.
const LOGIN_ERRORS: [(&str, Code); 4] = [
    ("does not match", Code::CollectHostKeyChanged),
    ("No host key", Code::CollectHostKeyUnknown),
    ("Authentication error", Code::CollectUnauthenticated),
    ("Could not", Code::CollectUnreachable),
];

/// Makes the problem of a host that pyinfra could not log in to.
pub(super) fn unreachable(host: &HostName, said: &Said) -> Problem {
    let prefix = format!("[{host}] ");
    let lines = said.lines();
    let own = lines.iter().find_map(|line| {
        let rest = line.trim_start().strip_prefix(&prefix)?;
        let (_, code) = LOGIN_ERRORS.iter().find(|(word, _)| rest.contains(word))?;
        Some((*code, rest.to_owned()))
    });
    let (code, message) = own.unwrap_or_else(|| (Code::PyinfraFailed, quoted(&lines)));
    problem(host, code, message)
}

/// Makes the problem of a host where pyinfra has ended in an error.
pub(super) fn failed(host: &HostName, what: &str, said: &Said) -> Problem {
    problem(host, Code::PyinfraFailed, format!("{what}: {}", quoted(&said.lines())))
}

/// Makes the problem of a host.
pub(super) fn problem(host: &HostName, code: Code, message: impl Into<String>) -> Problem {
    Problem::new(code, Place::Host { host: host.clone(), part: String::new() }, message)
}

/// Returns the last lines that say something.
fn quoted(lines: &[String]) -> String {
    let is_talk = |line: &&String| {
        let line = line.trim();
        line.starts_with("--> Disconnecting") || line.starts_with("--> Loading")
    };
    let lines: Vec<&str> = lines.iter().filter(|line| !is_talk(line)).map(|line| line.trim()).collect();
    if lines.is_empty() {
        return "pyinfra said nothing".to_owned();
    }
    let last = lines[lines.len().saturating_sub(LINES_MAX)..].join(" / ");
    let count = last.chars().count();
    last.chars().skip(count.saturating_sub(CHARS_MAX)).collect()
}
