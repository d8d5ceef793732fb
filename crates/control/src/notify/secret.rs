//! Secrets: a type that can be used and cannot be shown.

use std::path::Path;

use zeroize::Zeroizing;

use crate::settings::SecretSource;

/// The longest file that a secret is read from, in bytes.
const FILE_BYTES_MAX: u64 = 4096;

/// What stands in for a secret in a text that somebody else wrote.
const HIDDEN: &str = "***";

/// A token, key or password. It has no `Debug` and no `Serialize`, and is wiped when it is dropped.
#[derive(Clone)]
pub(super) struct Secret(Zeroizing<String>);

impl Secret {
    /// Reads a secret: the first line of a file, or an environment variable.
    pub(super) fn read(
        source: &SecretSource,
        resolve: impl FnOnce(&str) -> std::path::PathBuf,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let text = match source {
            SecretSource::File(path) => read_file(&resolve(path))?,
            SecretSource::Environment(name) => {
                let value =
                    environment(name).ok_or_else(|| format!("environment variable {name} is not set"))?;
                Zeroizing::new(value)
            }
        };
        let first = text.lines().next().unwrap_or_default().trim();
        if first.is_empty() {
            return Err(match source {
                SecretSource::File(path) => format!("secret file {path} is empty"),
                SecretSource::Environment(name) => format!("environment variable {name} is empty"),
            });
        }
        Ok(Self(Zeroizing::new(first.to_owned())))
    }

    /// Hands it out, for the one place that sends or signs with it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Takes it out of a text that somebody else wrote (a server may repeat what it was given).
    pub(super) fn scrub(&self, text: &str) -> String {
        text.replace(self.expose(), HIDDEN)
    }
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let failed =
        |why: &dyn std::fmt::Display| format!("secret file {} cannot be read: {why}", path.display());
    let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(failed(&format!("expected a file of at most {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_from_files_and_the_environment() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("token"), "hush\nsecond line\n").expect("written");
        std::fs::write(folder.path().join("empty"), "\n").expect("written");
        let environment = |name: &str| (name == "TOKEN").then(|| "from-env".to_owned());
        let read = |source: SecretSource| {
            let secret = Secret::read(&source, |path| folder.path().join(path), &environment);
            secret.map(|secret| secret.expose().to_owned())
        };
        assert_eq!(read(SecretSource::File("token".into())), Ok("hush".to_owned()));
        assert_eq!(read(SecretSource::Environment("TOKEN".into())), Ok("from-env".to_owned()));
        for source in [
            SecretSource::File("empty".into()),
            SecretSource::File("none".into()),
            SecretSource::File(".".into()),
        ] {
            assert!(read(source).is_err());
        }
        assert!(
            read(SecretSource::Environment("OTHER".into()))
                .is_err_and(|why| why.contains("OTHER is not set"))
        );
        let secret = Secret(Zeroizing::new("hush".to_owned()));
        assert_eq!(secret.scrub("535 bad password hush"), "535 bad password ***");
    }
}
