//! Messages as they travel: a header with a length, and JSON.
//!
//! Source: the base protocol of the Debug Adapter Protocol, and its requests.

use std::io::{self, BufRead, Read as _, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::server::Incoming;

/// The largest message of an editor, in bytes.
const MESSAGE_BYTES_MAX: u64 = 4 << 20;
/// The longest line of a header, in bytes.
const HEADER_LINE_BYTES_MAX: u64 = 4096;
/// The most lines of a header.
const HEADER_LINES_MAX: usize = 16;

/// A request of the editor.
#[derive(Debug)]
pub(super) struct Request {
    /// Its number.
    pub seq: i64,
    /// Its name.
    pub command: String,
    /// What it asks.
    pub ask: Ask,
}

/// What an editor asks.
#[derive(Debug)]
pub(super) enum Ask {
    Initialize(Initialize),
    Launch(LaunchArguments),
    SetBreakpoints(SetBreakpoints),
    /// Settings of which there are none here: breakpoints on functions, on exceptions.
    Nothing,
    ConfigurationDone,
    Threads,
    StackTrace(StackTrace),
    Scopes(Scopes),
    Variables(Variables),
    Evaluate(Evaluate),
    Continue,
    Next,
    StepIn,
    StepOut,
    Pause,
    /// `disconnect` and `terminate`.
    End,
    Unknown,
    /// Its arguments make no sense.
    Malformed(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Initialize {
    #[serde(rename = "linesStartAt1")]
    pub lines_start_at_1: bool,
    #[serde(rename = "columnsStartAt1")]
    pub columns_start_at_1: bool,
    pub path_format: String,
}

impl Default for Initialize {
    fn default() -> Self {
        Self { lines_start_at_1: true, columns_start_at_1: true, path_format: "path".to_owned() }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct LaunchArguments {
    pub deploy: Option<String>,
    pub host: Option<String>,
    pub facts: Option<String>,
    #[serde(alias = "cwd")]
    pub workspace: Option<String>,
    pub stop_on_entry: Option<bool>,
    pub no_debug: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct SetBreakpoints {
    pub source: Source,
    #[serde(default)]
    pub breakpoints: Vec<SourceBreakpoint>,
}

/// A file, as both sides name it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Source {
    pub name: Option<String>,
    pub path: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SourceBreakpoint {
    pub line: i64,
    pub condition: Option<String>,
    pub log_message: Option<String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct StackTrace {
    pub start_frame: usize,
    pub levels: usize,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scopes {
    pub frame_id: usize,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Variables {
    pub variables_reference: usize,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Evaluate {
    pub expression: String,
    pub frame_id: Option<usize>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    seq: i64,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    command: String,
    #[serde(default)]
    arguments: Value,
}

/// Hands on every request until the stream ends, breaks, or nobody takes them any more.
pub(super) fn read_all(mut stream: impl BufRead, mut take: impl FnMut(Incoming) -> bool) {
    loop {
        let incoming = match read_message(&mut stream).and_then(|body| body.map(|it| parse(&it)).transpose())
        {
            Ok(Some(Some(request))) => Incoming::Request(request),
            // A response to a request of ours, of which there are none.
            Ok(Some(None)) => continue,
            Ok(None) => Incoming::Gone(None),
            Err(error) => Incoming::Gone(Some(error)),
        };
        let is_last = matches!(incoming, Incoming::Gone(_));
        if !take(incoming) || is_last {
            return;
        }
    }
}

/// Reads one message; `None` where the stream ends between two.
fn read_message(stream: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut length = None;
    for lines in 0..HEADER_LINES_MAX {
        let mut line = Vec::new();
        stream.by_ref().take(HEADER_LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() && lines == 0 {
            return Ok(None);
        }
        let Some(text) = std::str::from_utf8(&line).ok().and_then(|it| it.strip_suffix('\n')) else {
            return Err(broken("expected a line of a header, got something else"));
        };
        match (text.trim_end_matches('\r').split_once(':'), length) {
            (None, Some(length)) if text.trim_end_matches('\r').is_empty() => {
                return read_body(stream, length).map(Some);
            }
            (Some((name, value)), _) if name.eq_ignore_ascii_case("content-length") => {
                let value = value.trim().parse::<u64>().ok().filter(|it| *it <= MESSAGE_BYTES_MAX);
                let wrong = || broken(&format!("expected a Content-Length up to {MESSAGE_BYTES_MAX}"));
                length = Some(value.ok_or_else(wrong)?);
            }
            (Some(_), _) => {}
            (None, _) => return Err(broken("expected a header with `Content-Length:`")),
        }
    }
    Err(broken("the header of a message is too long"))
}

fn read_body(stream: &mut impl BufRead, length: u64) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    stream.by_ref().take(length).read_to_end(&mut body)?;
    if body.len() as u64 == length { Ok(body) } else { Err(broken("the last message was cut short")) }
}

fn broken(why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the editor does not speak the debug adapter protocol: {why}"),
    )
}

/// Reads a message; `None` where it is no request.
fn parse(body: &[u8]) -> io::Result<Option<Request>> {
    let Envelope { seq, kind, command, arguments } =
        serde_json::from_slice(body).map_err(|error| broken(&error.to_string()))?;
    if kind != "request" {
        return Ok(None);
    }
    let ask = ask(&command, arguments).unwrap_or_else(|error| Ask::Malformed(error.to_string()));
    Ok(Some(Request { seq, command, ask }))
}

fn ask(command: &str, arguments: Value) -> serde_json::Result<Ask> {
    Ok(match command {
        "initialize" => Ask::Initialize(read(arguments)?),
        "launch" | "attach" => Ask::Launch(read(arguments)?),
        "setBreakpoints" => Ask::SetBreakpoints(read(arguments)?),
        "setExceptionBreakpoints" | "setFunctionBreakpoints" => Ask::Nothing,
        "configurationDone" => Ask::ConfigurationDone,
        "threads" => Ask::Threads,
        "stackTrace" => Ask::StackTrace(read(arguments)?),
        "scopes" => Ask::Scopes(read(arguments)?),
        "variables" => Ask::Variables(read(arguments)?),
        "evaluate" => Ask::Evaluate(read(arguments)?),
        "continue" => Ask::Continue,
        "next" => Ask::Next,
        "stepIn" => Ask::StepIn,
        "stepOut" => Ask::StepOut,
        "pause" => Ask::Pause,
        "disconnect" | "terminate" => Ask::End,
        _ => Ask::Unknown,
    })
}

/// Arguments that are all optional may be left out as a whole.
fn read<A: DeserializeOwned>(arguments: Value) -> serde_json::Result<A> {
    let arguments = if arguments.is_null() { Value::Object(serde_json::Map::new()) } else { arguments };
    serde_json::from_value(arguments)
}

/// Writes one message.
pub(super) fn write(output: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    write!(output, "Content-Length: {}\r\n\r\n", body.len())?;
    output.write_all(&body)?;
    output.flush()
}
