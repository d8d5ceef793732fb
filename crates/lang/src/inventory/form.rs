//! The forms that texts must have: addresses, logins, keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::limits::HOST_KEY_BYTES_MAX;

/// An IPv4 or IPv6 address (with zone, RFC 4007 §11) or a DNS name (RFC 1123 §2.1, plus `_`). It is
/// handed to a connector, so nothing that could be an option or a second word may pass.
pub(crate) fn is_address(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let is_zone = |zone: &str| {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (1..=15).contains(&zone.len()) && !zone.starts_with('-') && zone.bytes().all(is_valid)
    };
    match zone {
        Some(zone) => address.parse::<std::net::Ipv6Addr>().is_ok() && is_zone(zone),
        None => text.parse::<std::net::IpAddr>().is_ok() || is_dns_name(text),
    }
}

/// A DNS name (RFC 1123 §2.1, plus `_`) that no resolver takes for an address.
pub(crate) fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let ends = !label.starts_with('-') && !label.ends_with('-');
        (1..=63).contains(&label.len()) && ends && label.bytes().all(is_valid)
    };
    // A name whose last label is a number would be taken for a malformed IPv4 address (or for a short
    // form of one) by one resolver and for a name by the next.
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(is_label) && !text.rsplit('.').next().is_some_and(is_number)
}

/// The form that `useradd` and `adduser` accept everywhere, at most 32 characters (`utmp`'s limit).
pub(crate) fn is_user(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_rest = |byte: u8| is_first(byte) || byte.is_ascii_digit() || b".-".contains(&byte);
    text.len() <= 32 && text.bytes().next().is_some_and(is_first) && text.bytes().all(is_rest)
}

/// The key types of OpenSSH that a host or a person may have (sshd(8), authorized_keys file format).
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Reads `type base64 [comment]` and drops the comment. The type inside the blob must be the one in
/// front of it (RFC 4253 §6.6: a string, its length in four bytes first).
pub(crate) fn host_key(text: &str) -> Option<String> {
    if text.len() > HOST_KEY_BYTES_MAX || text.contains(char::is_control) {
        return None;
    }
    let mut words = text.split_ascii_whitespace();
    let (kind, blob) = (words.next()?, words.next()?);
    let bytes = STANDARD.decode(blob).ok()?;
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let inner = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let has_more = rest.len() > inner.len();
    (KEY_TYPES.contains(&kind) && inner == kind.as_bytes() && has_more).then(|| format!("{kind} {blob}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(is_valid: fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(is_valid(text), "{text:?} must be accepted");
        }
        for text in bad {
            assert!(!is_valid(text), "{text:?} must be refused");
        }
    }

    #[test]
    fn addresses() {
        let long = format!("{}.example", "x".repeat(64));
        check(
            is_address,
            &[
                "web",
                "web-1.example.org",
                "_x.example",
                "10.0.0.1",
                "::1",
                "2001:db8::1",
                "fe80::1%eth0",
                "1.example",
            ],
            &[
                "",
                "-oProxyCommand=x",
                "a b",
                "a\n",
                "a..b",
                ".a",
                "a.",
                "a-.b",
                "300.1.1.1",
                "10.0.0",
                "1",
                "[::1]",
                "::1%",
                "::1%-x",
                "10.0.0.1%eth0",
                "a/b",
                "a:22",
                "u@h",
                "ü.example",
                "a\0",
                "$(x)",
                &long,
            ],
        );
    }

    #[test]
    fn users() {
        let long = "x".repeat(33);
        check(is_user, &["root", "_ntp", "a.b-c_9"], &["", "-l", "Root", "9a", "a b", "a;b", "ü", &long]);
    }

    #[test]
    fn host_keys() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        assert_eq!(host_key(key).as_deref(), Some(key));
        assert_eq!(host_key(&format!("{key} git@example")).as_deref(), Some(key));
        check(
            |text| host_key(text).is_some(),
            &[],
            &[
                "",
                "ssh-ed25519",
                "ssh-ed25519 AAAA",
                "ssh-ed25519 !!!!",
                &key.replace("ssh-ed25519 ", "ssh-rsa "),
                &key[12..],
                "ssh-dss AAAAB3NzaC1kc3MAAAAA",
                &format!("{key}\nx"),
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
                &format!("ssh-ed25519 {}", "A".repeat(HOST_KEY_BYTES_MAX)),
            ],
        );
    }
}
