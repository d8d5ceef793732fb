//! The key that signs checkpoints: one file, for its owner's eyes only.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use zeroize::Zeroizing;

use super::RecordError;
use super::note::VerifierKey;
use crate::session::Session;

/// What a key file begins with; 64 hexadecimal digits follow.
const PREFIX: &str = "ifrit-audit-key-1:";

/// The longest key file, in bytes.
const FILE_BYTES_MAX: u64 = 1024;

/// The key that signs. It has no `Debug`: what it holds is nobody's to see.
pub(super) struct AuditKey {
    pair: Ed25519KeyPair,
}

impl AuditKey {
    /// Makes the key of 32 random bytes.
    pub(super) fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        Self { pair: pair.expect("invariant: every 32 bytes are a seed") }
    }

    /// Reads the key, or makes one where there is none.
    ///
    /// # Errors
    /// [`RecordError::Key`].
    pub(super) fn read_or_make(path: &Path) -> Result<Self, RecordError> {
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        match make(path) {
            Ok(()) => {}
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(fault(path, error)),
        }
        Self::read(path)?.ok_or_else(|| fault(path, "it is gone as soon as it is written"))
    }

    /// Reads the key; `None` where there is none.
    ///
    /// # Errors
    /// [`RecordError::Key`]: others may read the file, or it holds no key.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, RecordError> {
        let file = match OpenOptions::new().read(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(path, error)),
        };
        let mode = file.metadata().map_err(|error| fault(path, error))?.mode();
        if mode & 0o077 != 0 {
            return Err(fault(path, format!("its mode is {:04o}, expected 0600", mode & 0o7777)));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| fault(path, error))?;
        let seed = parse(&text).ok_or_else(|| fault(path, "it is no key of checkpoints"))?;
        Ok(Some(Self::from_seed(&seed)))
    }

    /// Returns the public half, under the name of a record.
    pub(super) fn verifier(&self, origin: &str) -> VerifierKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        VerifierKey::new(origin, bytes)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// Returns where the settings say that the key is.
///
/// # Errors
/// [`RecordError::Key`] where that depends on a home directory and there is none.
pub(super) fn path(session: &Session) -> Result<PathBuf, RecordError> {
    let (home, setting) = (session.surroundings.home.as_deref(), session.workspace.settings.audit_key_file());
    if home.is_none() && setting.starts_with("~/") {
        return Err(fault(Path::new(setting), "there is no home directory (HOME is not set)"));
    }
    Ok(session.workspace.resolve(setting, home))
}

fn make(path: &Path) -> io::Result<()> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(|error| io::Error::other(error.to_string()))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Written beside and put in its place at once: nobody finds half a key.
    let beside = path.with_added_extension(format!("{}.part", std::process::id()));
    let hex: Zeroizing<String> = Zeroizing::new(seed.iter().map(|byte| format!("{byte:02x}")).collect());
    let text = Zeroizing::new(format!("{PREFIX}{}\n", hex.as_str()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    // A link does not replace what is there, as a rename would.
    let put = written.and_then(|()| std::fs::hard_link(&beside, path));
    let removed = std::fs::remove_file(&beside);
    put.and(removed)
}

fn parse(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let hex = text.trim_end().strip_prefix(PREFIX)?;
    let mut seed = Zeroizing::new([0; 32]);
    if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in seed.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(seed)
}

fn fault(path: &Path, why: impl ToString) -> RecordError {
    RecordError::Key { path: path.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/audit.key");
        assert!(AuditKey::read(&path).is_ok_and(|key| key.is_none()));
        let made = AuditKey::read_or_make(&path).ok().map(|key| key.verifier("a").to_string());
        let again = AuditKey::read_or_make(&path).ok().map(|key| key.verifier("a").to_string());
        assert!(made.is_some() && made == again, "{made:?} {again:?}");
        assert_eq!(std::fs::read_dir(folder.path().join("deep")).map(Iterator::count).ok(), Some(1));
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("changed");
        assert!(AuditKey::read(&path).err().is_some_and(|error| error.to_string().contains("0640")));
        for text in ["", "ifrit-audit-key-1:00", "x\n"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
