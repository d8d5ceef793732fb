//! Text files of a host: how they travel, and what their parsers see of them.
//!
//! `show_files` prints them so that content cannot be taken for a file's name: each line of content
//! begins with `L`, a name with `F`; `U` names what the login may not read, `N` what only has a name.

use std::collections::BTreeMap;

use model::Code;

use super::faults::{Faults, quote};
use super::package::lines;

/// The files taken of one answer.
const FILES_MAX: usize = 20_000;
/// The lines taken of one answer.
const LINES_MAX: usize = 500_000;
/// The bytes of one line; longer ones are left out. (A 16,384-bit RSA key has 2.8 kB.)
const LINE_BYTES_MAX: usize = 16 << 10;

/// The shell function that prints files and, of folders, only that they may not be read. One awk for
/// all files: a process per file would be the dearest part of a scan.
pub(super) const SHOW_FILES: &str = r#"only=
show_files() {
for file do
  shift
  if [ -r "$file" ]; then
    [ ! -f "$file" ] || set -- "$@" "$file"
  elif [ -e "$file" ]; then
    printf 'U%s\n' "$file"
  fi
done
[ $# -eq 0 ] || awk -v only="$only" '
FNR == 1 { print "F" FILENAME }
{ print "L" ($0 ~ only ? $0 : "") }' "$@"
}
"#;

/// The files of one answer, or of an offline root.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The lines of each file by its absolute path.
    pub texts: BTreeMap<String, Vec<String>>,
    /// What is only named.
    pub names: Vec<String>,
    /// What the login may not read; where there is some, the answer has gaps.
    pub unreadable: Vec<String>,
    lines: usize,
    dropped: usize,
}

impl Files {
    /// Reads what `show_files` printed.
    pub(super) fn parse(output: &[u8], faults: &mut Faults) -> Self {
        let mut files = Self::default();
        let mut open = None;
        for line in lines(output, faults).filter(|line| !line.is_empty()) {
            let mut chars = line.chars();
            match (chars.next(), chars.as_str()) {
                (Some('F'), path) => open = Some(path.to_owned()),
                (Some('L'), text) => match &open {
                    Some(path) => files.add_line(path, text),
                    None => faults.ignored(format!("content of no file: {}", quote(text))),
                },
                (Some('U'), path) if files.unreadable.len() < FILES_MAX => {
                    files.unreadable.push(path.to_owned());
                }
                (Some('N'), name) if files.names.len() < FILES_MAX => files.names.push(name.to_owned()),
                _ => files.dropped += 1,
            }
        }
        files.note(faults);
        files
    }

    /// Begins with what is only named.
    pub(super) fn named(names: Vec<String>) -> Self {
        Self { names, ..Self::default() }
    }

    /// Adds a file of an offline root.
    pub(super) fn add(&mut self, path: &str, content: &[u8], faults: &mut Faults) {
        for line in lines(content, faults) {
            self.add_line(path, &line);
        }
    }

    /// Notes what is beyond the limits and what may not be read.
    pub(super) fn note(&mut self, faults: &mut Faults) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            faults.ignored(format!("{dropped} lines or files are beyond the limits and were left out"));
        }
        if let Some(first) = self.unreadable.first() {
            let more = match self.unreadable.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            faults.push(
                Code::CollectNotPermitted,
                format!("{}{more} may not be read by this login; all of it is unknown", quote(first)),
            );
        }
    }

    /// Returns the files whose path is accepted.
    pub(super) fn only(&self, accepts: impl Fn(&str) -> bool) -> impl Iterator<Item = (&str, &[String])> {
        let texts = self.texts.iter().map(|(path, lines)| (path.as_str(), lines.as_slice()));
        texts.filter(move |(path, _)| accepts(path))
    }

    /// Returns what was made of the files, sorted, each once and at most `most`; nothing where a part
    /// of them may not be read: a list with gaps would pass for the whole one, and what is behind the
    /// gap for removed.
    pub(super) fn if_whole<T: Ord>(
        &self,
        mut found: Vec<T>,
        most: usize,
        faults: &mut Faults,
    ) -> Option<Vec<T>> {
        found.sort_unstable();
        found.dedup();
        if found.len() > most {
            faults.ignored(format!(
                "{} entries are beyond the limit of {most} and were left out",
                found.len() - most
            ));
            found.truncate(most);
        }
        self.unreadable.is_empty().then_some(found)
    }

    fn add_line(&mut self, path: &str, line: &str) {
        let is_new = !self.texts.contains_key(path);
        let is_over = self.lines >= LINES_MAX || (is_new && self.texts.len() >= FILES_MAX);
        if is_over || line.len() > LINE_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.lines += 1;
        let line = line.strip_suffix('\r').unwrap_or(line);
        match self.texts.get_mut(path) {
            Some(lines) => lines.push(line.to_owned()),
            None => drop(self.texts.insert(path.to_owned(), vec![line.to_owned()])),
        }
    }
}

/// Folds blanks of a line into one space each.
pub(super) fn fold(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
