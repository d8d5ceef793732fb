//! From text to Starlark values. The parsers bound how deep a document nests.

use starlark::values::dict::AllocDict;
use starlark::values::{Heap, Value};

use crate::diagnostic::cut;
use crate::limits::CSV_ROWS_MAX;

/// Reads one JSON document (RFC 8259).
pub(super) fn json<'v>(text: &str, heap: Heap<'v>) -> Result<Value<'v>, String> {
    let document: serde_json::Value = serde_json::from_str(text).map_err(|error| cut(&error.to_string()))?;
    Ok(heap.alloc(document))
}

/// Reads a TOML document (1.0).
pub(super) fn toml<'v>(text: &str, heap: Heap<'v>) -> Result<Value<'v>, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line =
            error.span().map(|span| 1 + text.get(..span.start).map_or(0, |it| it.matches('\n').count()));
        let at = line.map_or(String::new(), |line| format!(" at line {line}"));
        cut(&format!("{}{at}", error.message().replace('\n', ", ")))
    })?;
    Ok(from_toml(toml::Value::Table(table), heap))
}

fn from_toml<'v>(value: toml::Value, heap: Heap<'v>) -> Value<'v> {
    match value {
        toml::Value::String(text) => heap.alloc(text),
        toml::Value::Integer(number) => heap.alloc(number),
        toml::Value::Float(number) => heap.alloc(number),
        toml::Value::Boolean(is_true) => Value::new_bool(is_true),
        toml::Value::Datetime(time) => heap.alloc(time.to_string()),
        toml::Value::Array(values) => {
            let values: Vec<Value<'v>> = values.into_iter().map(|value| from_toml(value, heap)).collect();
            heap.alloc(values)
        }
        toml::Value::Table(table) => {
            let pairs: Vec<(String, Value<'v>)> =
                table.into_iter().map(|(key, value)| (key, from_toml(value, heap))).collect();
            heap.alloc(AllocDict(pairs))
        }
    }
}

/// Reads CSV with a row of titles; every row has as many values as there are titles.
pub(super) fn csv<'v>(text: &str, heap: Heap<'v>) -> Result<Value<'v>, String> {
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let titles = reader.headers().map_err(|error| cut(&error.to_string()))?.clone();
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = titles.iter().find(|title| !seen.insert(*title)) {
        return Err(format!("two columns have the title `{}`", cut(twice)));
    }
    let mut rows: Vec<Value<'v>> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| cut(&error.to_string()))?;
        if rows.len() >= CSV_ROWS_MAX {
            return Err(format!("it has more than {CSV_ROWS_MAX} rows"));
        }
        rows.push(heap.alloc(AllocDict(titles.iter().zip(record.iter()))));
    }
    Ok(heap.alloc(rows))
}
