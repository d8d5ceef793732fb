//! Reading what a script prints: frames by a nonce, everything else is noise or a step's output.

use std::time::Duration;

use model::RunId;

use super::limits::ApplyLimits;
use super::outcome::{ApplyEvent, Refusal, StepReport, read_outcome};
use super::secret::{SecretBytes, hide};
use crate::facts::Nonce;

/// The bytes of a frame's line; a longer line is none.
const FRAME_BYTES_MAX: usize = 256;
/// The bytes kept of the state that a probe told, and of what a host says why it takes no script: 4 KiB.
const SAID_BYTES_MAX: usize = 4 << 10;

/// Turns a script's standard output, in pieces of any size, into events. The same bytes give the same
/// events however they are cut. A line that does not begin with the nonce is never a frame, and what
/// a host can make us keep is bounded by the steps and the limits.
#[derive(Debug)]
pub struct OutcomeReader {
    nonce: Vec<u8>,
    secrets: Vec<SecretBytes>,
    output_bytes_max: usize,
    /// The beginning of a line of which the end has not come.
    line: Vec<u8>,
    /// Whether that line is too long for a frame; then its beginning was given away already.
    is_long: bool,
    has_begun: bool,
    has_ended: bool,
    /// For each step whether it was told of.
    ended: Vec<bool>,
    open: Option<Open>,
    fault: Option<Vec<u8>>,
    section: Section,
}

/// A step that was started.
#[derive(Debug)]
struct Open {
    step: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    found: Vec<u8>,
}

/// What raw bytes belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Noise,
    Stdout,
    Stderr,
    Found,
    Fault,
}

impl OutcomeReader {
    /// Makes a reader of a stream about so many steps (those that are not sent count too).
    pub fn new(nonce: &Nonce, steps: usize, limits: &ApplyLimits) -> Self {
        Self {
            nonce: nonce.as_str().as_bytes().to_vec(),
            secrets: Vec::new(),
            output_bytes_max: limits.output_bytes_max,
            line: Vec::new(),
            is_long: false,
            has_begun: false,
            has_ended: false,
            ended: vec![false; steps],
            open: None,
            fault: None,
            section: Section::Noise,
        }
    }

    /// Takes these out of what the host prints ([`super::Script::secrets`]).
    #[must_use]
    pub fn hiding(mut self, secrets: &[SecretBytes]) -> Self {
        self.secrets = secrets.to_vec();
        self
    }

    /// Reads the next bytes. After [`ApplyEvent::Done`] and [`ApplyEvent::Refused`] nothing counts.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<ApplyEvent> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.has_ended {
                break;
            }
            self.push_piece(piece, &mut events);
        }
        events
    }

    fn push_piece(&mut self, piece: &[u8], events: &mut Vec<ApplyEvent>) {
        let is_whole = piece.ends_with(b"\n");
        if self.is_long || self.line.len() + piece.len() > FRAME_BYTES_MAX {
            let line = std::mem::take(&mut self.line);
            self.keep(&line);
            self.keep(piece);
            self.is_long = !is_whole;
            return;
        }
        self.line.extend_from_slice(piece);
        if is_whole {
            let line = std::mem::take(&mut self.line);
            match self.frame(&line) {
                Some(words) => events.extend(self.read_frame(&words)),
                None => self.keep(&line),
            }
        }
    }

    /// Returns the words of a frame.
    fn frame(&self, line: &[u8]) -> Option<Vec<String>> {
        let words = line.strip_prefix(self.nonce.as_slice())?.strip_prefix(b" ")?;
        let words = std::str::from_utf8(words).ok()?;
        Some(words.split_ascii_whitespace().map(str::to_owned).collect())
    }

    /// Adds raw bytes to what they belong to, as far as it has room.
    fn keep(&mut self, bytes: &[u8]) {
        let output_bytes_max = self.output_bytes_max;
        let (kept, max) = match (self.section, &mut self.open, &mut self.fault) {
            (Section::Stdout, Some(open), _) => (&mut open.stdout, output_bytes_max),
            (Section::Stderr, Some(open), _) => (&mut open.stderr, output_bytes_max),
            (Section::Found, Some(open), _) => (&mut open.found, SAID_BYTES_MAX),
            (Section::Fault, _, Some(fault)) => (fault, SAID_BYTES_MAX),
            _ => return,
        };
        // One more than the limit: the newline before the next frame is the script's.
        let room = (max + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn read_frame(&mut self, words: &[String]) -> Option<ApplyEvent> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let raw = std::mem::replace(&mut self.section, Section::Noise);
        let event = match *words.as_slice() {
            ["begin"] if !self.has_begun => {
                self.has_begun = true;
                ApplyEvent::Began
            }
            ["busy", run] if !self.has_begun => self.refuse(Refusal::Busy(RunId::parse(run))),
            ["unsettled", run] if !self.has_begun => self.refuse(Refusal::Unsettled(RunId::parse(run))),
            ["fault"] if !self.has_begun => {
                self.fault = Some(Vec::new());
                self.section = Section::Fault;
                return None;
            }
            ["refused"] if raw == Section::Fault => {
                let said = self.fault.take().unwrap_or_default();
                let said = String::from_utf8_lossy(trimmed(&said, SAID_BYTES_MAX)).into_owned();
                self.refuse(Refusal::Fault { said })
            }
            ["left", run] if self.has_begun => ApplyEvent::Left(RunId::parse(run)?),
            ["start", step] if self.has_begun => {
                let step = self.new_step(step)?;
                let (stdout, stderr, found) = (Vec::new(), Vec::new(), Vec::new());
                self.open = Some(Open { step, stdout, stderr, found });
                ApplyEvent::Started { step }
            }
            [word @ ("out" | "err" | "found"), step] if self.is_open(step) => {
                self.section = match word {
                    "out" => Section::Stdout,
                    "err" => Section::Stderr,
                    _ => Section::Found,
                };
                return None;
            }
            ["end", step, outcome, status, duration] if self.is_open(step) => {
                return self.end_step(outcome, status, duration);
            }
            ["done"] if self.has_begun => {
                self.has_ended = true;
                ApplyEvent::Done
            }
            _ => return None,
        };
        Some(event)
    }

    fn refuse(&mut self, refusal: Refusal) -> ApplyEvent {
        self.has_ended = true;
        ApplyEvent::Refused(refusal)
    }

    /// Returns the number of a step that was not told of before.
    fn new_step(&self, word: &str) -> Option<usize> {
        let step: usize = word.parse().ok()?;
        (self.ended.get(step) == Some(&false)).then_some(step)
    }

    fn is_open(&self, word: &str) -> bool {
        self.open.as_ref().is_some_and(|open| word.parse() == Ok(open.step))
    }

    fn end_step(&mut self, outcome: &str, status: &str, duration: &str) -> Option<ApplyEvent> {
        let open = self.open.take()?;
        let found = hide(trimmed(&open.found, SAID_BYTES_MAX).to_vec(), &self.secrets);
        let found = String::from_utf8_lossy(&found).into_owned();
        let outcome = read_outcome(outcome, status, found)?;
        *self.ended.get_mut(open.step)? = true;
        let output = |bytes: &[u8]| hide(trimmed(bytes, self.output_bytes_max).to_vec(), &self.secrets);
        let report = StepReport {
            outcome,
            duration: duration.parse().ok().map(Duration::from_millis),
            stdout: output(&open.stdout),
            stderr: output(&open.stderr),
        };
        Some(ApplyEvent::Ended { step: open.step, report })
    }
}

/// Takes off the newline that stands before each frame.
fn trimmed(bytes: &[u8], max: usize) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    &bytes[..bytes.len().min(max)]
}
