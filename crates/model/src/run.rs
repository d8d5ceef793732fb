//! A run: one plan being applied.

use std::fmt;

/// The length of a run's id in hexadecimal digits: 128 bits.
const RUN_ID_DIGITS: usize = 32;

/// The name of a run: 32 lower-case hexadecimal digits, so that it needs no quoting anywhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Box<str>);

impl RunId {
    /// Makes one of 128 bits; the caller draws them at random.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(bytes)).into())
    }

    /// Reads what [`RunId::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == RUN_ID_DIGITS && text.bytes().all(is_digit)).then(|| Self(text.into()))
    }

    /// Returns it as 32 lower-case hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        for bytes in [[0; 16], [0xff; 16], [0xab; 16]] {
            let id = RunId::from_bytes(bytes);
            assert_eq!(RunId::parse(id.as_str()), Some(id));
        }
        for bad in ["", "0", "../../../../../../../../../../..", "ABCDEFABCDEFABCDEFABCDEFABCDEFAB"] {
            assert_eq!(RunId::parse(bad), None, "{bad:?}");
        }
    }
}
