//! `files.put`.

use either::Either;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::{Content, Risk};
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::argument::{FROM_THE_ROOT, NumberOrText, as_text, checked_path, given, quoted, so_anyway};
use super::whole_file::{Access, WholeFile, path_risks};
use super::{Area, Decision, Operation};
use crate::deploy::{Asked, Common, Session, StepValue, TextOrSecret, read_content, run};
use crate::facts::Question;

struct Put(WholeFile);

impl Operation for Put {
    const NAME: &'static str = "files.put";

    fn subject(&self) -> String {
        self.0.path().to_owned()
    }

    fn questions(&self) -> Vec<Question> {
        self.0.questions()
    }

    fn touches(&self) -> Vec<Area> {
        vec![Area::Entry(self.0.path().to_owned())]
    }

    fn risks(&self) -> Vec<Risk> {
        path_risks(self.0.path())
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

/// Reads a time: seconds since 1970, or `2026-01-02T03:04:05Z`; without a zone it is UTC.
fn checked_time(argument: &str, value: NumberOrText<'_>) -> Result<Timestamp, String> {
    let time = match value {
        Either::Left(seconds) => Timestamp::from_second(seconds.into()).ok(),
        Either::Right(text) => text.parse::<Timestamp>().ok().or_else(|| {
            let local = text.parse::<DateTime>().ok()?;
            TimeZone::UTC.to_timestamp(local).ok()
        }),
    };
    let whole = time.and_then(|time| Timestamp::from_second(time.as_second()).ok());
    whole.filter(|time| time.as_second() >= 0).ok_or_else(|| {
        let got = quoted(&as_text(value));
        format!(
            "expected {argument} to be a time since 1970 like `2026-01-02T03:04:05Z`, or seconds, got {got}"
        )
    })
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
    /// * `force`: whether it is written every time, though it is as it should be
    /// * `mtime`: its time: seconds since 1970 or `"2026-01-02T03:04:05Z"`, in UTC where it names no zone
    /// * `add_deploy_dir`: True, as it always is: paths are from the root of the workspace
    /// * `assume_exists`: nothing depends on it: the host is asked with all the rest at once
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
        #[starlark(require = named, default = false)] force: bool,
        #[starlark(require = named, default = NoneOr::None)] mtime: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = NoneOr::None)] add_deploy_dir: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] assume_exists: NoneOr<bool>,
        #[starlark(require = named, default = NoneOr::None)] content: NoneOr<TextOrSecret<'v>>,
        #[starlark(require = named, default = NoneOr::None)] validate: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            so_anyway("add_deploy_dir", add_deploy_dir, true, FROM_THE_ROOT)?;
            // Whatever it says, the file is compared by its digest.
            let _ = given(assume_exists);
            let src = given(src);
            let dest = given(dest).ok_or("expected dest, the path on the host")?;
            let content = content_of(session, src, given(content))?;
            let access = Access::read(mode, user, group)?;
            let dest = destination(src, dest)?;
            let time = given(mtime).map(|time| checked_time("mtime", time)).transpose()?;
            let file = WholeFile::new(session, dest, content, access, create_remote_dir, given(validate))?;
            Ok(Put(file.at(time).always(force)))
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
