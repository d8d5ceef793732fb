//! What a record says beyond its fixed fields: JSON with one spelling for each value.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// The greatest whole number that every reader of JSON keeps (RFC 7493 §2.2); a greater one is written as
/// the text of its digits.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// A JSON object. Keys are not repeated; their order does not count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordBody(pub BTreeMap<String, RecordValue>);

/// A JSON value, without null and without fractions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number of at most 2^53 - 1 either way; a greater one comes back as the text of its digits.
    Integer(i64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<RecordValue>),
    /// An object.
    Map(RecordBody),
}

impl RecordBody {
    /// Adds an entry, or replaces the one that has the key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<RecordValue>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Writes it in the one spelling of RFC 8785 (JCS): no blanks, keys in the order of their UTF-16 code
    /// units, the shortest escapes.
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// Reads JSON that [`RecordBody::canonical`] wrote; the error says what is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        // By way of a tree: with serde_json's feature `arbitrary_precision`, which other crates turn on, a
        // derived reader takes a fraction for an object.
        match RecordValue::from_json(serde_json::from_str(text).map_err(|error| error.to_string())?)? {
            RecordValue::Map(body) => Ok(body),
            _ => Err("expected an object".to_owned()),
        }
    }

    /// Returns how deep objects and lists lie in each other.
    pub(crate) fn depth(&self) -> usize {
        1 + self.0.values().map(RecordValue::depth).max().unwrap_or(0)
    }

    fn write(&self, out: &mut String) {
        let mut entries: Vec<_> = self.0.iter().collect();
        // A map sorts by UTF-8, which differs behind U+FFFF.
        entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
        for (position, (key, value)) in entries.into_iter().enumerate() {
            out.push(if position == 0 { '{' } else { ',' });
            write_text(out, key);
            out.push(':');
            value.write(out);
        }
        out.push_str(if self.0.is_empty() { "{}" } else { "}" });
    }
}

impl RecordValue {
    fn from_json(json: Value) -> Result<Self, String> {
        Ok(match json {
            Value::Null => return Err("expected a value, got null".to_owned()),
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::Integer(
                number.as_i64().ok_or_else(|| format!("expected a whole number, got {number}"))?,
            ),
            Value::String(text) => Self::Text(text),
            Value::Array(list) => {
                Self::List(list.into_iter().map(Self::from_json).collect::<Result<_, _>>()?)
            }
            Value::Object(entries) => {
                let entry = |(key, json)| Ok((key, Self::from_json(json)?));
                Self::Map(RecordBody(entries.into_iter().map(entry).collect::<Result<_, String>>()?))
            }
        })
    }

    fn depth(&self) -> usize {
        match self {
            Self::Bool(_) | Self::Integer(_) | Self::Text(_) => 0,
            Self::List(list) => 1 + list.iter().map(Self::depth).max().unwrap_or(0),
            Self::Map(map) => map.depth(),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Integer(value) => {
                let quote = if value.unsigned_abs() > INTEGER_MAX.unsigned_abs() { "\"" } else { "" };
                write!(out, "{quote}{value}{quote}").expect("invariant: writing to a String does not fail");
            }
            Self::Text(text) => write_text(out, text),
            Self::List(list) => {
                for (position, value) in list.iter().enumerate() {
                    out.push(if position == 0 { '[' } else { ',' });
                    value.write(out);
                }
                out.push_str(if list.is_empty() { "[]" } else { "]" });
            }
            Self::Map(map) => map.write(out),
        }
    }
}

/// Writes a string as RFC 8785 §3.2.2.2 wants it; what needs no escape stays.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => {
                write!(out, "\\u{:04x}", u32::from(character))
                    .expect("invariant: writing to a String does not fail");
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

impl From<&str> for RecordValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for RecordValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for RecordValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for RecordValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<RecordBody> for RecordValue {
    fn from(map: RecordBody) -> Self {
        Self::Map(map)
    }
}

impl<T: Into<RecordValue>> From<Vec<T>> for RecordValue {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_value_has_one_spelling() {
        let check = |body: RecordBody, expected: &str| {
            assert_eq!(body.canonical(), expected);
            assert_eq!(RecordBody::read(expected).map(|body| body.canonical()).as_deref(), Ok(expected));
        };
        let body = RecordBody::default;
        check(body(), "{}");
        check(body().with("b", 1).with("a", true), r#"{"a":true,"b":1}"#);
        check(body().with("l", Vec::<i64>::new()).with("m", body()), r#"{"l":[],"m":{}}"#);
        check(
            body().with("t", "\u{8}\t\n\u{c}\r\0\u{1f}\u{7f}\"\\/é€"),
            "{\"t\":\"\\b\\t\\n\\f\\r\\u0000\\u001f\u{7f}\\\"\\\\/é€\"}",
        );
        check(
            body().with("n", INTEGER_MAX).with("o", -INTEGER_MAX - 1),
            r#"{"n":9007199254740991,"o":"-9007199254740992"}"#,
        );
        // The order of RFC 8785 §3.2.3's own example: U+FB33 comes behind a character beyond U+FFFF.
        let keys = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"];
        let all = keys.iter().fold(body(), |body, key| body.with(key, 0));
        check(
            all,
            "{\"\\r\":0,\"1\":0,\"\u{80}\":0,\"\u{f6}\":0,\"\u{20ac}\":0,\"\u{1f600}\":0,\"\u{fb33}\":0}",
        );
    }

    #[test]
    fn depth_is_counted() {
        let deep = |levels: usize| {
            (0..levels).fold(RecordBody::default(), |body, _| RecordBody::default().with("a", body))
        };
        assert_eq!((deep(0).depth(), deep(3).depth()), (1, 4));
        assert_eq!(RecordBody::default().with("a", vec![RecordBody::default()]).depth(), 3);
    }

    #[test]
    fn what_nobody_wrote_is_refused() {
        for bad in ["", "[]", "null", r#"{"a":null}"#, r#"{"a":1.5}"#, r#"{"a":1"#] {
            assert!(RecordBody::read(bad).is_err(), "{bad}");
        }
    }

    fn values() -> impl Strategy<Value = RecordValue> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(RecordValue::Bool),
            (-INTEGER_MAX..=INTEGER_MAX).prop_map(RecordValue::Integer),
            any::<String>().prop_map(RecordValue::Text),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            let map = proptest::collection::btree_map(any::<String>(), inner.clone(), 0..5);
            prop_oneof![
                proptest::collection::vec(inner, 0..5).prop_map(RecordValue::List),
                map.prop_map(|map| RecordValue::Map(RecordBody(map))),
            ]
        })
    }

    proptest! {
        #[test]
        fn bodies_come_back(value in values()) {
            let body = RecordBody::default().with("value", value);
            prop_assert_eq!(RecordBody::read(&body.canonical()), Ok(body));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = RecordBody::read(&text);
        }
    }
}
