//! What people write into an incident for its report: notes that begin with a word and a colon.
//!
//! `cause: ...`, `impact: ...`, `report: ...` and `action: [OWNER] [YYYY-MM-DD] ...` go into reports. Every other note
//! is internal.

use jiff::civil::Date;

use super::compose::View;
use super::redaction::{Redaction, TEAM};
use crate::incident::TimelineEntry;

/// The action of the record of a note.
pub(crate) const NOTE: &str = "incident.note";

/// What a note is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoteKind {
    /// A contributing factor.
    Cause,
    /// What it meant.
    Impact,
    /// Something to do.
    Action,
    /// Words to the reader.
    Message,
}

impl NoteKind {
    const WORDS: [(&'static str, Self); 4] = [
        ("cause:", Self::Cause),
        ("impact:", Self::Impact),
        ("action:", Self::Action),
        ("report:", Self::Message),
    ];

    fn split(text: &str) -> Option<(Self, &str)> {
        let text = text.trim_start();
        let found = |(word, kind): (&str, Self)| {
            let beginning = text.get(..word.len())?;
            beginning.eq_ignore_ascii_case(word).then(|| (kind, text[word.len()..].trim()))
        };
        Self::WORDS.into_iter().find_map(found)
    }
}

/// A note for a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// What it is for.
    pub kind: NoteKind,
    /// What it says.
    pub text: String,
    /// Who is to do it, of an action.
    pub owner: Option<String>,
    /// By when.
    pub due: Option<Date>,
}

impl Note {
    /// Returns the notes that a reader sees.
    pub(crate) fn of<'a>(
        entries: impl Iterator<Item = &'a TimelineEntry>,
        view: &View,
        redaction: &Redaction,
    ) -> Vec<Self> {
        let is_for = |entry: &&TimelineEntry| match (view.client(), &entry.client) {
            (Some(reader), Some(client)) => reader == client,
            (None, _) | (_, None) => true,
        };
        let notes = entries.filter(|entry| entry.action == NOTE).filter(is_for);
        notes.filter_map(|entry| Self::read(entry.reason.as_deref()?, view, redaction)).collect()
    }

    /// Returns the words of a note that a client would read; `None` = it is internal.
    pub(crate) fn told(text: &str) -> Option<&str> {
        let (kind, text) = NoteKind::split(text)?;
        Some(if kind == NoteKind::Action { split_action(text).2 } else { text })
    }

    fn read(text: &str, view: &View, redaction: &Redaction) -> Option<Self> {
        let (kind, text) = NoteKind::split(text)?;
        if kind != NoteKind::Action {
            let text = redaction.pass(text)?.to_owned();
            return Some(Self { kind, text, owner: None, due: None });
        }
        let (owner, due, text) = split_action(text);
        // Its owner is a person's name, which is not shown to a client, and no reason to withhold the rest.
        let text = redaction.pass(text)?.to_owned();
        let owner = match view {
            View::Client(_) => owner.map(|_| TEAM.to_owned()),
            View::Internal => owner.map(str::to_owned),
        };
        Some(Self { kind, text, owner, due })
    }
}

/// Reads `OWNER YYYY-MM-DD text`; without a day, all of it is text.
fn split_action(text: &str) -> (Option<&str>, Option<Date>, &str) {
    let Some((first, rest)) = first_word(text) else { return (None, None, text) };
    if let Ok(due) = first.parse::<Date>() {
        return (None, Some(due), rest);
    }
    let second = first_word(rest).and_then(|(second, rest)| Some((second.parse::<Date>().ok()?, rest)));
    match second {
        Some((due, rest)) => (Some(first), Some(due), rest),
        None => (None, None, text),
    }
}

/// Splits a text behind its first word, if anything comes behind it.
fn first_word(text: &str) -> Option<(&str, &str)> {
    text.split_once(char::is_whitespace).map(|(word, rest)| (word, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_what_it_is_for() {
        let check = |text: &str, expected: Option<NoteKind>| {
            assert_eq!(NoteKind::split(text).map(|(kind, _)| kind), expected, "{text}")
        };
        check("cause: the image was old", Some(NoteKind::Cause));
        check("  Impact:none", Some(NoteKind::Impact));
        check("ACTION: x", Some(NoteKind::Action));
        check("report: we are done", Some(NoteKind::Message));
        check("the cause: unknown", None);
        check("internal: cause: x", None);
        check("", None);
        check("cäuse: x", None);
    }

    #[test]
    fn an_action_has_an_owner_and_a_day() {
        let check = |text: &str, owner: Option<&str>, due: Option<&str>, rest: &str| {
            let (found, day, words) = split_action(text);
            assert_eq!(
                (found, day.map(|day| day.to_string()), words),
                (owner, due.map(str::to_owned), rest),
                "{text}"
            );
        };
        check("bob 2026-12-01 move web-3", Some("bob"), Some("2026-12-01"), "move web-3");
        check("2026-12-01 move web-3", None, Some("2026-12-01"), "move web-3");
        check("move web-3 to Debian 13", None, None, "move web-3 to Debian 13");
        check("move", None, None, "move");
        check("", None, None, "");
    }
}
