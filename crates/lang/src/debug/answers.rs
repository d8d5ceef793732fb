//! What the editor is told: responses and events.

use serde::Serialize;

use super::wire::Source;

/// A response or an event.
#[derive(Serialize)]
pub(super) struct Envelope<B> {
    pub seq: i64,
    #[serde(flatten)]
    pub message: Message<B>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum Message<B> {
    Response {
        request_seq: i64,
        success: bool,
        command: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<B>,
    },
    Event {
        event: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<B>,
    },
}

/// What this adapter can do.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Capabilities {
    pub supports_configuration_done_request: bool,
    pub supports_conditional_breakpoints: bool,
    pub supports_log_points: bool,
    pub supports_evaluate_for_hovers: bool,
}

#[derive(Serialize)]
pub(super) struct Failure {
    pub error: FailureText,
}

/// The protocol wants a number for each kind of failure; ours are told by their text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailureText {
    pub id: u32,
    pub format: String,
    pub show_user: bool,
}

#[derive(Serialize)]
pub(super) struct Breakpoints {
    pub breakpoints: Vec<Breakpoint>,
}

#[derive(Serialize)]
pub(super) struct Breakpoint {
    pub verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Threads {
    pub threads: [Thread; 1],
}

#[derive(Serialize)]
pub(super) struct Thread {
    pub id: i64,
    pub name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StackTrace {
    pub stack_frames: Vec<StackFrame>,
    pub total_frames: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StackFrame {
    pub id: usize,
    pub name: String,
    pub line: i64,
    pub column: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presentation_hint: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Scopes {
    pub scopes: Vec<Scope>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scope {
    pub name: &'static str,
    pub variables_reference: usize,
    pub expensive: bool,
}

#[derive(Serialize)]
pub(super) struct Variables {
    pub variables: Vec<Variable>,
}

/// A variable, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Variable {
    pub name: String,
    pub value: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// By which its parts can be asked for; 0 = it has none.
    pub variables_reference: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Evaluated {
    pub result: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub variables_reference: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Continued {
    pub all_threads_continued: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stopped {
    pub reason: &'static str,
    pub thread_id: i64,
    pub all_threads_stopped: bool,
}

#[derive(Serialize)]
pub(super) struct Output {
    pub category: &'static str,
    pub output: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exited {
    pub exit_code: u8,
}
