//! What parsers have to complain about, bounded.

use model::{Code, Level, Problem};

/// The problems kept of one fact; the rest is counted.
const FAULTS_MAX: usize = 20;
/// The characters of hostile text quoted in one message.
const QUOTE_CHARS_MAX: usize = 80;

/// Collects what is wrong with one fact's answer.
#[derive(Debug, Default)]
pub(super) struct Faults {
    kept: Vec<(Code, String)>,
    over: usize,
    /// Whether one of those that are only counted is an error.
    over_is_error: bool,
}

impl Faults {
    /// Notes that a piece could not be understood.
    pub(super) fn unreadable(&mut self, message: impl Into<String>) {
        self.push(Code::CollectFactUnreadable, message);
    }

    /// Notes a line that means nothing and is left out; the rest counts as whole.
    pub(super) fn ignored(&mut self, message: impl Into<String>) {
        self.push(Code::CollectLineIgnored, message);
    }

    /// Notes a fault of another kind.
    pub(super) fn push(&mut self, code: Code, message: impl Into<String>) {
        if self.kept.len() < FAULTS_MAX {
            self.kept.push((code, message.into()));
        } else {
            self.over += 1;
            self.over_is_error |= code.level() == Level::Error;
        }
    }

    /// Turns them into problems at a place.
    pub(super) fn into_problems(self, place: &model::Place) -> Vec<Problem> {
        let code = match self.over_is_error {
            true => Code::CollectFactUnreadable,
            false => Code::CollectLineIgnored,
        };
        let over = (self.over > 0).then(|| (code, format!("and {} more of this kind", self.over)));
        let problem = |(code, message)| Problem::new(code, place.clone(), message);
        self.kept.into_iter().chain(over).map(problem).collect()
    }

    #[cfg(test)]
    pub(super) fn messages(&self) -> Vec<&str> {
        self.kept.iter().map(|(_, message)| message.as_str()).collect()
    }
}

/// Quotes text of a host for a message: escaped and shortened.
pub(super) fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTE_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        shown.push_str("...");
    }
    format!("`{shown}`")
}
