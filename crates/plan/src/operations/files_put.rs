//! `files.put`, and what writes whole files for other operations.

use model::{Content, DiffLine, Risk};
use sha2::{Digest, Sha256};
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{
    NumberOrText, checked_mode, checked_path, checked_text, given, optional_account, quoted,
};
use super::decision::{Told, lines_diff, text_diff};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, Session, StepValue, TextOrSecret, read_content, run};
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
        Ok(Self { path, content, access, makes_parent, validate, digest })
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
            questions.push(Question::new(&sh::SHOW_FILE, [self.path.as_str()]));
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
        let is_done = is_same && before.as_deref() == Some(&self.access.state("file", "-"));
        let mut diff = lines_diff(before.as_deref(), &self.access.state("file", "-"));
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
        let old = asked.map(|asked| asked.said(&Question::new(&sh::SHOW_FILE, [self.path.as_str()])));
        let old = old.transpose()?.flatten().unwrap_or_default();
        let (state_before, state_after) = (without_digest(before), without_digest(&after));
        let mut diff = match state_before == state_after {
            true => Vec::new(),
            false => lines_diff(Some(state_before), state_after),
        };
        if before.rsplit(' ').next() != after.rsplit(' ').next() {
            diff.extend(text_diff(&with_newline(&old), &with_newline(&text)));
        }
        Ok(diff)
    }

    fn probe(&self) -> Question {
        let mut letters = self.access.letters();
        if !self.content.is_secret() {
            letters.push('c');
        }
        Question::new(&sh::FILE_STATE, [self.path.clone(), letters])
    }

    fn digest_question(&self) -> Question {
        Question::new(&sh::FILE_STATE, [self.path.as_str(), "c"])
    }

    fn after(&self) -> Option<String> {
        let digest = self.digest.as_ref().filter(|_| !self.content.is_secret())?;
        Some(self.access.state("file", digest))
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
        script.and_body(&sh::PUT_FILE, 0, &[self.path.as_str(), mode, user, group, &self.validate])
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

fn without_digest(state: &str) -> &str {
    state.rsplit_once(' ').map_or(state, |(rest, _)| rest)
}

fn with_newline(text: &str) -> String {
    let text = text.trim_end_matches('\n');
    if text.is_empty() { String::new() } else { format!("{text}\n") }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Put(WholeFile);

impl Operation for Put {
    const NAME: &'static str = "files.put";

    fn subject(&self) -> String {
        self.0.path.clone()
    }

    fn questions(&self) -> Vec<Question> {
        self.0.questions()
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Entry(self.0.path.clone())]
    }

    fn risks(&self) -> Vec<Risk> {
        path_risks(&self.0.path)
    }

    fn decide(&self, asked: Option<&Asked<'_>>) -> Result<Decision, String> {
        self.0.decide(asked)
    }
}

/// Returns where a file goes: into `dest` where that ends in `/`.
pub(super) fn destination(src: Option<&str>, dest: &str) -> Result<String, String> {
    match src.and_then(|src| src.rsplit('/').next()) {
        Some(name) if dest.ends_with('/') => checked_path("dest", &format!("{dest}{name}")),
        _ => checked_path("dest", dest),
    }
}

/// Reads a file of the workspace.
pub(super) fn asset(session: &Session<'_>, src: &str) -> Result<Vec<u8>, String> {
    (session.view.assets)(src).map_err(|why| format!("src {}: {why}", quoted(src)))
}

fn content_of(
    session: &Session<'_>,
    src: Option<&str>,
    content: Option<TextOrSecret<'_>>,
) -> Result<Content, String> {
    match (src, content) {
        (Some(src), None) => asset(session, src).map(Content::plain),
        (None, Some(content)) => Ok(read_content(content)),
        _ => Err("expected either src or content".to_owned()),
    }
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Puts a file of the workspace, or a text, on the host. It is written as a whole or not at all.
    ///
    /// ```python
    /// files.put("files/motd", "/etc/motd")
    /// files.put(dest = "/etc/app.key", content = secret("app/key"), mode = "600", user = "app")
    /// ```
    ///
    /// # Arguments
    /// * `src`: a file of the workspace, its path from the root
    /// * `dest`: the path on the host; with a final `/` the directory that it goes into
    /// * `user`: its owner; as it is unless given
    /// * `group`: its group; as it is unless given
    /// * `mode`: its mode: `"644"`; as it is unless given, 644 for a new file
    /// * `create_remote_dir`: whether its directory is created where it is missing
    /// * `content`: in place of `src`: a text, or a `secret()`
    /// * `validate`: a command that must succeed before the file takes its place; `%s` is the new file
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn put<'v>(
        #[starlark(default = NoneOr::None)] src: NoneOr<&'v str>,
        #[starlark(default = NoneOr::None)] dest: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] user: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] group: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] mode: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = true)] create_remote_dir: bool,
        #[starlark(require = named, default = NoneOr::None)] content: NoneOr<TextOrSecret<'v>>,
        #[starlark(require = named, default = NoneOr::None)] validate: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            let src = given(src);
            let dest = given(dest).ok_or("expected dest, the path on the host")?;
            let content = content_of(session, src, given(content))?;
            let access = Access::read(mode, user, group)?;
            let dest = destination(src, dest)?;
            WholeFile::new(session, dest, content, access, create_remote_dir, given(validate)).map(Put)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
