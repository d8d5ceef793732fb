//! Host keys: pinned ones against the one that a host shows.

use std::sync::{Arc, OnceLock};

use model::HostKey;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};

use crate::connector::ConnectError;

/// The algorithms that a host may prove itself with, best first. SHA-1 signatures are not among them.
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];
/// The characters of a broken pinned key that are quoted.
const QUOTE_CHARS_MAX: usize = 40;

/// Returns a key's fingerprint as OpenSSH prints it (`SHA256:...`); `None` where it is no key.
pub fn fingerprint(key: &HostKey) -> Option<String> {
    PublicKey::from_openssh(key.as_str()).ok().map(|key| fingerprint_of(&key))
}

/// Returns a key's fingerprint as OpenSSH prints it.
pub(crate) fn fingerprint_of(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// The keys that a host may show.
#[derive(Debug)]
pub(crate) struct Pinned(Vec<PublicKey>);

impl Pinned {
    /// Reads the pinned keys of a host.
    pub(crate) fn new(keys: &[HostKey]) -> Result<Self, ConnectError> {
        if keys.is_empty() {
            return Err(ConnectError::HostKeyUnknown);
        }
        let read = |key: &HostKey| {
            PublicKey::from_openssh(key.as_str()).map_err(|_| ConnectError::PinnedKeyUnreadable {
                key: key.as_str().chars().take(QUOTE_CHARS_MAX).flat_map(char::escape_debug).collect(),
            })
        };
        Ok(Self(keys.iter().map(read).collect::<Result<_, _>>()?))
    }

    /// Returns the algorithms to offer: those of the pinned keys first, so that a host with several
    /// keys shows a pinned one.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        let is_pinned = |algorithm: &Algorithm| self.0.iter().any(|key| is_of(key, algorithm));
        let (mut first, rest): (Vec<_>, Vec<_>) = ALGORITHMS.into_iter().partition(is_pinned);
        first.extend(rest);
        first
    }

    /// Returns the fingerprints of the keys.
    pub(crate) fn fingerprints(&self) -> Vec<String> {
        self.0.iter().map(fingerprint_of).collect()
    }

    fn contains(&self, key: &KeyData) -> bool {
        self.0.iter().any(|pinned| pinned.key_data() == key)
    }
}

/// All algorithms, for a host of which no key is known yet.
pub(crate) fn all_algorithms() -> Vec<Algorithm> {
    ALGORITHMS.to_vec()
}

fn is_of(key: &PublicKey, algorithm: &Algorithm) -> bool {
    match (key.algorithm(), algorithm) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        (own, other) => own == *other,
    }
}

/// The check that the SSH library makes before it sends anything but the key exchange.
pub(crate) struct KeyCheck {
    /// The keys that pass; `None` = none passes, the key is only looked at.
    pub pinned: Option<Arc<Pinned>>,
    /// Where the shown key goes.
    pub shown: Arc<OnceLock<PublicKey>>,
}

impl russh::client::Handler for KeyCheck {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        // Certificates are never offered, so none is shown; if one were, its key is not pinned.
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        self.shown.get_or_init(|| key.clone());
        Ok(self.pinned.as_ref().is_some_and(|pinned| pinned.contains(key.key_data())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK2pr+Bfus1hvPof4Wb/plZCzSbqadHH0u+/f4ODtKnE";

    #[test]
    fn fingerprints_are_openssh_s() {
        let fingerprint = fingerprint(&HostKey::new(ED25519)).expect("a key");
        assert!(fingerprint.starts_with("SHA256:") && !fingerprint.ends_with('='), "{fingerprint}");
        assert_eq!(super::fingerprint(&HostKey::new("ssh-ed25519 x")), None);
    }

    #[test]
    fn a_pinned_algorithm_is_offered_first() {
        let pinned = Pinned::new(&[HostKey::new(ED25519)]).expect("a key");
        assert_eq!(pinned.algorithms()[0], Algorithm::Ed25519);
        assert_eq!(pinned.algorithms().len(), ALGORITHMS.len());
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        assert!(matches!(Pinned::new(&[]), Err(ConnectError::HostKeyUnknown)));
        for bad in ["", "ssh-ed25519", "ssh-ed25519 AAAA", "\u{1b}[2J"] {
            let keys = [HostKey::new(ED25519), HostKey::new(bad)];
            assert!(matches!(Pinned::new(&keys), Err(ConnectError::PinnedKeyUnreadable { .. })), "{bad:?}");
        }
    }
}
