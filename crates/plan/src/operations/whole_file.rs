//! What writes whole files for operations: content, access, time, and what a person is shown of them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use model::{Content, DiffLine, Risk};
use sha2::{Digest, Sha256};
use starlark::values::none::NoneOr;

use super::Decision;
use super::argument::{NumberOrText, checked_mode, checked_text, given, optional_account, quoted};
use super::decision::{Told, lines_diff, text_diff};
use crate::deploy::{Asked, Session};
use crate::facts::Question;
use crate::sh::{self, Script};

/// The largest text whose old state is fetched for a diff, in bytes.
const DIFF_BYTES_MAX: usize = 256 * 1024;
/// The largest file that travels in a plan, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What is never in a file name.
const PLACEHOLDER: &str = "%s";

/// Who owns a path and who may do what with it; what is absent is left as it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Access {
    pub mode: Option<String>,
    pub user: Option<String>,
    pub group: Option<String>,
}

impl Access {
    /// Reads the arguments.
    pub(super) fn read(
        given_mode: NoneOr<NumberOrText<'_>>,
        user: NoneOr<&str>,
        group: NoneOr<&str>,
    ) -> Result<Self, String> {
        Ok(Self {
            mode: checked_mode(given(given_mode))?,
            user: optional_account("user", given(user))?,
            group: optional_account("group", given(group))?,
        })
    }

    /// Returns the letters of what is not left as it is, for [`sh::FILE_STATE`].
    pub(super) fn letters(&self) -> String {
        let letters = [(&self.mode, 'm'), (&self.user, 'u'), (&self.group, 'g')];
        letters.iter().filter(|(given, _)| given.is_some()).map(|(_, letter)| letter).collect()
    }

    /// Returns mode, user and group as words; `-` = as it is.
    pub(super) fn words(&self) -> [&str; 3] {
        [&self.mode, &self.user, &self.group].map(|part| part.as_deref().unwrap_or("-"))
    }

    /// Returns the state of something of this kind, as [`sh::FILE_STATE`] prints it.
    pub(super) fn state(&self, kind: &str, content: &str) -> String {
        let [mode, user, group] = self.words();
        format!("{kind} {mode} {user} {group} {content}")
    }
}

/// A whole file.
pub(super) struct WholeFile {
    path: String,
    content: Content,
    access: Access,
    makes_parent: bool,
    validate: String,
    /// The content's SHA-256, where it can be told; of a secret it never leaves this value.
    digest: Option<String>,
    /// Its time, where that is managed; in whole seconds.
    time: Option<Timestamp>,
    /// Whether it is written though it is as it should be.
    always: bool,
}

impl WholeFile {
    /// Checks what it takes to write a file.
    pub(super) fn new(
        session: &Session<'_>,
        path: String,
        content: Content,
        access: Access,
        makes_parent: bool,
        validate: Option<&str>,
    ) -> Result<Self, String> {
        let plain: Vec<u8> = plain_of(&content).unwrap_or_default();
        if plain.len() > BODY_BYTES_MAX {
            return Err(format!("expected a file of at most {BODY_BYTES_MAX} bytes, got {}", plain.len()));
        }
        let digest = if content.is_secret() {
            (session.view.secret_digest)(&content)
        } else {
            Some(Sha256::digest(&plain).into())
        };
        let validate = validate.map(validation).transpose()?.unwrap_or_default();
        let digest = digest.map(|digest: [u8; 32]| hex(&digest));
        Ok(Self { path, content, access, makes_parent, validate, digest, time: None, always: false })
    }

    /// Manages its time too.
    #[must_use]
    pub(super) fn at(mut self, time: Option<Timestamp>) -> Self {
        self.time = time;
        self
    }

    /// Writes it though it is as it should be.
    #[must_use]
    pub(super) fn always(mut self, always: bool) -> Self {
        self.always = always;
        self
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The probe, then what only the plan needs.
    pub(super) fn questions(&self) -> Vec<Question> {
        let mut questions = vec![self.probe()];
        if self.content.is_secret() {
            questions.push(self.digest_question());
        } else if self.is_shown() {
            questions.push(self.content_question());
        }
        questions
    }

    pub(super) fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        let probe = self.probe();
        let before = asked.map(|asked| asked.said(&probe)).transpose()?.flatten();
        refuse_other_kinds(&self.path, before.as_deref(), "file")?;
        let decision = Decision {
            probe: Some(Told { question: probe, before: before.clone(), after: self.after() }),
            is_done: None,
            action: self.action(),
            bodies: vec![self.content.clone()],
            diff: Vec::new(),
        };
        if self.always {
            let diff = before.map_or(Ok(Vec::new()), |before| self.diff(asked, &before))?;
            return Ok(Decision { probe: None, is_done: Some(false), ..decision }.with_diff(diff));
        }
        if self.content.is_secret() {
            return self.decide_secret(asked, before, decision);
        }
        let Some(before) = before else { return Ok(decision) };
        let diff = self.diff(asked, &before)?;
        Ok(decision.with_diff(diff))
    }

    fn decide_secret(
        &self,
        asked: Option<&Asked<'_>>,
        before: Option<String>,
        decision: Decision,
    ) -> Result<Decision, String> {
        let Some(asked) = asked else { return Ok(decision) };
        let found = asked.said(&self.digest_question())?.unwrap_or_default();
        let is_same = found.rsplit(' ').next().map(str::to_owned) == self.digest && self.digest.is_some();
        let after = self.state("-");
        let is_done = is_same && before.as_deref() == Some(&after);
        let mut diff = lines_diff(before.as_deref(), &after);
        if !is_same {
            diff.push(DiffLine::Added("(content with secrets, not shown)".to_owned()));
        }
        Ok(Decision { is_done: Some(is_done), ..decision }.with_diff(diff))
    }

    fn diff(&self, asked: Option<&Asked<'_>>, before: &str) -> Result<Vec<DiffLine>, String> {
        let after = self.after().unwrap_or_default();
        let Some(text) = plain_of(&self.content).and_then(|bytes| String::from_utf8(bytes).ok()) else {
            return Ok(lines_diff(Some(before), &after));
        };
        if !self.is_shown() {
            return Ok(lines_diff(Some(before), &after));
        }
        let old = asked.map(|asked| asked.said(&self.content_question()));
        let old = old.transpose()?.flatten().unwrap_or_default();
        let ((state_before, sum_before), (state_after, sum_after)) = (parts(before), parts(&after));
        let mut diff = match state_before == state_after {
            true => Vec::new(),
            false => lines_diff(Some(&state_before), &state_after),
        };
        if sum_before != sum_after {
            diff.extend(text_diff(&with_newline(&old), &with_newline(&text)));
        }
        Ok(diff)
    }

    fn probe(&self) -> Question {
        let mut letters = self.access.letters();
        if !self.content.is_secret() {
            letters.push('c');
        }
        let tool = if self.time.is_some() { &sh::TIMED_STATE } else { &sh::FILE_STATE };
        Question::new(tool, [self.path.clone(), letters])
    }

    /// What the file holds now, where it holds something else than it should.
    fn content_question(&self) -> Question {
        let digest = self.digest.as_deref().unwrap_or_default();
        Question::new(&sh::SHOW_FILE, [self.path.as_str(), digest])
    }

    fn digest_question(&self) -> Question {
        Question::new(&sh::FILE_STATE, [self.path.as_str(), "c"])
    }

    fn after(&self) -> Option<String> {
        let digest = self.digest.as_ref().filter(|_| !self.content.is_secret())?;
        Some(self.state(digest))
    }

    /// Returns the state as the probe prints it.
    fn state(&self, content: &str) -> String {
        let state = self.access.state("file", content);
        self.time.map_or(state.clone(), |time| format!("{state} {}", time.as_second()))
    }

    fn is_shown(&self) -> bool {
        let is_text = |bytes: Vec<u8>| bytes.len() <= DIFF_BYTES_MAX && std::str::from_utf8(&bytes).is_ok();
        plain_of(&self.content).is_some_and(is_text)
    }

    fn action(&self) -> Script {
        let [mode, user, group] = self.access.words();
        let script = Script::default();
        let script = if self.makes_parent {
            script.and(&sh::MAKE_PARENT, &[self.path.as_str(), user, group])
        } else {
            script
        };
        let words = [self.path.as_str(), mode, user, group, &self.validate];
        let script = script.and_body(&sh::PUT_FILE, 0, &words);
        let Some(time) = self.time else { return script };
        let time = TimeZone::UTC.to_datetime(time).strftime("%Y%m%d%H%M.%S").to_string();
        script.and(&sh::SET_TIME, &[self.path.as_str(), &time])
    }
}

/// Refuses what only a person should replace.
pub(super) fn refuse_other_kinds(path: &str, before: Option<&str>, expected: &str) -> Result<(), String> {
    let kind = before.and_then(|state| state.split(' ').next()).unwrap_or("absent");
    if kind == "absent" || kind == expected {
        return Ok(());
    }
    Err(format!("expected {} to be a {expected} or nothing, got a {kind}", quoted(path)))
}

/// Returns what paths are about who gets in.
pub(super) fn path_risks(path: &str) -> Vec<Risk> {
    const ACCESS: [&str; 12] = [
        "/etc/ssh",
        "/etc/sudoers",
        "/etc/sudoers.d",
        "/etc/doas.conf",
        "/etc/doas.d",
        "/etc/passwd",
        "/etc/shadow",
        "/etc/group",
        "/etc/pam.d",
        "/etc/pf.conf",
        "/etc/master.passwd",
        "/etc/nftables.conf",
    ];
    let is_in = |folder: &str| {
        let path = path.strip_prefix("/usr/local").unwrap_or(path);
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_access = ACCESS.into_iter().any(is_in) || path.contains("/.ssh/");
    if is_access { vec![Risk::Access] } else { Vec::new() }
}

fn plain_of(content: &Content) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    for piece in &content.0 {
        match piece {
            model::ContentPiece::Plain(bytes) => plain.extend_from_slice(bytes),
            model::ContentPiece::Secret(_) => return None,
        }
    }
    Some(plain)
}

/// Makes sh code that gets the file as `$1` of `nginx -t -c %s`.
fn validation(code: &str) -> Result<String, String> {
    let code = checked_text("validate", code)?;
    if !code.contains(PLACEHOLDER) {
        return Err(format!(
            "expected validate to name the new file as {PLACEHOLDER}, got {}",
            quoted(&code)
        ));
    }
    Ok(code.replace(PLACEHOLDER, "\"$1\""))
}

/// Takes a state apart: what is not its digest, for people, and the digest.
fn parts(state: &str) -> (String, &str) {
    /// `file MODE USER GROUP DIGEST`
    const DIGEST_AT: usize = 4;
    let words: Vec<&str> = state.split(' ').collect();
    let time = |word: &str| word.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let rest = words.iter().enumerate().filter(|(at, _)| *at != DIGEST_AT).map(|(at, word)| {
        let time = if at > DIGEST_AT { time(word) } else { None };
        time.map_or_else(|| (*word).to_owned(), |time| time.to_string())
    });
    (rest.collect::<Vec<_>>().join(" "), words.get(DIGEST_AT).copied().unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn with_newline(text: &str) -> String {
    let text = text.trim_end_matches('\n');
    if text.is_empty() { String::new() } else { format!("{text}\n") }
}
