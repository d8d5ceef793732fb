//! `apt.repo`, `apt.sources_file`, `apt.key` and `apk.repositories`.

use model::Content;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;
use starlark::values::Value;
use starlark::values::none::NoneOr;

use super::Area;
use super::argument::{OneOrMore, checked_line, checked_name, checked_path, given, quoted, texts};
use super::files_line::escaped;
use super::files_put::asset;
use super::goal::{Goal, Managed, Named};
use super::pgp::{dearmored, fingerprints};
use super::whole_file::{Access, WholeFile};
use crate::deploy::{Common, Session, StepValue, run};
use crate::facts::Question;
use crate::sh::{self, Script};

/// The most words of one field, and lines of one file.
const WORDS_MAX: usize = 100;

struct Repo;

impl Named for Repo {
    const NAME: &'static str = "apt.repo";
}

struct SourcesFile;

impl Named for SourcesFile {
    const NAME: &'static str = "apt.sources_file";
}

struct Key;

impl Named for Key {
    const NAME: &'static str = "apt.key";
}

struct Repositories;

impl Named for Repositories {
    const NAME: &'static str = "apk.repositories";
}

/// A file that everybody may read.
fn public_file(session: &Session<'_>, path: String, bytes: Vec<u8>) -> Result<WholeFile, String> {
    let access = Access { mode: Some("0644".to_owned()), ..Access::default() };
    WholeFile::new(session, path, Content::plain(bytes), access, true, None)
}

fn repo(src: &str, present: bool, filename: Option<&str>) -> Result<Goal<Repo>, String> {
    let line = checked_line("src", src)?;
    if !line.starts_with("deb ") && !line.starts_with("deb-src ") {
        return Err(format!("expected src to begin with `deb ` or `deb-src `, got {}", quoted(src)));
    }
    let path = match filename {
        Some(name) => format!("/etc/apt/sources.list.d/{}.list", file_name("filename", name)?),
        None => "/etc/apt/sources.list".to_owned(),
    };
    let pattern = format!("^{}$", escaped(&line));
    let question = Question::new(&sh::LINE_STATE, [&path, &pattern]);
    let goal = match present {
        true => Goal::new(path.as_str(), Script::call(&sh::SET_LINE, &[&path, &pattern, &line]))
            .asks(question, [format!("= {line}")]),
        false => Goal::new(path.as_str(), Script::call(&sh::EDIT_LINE, &[&path, &pattern, "remove", "", ""]))
            .asks(question, ["", "absent"]),
    };
    Ok(goal.touches([Area::Entry(path)]))
}

/// Checks a name that apt reads: without a dot, a file of another ending is skipped.
fn file_name(argument: &str, name: &str) -> Result<String, String> {
    let name = checked_name(argument, name)?;
    if name.contains(['/', ':', '=']) {
        return Err(format!(
            "expected {argument} to be the name of a file without its ending, got {}",
            quoted(&name)
        ));
    }
    Ok(name)
}

/// Returns the words of a field: a list, or words with blanks between them.
fn field(name: &str, words: Option<OneOrMore<'_>>) -> Result<Vec<String>, String> {
    let given = words.map(texts).unwrap_or_default();
    let words: Vec<String> =
        given.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect();
    if words.len() > WORDS_MAX {
        return Err(format!("expected at most {WORDS_MAX} {name}, got {}", words.len()));
    }
    words.iter().map(|word| checked_line(name, word)).collect()
}

fn sources_text(fields: &[(&str, Vec<String>)]) -> String {
    let given = fields.iter().filter(|(_, words)| !words.is_empty());
    given.map(|(name, words)| format!("{name}: {}\n", words.join(" "))).collect()
}

fn repositories(
    session: &Session<'_>,
    lines: OneOrMore<'_>,
    path: &str,
) -> Result<Managed<Repositories>, String> {
    let lines = texts(lines);
    if lines.is_empty() || lines.len() > WORDS_MAX {
        return Err(format!("expected 1 to {WORDS_MAX} lines, got {}", lines.len()));
    }
    let mut text = String::new();
    for line in &lines {
        let line = checked_line("lines", line)?;
        let place = line.split(' ').find(|word| !word.starts_with('@')).unwrap_or_default();
        let is_place = ["https://", "http://", "/"].iter().any(|start| place.starts_with(start));
        if !is_place && !line.starts_with('#') {
            return Err(format!("expected a repository: an address or a path, got {}", quoted(&line)));
        }
        text.push_str(&line);
        text.push('\n');
    }
    public_file(session, checked_path("path", path)?, text.into_bytes()).map(Managed::There)
}

fn key(
    session: &Session<'_>,
    src: Option<&str>,
    keyid: &[String],
    dest: Option<&str>,
    present: bool,
) -> Result<Managed<Key>, String> {
    let name = dest.or_else(|| src.and_then(|src| src.rsplit('/').next()));
    let name = name.ok_or("expected src, a file of the workspace, or dest")?;
    let path = match name.starts_with('/') {
        true => name.to_owned(),
        false => format!("/etc/apt/keyrings/{}", file_name("dest", name)?),
    };
    let path =
        checked_path("dest", &format!("{}.gpg", path.trim_end_matches(".gpg").trim_end_matches(".asc")))?;
    if !present {
        return Ok(Managed::gone(&path));
    }
    let src = src.ok_or("expected src, a file of the workspace")?;
    if src.contains("://") {
        return Err(format!(
            "expected src to be a file of the workspace, got {}: a key that is fetched each time is trusted unseen",
            quoted(src)
        ));
    }
    let bytes = dearmored(asset(session, src)?).map_err(|why| format!("src {}: {why}", quoted(src)))?;
    let found = fingerprints(&bytes);
    if found.is_empty() {
        return Err(format!("src {}: expected an OpenPGP public key, got something else", quoted(src)));
    }
    for wanted in keyid {
        let wanted = wanted.replace(' ', "").to_ascii_uppercase();
        let wanted = wanted.strip_prefix("0X").unwrap_or(&wanted);
        if wanted.len() < 40 || !found.iter().any(|it| it == wanted) {
            return Err(format!(
                "src {}: expected the fingerprint {}, got {}",
                quoted(src),
                quoted(wanted),
                found.join(", ")
            ));
        }
    }
    public_file(session, path, bytes).map(Managed::There)
}

#[starlark_module]
pub(super) fn register_apt(builder: &mut GlobalsBuilder) {
    /// Makes sure that a line is in apt's sources, or is not.
    ///
    /// ```python
    /// apt.repo("deb https://deb.debian.org/debian trixie-backports main", filename = "backports")
    /// ```
    ///
    /// # Arguments
    /// * `src`: the line: `deb ...` or `deb-src ...`
    /// * `present`: False: it goes
    /// * `filename`: the file in sources.list.d, without `.list`; else sources.list
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn repo<'v>(
        src: &'v str,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] filename: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let make = || repo(src, present, given(filename));
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Makes sure that a file of apt's sources (deb822) is there, or is not.
    ///
    /// ```python
    /// apt.sources_file("docker", uris = "https://download.docker.com/linux/debian", suites = "trixie",
    ///     components = "stable", signed_by = "/etc/apt/keyrings/docker.gpg")
    /// ```
    ///
    /// # Arguments
    /// * `filename`: the file in sources.list.d, without `.sources`
    /// * `types`: `deb` or `deb-src`; `deb` unless given
    /// * `uris`: addresses
    /// * `suites`: suites: `trixie`
    /// * `components`: components: `main`
    /// * `architectures`: architectures: `amd64`
    /// * `signed_by`: the keyring on the host
    /// * `present`: False: the file goes
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn sources_file<'v>(
        filename: &'v str,
        #[starlark(require = named, default = NoneOr::None)] types: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = NoneOr::None)] uris: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = NoneOr::None)] suites: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = NoneOr::None)] components: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = NoneOr::None)] architectures: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = NoneOr::None)] signed_by: NoneOr<&'v str>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            let path = format!("/etc/apt/sources.list.d/{}.sources", file_name("filename", filename)?);
            if !present {
                return Ok(Managed::<SourcesFile>::gone(&path));
            }
            let types = field("types", given(types))?;
            let signed = given(signed_by).map(|it| checked_path("signed_by", it)).transpose()?;
            let fields = [
                ("Types", if types.is_empty() { vec!["deb".to_owned()] } else { types }),
                ("URIs", field("uris", given(uris))?),
                ("Suites", field("suites", given(suites))?),
                ("Components", field("components", given(components))?),
                ("Architectures", field("architectures", given(architectures))?),
                ("Signed-By", signed.into_iter().collect()),
            ];
            if fields[1].1.is_empty() || fields[2].1.is_empty() {
                return Err("expected uris and suites, at least one of each".to_owned());
            }
            public_file(session, path, sources_text(&fields).into_bytes()).map(Managed::There)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }

    /// Makes sure that a keyring for apt is there, or is not. The key is a file of the workspace, with its armour or
    /// without; it is compared with its fingerprint when the deploy is planned.
    ///
    /// ```python
    /// apt.key("files/docker.asc", keyid = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88", dest = "docker.gpg")
    /// ```
    ///
    /// # Arguments
    /// * `src`: a file of the workspace, its path from the root
    /// * `keyid`: fingerprints that must be among its keys, 40 hexadecimal digits each
    /// * `dest`: its name in /etc/apt/keyrings, or a path; else the name of `src`
    /// * `present`: False: the keyring goes
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    #[expect(clippy::too_many_arguments, reason = "they are pyinfra's, each one by its name")]
    fn key<'v>(
        #[starlark(default = NoneOr::None)] src: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] keyid: NoneOr<OneOrMore<'v>>,
        #[starlark(require = named, default = NoneOr::None)] dest: NoneOr<&'v str>,
        #[starlark(require = named, default = true)] present: bool,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || {
            let keyid = given(keyid).map(texts).unwrap_or_default();
            key(session, given(src), &keyid, given(dest), present)
        };
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}

#[starlark_module]
pub(super) fn register_apk(builder: &mut GlobalsBuilder) {
    /// Makes sure that apk has just these repositories.
    ///
    /// ```python
    /// apk.repositories([
    ///     "https://dl-cdn.alpinelinux.org/alpine/v3.22/main",
    ///     "https://dl-cdn.alpinelinux.org/alpine/v3.22/community",
    /// ])
    /// ```
    ///
    /// # Arguments
    /// * `lines`: the lines of the file: addresses or paths, with `@tag ` before them or not; comments
    /// * `path`: the file
    /// * `name`: what it is for, shown in the plan
    /// * `when`: `.changed` of other steps: it runs only if one of them changed something; or True or False
    /// * `handler`: whether it waits until all other steps are done, and then runs once
    fn repositories<'v>(
        lines: OneOrMore<'v>,
        #[starlark(require = named, default = "/etc/apk/repositories")] path: &'v str,
        #[starlark(require = named, default = NoneOr::None)] name: NoneOr<&'v str>,
        #[starlark(require = named)] when: Option<Value<'v>>,
        #[starlark(require = named, default = false)] handler: bool,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<StepValue> {
        let session = Session::of(eval)?;
        let make = || repositories(session, lines, path);
        run(eval, make(), &Common { name: given(name), when, handler })
    }
}
