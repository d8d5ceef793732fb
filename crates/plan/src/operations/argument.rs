//! Checks of arguments that many operations have.

use std::ops::RangeInclusive;

use either::Either;
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::none::NoneOr;

/// The longest path, in bytes (PATH_MAX of Linux).
const PATH_BYTES_MAX: usize = 4096;
/// The longest other word, in bytes.
const WORD_BYTES_MAX: usize = 64 * 1024;
/// The longest name of an account, in bytes.
const ACCOUNT_BYTES_MAX: usize = 32;
/// The longest name of a package or service, in bytes.
const NAME_BYTES_MAX: usize = 253;

/// Why expressions are read as they are.
pub(crate) const EXTENDED: &str = "expressions are always POSIX extended ones";
/// Why a path of the workspace is what it is.
pub(crate) const FROM_THE_ROOT: &str = "paths are from the root of the workspace";
/// Why texts are taken as they are.
pub(crate) const UNEXPANDED: &str = "no shell ever expands a text of a deploy";

/// A text or a list of texts.
pub(crate) type OneOrMore<'v> = Either<&'v str, UnpackListOrTuple<&'v str>>;

/// A number or a text.
pub(crate) type NumberOrText<'v> = Either<i32, &'v str>;

/// Returns an optional argument.
pub(crate) fn given<T>(value: NoneOr<T>) -> Option<T> {
    value.into_option()
}

/// Returns the texts of an argument.
pub(crate) fn texts(value: OneOrMore<'_>) -> Vec<String> {
    match value {
        Either::Left(text) => vec![text.to_owned()],
        Either::Right(list) => list.items.into_iter().map(str::to_owned).collect(),
    }
}

/// Returns a number or text as text.
pub(crate) fn as_text(value: NumberOrText<'_>) -> String {
    match value {
        Either::Left(number) => number.to_string(),
        Either::Right(text) => text.to_owned(),
    }
}

/// Checks a number of seconds.
pub(crate) fn seconds(argument: &str, value: i32, range: RangeInclusive<u32>) -> Result<u32, String> {
    u32::try_from(value).ok().filter(|it| range.contains(it)).ok_or_else(|| {
        format!("expected {argument} of {} to {} seconds, got {value}", range.start(), range.end())
    })
}

/// Takes an argument of pyinfra's that says what is so anyway; anything else is refused with the reason.
pub(crate) fn so_anyway(argument: &str, value: NoneOr<bool>, is_so: bool, why: &str) -> Result<(), String> {
    match value.into_option() {
        Some(other) if other != is_so => {
            let (is_so, other) = if is_so { ("True", "False") } else { ("False", "True") };
            Err(format!("expected {argument} = {is_so}, got {other}: {why}"))
        }
        _ => Ok(()),
    }
}

/// Checks text that goes into a script.
pub(crate) fn checked_text(argument: &str, value: &str) -> Result<String, String> {
    if value.contains('\0') || value.len() > WORD_BYTES_MAX {
        return Err(format!("expected {argument} without NUL and of at most {WORD_BYTES_MAX} bytes"));
    }
    Ok(value.to_owned())
}

/// Checks text of one line.
pub(crate) fn checked_line(argument: &str, value: &str) -> Result<String, String> {
    if value.contains(['\n', '\r']) {
        return Err(format!("expected {argument} to be one line, got {}", quoted(value)));
    }
    checked_text(argument, value)
}

/// Checks an absolute path; a final `/` is left out.
pub(crate) fn checked_path(argument: &str, value: &str) -> Result<String, String> {
    let trimmed = value.trim_end_matches('/');
    let is_plain = |part: &str| part != ".." && part != "." && !part.is_empty();
    let is_good = value.starts_with('/')
        && value.len() <= PATH_BYTES_MAX
        && !value.contains('\0')
        && (trimmed.is_empty() || trimmed[1..].split('/').all(is_plain));
    if !is_good {
        return Err(format!(
            "expected {argument} to be an absolute path without `.`, `..` and `//`, got {}",
            quoted(value)
        ));
    }
    Ok(if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() })
}

/// Makes sure that removing a path does not remove the system.
pub(crate) fn removable(argument: &str, path: &str) -> Result<(), String> {
    if path.matches('/').count() < 2 {
        return Err(format!(
            "{argument}: {} is not removed: it is the root or directly below it",
            quoted(path)
        ));
    }
    Ok(())
}

/// Reads a mode as four octal digits: `644`, `"0644"`, `"4755"`. A number's digits are read as they are
/// written, as pyinfra does.
pub(crate) fn checked_mode(value: Option<NumberOrText<'_>>) -> Result<Option<String>, String> {
    let Some(value) = value else { return Ok(None) };
    let text = as_text(value);
    let digits = text.strip_prefix("0o").unwrap_or(&text);
    let is_octal =
        (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    if !is_octal {
        return Err(format!("expected mode to be up to four octal digits, got {}", quoted(&text)));
    }
    Ok(Some(format!("{digits:0>4}")))
}

/// Checks the name of a user or group.
pub(crate) fn checked_account(argument: &str, value: &str) -> Result<String, String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let body = value.strip_suffix('$').unwrap_or(value);
    let is_first = body.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !is_first || body.len() > ACCOUNT_BYTES_MAX || !body.bytes().all(is_word) {
        return Err(format!("expected {argument} to be the name of an account, got {}", quoted(value)));
    }
    Ok(value.to_owned())
}

/// Checks the optional name of a user or group.
pub(crate) fn optional_account(argument: &str, value: Option<&str>) -> Result<Option<String>, String> {
    value.map(|value| checked_account(argument, value)).transpose()
}

/// Checks the name of a package or a service: nothing that a program could take for an option.
pub(crate) fn checked_name(argument: &str, value: &str) -> Result<String, String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._@:/~=<>".contains(&byte);
    let is_first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_';
    let is_good = value.bytes().next().is_some_and(is_first)
        && value.len() <= NAME_BYTES_MAX
        && value.bytes().all(is_word)
        && !value.contains("..");
    if !is_good {
        return Err(format!("expected {argument} to be a name, got {}", quoted(value)));
    }
    Ok(value.to_owned())
}

/// Checks an address, which is seen by everybody on the host while it is fetched.
pub(crate) fn checked_url(argument: &str, url: &str) -> Result<String, String> {
    let rest = ["https://", "http://", "ftp://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let Some(rest) = rest else {
        return Err(format!("expected {argument} to begin with https:// or http://, got {}", quoted(url)));
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        return Err(format!(
            "{argument}: a password in an address is seen by every process of the host; use headers with a secret()"
        ));
    }
    if host.is_empty() || url.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(format!("expected {argument} to be an address, got {}", quoted(url)));
    }
    checked_line(argument, url)
}

/// Quotes a value for a message.
pub(crate) fn quoted(value: &str) -> String {
    const CHARS_MAX: usize = 80;
    let shown: String = value.chars().take(CHARS_MAX).flat_map(char::escape_debug).collect();
    format!("`{shown}`")
}
