//! Content that may be or hold secrets.

use either::Either;
use model::{Content, ContentPiece};
use starlark::values::Value;

use super::secret_value::SecretValue;

/// A text or a secret, as an argument.
pub(crate) type TextOrSecret<'v> = Either<&'v str, &'v SecretValue>;

/// Returns the content that an argument means.
pub(crate) fn read_content(value: TextOrSecret<'_>) -> Content {
    match value {
        Either::Left(text) => Content::plain(text),
        Either::Right(secret) => Content(vec![ContentPiece::Secret(secret.version())]),
    }
}

/// Returns the secret that a value is, if it is one.
pub(crate) fn secret_of<'v>(value: Value<'v>) -> Option<&'v SecretValue> {
    SecretValue::from_value(value)
}
