//! Values of Starlark as a person reads them in a debugger.

use std::fmt::{self, Write as _};

use starlark::values::dict::DictRef;
use starlark::values::{Heap, Value};

/// The longest text of one value, in bytes.
const TEXT_BYTES_MAX: usize = 2_000;
/// The parts of a value that are shown; of more, the rest is counted.
const PARTS_MAX: usize = 1_000;

/// A part of a value: its name, and the value or why it cannot be told.
pub(super) type Part<'v> = (String, Result<Value<'v>, String>);

/// Returns a value in one line.
pub(super) fn describe(value: Value<'_>) -> String {
    let mut text = Capped(String::new());
    let is_whole = match value.unpack_str() {
        Some(string) => write!(text, "{string:?}"),
        None => write!(text, "{value}"),
    };
    let mut text = text.0;
    if is_whole.is_err() {
        text.push_str("...");
    }
    // Only text of ours may break lines; a value's own is shown on one.
    text.replace(['\n', '\r'], " ")
}

/// Says whether a value has parts.
pub(super) fn has_parts(value: Value<'_>) -> bool {
    match value.get_type() {
        "string" | "int" | "float" | "bool" | "NoneType" | "function" | "native_function" | "range" => false,
        "list" | "tuple" | "dict" | "set" => value.length().is_ok_and(|it| it > 0),
        _ => value.dir_attr().iter().any(|name| !name.is_empty()),
    }
}

/// Returns the parts of a value, and how many more there are.
pub(super) fn parts<'v>(value: Value<'v>, heap: Heap<'v>) -> (Vec<Part<'v>>, usize) {
    let mut parts: Vec<Part<'v>> = match value.get_type() {
        "dict" => DictRef::from_value(value).map_or_else(Vec::new, |dict| {
            dict.iter().take(PARTS_MAX).map(|(key, value)| (describe(key), Ok(value))).collect()
        }),
        "list" | "tuple" | "set" => value.iterate(heap).map_or_else(
            |error| vec![("?".to_owned(), Err(error.to_string()))],
            |items| items.take(PARTS_MAX).enumerate().map(|(at, it)| (at.to_string(), Ok(it))).collect(),
        ),
        _ => attributes(value, heap),
    };
    parts.truncate(PARTS_MAX);
    let all = value.length().ok().and_then(|it| usize::try_from(it).ok()).unwrap_or(parts.len());
    let more = all.saturating_sub(parts.len());
    (parts, more)
}

/// Returns the attributes that are values, not methods.
fn attributes<'v>(value: Value<'v>, heap: Heap<'v>) -> Vec<Part<'v>> {
    let attribute = |name: String| match value.get_attr(&name, heap) {
        Ok(Some(part)) if matches!(part.get_type(), "function" | "native_function") => None,
        Ok(Some(part)) => Some((name, Ok(part))),
        Ok(None) => None,
        Err(error) => Some((name, Err(error.without_diagnostic().to_string()))),
    };
    value.dir_attr().into_iter().filter_map(attribute).collect()
}

/// Text that takes no more than it may.
struct Capped(String);

impl fmt::Write for Capped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = TEXT_BYTES_MAX.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let end = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        self.0.push_str(text.get(..end).unwrap_or_default());
        Err(fmt::Error)
    }
}
