//! Files as the snippet prints them.

use crate::facts::faults::Faults;

/// The bytes of one file's text, and a byte for each of its lines.
const TEXT_BYTES_MAX: usize = 2 << 20;
/// The files, names and marks taken of one answer.
const FILES_MAX: usize = 10_000;

/// A file and the text of it that travelled.
#[derive(Debug, Default)]
pub(super) struct FoundFile {
    /// The letter for what it is.
    pub part: u8,
    /// Its absolute path; bytes that are no UTF-8 are replaced.
    pub path: String,
    /// Its text, or the lines that matter, each with its newline.
    pub text: Vec<u8>,
}

impl FoundFile {
    /// Returns the lines of its text, without blanks at their ends.
    pub fn lines(&self) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
        self.text.split(|byte| *byte == b'\n').map(|line| String::from_utf8_lossy(line.trim_ascii_end()))
    }
}

/// All of an answer.
#[derive(Debug, Default)]
pub(super) struct Frames {
    pub files: Vec<FoundFile>,
    /// Declared directories that are not there.
    pub absent: Vec<String>,
    pub unreadable: Vec<String>,
    /// The parts that are whole.
    pub ended: Vec<u8>,
}

impl Frames {
    /// Reads an answer; lines that mean nothing are counted.
    pub fn parse(output: &[u8], faults: &mut Faults) -> Self {
        let mut frames = Self::default();
        let mut strange = 0;
        for line in output.split(|byte| *byte == b'\n') {
            let Some((mark, rest)) = line.split_first() else { continue };
            let is_known = match mark {
                b'F' => frames.open(rest),
                b'L' => frames.add(rest, true),
                b'C' => frames.add(rest, false),
                b'E' => rest.first().map(|part| frames.ended.push(*part)).is_some(),
                b'T' => frames.is_over(faults),
                b'N' => push(&mut frames.absent, rest),
                b'U' => push(&mut frames.unreadable, rest),
                _ => false,
            };
            strange += usize::from(!is_known);
        }
        if strange > 0 {
            faults
                .ignored(format!("{strange} lines mean nothing or are beyond the limits and were left out"));
        }
        if let Some(first) = frames.unreadable.first() {
            let more = frames.unreadable.len() - 1;
            let first = crate::facts::faults::quote(first);
            faults.push(
                model::Code::CollectNotPermitted,
                format!("{first} and {more} more may not be read by this login; all of it is unknown"),
            );
        }
        frames
    }

    fn open(&mut self, rest: &[u8]) -> bool {
        let Some((part, path)) = rest.split_first() else { return false };
        let has_room = self.files.len() < FILES_MAX;
        if has_room {
            let path = String::from_utf8_lossy(path).into_owned();
            self.files.push(FoundFile { part: *part, path, text: Vec::new() });
        }
        has_room
    }

    fn add(&mut self, rest: &[u8], is_new_line: bool) -> bool {
        let Some(file) = self.files.last_mut() else { return false };
        let has_room = file.text.len() + rest.len() < TEXT_BYTES_MAX;
        if has_room {
            // The newline before a line, not after it: what comes next may go on.
            if is_new_line && !file.text.is_empty() {
                file.text.push(b'\n');
            }
            file.text.extend_from_slice(rest);
        }
        has_room
    }

    /// The last file is cut where the part's limit struck.
    fn is_over(&mut self, faults: &mut Faults) -> bool {
        self.files.pop();
        faults.ignored("files of one kind are larger than 3 MB together; the rest was left out");
        true
    }
}

fn push(list: &mut Vec<String>, text: &[u8]) -> bool {
    let has_room = list.len() < FILES_MAX;
    if has_room {
        list.push(String::from_utf8_lossy(text).into_owned());
    }
    has_room
}
