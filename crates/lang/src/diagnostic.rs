//! From the interpreter's errors to problems with a place.

use model::{Code, Place, Problem};
use starlark::codemap::FileSpan;
use starlark::docs::{DocItem, DocMember};
use starlark::environment::Globals;
use starlark::errors::Frame;
use starlark::{Error, ErrorKind};

use crate::data::fault_of;
use crate::limits::{QUOTE_CHARS_MAX, limit_of};

/// Returns the place where a span begins.
pub(crate) fn spot(span: &FileSpan) -> Place {
    let begin = span.resolve_span().begin;
    Place::Spot { path: span.filename().to_owned(), line: begin.line + 1, column: begin.column + 1 }
}

/// Turns an error of the interpreter into a problem. `path` is the file that was worked on, `limit`
/// the limit that it ran into, where that is known from elsewhere.
pub(crate) fn from_error(error: &Error, path: &str, limit: Option<String>) -> Problem {
    let frames = &error.call_stack().frames;
    let innermost = error.span().filter(|span| is_ours(span)).or_else(|| locations(frames).next_back());
    let place = innermost.map_or_else(|| Place::File { path: path.to_owned() }, spot);
    let (code, message) = match limit_of(error).or(limit) {
        Some(what) => (Code::StarlarkLimit, what),
        None => (code_of(error.kind()), message_of(error)),
    };
    let (code, message, hint) = match fault_of(error) {
        Some(fault) => (fault.code, fault.message.clone(), fault.hint.clone()),
        None => (code, message, None),
    };
    let problem = Problem::new(code, place.clone(), message);
    match (hint, outermost(frames, &place)) {
        (None, None) => problem,
        (Some(hint), None) | (None, Some(hint)) => problem.with_hint(hint),
        (Some(hint), Some(caller)) => problem.with_hint(format!("{hint}; {caller}")),
    }
}

/// Returns the hint that names the outermost call, where it is not the place itself.
pub(crate) fn outermost(frames: &[Frame], place: &Place) -> Option<String> {
    let caller = spot(locations(frames).next()?);
    (caller != *place).then(|| format!("called from {caller}"))
}

/// Returns the places of calls in the workspace's files, the outermost first.
fn locations(frames: &[Frame]) -> impl DoubleEndedIterator<Item = &FileSpan> {
    frames.iter().filter_map(|frame| frame.location.as_ref()).filter(|span| is_ours(span))
}

/// Says whether a span lies in the workspace: the interpreter calls some functions (`partial`) from
/// places in its own source.
pub(crate) fn is_ours(span: &FileSpan) -> bool {
    span.filename().ends_with(".star")
}

/// Says better what the interpreter says of a parameter that a built-in function does not have, and
/// which one may be meant.
pub(crate) fn name_parameters(mut problem: Problem, globals: &Globals) -> Problem {
    let text = problem.message.strip_prefix("found `");
    let Some((given, function)) =
        text.and_then(|it| it.split_once("` extra named parameter(s) for call to "))
    else {
        return problem;
    };
    let documentation = globals.documentation();
    let Some(DocItem::Member(DocMember::Function(doc))) = documentation.members.get(function) else {
        return problem;
    };
    let known: Vec<&str> = doc.params.regular_params().map(|param| param.name.as_str()).collect();
    let given: Vec<&str> = given.split("` `").collect();
    let meant = given.iter().find_map(|name| alike(name, known.iter().copied()));
    let hint = match meant {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("it has {}", known.join(", ")),
    };
    problem.message = format!("`{function}` has no parameter `{}`", given.join("`, `"));
    problem.hint = Some(problem.hint.map_or(hint.clone(), |other| format!("{hint}; {other}")));
    problem
}

/// Arguments that every operation of pyinfra takes, and what says the same here.
const PYINFRA_ARGUMENTS: [(&str, &str); 8] = [
    ("_if", "pyinfra's `_if = cfg.did_change` is `when = cfg.changed`"),
    ("_sudo", AS_ROOT),
    ("_sudo_user", AS_USER),
    ("_su_user", AS_USER),
    ("_doas", AS_ROOT),
    ("_doas_user", AS_USER),
    ("_env", "write `NAME=value command` in the command, or a file that it reads"),
    ("_ignore_errors", "a step that may fail says so itself: `server.shell(\"command || true\")`"),
];
/// How steps become root.
const AS_ROOT: &str =
    "steps run as root: the login is root, or ssh.become in ifrit.toml says how it becomes root";
/// How a command runs as somebody else.
const AS_USER: &str = "steps run as root; a command runs as somebody else by `su -s /bin/sh USER -c ...`";

/// Says what an argument of pyinfra's is here, where an operation was given one.
pub(crate) fn name_pyinfra(problem: Problem) -> Problem {
    let given = problem.message.strip_prefix("unexpected parameter named `");
    let name = given.and_then(|it| it.split('`').next()).unwrap_or_default();
    match PYINFRA_ARGUMENTS.iter().find(|(theirs, _)| *theirs == name) {
        Some((_, hint)) => problem.with_hint(*hint),
        None => problem,
    }
}

/// How alike two names must be for a "did you mean" (Jaro-Winkler, 0 to 1).
const LIKENESS_MIN: f64 = 0.85;

/// Returns the known name that is most like `name`, if one is.
pub(crate) fn alike<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let scored = known.map(|other| (strsim::jaro_winkler(name, other), other));
    let best = scored.max_by(|(a, x), (b, y)| a.total_cmp(b).then_with(|| y.cmp(x)))?;
    (best.0 >= LIKENESS_MIN).then_some(best.1)
}

/// Cuts text that a problem quotes.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn code_of(kind: &ErrorKind) -> Code {
    match kind {
        ErrorKind::Parser(_) => Code::StarlarkSyntax,
        ErrorKind::Scope(_) => Code::StarlarkUnknownName,
        _ => Code::StarlarkError,
    }
}

fn message_of(error: &Error) -> String {
    let text = match error.kind() {
        ErrorKind::Fail(cause) => format!("the code says: {}", cause.to_string().trim()),
        kind => kind.to_string(),
    };
    let text = cut(text.trim().trim_start_matches("Parse error: ").trim_end_matches('.'));
    let mut letters = text.chars();
    match letters.next() {
        // Messages are fragments; a name in capitals stays as it is.
        Some(first) if letters.clone().next().is_some_and(char::is_lowercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text,
    }
}
