//! A message, as it is kept and sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use store::{MessageRecord, MessageUrgency};

/// The longest text of a message, in bytes: ntfy makes an attachment of what has more than 4,096, and
/// nobody reads attachments at night.
pub(super) const TEXT_BYTES_MAX: usize = 3_600;

/// The longest title, in characters.
const TITLE_CHARS_MAX: usize = 180;

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// Stays the same however often it is sent.
    pub(super) id: String,
    pub(super) urgency: MessageUrgency,
    pub(super) title: String,
    pub(super) created_at: jiff::Timestamp,
    pub(super) body: Body,
}

/// What is kept of a message beside its title, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Body {
    pub(super) text: String,
    /// `new`, `exploited`; `None` for a digest.
    pub(super) kind: Option<String>,
    pub(super) vulnerability: Option<String>,
    #[serde(default)]
    pub(super) packages: Vec<String>,
    pub(super) severity: Option<String>,
    #[serde(default)]
    pub(super) exploited: bool,
    #[serde(default)]
    pub(super) exposed: bool,
    /// Hosts by client.
    #[serde(default)]
    pub(super) hosts: BTreeMap<String, usize>,
    /// What to run.
    pub(super) command: Option<String>,
}

impl Message {
    /// Takes a message from the record; `None` where it is not one of ours.
    pub(super) fn from_record(record: &MessageRecord) -> Option<Self> {
        Some(Self {
            id: record.message.message_id.clone(),
            urgency: record.message.urgency,
            title: record.message.title.clone(),
            created_at: record.created_at,
            body: serde_json::from_str(&record.message.body).ok()?,
        })
    }
}

/// Makes one harmless line of a title: names in it come from feeds and hosts.
pub(super) fn title(text: &str) -> String {
    plain(text).replace('\n', " ").chars().take(TITLE_CHARS_MAX).collect()
}

/// Makes a text harmless and short: whole lines, and a last one that says what is missing.
pub(super) fn text(lines: &[String]) -> String {
    const ROOM_FOR_LAST: usize = 40;
    let mut text = String::new();
    for (position, line) in lines.iter().enumerate() {
        let line = plain(line).replace('\n', " ");
        if text.len() + line.len() + 1 > TEXT_BYTES_MAX - ROOM_FOR_LAST {
            text.push_str(&format!("... and {} more lines\n", lines.len() - position));
            break;
        }
        text.push_str(&line);
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// Takes out what could steer a terminal or a mail header or mislead the eye.
fn plain(text: &str) -> String {
    let is_bad = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_bad(c) { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_are_harmless() {
        assert_eq!(title("a\r\nBcc: x\u{202e}\u{1b}[2J"), "a? Bcc: x??[2J");
        assert_eq!(text(&["a\nb".to_owned(), "c".to_owned()]), "a b\nc");
    }

    proptest! {
        #[test]
        fn a_text_is_short_and_says_what_is_missing(lines in proptest::collection::vec("[a-zß]{0,120}", 0..120)) {
            let text = text(&lines);
            prop_assert!(text.len() <= TEXT_BYTES_MAX);
            let all: usize = lines.iter().map(|line| line.len() + 1).sum();
            prop_assert_eq!(text.contains("more lines"), all > TEXT_BYTES_MAX - 40);
        }
    }
}
