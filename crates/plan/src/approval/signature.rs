//! Signatures made with SSH keys (OpenSSH's PROTOCOL.sshsig).

use model::PublicKey;
use ssh_key::{Algorithm, SshSig};
use thiserror::Error;

/// The namespace of ours: a signature made for anything else is none here.
pub const APPROVAL_NAMESPACE: &str = "ifrit-plan";

/// The bytes of an armoured signature: 16 KiB. (RSA with 16,384 bits has 6 KiB.)
const SIGNATURE_BYTES_MAX: usize = 16 << 10;

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureRefused {
    /// It is no armoured SSHSIG.
    #[error("the signature is not what `ssh-keygen -Y sign` writes: {why}")]
    Unreadable {
        /// Why.
        why: String,
    },
    /// It was made for something else.
    #[error("expected a signature in the namespace `{APPROVAL_NAMESPACE}`, got `{found}`")]
    OtherNamespace {
        /// The namespace, escaped.
        found: String,
    },
    /// It was made with a weak algorithm.
    #[error("{algorithm} is too weak for a signature")]
    Weak {
        /// The algorithm.
        algorithm: String,
    },
    /// It was made with a key that is not the person's.
    #[error("it was made with a key that is not declared for this person ({fingerprint})")]
    OtherKey {
        /// The key's fingerprint.
        fingerprint: String,
    },
    /// It signs something else: another plan, another expiry, another reason.
    #[error("it does not sign this plan with this person, expiry and reason")]
    OtherMessage,
}

/// Checks that a signature (the text between and with the lines `-----BEGIN SSH SIGNATURE-----` and
/// `-----END SSH SIGNATURE-----`) is one over the message by one of the keys, in our namespace.
///
/// # Errors
/// [`SignatureRefused`] says why not.
pub fn verify_signature(message: &[u8], armour: &str, keys: &[PublicKey]) -> Result<(), SignatureRefused> {
    if armour.len() > SIGNATURE_BYTES_MAX {
        let why = format!("it has {} bytes, more than {SIGNATURE_BYTES_MAX}", armour.len());
        return Err(SignatureRefused::Unreadable { why });
    }
    let signature = SshSig::from_pem(armour.trim())
        .map_err(|error| SignatureRefused::Unreadable { why: error.to_string() })?;
    if signature.namespace() != APPROVAL_NAMESPACE {
        let found = signature.namespace().escape_debug().to_string();
        return Err(SignatureRefused::OtherNamespace { found });
    }
    // The namespace and the message's hash are signed with it; SHA-1 has no place there.
    if matches!(signature.signature().algorithm(), Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
        return Err(SignatureRefused::Weak { algorithm: signature.signature().algorithm().to_string() });
    }
    let declared = keys.iter().filter_map(|key| ssh_key::PublicKey::from_openssh(key.as_str().trim()).ok());
    let Some(key) = declared.into_iter().find(|key| key.key_data() == signature.public_key()) else {
        let fingerprint = signature.public_key().fingerprint(ssh_key::HashAlg::Sha256).to_string();
        return Err(SignatureRefused::OtherKey { fingerprint });
    };
    key.verify(APPROVAL_NAMESPACE, message, &signature).map_err(|_| SignatureRefused::OtherMessage)
}
