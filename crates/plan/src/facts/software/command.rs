//! The version commands of services.

use crate::facts::fact::Definition;

/// Each command runs with nothing to read, its errors are its output (Java prints its version there), 4
/// KiB of it count, and where timeout(1) is there it has 10 s: else the host's time limit ends it.
/// A frame is a line `S` with the command's number, then its lines after `L`; the last one is its
/// status.
pub(in crate::facts) const VERSION_COMMAND: Definition = Definition {
    name: "version-command",
    guard: "true",
    snippet: r#"
version_command() {
printf 'S%s\n' "$1"
shift
if command -v timeout >/dev/null; then set -- timeout 10 "$@"; fi
{ "$@" 2>&1 </dev/null; printf '\nstatus %s\n' "$?"; } | head -c 4096 | sed -e 's/^/L/'
echo
}"#,
    read: |seen, output, _| seen.version_commands = Some(read(output)),
};

/// Returns what each command printed, by its number.
fn read(output: &[u8]) -> Vec<(usize, Vec<String>)> {
    let mut found: Vec<(usize, Vec<String>)> = Vec::new();
    for line in output.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        if let Some(number) = line.strip_prefix('S').and_then(|number| number.parse().ok()) {
            found.push((number, Vec::new()));
        } else if let (Some(text), Some((_, lines))) = (line.strip_prefix('L'), found.last_mut()) {
            lines.push(text.to_owned());
        }
    }
    found
}

/// Finds the version in what a command printed: the first word like `1.2`, else the first number. The
/// error says why there is none.
pub(in crate::facts) fn version(lines: &[String]) -> Result<String, String> {
    let (status, said) = match lines.split_last() {
        Some((last, said)) => (last.strip_prefix("status "), said),
        None => (None, lines),
    };
    match status {
        Some("0") => {}
        Some("124" | "143") => return Err("it took longer than 10 s".to_owned()),
        Some(status) => {
            let why = said.iter().find(|line| !line.trim().is_empty());
            let why = why.map_or_else(String::new, |line| format!(": {}", crate::facts::faults::quote(line)));
            return Err(format!("it ended with status {status}, expected 0{why}"));
        }
        None => return Err("it printed more than 4096 bytes, or its end is missing".to_owned()),
    }
    let words = || said.iter().flat_map(|line| line.split(|char: char| !is_of_version(char)));
    let found = words().filter_map(number_of);
    let is_dotted = |word: &&str| word.split('.').nth(1).is_some_and(|it| it.starts_with(is_digit));
    let found = found.clone().find(is_dotted).or_else(|| found.clone().next());
    found.map(str::to_owned).ok_or_else(|| "it printed no version".to_owned())
}

/// Returns the number in `2.4.1`, `v2.4.1`, `wiki-2.4.1` and `OpenSSH_9.6p1`.
fn number_of(word: &str) -> Option<&str> {
    let bytes = word.as_bytes();
    let begins = |at: &usize| bytes[*at].is_ascii_digit() && (*at == 0 || b"-_vV".contains(&bytes[*at - 1]));
    let at = (0..bytes.len()).find(begins)?;
    Some(word.get(at..)?.trim_end_matches(['.', '-']))
}

fn is_digit(char: char) -> bool {
    char.is_ascii_digit()
}

fn is_of_version(char: char) -> bool {
    char.is_ascii_alphanumeric() || "._+~-".contains(char)
}
