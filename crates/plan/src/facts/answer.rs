//! Reading what a host printed: frames by a nonce, everything else is noise.

use super::fact::{Fact, FactRequests};
use super::script::{FACT_OUTPUT_BYTES_MAX, Nonce};

/// The markers read of one stream; a scan has some 40.
const MARKERS_MAX: usize = 1_000;

/// The bytes of `end NONCE FACT STATUS` with its newlines.
const END_MARKER_BYTES_MAX: usize = 128;

/// How the stream that carried an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// The host ended it in order.
    Complete,
    /// The time limit struck first.
    TimedOut,
    /// The byte limit struck first.
    TooLarge,
    /// The connection broke first.
    Cut,
}

/// One fact's raw answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub(super) fact: Fact,
    /// What the snippet printed.
    pub(super) output: Vec<u8>,
    /// Its exit status; `None` where the host could not tell.
    pub(super) status: Option<u8>,
    /// Whether the output reached the cap, so that its rest is missing.
    pub(super) is_capped: bool,
}

/// The raw answers of one exec: whole frames only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    pub(super) answers: Vec<Answer>,
    /// Facts that were asked for and have no whole frame.
    pub(super) missing: Vec<Fact>,
    pub(super) end: StreamEnd,
    pub(super) requests: FactRequests,
    pub(super) nonce: Nonce,
}

impl Answers {
    /// Says whether not a single fact was answered: the script did not run at all.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

/// Cuts a host's standard output into answers. Text before, between and after the frames is
/// ignored: login scripts and hostile files may print what they like, they do not know the nonce.
/// A frame that has no end marker does not count: half a package list would be a wrong one.
pub fn read_answer(requests: &FactRequests, nonce: &Nonce, stdout: &[u8], end: StreamEnd) -> Answers {
    let markers: Vec<_> = Markers { nonce: nonce.as_str(), text: stdout, at: 0 }.take(MARKERS_MAX).collect();
    let mut answers = Vec::new();
    let mut missing = Vec::new();
    for &fact in requests.facts() {
        match markers.windows(2).find_map(|pair| read_frame(fact, &pair[0], &pair[1], stdout)) {
            Some(answer) => answers.push(answer),
            None => missing.push(fact),
        }
    }
    Answers { answers, missing, end, requests: requests.clone(), nonce: nonce.clone() }
}

fn read_frame(fact: Fact, begin: &Marker<'_>, end: &Marker<'_>, stdout: &[u8]) -> Option<Answer> {
    if !begin.begins(fact) {
        return None;
    }
    // The newline before the end marker is the script's.
    let last = end.start.saturating_sub(1).max(begin.after);
    let output = stdout[begin.after..last].to_vec();
    // The cap takes the end marker too, or a part of it; then the next marker is another one.
    let is_capped = output.len() + END_MARKER_BYTES_MAX >= FACT_OUTPUT_BYTES_MAX;
    let status = match end.ends(fact) {
        Some(status) => status,
        None if is_capped => None,
        None => return None,
    };
    Some(Answer { fact, output, status, is_capped })
}

/// A line `WORD NONCE REST`.
struct Marker<'a> {
    word: &'a [u8],
    rest: &'a [u8],
    start: usize,
    after: usize,
}

impl Marker<'_> {
    fn begins(&self, fact: Fact) -> bool {
        self.word == b"begin" && self.rest == fact.name().as_bytes()
    }

    /// Returns the status where it ends the fact; the inner `None` is a status that cannot be read.
    fn ends(&self, fact: Fact) -> Option<Option<u8>> {
        let status = self.rest.strip_prefix(fact.name().as_bytes())?.strip_prefix(b" ")?;
        let status = std::str::from_utf8(status).ok().and_then(|text| text.parse().ok());
        (self.word == b"end").then_some(status)
    }
}

/// Finds the markers of a nonce, one after the other.
struct Markers<'a> {
    nonce: &'a str,
    text: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Markers<'a> {
    type Item = Marker<'a>;

    fn next(&mut self) -> Option<Marker<'a>> {
        while self.at < self.text.len() {
            let start = self.at;
            let rest = &self.text[start..];
            // A marker has its newline: half a line at the end of a cut stream is none.
            let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
                self.at = self.text.len();
                return None;
            };
            self.at = start + length + 1;
            if let Some((word, tail)) = self.split(&rest[..length]) {
                return Some(Marker { word, rest: tail, start, after: self.at });
            }
        }
        None
    }
}

impl<'a> Markers<'a> {
    fn split(&self, line: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let word = ["begin", "end", "done"].into_iter().find(|word| line.starts_with(word.as_bytes()))?;
        let (word, tail) = line.split_at(word.len());
        let tail = tail.strip_prefix(b" ")?.strip_prefix(self.nonce.as_bytes())?;
        Some((word, tail.strip_prefix(b" ").unwrap_or(tail)))
    }
}

#[cfg(test)]
mod tests;
