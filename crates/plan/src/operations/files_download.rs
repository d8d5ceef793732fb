//! `files.download`.

use std::time::Duration;

use model::{Content, ContentPiece};
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::dict::UnpackDictEntries;
use starlark::values::none::NoneOr;

use super::Area;
use super::argument::{NumberOrText, checked_path, checked_text, checked_url, given, quoted};
use super::goal::{Goal, Named};
use super::whole_file::{Access, path_risks};
use crate::deploy::{Common, StepValue, TextOrSecret, read_content, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// How long a download may take.
const TIME_LIMIT: Duration = Duration::from_secs(1800);
/// The most headers of one request.
const HEADERS_MAX: usize = 50;
/// The longest time after which a file is fetched anew, in seconds: ten years.
const CACHE_SECONDS_MAX: u32 = 315_360_000;

struct Download;

impl Named for Download {
    const NAME: &'static str = "files.download";
}

/// The checksum that is wanted: algorithm and hexadecimal digits; both empty = any.
#[derive(Default)]
struct Checksum {
    algorithm: &'static str,
    digits: String,
}

impl Checksum {
    fn read(given: [(&'static str, Option<&str>); 4]) -> Result<Self, String> {
        let mut found = Self::default();
        for (algorithm, digits) in given {
            let Some(digits) = digits else { continue };
            if !found.algorithm.is_empty() {
                return Err("expected one checksum, got several".to_owned());
            }
            let length = match algorithm {
                "md5" => 32,
                "sha1" => 40,
                "sha256" => 64,
                _ => 96,
            };
            if digits.len() != length || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(format!(
                    "expected {algorithm}sum to be {length} hexadecimal digits, got {}",
                    quoted(digits)
                ));
            }
            found = Self { algorithm, digits: digits.to_ascii_lowercase() };
        }
        Ok(found)
    }
}

/// Returns the headers as curl reads them from a file, so that none is in a command line.
fn header_lines(headers: Vec<(&str, TextOrSecret<'_>)>) -> Result<Content, String> {
    if headers.len() > HEADERS_MAX {
        return Err(format!("expected at most {HEADERS_MAX} headers, got {}", headers.len()));
    }
    let mut pieces = Vec::new();
    for (name, value) in headers {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_word) {
            return Err(format!("expected the name of a header, got {}", quoted(name)));
        }
        pieces.push(ContentPiece::Plain(format!("{name}: ").into_bytes()));
        let value = read_content(value);
        if value.0.iter().any(|piece| matches!(piece, ContentPiece::Plain(text) if text.contains(&b'\n'))) {
            return Err(format!("expected the header {name} to be one line"));
        }
        pieces.extend(value.0);
        pieces.push(ContentPiece::Plain(b"\n".to_vec()));
    }
    Ok(Content(pieces))
}

/// What the network is told.
struct Request {
    url: String,
    proxy: String,
    insecure: bool,
    force: bool,
    headers: Content,
}

fn goal(
    request: Request,
    dest: &str,
    access: &Access,
    checksum: &Checksum,
    cache_time: Option<i32>,
) -> Result<Goal<Download>, String> {
    let dest = checked_path("dest", dest)?;
    let seconds = match cache_time {
        None => String::new(),
        Some(seconds) => match u32::try_from(seconds) {
            Ok(seconds) if seconds <= CACHE_SECONDS_MAX => seconds.to_string(),
            _ => return Err(format!("expected cache_time of 0 to {CACHE_SECONDS_MAX} seconds")),
        },
    };
    let [mode, user, group] = access.words();
    let yes = |is_so: bool| if is_so { "yes" } else { "" };
    let words = [
        request.url.as_str(),
        &dest,
        mode,
        user,
        group,
        checksum.algorithm,
        &checksum.digits,
        &seconds,
        &request.proxy,
        yes(request.insecure),
        yes(request.force),
    ];
    let has_headers = !request.headers.0.is_empty();
    let action = match has_headers {
        true => Script::default().and_body(&sh::DOWNLOAD_FILE, 0, &words),
        false => Script::call(&sh::DOWNLOAD_FILE, &[&[""], &words[..]].concat()),
    };
    let goal = Goal::new(dest.as_str(), action)
        .with_bodies(if has_headers { vec![request.headers] } else { Vec::new() })
        .risks(path_risks(&dest))
        .within(TIME_LIMIT);
    let goal = if request.force {
        goal
    } else {
        let letters = access.letters();
        let words = [dest.as_str(), &letters, checksum.algorithm, &seconds];
        let sum = if checksum.digits.is_empty() { "-" } else { checksum.digits.as_str() };
        let age = if seconds.is_empty() { "-" } else { "fresh" };
        let after = format!("{} {age}", access.state("file", sum));
        let asked = goal.asks(Question::new(&sh::DOWNLOAD_STATE, words), [after]);
        let why = |kind: &str| format!("expected {} to be a file or nothing, got a {kind}", quoted(&dest));
        asked
            .refuses("directory ", why("directory"))
            .refuses("link ", why("link"))
            .refuses("other ", why("thing of another kind"))
    };
    Ok(goal.touches([Area::Entry(dest)]))
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Fetches a file from the network, with curl, FreeBSD's fetch or wget. A checksum is compared before the
    /// file takes its place. A file that is there is fetched again only where its checksum or age is not as given.
    ///
    /// ```python
    /// files.download("https://example.org/app-1.2.tar.gz", "/srv/app-1.2.tar.gz", sha256sum = "9f86d0...")
    /// ```
    ///
    /// # Arguments
    /// * `src`: the address: https://, http://
    /// * `dest`: the path on the host
    /// * `user`: its owner; as it is unless given
    /// * `group`: its group; as it is unless given
    /// * `mode`: its mode: `"644"`; as it is unless given, 644 for a new file
    /// * `cache_time`: after how many seconds it is fetched again
    /// * `force`: whether it is fetched every time
    /// * `sha384sum`: the checksum that it must have
    /// * `sha256sum`: the checksum that it must have
    /// * `sha1sum`: the checksum that it must have
    /// * `md5sum`: the checksum that it must have
    /// * `headers`: headers of the request: texts or `secret()`; they need curl on the host
    /// * `insecure`: whether a certificate that is not valid will do; give a checksum then
    /// * `proxy`: an HTTP proxy: `"http://proxy:3128"`
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn download<'v>(
        src: &'v str,
        dest: &'v str,
        #[starlark(require = named, default = NoneOr::None)] user: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] group: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] mode: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = NoneOr::None)] cache_time: NoneOr<i32>,
        #[starlark(require = named, default = false)] force: bool,
        #[starlark(require = named, default = NoneOr::None)] sha384sum: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] sha256sum: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] sha1sum: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] md5sum: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] headers: NoneOr<
            UnpackDictEntries<&'v str, TextOrSecret<'v>>,
        >,
        #[starlark(require = named, default = false)] insecure: bool,
        #[starlark(require = named, default = NoneOr::None)] proxy: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || {
            let checksum = Checksum::read([
                ("sha384", given(sha384sum)),
                ("sha256", given(sha256sum)),
                ("sha1", given(sha1sum)),
                ("md5", given(md5sum)),
            ])?;
            let headers = given(headers).map(|it| it.entries).unwrap_or_default();
            let proxy = given(proxy).map(|it| checked_url("proxy", it)).transpose()?.unwrap_or_default();
            let request = Request {
                url: checked_url("src", src)?,
                proxy: checked_text("proxy", &proxy)?,
                insecure,
                force,
                headers: header_lines(headers)?,
            };
            let access = Access::read(mode, user, group)?;
            goal(request, dest, &access, &checksum, given(cache_time))
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
