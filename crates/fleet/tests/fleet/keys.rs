//! Keys that are the same in every run; they protect nothing.

use std::path::{Path, PathBuf};

use model::HostKey;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;

/// Makes an ed25519 key out of a number.
pub fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

/// Returns its public half as it is pinned.
pub fn pin(key: &PrivateKey) -> HostKey {
    HostKey::new(key.public_key().to_openssh().expect("a key can be written"))
}

/// Writes a private key as OpenSSH does, readable by its owner only.
pub fn write(key: &PrivateKey, directory: &Path, name: &str) -> PathBuf {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = directory.join(name);
    let text = key.to_openssh(LineEnding::LF).expect("a key can be written");
    let mut file =
        std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path).expect("a key file");
    file.write_all(text.as_bytes()).expect("a key file");
    path
}
