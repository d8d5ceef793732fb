//! What deploys ask: questions that are sh functions with arguments, all of one host in one frame.
//!
//! Every answer in it stands between markers with the exec's nonce, so it costs no process of its own
//! and nothing that a host says can forge the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use model::{Code, HostName, Place, Problem};

use super::answer::{Answers, StreamEnd};
use super::fact::{ABSENT, Definition, Fact};
use super::script::Nonce;
use crate::sh::{FILE_STATE, KNOW_ACCESS, KNOW_SUMS, Tool, definitions, word_of};

/// The bytes taken of one answer. (The snippets themselves stop at 256 KiB of a file's content.)
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// One question: a function that only reads, and its arguments.
#[derive(Clone)]
pub(crate) struct Question {
    tool: &'static Tool,
    arguments: Vec<String>,
}

impl Question {
    /// Makes a question.
    pub(crate) fn new<W: Into<String>>(tool: &'static Tool, arguments: impl IntoIterator<Item = W>) -> Self {
        Self { tool, arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// Returns the function.
    pub(crate) fn tool(&self) -> &'static Tool {
        self.tool
    }

    /// Returns its arguments.
    pub(crate) fn arguments(&self) -> &[String] {
        &self.arguments
    }

    fn key(&self) -> (&'static str, &[String]) {
        (self.tool.name, &self.arguments)
    }
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Question {}

impl PartialOrd for Question {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Question {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.tool.name, self.arguments)
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.tool.name, self.arguments.join(" "))
    }
}

/// What a host said to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FactAnswer {
    /// What the function printed, without final newlines.
    Said(Vec<u8>),
    /// There is no such thing.
    Absent,
    /// The function failed with this status, or there is no whole answer.
    Failed(Option<u8>),
}

/// The answers that a host gave to the questions of a deploy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    answers: BTreeMap<Question, FactAnswer>,
}

impl Facts {
    /// Adds what another pass brought.
    pub fn merge(&mut self, more: Self) {
        self.answers.extend(more.answers);
    }

    /// Says whether nothing was answered.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Returns the answer to a question; `None` = it was not asked.
    pub(crate) fn get(&self, question: &Question) -> Option<&FactAnswer> {
        self.answers.get(question)
    }

    /// Adds an answer.
    pub(crate) fn insert(&mut self, question: Question, answer: FactAnswer) {
        self.answers.insert(question, answer);
    }
}

/// The fact that carries all questions; [`calls_of`] is its body.
pub(super) const ASKED: Definition =
    Definition { name: "asked", guard: "true", snippet: "", read: |_, _, _| {} };

/// Returns the calls of all questions with the functions that they need.
pub(super) fn calls_of(questions: &BTreeSet<Question>, nonce: &Nonce) -> String {
    let nonce = nonce.as_str();
    let mut tools: Vec<&'static Tool> = vec![&KNOW_ACCESS, &KNOW_SUMS];
    tools.extend(questions.iter().map(|question| question.tool));
    let mut text = format!("\n{}", definitions(&tools));
    text.push_str(&known_before(questions));
    if !questions.is_empty() {
        text.push_str(&format!("printf '\\npart %s %s\\n' {nonce} 0\n"));
    }
    for (number, question) in questions.iter().enumerate() {
        let words = words_of(question.arguments.iter());
        text.push_str(&format!("{}{words} 2>/dev/null\n", question.tool.name));
        // One write for the end of this and the beginning of the next.
        text.push_str(&match number + 1 < questions.len() {
            true => format!(
                "printf '\\nover %s %s %s\\n\\npart %s %s\\n' {nonce} {number} \"$?\" {nonce} {}\n",
                number + 1
            ),
            false => format!("printf '\\nover %s %s %s\\n' {nonce} {number} \"$?\"\n"),
        });
    }
    text.push_str("return 0");
    text
}

/// Returns what has one process look at all files that are asked about, so that each question starts none.
fn known_before(questions: &BTreeSet<Question>) -> String {
    let asked_for = |letters: &[char]| -> BTreeSet<&String> {
        let states = questions.iter().filter(|question| question.tool.name == FILE_STATE.name);
        let wanted = states.filter_map(|question| match question.arguments.as_slice() {
            [path, wanted] if wanted.contains(letters) => Some(path),
            _ => None,
        });
        wanted.collect()
    };
    let call = |tool: &Tool, paths: BTreeSet<&String>| match paths.is_empty() {
        true => String::new(),
        false => format!("{}{}\n", tool.name, words_of(paths.into_iter())),
    };
    call(&KNOW_ACCESS, asked_for(&['m', 'u', 'g'])) + &call(&KNOW_SUMS, asked_for(&['c']))
}

fn words_of<'a>(words: impl Iterator<Item = &'a String>) -> String {
    words.map(|word| format!(" {}", word_of(word))).collect()
}

/// Reads the answers to a deploy's questions. Every question gets an answer, [`FactAnswer::Failed`] where
/// the host gave none; those are problems too.
pub fn read_facts(host: &HostName, answers: &Answers) -> (Facts, Vec<Problem>) {
    let answer = answers.answers.iter().find(|answer| answer.fact == Fact::Asked);
    let mut output = answer.map_or(&[][..], |answer| &answer.output);
    let mut facts = Facts::default();
    let mut problems = Vec::new();
    for (number, question) in answers.requests.questions().enumerate() {
        let said = read_part(&mut output, &answers.nonce, number);
        if let FactAnswer::Failed(status) = said {
            let place = Place::Host { host: host.clone(), part: question.tool.name.to_owned() };
            let message = match status {
                Some(status) => format!("`{question}` ended with status {status}"),
                None => format!("`{question}` has no whole answer{}", why(answers.end)),
            };
            problems.push(Problem::new(Code::CollectFactFailed, place, message));
        }
        facts.insert(question.clone(), said);
    }
    (facts, problems)
}

fn why(end: StreamEnd) -> &'static str {
    match end {
        StreamEnd::Complete => "",
        StreamEnd::TimedOut => ": the time limit struck",
        StreamEnd::TooLarge => ": the answers are too large",
        StreamEnd::Cut => ": the connection broke",
    }
}

/// Reads the next part, and leaves what comes after it.
fn read_part(rest_of: &mut &[u8], nonce: &Nonce, number: usize) -> FactAnswer {
    let begin = format!("\npart {} {number}\n", nonce.as_str());
    let end = format!("\nover {} {number} ", nonce.as_str());
    let output = *rest_of;
    // The first newline of the frame may be the frame's own.
    let found = find(output, begin.as_bytes())
        .map(|at| at + begin.len())
        .or_else(|| output.starts_with(&begin.as_bytes()[1..]).then(|| begin.len() - 1));
    let Some(start) = found else { return FactAnswer::Failed(None) };
    let Some(rest) = output.get(start..) else { return FactAnswer::Failed(None) };
    // An empty answer ends where it begins: its marker's newline is that of the first marker.
    let (text, tail) = match find(rest, end.as_bytes()) {
        Some(at) => (&rest[..at], &rest[at + end.len()..]),
        None if rest.starts_with(&end.as_bytes()[1..]) => (&rest[..0], &rest[end.len() - 1..]),
        None => return FactAnswer::Failed(None),
    };
    *rest_of = tail;
    let status = tail.split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
    match status.and_then(|status| status.parse::<u8>().ok()) {
        Some(0) if text.len() <= ANSWER_BYTES_MAX => FactAnswer::Said(without_newlines(text).to_vec()),
        Some(ABSENT) => FactAnswer::Absent,
        status => FactAnswer::Failed(status),
    }
}

fn without_newlines(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b'\n'] = text {
        text = rest;
    }
    text
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests;
