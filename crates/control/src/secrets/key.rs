//! The key that seals secrets, and that makes the keyed digests by which plans tell their versions.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use ring::hmac;
use store::SealingKey;
use zeroize::Zeroizing;

use crate::deploy::FixError;

/// What a key file begins with; 64 hexadecimal digits follow.
const PREFIX: &str = "ifrit-secrets-key-1:";
/// The longest key file, in bytes.
const FILE_BYTES_MAX: u64 = 1024;

/// The key of secrets.
pub(crate) struct Key {
    /// Seals and opens.
    pub sealing: SealingKey,
    digest: hmac::Key,
}

impl Key {
    /// Makes a new key file, which must not exist; nobody else may read it.
    pub(super) fn create(path: &Path) -> Result<(), FixError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|error| fault(path, error))?;
        let hex: Zeroizing<String> =
            Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| fault(path, error))?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = file.map_err(|error| fault(path, error))?;
        let text = Zeroizing::new(format!("{PREFIX}{}\n", hex.as_str()));
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| fault(path, error))
    }

    /// Reads a key file.
    pub(crate) fn read(path: &Path) -> Result<Self, FixError> {
        let file = OpenOptions::new().read(true).open(path).map_err(|error| fault(path, error))?;
        let mode = file.metadata().map_err(|error| fault(path, error))?.mode();
        if mode & 0o077 != 0 {
            return Err(fault(path, format!("its mode is {:04o}, expected 0600", mode & 0o7777)));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| fault(path, error))?;
        let bytes = parse(&text).ok_or_else(|| fault(path, "it is no key of secrets"))?;
        // Two uses, two keys.
        let digest_key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*bytes), b"ifrit secret versions 1");
        Ok(Self {
            sealing: SealingKey::new(*bytes),
            digest: hmac::Key::new(hmac::HMAC_SHA256, digest_key.as_ref()),
        })
    }

    /// Returns what tells this value of a secret from its next one: 32 hexadecimal digits that say nothing of
    /// the value to anybody without the key.
    pub(super) fn version(&self, name: &str, value: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.digest);
        context.update(&(name.len() as u64).to_le_bytes());
        context.update(name.as_bytes());
        context.update(value);
        context.sign().as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

fn parse(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let hex = text.trim_end().strip_prefix(PREFIX)?;
    let mut bytes = Zeroizing::new([0; 32]);
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn fault(path: &Path, why: impl ToString) -> FixError {
    FixError::SecretKey { path: path.to_owned(), why: why.to_string() }
}

/// Says that a file is not there, for callers that can do without it.
pub(super) fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/secrets.key");
        assert!(is_missing(&path));
        Key::create(&path).expect("a key");
        assert!(Key::create(&path).is_err(), "a key is never written over");
        let (one, other) = (Key::read(&path).expect("a key"), Key::read(&path).expect("a key"));
        assert_eq!(one.version("a", b"x"), other.version("a", b"x"));
        let versions =
            [one.version("a", b"x"), one.version("a", b"y"), one.version("b", b"x"), one.version("ax", b"")];
        assert!(versions.iter().all(|version| version.len() == 32));
        assert_eq!(versions.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("changed");
        assert!(Key::read(&path).is_err_and(|error| error.to_string().contains("0640")));
        for text in ["", "ifrit-secrets-key-1:00", "x\n"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
