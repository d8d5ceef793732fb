//! The crate `starlark_lsp` on a thread of its own, asked by messages of the protocol. It is a whole
//! server; we use its answers and drop its diagnostics.

use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use lsp_server::{Connection, Message, Notification, Request, RequestId, Response};
use lsp_types::notification::{DidCloseTextDocument, DidOpenTextDocument, Initialized, Notification as _};
use lsp_types::request::{Initialize, Request as _};
use lsp_types::{
    DidCloseTextDocumentParams, DidOpenTextDocumentParams, InitializeParams, InitializedParams,
    TextDocumentIdentifier, TextDocumentItem, TextDocumentPositionParams, Uri,
};
use serde::Serialize;
use starlark_lsp::server::server_with_connection;

use crate::extension::Extension;
use crate::limits::STACK_BYTES;
use crate::lsp::Document;
use crate::lsp::context::Context;
use crate::lsp::text::Whereabouts;

/// How long an answer may take before the question counts as one without an answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Messages on their way in. Each one causes at most one message out, and those are read before the
/// next one goes in, so that neither side waits for the other for ever.
const IN_MAX: usize = 256;
/// Messages on their way out.
const OUT_MAX: usize = 1024;

/// The running engine.
pub(super) struct Engine {
    extensions: Vec<Extension>,
    whereabouts: Whereabouts,
    connection: Connection,
    last_id: i32,
}

impl Engine {
    /// Starts the thread.
    pub fn start(extensions: &[Extension], whereabouts: &Whereabouts) -> std::io::Result<Self> {
        let (extensions, whereabouts) = (extensions.to_vec(), whereabouts.clone());
        let (to_engine, from_us) = bounded(IN_MAX);
        let (to_us, from_engine) = bounded(OUT_MAX);
        let theirs = Connection { sender: to_us, receiver: from_us };
        let (its_extensions, its_whereabouts) = (extensions.clone(), whereabouts.clone());
        thread::Builder::new().name("lsp".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            // It ends with the connection; there is nobody to report to.
            let _ = server_with_connection(theirs, Context::new(&its_extensions, its_whereabouts));
        })?;
        let connection = Connection { sender: to_engine, receiver: from_engine };
        let mut engine = Self { extensions, whereabouts, connection, last_id: 0 };
        engine.request(Initialize::METHOD, &InitializeParams::default());
        engine.notify(Initialized::METHOD, &InitializedParams {});
        Ok(engine)
    }

    /// Takes over the text of an open file.
    pub fn edit(&mut self, uri: &Uri, text: &str, version: i32) {
        let item = TextDocumentItem::new(uri.clone(), "starlark".to_owned(), version, text.to_owned());
        // To it, opening a file again is the same as changing it.
        self.notify(DidOpenTextDocument::METHOD, &DidOpenTextDocumentParams { text_document: item });
    }

    /// Forgets a file.
    pub fn close(&mut self, uri: &Uri) {
        let text_document = TextDocumentIdentifier::new(uri.clone());
        self.notify(DidCloseTextDocument::METHOD, &DidCloseTextDocumentParams { text_document });
    }

    /// Asks about a spot; absent where there is no answer. An engine that fails over a question (a
    /// fault of its own) is started anew with the open files.
    pub fn ask<'d>(
        &mut self,
        method: &str,
        at: &TextDocumentPositionParams,
        documents: impl Iterator<Item = &'d Document>,
    ) -> Option<serde_json::Value> {
        match self.request(method, at) {
            Answer::Is(answer) => answer.filter(|answer| !is_empty(answer)),
            Answer::Late => None,
            Answer::Gone => {
                *self = Self::start(&self.extensions, &self.whereabouts).ok()?;
                documents.for_each(|it| self.edit(&it.uri, &it.text, it.version));
                None
            }
        }
    }

    fn request(&mut self, method: &str, params: &impl Serialize) -> Answer {
        self.last_id += 1;
        let id = RequestId::from(self.last_id);
        let request = Request::new(id.clone(), method.to_owned(), params);
        self.drain();
        if self.connection.sender.send(Message::Request(request)).is_err() {
            return Answer::Gone;
        }
        loop {
            match self.connection.receiver.recv_timeout(ANSWER_TIME_MAX) {
                Ok(Message::Response(Response { id: its, result, .. })) if its == id => {
                    return Answer::Is(result);
                }
                Ok(_) => {}
                Err(error) if error.is_timeout() => return Answer::Late,
                Err(_) => return Answer::Gone,
            }
        }
    }

    fn notify(&mut self, method: &str, params: &impl Serialize) {
        self.drain();
        // An engine that is gone is noticed by the next question.
        let notification = Notification::new(method.to_owned(), params);
        let _ = self.connection.sender.send(Message::Notification(notification));
    }

    fn drain(&self) {
        while self.connection.receiver.try_recv().is_ok() {}
    }
}

enum Answer {
    Is(Option<serde_json::Value>),
    Late,
    Gone,
}

/// It answers "nothing" in several ways.
fn is_empty(answer: &serde_json::Value) -> bool {
    let nothing = |value: &serde_json::Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    nothing(answer) || answer.get("contents").is_some_and(nothing)
}

#[cfg(test)]
mod tests {
    use lsp_types::Position;
    use proptest::prelude::*;

    use super::*;

    const METHODS: [&str; 3] = ["textDocument/hover", "textDocument/definition", "textDocument/completion"];

    struct Bench {
        engine: Engine,
        document: Document,
        _root: tempfile::TempDir,
    }

    fn bench(text: &str) -> Bench {
        let root = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(root.path().join(crate::WORKSPACE_FILE), "").expect("a workspace");
        let path = root.path().join("inventory/a.star");
        let uri = crate::lsp::text::uri_of(&path).expect("a URI");
        let mut engine = Engine::start(&[], &Whereabouts { root: None }).expect("a thread");
        engine.edit(&uri, text, 1);
        Bench { engine, document: Document { uri, path, text: text.to_owned(), version: 1 }, _root: root }
    }

    fn ask(bench: &mut Bench, method: &str, line: u32, character: u32) -> Option<serde_json::Value> {
        let text_document = TextDocumentIdentifier::new(bench.document.uri.clone());
        let at = TextDocumentPositionParams::new(text_document, Position { line, character });
        bench.engine.ask(method, &at, std::iter::once(&bench.document))
    }

    #[test]
    fn an_engine_that_is_gone_is_started_anew_with_the_open_files() {
        let mut bench = bench("client(\"x\")\n");
        assert!(ask(&mut bench, METHODS[0], 0, 1).is_some());
        let (sender, _) = bounded(1);
        bench.engine.connection = Connection { sender, receiver: bounded(1).1 };
        assert_eq!(ask(&mut bench, METHODS[0], 0, 1), None);
        assert!(ask(&mut bench, METHODS[0], 0, 1).is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn any_code_and_spot_is_survived(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "host", "(", ")", "[", "]", "\"a\"", "\"", "\n", "\n    ", "def f(x):", "load(\"", "\", \"y\")", ".",
                "name", "=", ",", "for i in", ":", "lambda", "1", "f\"{", "}\"", "\u{1f600}", "#", "x", "return",
            ]), 0..40),
            spots in proptest::collection::vec((0_u32..6, 0_u32..60), 1..4),
        ) {
            let mut bench = bench(&words.join(" "));
            for (line, character) in spots {
                for method in METHODS {
                    let _ = ask(&mut bench, method, line, character);
                }
            }
            bench.engine.edit(&bench.document.uri, "client(\"x\")\n", 2);
            bench.document.text = "client(\"x\")\n".to_owned();
            prop_assert!(ask(&mut bench, METHODS[0], 0, 1).is_some());
        }
    }
}
