//! SHA-256 hashes in columns.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::sql::{Row, Value};

/// Hashes bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xf)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Makes the value of a hash that may be missing.
pub(crate) fn hash_or_null(hash: Option<&[u8; 32]>) -> Value<'_> {
    Value::Blob(hash.map(|hash| Cow::Borrowed(hash.as_slice())))
}

/// Decodes a column of exactly so many bytes.
pub(crate) fn read_bytes<const N: usize>(row: &Row, column: usize) -> Result<[u8; N], sqlx::Error> {
    fixed(row.get(column)?)
}

/// Decodes a hash that may be NULL.
pub(crate) fn read_hash_or_null(row: &Row, column: usize) -> Result<Option<[u8; 32]>, sqlx::Error> {
    row.get::<Option<Vec<u8>>>(column)?.map(fixed).transpose()
}

fn fixed<const N: usize>(bytes: Vec<u8>) -> Result<[u8; N], sqlx::Error> {
    let found = bytes.len();
    bytes.try_into().map_err(|_| sqlx::Error::Decode(format!("{found} bytes, expected {N}").into()))
}
