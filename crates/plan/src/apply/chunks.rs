//! What the texts of several steps have in common is sent once: each brings the functions that it calls, and most
//! call the same. The host's shell puts every text together again, byte by byte.

use std::collections::BTreeMap;

use super::text::push_assignment;
use crate::facts::quoted;

/// The bytes of a chunk that is worth a variable of its own.
const CHUNK_BYTES_MIN: usize = 64;

/// The chunks that come more than once, with their numbers.
pub(super) struct Chunks<'a> {
    numbers: BTreeMap<&'a str, usize>,
}

impl<'a> Chunks<'a> {
    /// Finds what these texts have in common.
    pub(super) fn of(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for chunk in texts.flat_map(chunks).filter(|chunk| chunk.len() >= CHUNK_BYTES_MIN) {
            *counts.entry(chunk).or_default() += 1;
        }
        let common = counts.into_iter().filter(|(_, count)| *count > 1);
        Self { numbers: common.enumerate().map(|(number, (chunk, _))| (chunk, number)).collect() }
    }

    /// Adds the chunks as variables.
    pub(super) fn push(&self, script: &mut Vec<u8>) {
        for (chunk, number) in &self.numbers {
            push_assignment(script, &name(*number), chunk);
        }
    }

    /// Adds `NAME=` with a text, put together of chunks and of what is its own, and a newline.
    pub(super) fn push_text(&self, script: &mut Vec<u8>, variable: &str, text: &str) {
        script.extend_from_slice(variable.as_bytes());
        script.push(b'=');
        let mut own = String::new();
        for chunk in chunks(text) {
            match self.numbers.get(chunk) {
                // A value is one word, whatever is in the variables.
                Some(number) => {
                    push_own(script, &mut own);
                    script.extend_from_slice(format!("${{{}}}", name(*number)).as_bytes());
                }
                None => own.push_str(chunk),
            }
        }
        push_own(script, &mut own);
        script.push(b'\n');
    }
}

fn push_own(script: &mut Vec<u8>, own: &mut String) {
    if !own.is_empty() {
        script.extend(quoted(own.as_bytes()));
        own.clear();
    }
}

fn name(number: usize) -> String {
    format!("ifrit_chunk_{number}")
}

/// Cuts a text before each function and after what may be one's end. Wherever it is cut, the chunks make the text.
fn chunks(text: &str) -> Vec<&str> {
    let (mut chunks, mut from, mut at) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        if line.ends_with("() {\n") && at > from {
            chunks.push(&text[from..at]);
            from = at;
        }
        at += line.len();
        if line == "}\n" {
            chunks.push(&text[from..at]);
            from = at;
        }
    }
    if from < text.len() {
        chunks.push(&text[from..]);
    }
    chunks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_common_is_sent_once() {
        let function = format!("a() {{\n: {}\n}}\n", "x".repeat(100));
        let texts = [format!("{function}a 'it'\\''s'"), format!("# first\n{function}a 2")];
        let chunks = Chunks::of(texts.iter().map(String::as_str));
        let mut script = Vec::new();
        chunks.push(&mut script);
        for text in &texts {
            chunks.push_text(&mut script, "text", text);
            script.extend_from_slice(b"printf '%s\\0' \"$text\"\n");
        }
        let script = String::from_utf8(script).expect("UTF-8");
        assert_eq!(script.matches("xxx").count(), 33, "once");
        let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}\0{}\0", texts[0], texts[1]));
    }

    proptest! {
        #[test]
        fn chunks_make_the_text(text in "([a-z]{1,3}\\(\\) \\{\n|\\}\n|[ -~]{0,9}\n|x)*") {
            prop_assert_eq!(chunks(&text).concat(), text);
        }
    }
}
