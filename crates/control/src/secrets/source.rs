//! Where the values of secrets come from.

use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

/// The longest value of a secret, in bytes: 64 KiB.
pub(super) const VALUE_BYTES_MAX: usize = 64 << 10;
/// The longest name of a secret, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// How long a command may take that prints a secret.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a command is looked at.
const COMMAND_POLL: Duration = Duration::from_millis(5);

/// A value, wiped when it goes.
pub(super) type Bytes = Zeroizing<Vec<u8>>;

/// Checks a name: words of letters, digits, `.`, `_` and `-`, joined by `/`; it becomes a path.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let is_word = |word: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !word.is_empty() && !word.starts_with(['.', '-']) && word.bytes().all(is_allowed)
    };
    match name.len() <= NAME_BYTES_MAX && name.split('/').all(is_word) {
        true => Ok(()),
        false => {
            Err("a name is made of letters, digits, `.`, `_` and `-`, in words joined by `/`".to_owned())
        }
    }
}

/// Reads the file of a secret; one final newline does not count.
pub(super) fn from_file(folder: &Path, name: &str) -> Result<Bytes, String> {
    let path = folder.join(name);
    let is_plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !is_plain {
        return Err("its name leads out of the directory".to_owned());
    }
    let failed = |why: &dyn std::fmt::Display| format!("{} cannot be read: {why}", path.display());
    let file = std::fs::File::open(&path).map_err(|error| failed(&error))?;
    let mut value = Zeroizing::new(Vec::new());
    file.take(VALUE_BYTES_MAX as u64 + 1).read_to_end(&mut value).map_err(|error| failed(&error))?;
    checked(value)
}

/// Returns the name of the environment variable of a secret: `IFRIT_SECRET_DB_PASSWORD`.
pub(super) fn variable(name: &str) -> String {
    let upper = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_uppercase() as char } else { '_' };
    format!("IFRIT_SECRET_{}", name.bytes().map(upper).collect::<String>())
}

/// Reads the environment variable of a secret.
pub(super) fn from_environment(
    name: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Bytes, String> {
    let variable = variable(name);
    let value =
        environment(&variable).ok_or_else(|| format!("environment variable {variable} is not set"))?;
    checked(Zeroizing::new(value.into_bytes()))
}

/// Runs the command that prints a secret, without a shell.
pub(super) fn from_command(command: &[String], root: &Path, name: &str) -> Result<Bytes, String> {
    let mut words = command.iter().map(|word| word.replace("{name}", name));
    let program = words.next().ok_or("`secrets.command` is empty")?;
    let mut child = Command::new(&program)
        .args(words)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
    let stdout = child.stdout.take().ok_or("the command has no output")?;
    let reader = std::thread::spawn(move || {
        let mut value = Zeroizing::new(Vec::new());
        stdout.take(VALUE_BYTES_MAX as u64 + 1).read_to_end(&mut value).map(|_| value)
    });
    let deadline = Instant::now() + COMMAND_TIMEOUT;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _gone_already = child.kill();
                let _reaped = child.wait();
                return Err(format!("`{program}` did not end within {} s", COMMAND_TIMEOUT.as_secs()));
            }
            None => std::thread::sleep(COMMAND_POLL),
        }
    };
    if !status.success() {
        return Err(format!("`{program}` ended with {status}"));
    }
    let value = reader.join().map_err(|_| "the command's output could not be read".to_owned())?;
    checked(value.map_err(|error| format!("the output of `{program}` could not be read: {error}"))?)
}

/// Takes one final newline off, and refuses what is empty or too long.
pub(super) fn checked(mut value: Bytes) -> Result<Bytes, String> {
    if value.last() == Some(&b'\n') {
        value.pop();
    }
    match value.len() {
        0 => Err("its value is empty".to_owned()),
        1..=VALUE_BYTES_MAX => Ok(value),
        _ => Err(format!("its value is longer than {VALUE_BYTES_MAX} bytes")),
    }
}

/// Returns the directory of secret files.
pub(super) fn folder(workspace: &crate::Workspace, home: Option<&Path>) -> PathBuf {
    workspace.resolve(workspace.settings.secrets_directory(), home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for good in ["a", "db/password", "web-1/tls.key", "A_1"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in
            ["", "/", "a/", "/a", "a//b", "../a", "a/../b", ".a", "-a", "a b", "a\n", "ü", &"a".repeat(200)]
        {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn values_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("db")).expect("a folder");
        std::fs::write(folder.path().join("db/password"), "hush\n\n").expect("a file");
        std::fs::write(folder.path().join("empty"), "\n").expect("a file");
        let text =
            |value: Result<Bytes, String>| value.map(|value| String::from_utf8_lossy(&value).into_owned());
        assert_eq!(text(from_file(folder.path(), "db/password")), Ok("hush\n".to_owned()));
        assert!(from_file(folder.path(), "empty").is_err());
        assert!(from_file(folder.path(), "../x").is_err_and(|why| why.contains("leads out")));
        let environment = |name: &str| (name == "IFRIT_SECRET_DB_PASSWORD").then(|| "from-env".to_owned());
        assert_eq!(text(from_environment("db/password", &environment)), Ok("from-env".to_owned()));
        assert!(from_environment("other", &environment).is_err());
        let command = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            text(from_command(&words, folder.path(), "db/password"))
        };
        assert_eq!(command(&["cat", "{name}"]), Ok("hush\n".to_owned()));
        assert!(command(&["false"]).is_err() && command(&["/nowhere"]).is_err() && command(&[]).is_err());
    }
}
