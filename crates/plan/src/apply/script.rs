//! The one script that takes a host's steps, and the one that settles what it left.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use model::{Condition, ContentPiece, HostPlan, Probe, RunId, SecretVersion, Step, StepOutcome};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::chunks::Chunks;
use super::limits::ApplyLimits;
use super::secret::SecretBytes;
use super::text::{body_bytes, is_short_text, push_assignment, push_body, push_text_body};
use crate::facts::Nonce;
use crate::sh::{FLUSHES_FIRST, GO_HOME, KNOW_ACCESS};

/// Where the lock and the journals are on a host, for root; other logins have `.ifrit` in their home. On
/// a disk, because a journal must survive a power loss.
pub const HOST_FOLDER: &str = "/var/lib/ifrit";

/// What both scripts begin with.
static HOST: LazyLock<String> =
    LazyLock::new(|| code(&include_str!("host.sh").replace("FOLDER", HOST_FOLDER)));
/// What takes steps.
static APPLY: LazyLock<String> = LazyLock::new(|| code(include_str!("apply.sh")));
/// What reads a journal.
static SETTLE: LazyLock<String> = LazyLock::new(|| code(include_str!("settle.sh")));

/// What takes steps that only write files together.
static TOGETHER: LazyLock<String> = LazyLock::new(|| code(include_str!("together.sh")));
/// How many steps are taken together at most: so many new files stand beside their places at once.
const TOGETHER_MAX: usize = 32;

/// The bytes of a lock's word.
const LOCK_WORD_BYTES: usize = 12;

/// One host of a run.
#[derive(Debug, Clone, Copy)]
pub struct HostRun<'a> {
    /// What is done there.
    pub plan: &'a HostPlan,
    /// The run.
    pub run: &'a RunId,
    /// What earlier contacts of the same run have told; empty at the first one. A step that is changed,
    /// unchanged or skipped there is not taken again.
    pub earlier: &'a BTreeMap<usize, StepOutcome>,
    /// Whether a step that is in doubt may be taken again: a person has said so.
    pub rerun: bool,
}

/// A script for the standard input of a POSIX `sh`, which is to be left open after it for the
/// [`acknowledgement`]. It may hold secrets, so it cannot be printed, and its memory is wiped.
pub struct Script {
    bytes: Zeroizing<Vec<u8>>,
    secrets: Vec<SecretBytes>,
}

impl Script {
    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the secrets that are in it, which must not be shown in what the host prints.
    pub fn secrets(&self) -> &[SecretBytes] {
        &self.secrets
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// Why there is no script.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScriptError {
    /// Nobody has the value of a secret in the version that the plan was made with.
    #[error(
        "step {}: the secret `{}` cannot be had as it was planned: it was changed, or the key here is not the one that \
         opens it; plan again",
        step + 1,
        secret.name
    )]
    SecretUnknown {
        /// The step's place in the host's steps.
        step: usize,
        /// The secret.
        secret: SecretVersion,
    },
    /// A shell takes no text with a NUL.
    #[error("step {}: its {part} has a NUL byte", step + 1)]
    Nul {
        /// The step's place in the host's steps.
        step: usize,
        /// `action`, `probe` or `state`.
        part: &'static str,
    },
    /// An action's or a probe's text is too long.
    #[error("step {}: its {part} has {bytes} bytes, more than {max}", step + 1)]
    TextTooLong {
        /// The step's place in the host's steps.
        step: usize,
        /// `action`, `probe` or `state`.
        part: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// All bodies together are too long.
    #[error("the script would have {bytes} bytes, more than {max}: send large files in another way")]
    TooLarge {
        /// What it would have at least.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A step was started and nothing tells whether it ended.
    #[error("step {} was started and nothing tells whether it has ended: look at the host, then say --rerun or plan again", step + 1)]
    InDoubt {
        /// The step's place in the host's steps.
        step: usize,
    },
}

/// Returns the script that takes a host's steps, in their order.
///
/// A shell reads its standard input as it goes, and some run a truncated last line at end of file. So
/// the script is one function definition whose call is the last line, and the call is a quoted word: a
/// stream cut anywhere before its last quote is a syntax error and runs nothing.
///
/// # Errors
/// [`ScriptError`]; nothing may be sent then.
pub fn script(
    host: &HostRun<'_>,
    nonce: &Nonce,
    secrets: &dyn Fn(&SecretVersion) -> Option<SecretBytes>,
    limits: &ApplyLimits,
) -> Result<Script, ScriptError> {
    let mut parts = Vec::new();
    for (number, step) in host.plan.steps.iter().enumerate() {
        if step.is_sent() && !is_settled(host.earlier.get(&number)) {
            parts.push(Part::new(host, number, step, secrets, limits)?);
        }
    }
    let bytes = HOST.len() + APPLY.len() + TOGETHER.len() + parts.iter().map(Part::bytes).sum::<usize>();
    if bytes > limits.script_bytes_max {
        return Err(ScriptError::TooLarge { bytes, max: limits.script_bytes_max });
    }
    let mut text = Zeroizing::new(Vec::with_capacity(2 * bytes));
    push_head(&mut text, host.run, nonce, limits, &APPLY);
    push_assignment(&mut text, "changed", &changed_before(host.earlier));
    let texts = parts.iter().flat_map(|part| {
        let probe = part.step.probe.as_ref().map(|probe| probe.script.as_str());
        probe.into_iter().chain([part.step.action.as_str()])
    });
    let chunks = Chunks::of(texts);
    chunks.push(&mut text);
    if parts.windows(2).any(|two| two.iter().all(Part::is_plain_write)) {
        text.extend_from_slice(KNOW_ACCESS.text.as_bytes());
        text.extend_from_slice(TOGETHER.as_bytes());
    }
    parts.iter().for_each(|part| part.push(&mut text, &chunks));
    text.extend_from_slice(b"if begin; then\n");
    push_calls(&mut text, &parts);
    text.extend_from_slice(b"end\nfi\n");
    push_tail(&mut text);
    let secrets: Vec<SecretBytes> = parts.into_iter().flat_map(|part| part.secrets).collect();
    // What is in common makes it shorter. A copy with secrets would be left behind, not wiped.
    if secrets.is_empty() {
        text.shrink_to_fit();
    }
    Ok(Script { bytes: text, secrets })
}

/// Returns the script that tells what a run left on a host: the outcomes in its journal, and of a step
/// that was started and did not end what its probe says. It waits for a script that still runs.
///
/// # Errors
/// [`ScriptError`] where a probe cannot be sent.
pub fn settle_script(host: &HostRun<'_>, nonce: &Nonce, limits: &ApplyLimits) -> Result<Script, ScriptError> {
    let mut text = Zeroizing::new(Vec::new());
    push_head(&mut text, host.run, nonce, limits, &SETTLE);
    let none_in_common = Chunks::of(std::iter::empty());
    text.extend_from_slice(b"load() {\ncase $1 in\n");
    for (number, step) in host.plan.steps.iter().enumerate() {
        if let (true, Some(probe)) = (step.is_sent(), &step.probe) {
            check_probe(number, probe, limits)?;
            text.extend_from_slice(format!("{number})\n").as_bytes());
            push_probe(&mut text, probe, &none_in_common);
            text.extend_from_slice(b";;\n");
        }
    }
    text.extend_from_slice(b"esac\n}\nsettle\n");
    push_tail(&mut text);
    Ok(Script { bytes: text, secrets: Vec::new() })
}

/// Returns what to send after the script once its outcomes are on record: the host then forgets them.
pub fn acknowledgement(nonce: &Nonce) -> Vec<u8> {
    format!("ack {}\n", nonce.as_str()).into_bytes()
}

/// One step as it is sent.
struct Part<'a> {
    number: usize,
    step: &'a Step,
    bodies: Vec<Zeroizing<Vec<u8>>>,
    secrets: Vec<SecretBytes>,
    /// Whether it runs whatever its state is now, unless it is there already.
    is_forced: bool,
}

impl<'a> Part<'a> {
    fn new(
        host: &HostRun<'_>,
        number: usize,
        step: &'a Step,
        secrets: &dyn Fn(&SecretVersion) -> Option<SecretBytes>,
        limits: &ApplyLimits,
    ) -> Result<Self, ScriptError> {
        let is_in_doubt = host.earlier.get(&number) == Some(&StepOutcome::InDoubt);
        if is_in_doubt && !host.rerun {
            return Err(ScriptError::InDoubt { step: number });
        }
        check_text(number, "action", &step.action, limits)?;
        if let Some(probe) = &step.probe {
            check_probe(number, probe, limits)?;
        }
        let mut part = Self { number, step, bodies: Vec::new(), secrets: Vec::new(), is_forced: is_in_doubt };
        for content in &step.bodies {
            let mut body = Zeroizing::new(Vec::new());
            for piece in &content.0 {
                match piece {
                    ContentPiece::Plain(bytes) => body.extend_from_slice(bytes),
                    ContentPiece::Secret(secret) => {
                        let unknown = || ScriptError::SecretUnknown { step: number, secret: secret.clone() };
                        let value = secrets(secret).ok_or_else(unknown)?;
                        body.extend_from_slice(value.expose());
                        part.secrets.push(value);
                    }
                }
            }
            part.bodies.push(body);
        }
        Ok(part)
    }

    /// Returns about how many bytes it has in a script.
    fn bytes(&self) -> usize {
        let bodies: usize = self.bodies.iter().map(|body| body_bytes(body.len())).sum();
        let probe = self.step.probe.as_ref().map_or(0, |probe| probe.script.len());
        bodies + probe + self.step.action.len() + 512
    }

    fn push(&self, text: &mut Vec<u8>, chunks: &Chunks<'_>) {
        let step = self.step;
        let limit = seconds(step.time_limit);
        text.extend_from_slice(format!("load_{0}() {{\nnumber={0} limit={limit}\n", self.number).as_bytes());
        let condition = match &step.condition {
            Condition::Always => String::new(),
            // Of no step at all nothing has changed: a number that no step has.
            Condition::AnyChanged(steps) if steps.is_empty() => "none".to_owned(),
            Condition::AnyChanged(steps) => {
                steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
        };
        push_assignment(text, "condition", &condition);
        match &step.probe {
            Some(probe) => push_probe(text, probe, chunks),
            None => text.extend_from_slice(b"probe= has_before= has_after=\n"),
        }
        if self.is_forced {
            text.extend_from_slice(b"has_before=\n");
        }
        chunks.push_text(text, "action", &step.action);
        text.extend_from_slice(b"write_bodies() {\n:\n");
        for (number, body) in self.bodies.iter().enumerate() {
            // A secret never is a word, not even a builtin's.
            if self.secrets.is_empty() && is_short_text(body) {
                push_text_body(text, number, body);
            } else {
                push_body(text, number, body);
            }
        }
        text.extend_from_slice(b"}\n");
        let has_secret = if self.secrets.is_empty() { "" } else { "yes" };
        text.extend_from_slice(format!("has_secret={has_secret}\n").as_bytes());
        for number in 0..self.bodies.len() {
            let name = Step::body_variable(number);
            text.extend_from_slice(format!("{name}=$run/body.{}.{number}\n", self.number).as_bytes());
        }
        text.extend_from_slice(b"}\n");
    }

    /// Says whether it only writes a file and its probe tells all about it, so that it can be taken together with
    /// others of this kind: nothing that stands before it changes what it finds.
    fn is_plain_write(&self) -> bool {
        let is_told = |probe: &Probe| probe.before.is_some() && probe.after.is_some();
        self.step.action.starts_with(FLUSHES_FIRST)
            && self.step.condition == Condition::Always
            && self.step.probe.as_ref().is_some_and(is_told)
            && self.secrets.is_empty()
            && !self.is_forced
    }
}

/// Adds the calls that take the steps: those in a row that only write files together.
fn push_calls(text: &mut Vec<u8>, parts: &[Part<'_>]) {
    for row in parts.chunk_by(|one, next| one.is_plain_write() && next.is_plain_write()) {
        for some in row.chunks(TOGETHER_MAX) {
            let call = match some {
                [one] => format!("load_{}\nstep\n", one.number),
                some => {
                    some.iter().fold("together".to_owned(), |call, part| format!("{call} {}", part.number))
                        + "\n"
                }
            };
            text.extend_from_slice(call.as_bytes());
        }
    }
}

/// Says whether a step need not be taken again.
fn is_settled(outcome: Option<&StepOutcome>) -> bool {
    matches!(outcome, Some(StepOutcome::Changed | StepOutcome::Unchanged | StepOutcome::Skipped))
}

/// Returns the numbers of the steps that changed the host at an earlier contact, with blanks around each.
fn changed_before(earlier: &BTreeMap<usize, StepOutcome>) -> String {
    let changed = earlier.iter().filter(|(_, outcome)| **outcome == StepOutcome::Changed);
    changed.fold(" ".to_owned(), |text, (number, _)| format!("{text}{number} "))
}

fn check_probe(number: usize, probe: &Probe, limits: &ApplyLimits) -> Result<(), ScriptError> {
    check_text(number, "probe", &probe.script, limits)?;
    for state in [&probe.before, &probe.after].into_iter().flatten() {
        check_text(number, "state", state, limits)?;
    }
    Ok(())
}

fn check_text(step: usize, part: &'static str, text: &str, limits: &ApplyLimits) -> Result<(), ScriptError> {
    if text.contains('\0') {
        return Err(ScriptError::Nul { step, part });
    }
    let (bytes, max) = (text.len(), limits.text_bytes_max);
    if bytes > max { Err(ScriptError::TextTooLong { step, part, bytes, max }) } else { Ok(()) }
}

fn push_probe(text: &mut Vec<u8>, probe: &Probe, chunks: &Chunks<'_>) {
    chunks.push_text(text, "probe", &probe.script);
    for (name, state) in [("before", &probe.before), ("after", &probe.after)] {
        let has = if state.is_some() { "yes" } else { "" };
        text.extend_from_slice(format!("has_{name}={has}\n").as_bytes());
        push_assignment(text, name, state.as_deref().unwrap_or_default());
    }
}

fn push_head(text: &mut Vec<u8>, run: &RunId, nonce: &Nonce, limits: &ApplyLimits, verbs: &str) {
    text.extend_from_slice(b"ifrit_apply() {\n{\n");
    let settings = [
        ("nonce", nonce.as_str().to_owned()),
        ("lock_word", lock_word(nonce)),
        ("run_id", run.as_str().to_owned()),
        ("lock_wait", seconds(limits.lock_wait).to_string()),
        ("probe_limit", seconds(limits.probe_limit).to_string()),
        ("ack_limit", seconds(limits.ack_limit).to_string()),
        ("output_max", limits.output_bytes_max.to_string()),
        ("left", limits.stream_bytes_max.to_string()),
        // find(1) counts in blocks of 512 bytes.
        ("capture_blocks", (limits.capture_bytes_max / 512).to_string()),
        ("flushes_first", FLUSHES_FIRST.to_owned()),
    ];
    for (name, value) in settings {
        push_assignment(text, name, &value);
    }
    text.extend_from_slice(GO_HOME.as_bytes());
    text.extend_from_slice(HOST.as_bytes());
    text.extend_from_slice(verbs.as_bytes());
}

/// Returns the word of a script's lock, in hexadecimal: as unique as its nonce, which nobody can tell from it.
fn lock_word(nonce: &Nonce) -> String {
    let digest = Sha256::digest(nonce.as_str());
    digest[..LOCK_WORD_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns code without its comments, which no host reads.
fn code(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect()
}

/// `exit`, because the standard input is left open; 3 is what remains of it.
fn push_tail(text: &mut Vec<u8>) {
    text.extend_from_slice(b"exit 0\n} 3<&0 </dev/null\n}\n'ifrit_apply'\n");
}

/// Returns whole seconds, at least one.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs().max(1)
}
