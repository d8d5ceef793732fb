//! What an operation decided.

use model::{Change, Content, DiffLine};

use crate::facts::Question;
use crate::sh::Script;

/// The lines that a diff may have; of more, the rest is counted.
const DIFF_LINES_MAX: usize = 400;
/// The characters of one line of a diff.
const DIFF_LINE_CHARS_MAX: usize = 400;

/// How a state is told, and what it is before and after.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// The question that is asked again on the host.
    pub question: Question,
    /// Its answer now; `None` = not known.
    pub before: Option<String>,
    /// Its answer when all is done; `None` = cannot be told.
    pub after: Option<String>,
}

/// What an operation decided.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    /// `None` = its state cannot be told.
    pub probe: Option<Told>,
    /// Says outright whether all is as it should be, where `before` and `after` cannot.
    pub is_done: Option<bool>,
    /// What makes the change.
    pub action: Script,
    /// What the action reads.
    pub bodies: Vec<Content>,
    /// What changes, for people.
    pub diff: Vec<DiffLine>,
}

impl Decision {
    /// A step that is never taken.
    pub(crate) fn nothing() -> Self {
        Self {
            probe: None,
            is_done: Some(true),
            action: Script::default(),
            bodies: Vec::new(),
            diff: Vec::new(),
        }
    }

    /// An action whose state cannot be told.
    pub(crate) fn always(action: Script) -> Self {
        Self { is_done: None, action, ..Self::nothing() }
    }

    /// From one text to another; the diff is made of their lines.
    pub(crate) fn from_to(question: Question, before: Option<String>, after: String, action: Script) -> Self {
        let diff = lines_diff(before.as_deref(), &after);
        let probe = Some(Told { question, before, after: Some(after) });
        Self { probe, is_done: None, action, bodies: Vec::new(), diff }
    }

    /// Takes another diff.
    #[must_use]
    pub(crate) fn with_diff(mut self, diff: Vec<DiffLine>) -> Self {
        self.diff = diff;
        self
    }

    /// Says that the state afterwards cannot be told beforehand.
    #[must_use]
    pub(crate) fn without_after(mut self) -> Self {
        if let Some(probe) = &mut self.probe {
            probe.after = None;
        }
        self
    }

    /// Adds a body.
    #[must_use]
    pub(crate) fn with_body(mut self, body: Content) -> Self {
        self.bodies.push(body);
        self
    }

    /// Says what it does to its host, where all facts hold.
    pub(crate) fn change(&self) -> Change {
        let is_same =
            self.probe.as_ref().is_some_and(|probe| probe.before.is_some() && probe.before == probe.after);
        match self.is_done {
            Some(true) => Change::None,
            None if is_same => Change::None,
            _ => Change::Certain,
        }
    }
}

/// What questions put before a line that is not their own word: `= absent` is a line of the file.
const QUOTED: &str = "= ";

/// Returns the lines that go and come between two short states.
pub(crate) fn lines_diff(before: Option<&str>, after: &str) -> Vec<DiffLine> {
    let before = before.unwrap_or_default();
    if before == after {
        return Vec::new();
    }
    let bare = |line: &str| shown(line.strip_prefix(QUOTED).unwrap_or(line));
    let removed = before.lines().map(|line| DiffLine::Removed(bare(line)));
    let added = after.lines().map(|line| DiffLine::Added(bare(line)));
    capped(removed.chain(added).collect())
}

/// Returns the diff of two texts with some lines around each change.
pub(crate) fn text_diff(before: &str, after: &str) -> Vec<DiffLine> {
    /// The lines that stay, around those that change.
    const CONTEXT: usize = 3;
    let diff = similar::TextDiff::from_lines(before, after);
    let mut lines = Vec::new();
    for (at, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if at > 0 {
            lines.push(DiffLine::Same("...".to_owned()));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = shown(change.value().trim_end_matches(['\n', '\r']));
            lines.push(match change.tag() {
                similar::ChangeTag::Equal => DiffLine::Same(line),
                similar::ChangeTag::Delete => DiffLine::Removed(line),
                similar::ChangeTag::Insert => DiffLine::Added(line),
            });
        }
    }
    capped(lines)
}

fn shown(line: &str) -> String {
    match line.char_indices().nth(DIFF_LINE_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

/// Takes what is too long for a diff away.
pub(super) fn capped(mut lines: Vec<DiffLine>) -> Vec<DiffLine> {
    if lines.len() > DIFF_LINES_MAX {
        let more = lines.len() - DIFF_LINES_MAX;
        lines.truncate(DIFF_LINES_MAX);
        lines.push(DiffLine::Same(format!("... and {more} more lines")));
    }
    lines
}
