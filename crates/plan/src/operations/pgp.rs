//! OpenPGP keys, as far as it takes to take off their armour and to tell their fingerprints.

use base64::Engine as _;
use sha1::{Digest, Sha1};

/// Returns a key without its ASCII armour (RFC 9580, 6.2); one that has none stays as it is.
pub(super) fn dearmored(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
    let Some(text) = std::str::from_utf8(&bytes).ok().filter(|text| text.contains(BEGIN)) else {
        return Ok(bytes);
    };
    let mut keys = Vec::new();
    for block in text.split(BEGIN).skip(1) {
        let body = block.split(END).next().unwrap_or_default();
        // Headers end with an empty line; the checksum begins with `=`.
        let lines = body.lines().map(str::trim).skip_while(|line| !line.is_empty());
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('='));
        let joined: String = lines.collect();
        let key = base64::engine::general_purpose::STANDARD.decode(joined);
        keys.extend(key.map_err(|error| format!("its armour cannot be read: {error}"))?);
    }
    Ok(keys)
}

/// Returns the fingerprints of the primary keys of version 4 (RFC 9580, 5.5.4.2).
pub(super) fn fingerprints(mut bytes: &[u8]) -> Vec<String> {
    /// The tag of a public key.
    const PUBLIC_KEY: u8 = 6;
    let mut found = Vec::new();
    while let Some((tag, body, rest)) = packet(bytes) {
        if tag == PUBLIC_KEY && body.first() == Some(&4) {
            let Ok(length) = u16::try_from(body.len()) else { break };
            let mut hash = Sha1::new();
            hash.update([0x99]);
            hash.update(length.to_be_bytes());
            hash.update(body);
            found.push(hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect());
        }
        bytes = rest;
    }
    found
}

/// Returns the tag and the body of the first packet, and what comes after it (RFC 9580, 4.2).
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let number = |bytes: &[u8]| {
        bytes.iter().try_fold(0usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))
    };
    let (tag, width, length) = if first & 0x40 == 0 {
        let width = match first & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return None,
        };
        ((first >> 2) & 15, width, number(rest.get(..width)?)?)
    } else {
        let one = usize::from(*rest.first()?);
        match one {
            0..=191 => (first & 63, 1, one),
            192..=223 => (first & 63, 2, ((one - 192) << 8) + usize::from(*rest.get(1)?) + 192),
            255 => (first & 63, 5, number(rest.get(1..5)?)?),
            _ => return None,
        }
    };
    let end = width.checked_add(length)?;
    Some((tag, rest.get(width..end)?, rest.get(end..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A key that was made for this test; nobody has its other half.
    const KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawN5JBYJKwYBBAHaRw8BAQdA3IF4O+owqJneWUQj4delIEXHNNUUAu00Fjvf
QrIpy5y0I2lmcml0IGZpeHR1cmUgPGZpeHR1cmVAZXhhbXBsZS5vcmc+iJAEExYI
ADgWIQT8M9tivz7OW7f7zq04xRpuoyaPdAUCawN5JAIbAwULCQgHAgYVCgkICwIE
FgIDAQIeAQIXgAAKCRA4xRpuoyaPdBsPAP4sLGx/0R05ku0w3gfN7csHzlLTjWXf
YTmUQWVGW9Gg9wEAs7E+AnNGfnV45X2qxNmhnMNM5fb97PECimB6tkCxbA4=
=Nwfl
-----END PGP PUBLIC KEY BLOCK-----
";

    #[test]
    fn the_fingerprint_of_a_key_is_found() {
        let bytes = dearmored(KEY.as_bytes().to_vec()).expect("a key");
        assert_eq!(fingerprints(&bytes), ["FC33DB62BF3ECE5BB7FBCEAD38C51A6EA3268F74"]);
        assert_eq!(dearmored(bytes.clone()), Ok(bytes));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = fingerprints(&bytes);
            let _ = dearmored(bytes);
        }
    }
}
