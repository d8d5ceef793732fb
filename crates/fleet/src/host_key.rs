//! Host keys: pinned ones, certified ones and revoked ones against the one that a host shows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use model::HostKey;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};

use crate::connector::ConnectError;
use crate::pattern;
use crate::target::Trust;
use crate::watch::Watch;

/// The algorithms that a host may prove itself with, best first. SHA-1 signatures are not among them.
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];
/// How the software of OpenSSH's server begins its greeting.
const OPENSSH: &[u8] = b"SSH-2.0-OpenSSH_";
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
pub(crate) struct Pinned {
    keys: Vec<PublicKey>,
    authorities: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
    name: String,
    unix_now: u64,
}

/// What a shown key counts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the host's.
    Trusted,
    /// Nobody has pinned it.
    Unknown,
    /// It, or the key of the authority that certified it, is revoked.
    Revoked,
    /// Its certificate does not count.
    BadCertificate(String),
}

impl Pinned {
    /// Reads the keys that count for a host.
    pub(crate) fn new(keys: &[HostKey], trust: &Trust) -> Result<Self, ConnectError> {
        if keys.is_empty() && trust.authorities.is_empty() {
            return Err(ConnectError::HostKeyUnknown);
        }
        Ok(Self {
            keys: read_all(keys)?,
            authorities: read_all(&trust.authorities)?,
            revoked: read_all(&trust.revoked)?,
            name: trust.name.to_ascii_lowercase(),
            unix_now: u64::try_from(trust.now.as_second()).unwrap_or(0),
        })
    }

    /// Returns the algorithms to offer: those of the pinned keys first, so that a host with several
    /// keys shows a pinned one.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        let is_pinned = |algorithm: &Algorithm| self.keys.iter().any(|key| is_of(key, algorithm));
        let (mut first, rest): (Vec<_>, Vec<_>) = ALGORITHMS.into_iter().partition(is_pinned);
        first.extend(rest);
        first
    }

    /// Returns the algorithms of certificates to offer: none where nobody's certificate would count.
    pub(crate) fn certificate_algorithms(&self) -> Vec<Algorithm> {
        if self.authorities.is_empty() { Vec::new() } else { ALGORITHMS.to_vec() }
    }

    /// Says what would have been accepted.
    pub(crate) fn expected(&self) -> Vec<String> {
        let keys = self.keys.iter().map(fingerprint_of);
        let authorities =
            self.authorities.iter().map(|key| format!("a certificate of {}", fingerprint_of(key)));
        keys.chain(authorities).collect()
    }

    fn judge(&self, shown: &PublicKeyOrCertificate) -> Verdict {
        match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.judge_key(key.key_data()),
            PublicKeyOrCertificate::Certificate(certificate) => self.judge_certificate(certificate),
        }
    }

    fn judge_key(&self, key: &KeyData) -> Verdict {
        if holds(&self.revoked, key) {
            Verdict::Revoked
        } else if holds(&self.keys, key) {
            Verdict::Trusted
        } else {
            Verdict::Unknown
        }
    }

    fn judge_certificate(&self, certificate: &Certificate) -> Verdict {
        if holds(&self.revoked, certificate.signature_key()) {
            return Verdict::Revoked;
        }
        // A pinned key is not less so for having a certificate, and a revoked one not more.
        match self.judge_key(certificate.public_key()) {
            Verdict::Unknown => match self.fault(certificate) {
                None => Verdict::Trusted,
                Some(why) => Verdict::BadCertificate(why),
            },
            verdict => verdict,
        }
    }

    /// Says what is wrong with a certificate (PROTOCOL.certkeys of OpenSSH). Stricter than OpenSSH in
    /// one point: a certificate for nobody in particular is for nobody.
    fn fault(&self, certificate: &Certificate) -> Option<String> {
        if certificate.cert_type() != CertType::Host {
            return Some("it is a user's certificate, no host's".to_owned());
        }
        if !holds(&self.authorities, certificate.signature_key()) {
            let authority = PublicKey::from(certificate.signature_key().clone());
            return Some(format!("its authority {} is not trusted", fingerprint_of(&authority)));
        }
        if matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None }) {
            return Some("its authority signed it with SHA-1".to_owned());
        }
        let principals = certificate.valid_principals();
        if !principals.iter().any(|name| pattern::matches(&name.to_ascii_lowercase(), &self.name)) {
            let names: String = principals.join(", ").escape_debug().take(200).collect();
            return Some(format!("expected it to be for {}, it is for `{names}`", self.name));
        }
        if let Some((option, _)) = certificate.critical_options().iter().next() {
            return Some(format!("its critical option `{}` is not understood", option.escape_debug()));
        }
        if !(certificate.valid_after()..certificate.valid_before()).contains(&self.unix_now) {
            return Some("it is not valid yet or no longer".to_owned());
        }
        let authorities: Vec<_> =
            self.authorities.iter().map(|key| key.fingerprint(HashAlg::Sha256)).collect();
        let is_signed = certificate.validate_at(self.unix_now, authorities.iter()).is_ok();
        (!is_signed).then(|| "its signature is wrong".to_owned())
    }
}

/// All algorithms, for a host of which no key is known yet.
pub(crate) fn all_algorithms() -> Vec<Algorithm> {
    ALGORITHMS.to_vec()
}

fn read_all(keys: &[HostKey]) -> Result<Vec<PublicKey>, ConnectError> {
    let read = |key: &HostKey| {
        PublicKey::from_openssh(key.as_str()).map_err(|_| ConnectError::PinnedKeyUnreadable {
            key: key.as_str().chars().take(QUOTE_CHARS_MAX).flat_map(char::escape_debug).collect(),
        })
    };
    keys.iter().map(read).collect()
}

fn holds(keys: &[PublicKey], key: &KeyData) -> bool {
    keys.iter().any(|its| its.key_data() == key)
}

fn is_of(key: &PublicKey, algorithm: &Algorithm) -> bool {
    match (key.algorithm(), algorithm) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        (own, other) => own == *other,
    }
}

/// A key that a host proved to hold, and what it counts for.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub key: PublicKey,
    pub verdict: Verdict,
}

/// The check that the SSH library makes before it sends anything but the key exchange.
pub(crate) struct KeyCheck {
    /// The keys that pass; `None` = none passes, the key is only looked at.
    pub pinned: Option<Arc<Pinned>>,
    /// Where the shown key goes.
    pub shown: Arc<OnceLock<Shown>>,
    /// Where goes what the host says of itself.
    pub peer: Arc<Peer>,
    /// The connection for as long as it is logged in to.
    pub watch: Weak<Watch>,
}

impl KeyCheck {
    pub(crate) fn new(pinned: Option<Arc<Pinned>>, shown: &Arc<OnceLock<Shown>>) -> Self {
        Self { pinned, shown: Arc::clone(shown), peer: Arc::default(), watch: Weak::new() }
    }
}

/// What a host says of itself.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    is_openssh: AtomicBool,
}

impl Peer {
    /// Says whether it calls itself OpenSSH.
    pub(crate) fn is_openssh(&self) -> bool {
        self.is_openssh.load(Ordering::Relaxed)
    }
}

impl russh::client::Handler for KeyCheck {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let verdict = self.pinned.as_ref().map_or(Verdict::Unknown, |pinned| pinned.judge(shown));
        let is_trusted = verdict == Verdict::Trusted;
        let key = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.clone(),
            PublicKeyOrCertificate::Certificate(certificate) => {
                PublicKey::from(certificate.public_key().clone())
            }
        };
        self.shown.get_or_init(|| Shown { key, verdict });
        Ok(is_trusted)
    }

    async fn kex_done(
        &mut self,
        _secret: Option<&[u8]>,
        _names: &russh::Names,
        session: &mut russh::client::Session,
    ) -> Result<(), russh::Error> {
        let is_openssh = session.remote_sshid().starts_with(OPENSSH);
        self.peer.is_openssh.store(is_openssh, Ordering::Relaxed);
        Ok(())
    }

    /// OpenSSH says this after the login, and answers the opening of a channel only when it is acknowledged.
    async fn openssh_ext_host_keys_announced(
        &mut self,
        _keys: Vec<PublicKey>,
        _session: &mut russh::client::Session,
    ) -> Result<(), russh::Error> {
        if let Some(watch) = self.watch.upgrade() {
            watch.acknowledge();
        }
        Ok(())
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
        let pinned = Pinned::new(&[HostKey::new(ED25519)], &Trust::default()).expect("a key");
        assert_eq!(pinned.algorithms()[0], Algorithm::Ed25519);
        assert_eq!(pinned.algorithms().len(), ALGORITHMS.len());
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        assert!(matches!(Pinned::new(&[], &Trust::default()), Err(ConnectError::HostKeyUnknown)));
        for bad in ["", "ssh-ed25519", "ssh-ed25519 AAAA", "\u{1b}[2J"] {
            let keys = [HostKey::new(ED25519), HostKey::new(bad)];
            assert!(
                matches!(
                    Pinned::new(&keys, &Trust::default()),
                    Err(ConnectError::PinnedKeyUnreadable { .. })
                ),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_revoked_key_never_counts() {
        let key = HostKey::new(ED25519);
        let trust = Trust { revoked: vec![key.clone()], ..Trust::default() };
        let pinned = Pinned::new(&[key], &trust).expect("a key");
        let shown = PublicKey::from_openssh(ED25519).expect("a key");
        assert_eq!(pinned.judge(&shown.into()), Verdict::Revoked);
    }

    /// 2030-01-01.
    const NOW: u64 = 1_893_456_000;

    struct Case {
        kind: CertType,
        principals: &'static [&'static str],
        valid: std::ops::Range<u64>,
        option: Option<&'static str>,
        expected: Result<(), &'static str>,
    }

    const GOOD: Case = Case {
        kind: CertType::Host,
        principals: &["other", "Web1.example.org"],
        valid: NOW - 1..NOW + 1,
        option: None,
        expected: Ok(()),
    };

    fn key(seed: u8) -> russh::keys::PrivateKey {
        russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[seed; 32]).into()
    }

    fn pin(seed: u8) -> HostKey {
        HostKey::new(key(seed).public_key().to_openssh().expect("a key"))
    }

    fn certify(case: &Case) -> Certificate {
        let mut builder = russh::keys::ssh_key::certificate::Builder::new(
            vec![7; 16],
            key(1).public_key().key_data().clone(),
            case.valid.start,
            case.valid.end,
        )
        .expect("a builder");
        builder.cert_type(case.kind).expect("a kind");
        builder.key_id("a host").expect("an id");
        match case.principals {
            [] => {
                builder.all_principals_valid().expect("all");
            }
            names => names.iter().for_each(|name| {
                builder.valid_principal(*name).expect("a name");
            }),
        }
        if let Some(option) = case.option {
            builder.critical_option(option, "x").expect("an option");
        }
        builder.sign(&key(2)).expect("a certificate")
    }

    fn trust(authorities: &[u8], revoked: &[u8]) -> Trust {
        let now = jiff::Timestamp::from_second(NOW.cast_signed()).expect("a time");
        let pins = |seeds: &[u8]| seeds.iter().map(|seed| pin(*seed)).collect();
        Trust {
            authorities: pins(authorities),
            revoked: pins(revoked),
            name: "web1.example.org".to_owned(),
            now,
        }
    }

    #[test]
    fn certificates_count_for_their_names_and_time() {
        let cases = [
            GOOD,
            Case { principals: &["*.example.org"], ..GOOD },
            Case { principals: &["db1.example.org"], expected: Err("it is for"), ..GOOD },
            Case { principals: &[], expected: Err("it is for"), ..GOOD },
            Case { kind: CertType::User, expected: Err("user's certificate"), ..GOOD },
            Case { valid: NOW - 9..NOW, expected: Err("no longer"), ..GOOD },
            Case { valid: NOW + 1..NOW + 9, expected: Err("not valid yet"), ..GOOD },
            Case { option: Some("x@y"), expected: Err("critical option"), ..GOOD },
        ];
        let pinned = Pinned::new(&[], &trust(&[2], &[])).expect("an authority");
        for case in &cases {
            match (pinned.judge_certificate(&certify(case)), case.expected) {
                (Verdict::Trusted, Ok(())) => {}
                (Verdict::BadCertificate(why), Err(part)) => assert!(why.contains(part), "{why}: {part}"),
                (verdict, expected) => panic!("{verdict:?}: {expected:?} for {:?}", case.principals),
            }
        }
    }

    #[test]
    fn certificates_need_an_authority_and_no_revoked_key() {
        let certificate = certify(&GOOD);
        let judge = |keys: &[HostKey], trust: &Trust| {
            Pinned::new(keys, trust).expect("keys").judge_certificate(&certificate)
        };
        assert!(matches!(judge(&[], &trust(&[3], &[])), Verdict::BadCertificate(_)));
        assert_eq!(judge(&[], &trust(&[2], &[1])), Verdict::Revoked, "the host's key");
        assert_eq!(judge(&[], &trust(&[2], &[2])), Verdict::Revoked, "the authority's");
        assert_eq!(judge(&[pin(1)], &trust(&[3], &[])), Verdict::Trusted, "the key itself is pinned");
    }
}
