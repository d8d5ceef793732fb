//! The editor's language server: diagnostics of the whole workspace while it is edited, definitions,
//! hover and completion, over standard input and output.
//!
//! What a diagnostic is, is decided by [`crate::load_with`] and nothing else. Where a name is defined
//! and what could follow a cursor is found by the crate `starlark_lsp`, which runs behind [`Engine`].

mod calls;
mod context;
mod diagnostics;
mod engine;
mod functions;
mod text;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use lsp_server::{Connection, ErrorCode, Message, Notification, ProtocolError, Request, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, Notification as _,
};
use lsp_types::request::{Completion, GotoDefinition, HoverRequest, Request as _, SignatureHelpRequest};
use lsp_types::{
    CompletionOptions, HoverProviderCapability, InitializeParams, InitializeResult, OneOf,
    PositionEncodingKind, ServerCapabilities, ServerInfo, SignatureHelpOptions, TextDocumentPositionParams,
    TextDocumentSyncCapability, TextDocumentSyncKind, Uri,
};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::extension::Extension;
use crate::limits::FILE_BYTES_MAX;
use crate::lsp::diagnostics::Published;
use crate::lsp::engine::Engine;
use crate::lsp::functions::Known;
use crate::lsp::text::{Encoding, Whereabouts};

/// The editor's server cannot go on.
#[derive(Debug, Error)]
pub enum LspError {
    /// The editor does not speak the protocol.
    #[error("the editor did not keep to the language server protocol")]
    Protocol {
        /// What it did.
        #[from]
        source: ProtocolError,
    },
    /// Its first message makes no sense.
    #[error("the editor's `initialize` could not be understood")]
    Initialize {
        /// Where it is wrong.
        source: serde_json::Error,
    },
    /// Standard input or output broke, or no thread could be started.
    #[error("the language server could not run")]
    System {
        /// Why.
        #[from]
        source: std::io::Error,
    },
}

/// A file that is open in the editor.
struct Document {
    uri: Uri,
    path: PathBuf,
    text: String,
    version: i32,
}

/// Serves one editor over standard input and output until it says goodbye. `root` is the workspace
/// of the files below it; that of another file is its nearest directory upwards with an `ifrit.toml`. Commands
/// of `data.json_command` are never run.
///
/// # Errors
/// [`LspError`] where the editor breaks the protocol or a stream breaks.
pub fn serve(extensions: &[Extension], root: Option<&Path>) -> Result<(), LspError> {
    let (connection, threads) = Connection::stdio();
    run(connection, extensions, root)?;
    Ok(threads.join()?)
}

fn run(connection: Connection, extensions: &[Extension], root: Option<&Path>) -> Result<(), LspError> {
    let (id, params) = connection.initialize_start()?;
    let params: InitializeParams =
        serde_json::from_value(params).map_err(|source| LspError::Initialize { source })?;
    let encoding = Encoding::choose(&params);
    let result = serde_json::to_value(InitializeResult {
        capabilities: capabilities(encoding),
        server_info: Some(ServerInfo {
            name: "ifrit".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }),
    });
    connection.initialize_finish(id, result.map_err(|source| LspError::Initialize { source })?)?;
    let whereabouts = Whereabouts { root: root.map(Path::to_owned) };
    Server {
        engine: Engine::start(extensions, &whereabouts)?,
        known: Known::new(extensions),
        extensions: extensions.to_vec(),
        whereabouts,
        encoding,
        documents: HashMap::new(),
        published: Published::default(),
        stale: BTreeSet::new(),
        connection,
    }
    .serve()
}

fn capabilities(encoding: Encoding) -> ServerCapabilities {
    ServerCapabilities {
        position_encoding: Some(match encoding {
            Encoding::Utf16 => PositionEncodingKind::UTF16,
            Encoding::Utf32 => PositionEncodingKind::UTF32,
        }),
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        definition_provider: Some(OneOf::Left(true)),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec![".".to_owned()]),
            ..CompletionOptions::default()
        }),
        signature_help_provider: Some(SignatureHelpOptions {
            trigger_characters: Some(vec!["(".to_owned(), ",".to_owned()]),
            ..SignatureHelpOptions::default()
        }),
        ..ServerCapabilities::default()
    }
}

struct Server {
    connection: Connection,
    extensions: Vec<Extension>,
    whereabouts: Whereabouts,
    encoding: Encoding,
    engine: Engine,
    known: Known,
    /// Open files by their URI.
    documents: HashMap<String, Document>,
    published: Published,
    /// Roots whose diagnostics are older than their files.
    stale: BTreeSet<PathBuf>,
}

impl Server {
    fn serve(mut self) -> Result<(), LspError> {
        loop {
            // Diagnostics wait until nothing else does: fast typing costs one load, not one per key.
            let message = match self.connection.receiver.try_recv() {
                Ok(message) => message,
                Err(_) if !self.stale.is_empty() => {
                    self.diagnose();
                    continue;
                }
                Err(_) => match self.connection.receiver.recv() {
                    Ok(message) => message,
                    // The editor went away without a word.
                    Err(_) => return Ok(()),
                },
            };
            match message {
                Message::Request(request) => {
                    if self.connection.handle_shutdown(&request)? {
                        return Ok(());
                    }
                    let response = self.answer(request);
                    self.send(Message::Response(response));
                }
                Message::Notification(notification) => self.notice(notification),
                Message::Response(_) => {}
            }
        }
    }

    fn answer(&mut self, request: Request) -> Response {
        let Request { id, method, params } = request;
        let result = match method.as_str() {
            GotoDefinition::METHOD
            | HoverRequest::METHOD
            | Completion::METHOD
            | SignatureHelpRequest::METHOD => {
                match serde_json::from_value::<TextDocumentPositionParams>(params) {
                    Ok(at) => self.look(&method, at),
                    Err(error) => {
                        return Response::new_err(id, ErrorCode::InvalidParams as i32, error.to_string());
                    }
                }
            }
            _ => {
                let why = format!("ifrit does not know the request {method}");
                return Response::new_err(id, ErrorCode::MethodNotFound as i32, why);
            }
        };
        Response::new_ok(id, result)
    }

    /// Answers what is asked of a spot; nothing known is `null`.
    fn look(&mut self, method: &str, mut at: TextDocumentPositionParams) -> Option<serde_json::Value> {
        let document = self.documents.get(at.text_document.uri.as_str())?;
        at.position = self.encoding.to_characters(&document.text, at.position)?;
        let kind = self.whereabouts.locate(&document.path).map(|(_, path)| path);
        let functions = self.known.of(kind.as_deref().unwrap_or_default());
        let own = match method {
            HoverRequest::METHOD => functions.hover_member(&document.text, at.position),
            Completion::METHOD => functions.complete_member(&document.text, at.position),
            _ => None,
        };
        if own.is_some() {
            return own;
        }
        if method == SignatureHelpRequest::METHOD {
            return functions.signature_help(&document.text, at.position);
        }
        let arguments = functions.complete_arguments(&document.text, at.position);
        let found = self.engine.ask(method, &at, self.documents.values());
        match (method, found) {
            (Completion::METHOD, Some(found)) => Some(calls::joined(arguments, found)),
            (_, Some(found)) => Some(found),
            // Code that never parsed has no tree to look into; our functions are known all the same.
            (HoverRequest::METHOD, None) => functions.hover(&document.text, at.position),
            (Completion::METHOD, None) => functions.complete().map(|found| calls::joined(arguments, found)),
            _ => None,
        }
    }

    fn notice(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        match method.as_str() {
            DidOpenTextDocument::METHOD => {
                let Some(params) = read::<lsp_types::DidOpenTextDocumentParams>(params) else { return };
                let item = params.text_document;
                self.edit(item.uri, item.text, item.version);
            }
            DidChangeTextDocument::METHOD => {
                let Some(params) = read::<lsp_types::DidChangeTextDocumentParams>(params) else { return };
                let lsp_types::VersionedTextDocumentIdentifier { uri, version } = params.text_document;
                // Every change carries the whole text: the last one counts.
                if let Some(change) = params.content_changes.into_iter().next_back() {
                    self.edit(uri, change.text, version);
                }
            }
            DidCloseTextDocument::METHOD => {
                let Some(params) = read::<lsp_types::DidCloseTextDocumentParams>(params) else { return };
                if let Some(document) = self.documents.remove(params.text_document.uri.as_str()) {
                    self.engine.close(&document.uri);
                    self.mark(&document.path);
                }
            }
            // Files that were saved or changed by another program: what is declared may have changed.
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => {
                let paths: Vec<PathBuf> = self.documents.values().map(|it| it.path.clone()).collect();
                paths.iter().for_each(|path| self.mark(path));
            }
            _ => {}
        }
    }

    fn edit(&mut self, uri: Uri, text: String, version: i32) {
        let Some(path) = text::path_of(&uri) else { return };
        self.mark(&path);
        // What is too large is reported by loading, and not looked into.
        if text.len() as u64 <= FILE_BYTES_MAX {
            self.engine.edit(&uri, &text, version);
        }
        let document = Document { uri: uri.clone(), path, text, version };
        self.documents.insert(uri.as_str().to_owned(), document);
    }

    fn mark(&mut self, path: &Path) {
        let root = self.whereabouts.locate(path).map(|(root, _)| root);
        // A file outside of a workspace is diagnosed as such, alone.
        self.stale.insert(root.unwrap_or_default());
    }

    /// Loads every workspace whose files have changed and publishes what is wrong with it.
    fn diagnose(&mut self) {
        for root in std::mem::take(&mut self.stale) {
            let mut open: BTreeMap<String, &Document> = BTreeMap::new();
            for document in self.documents.values() {
                match self.whereabouts.locate(&document.path) {
                    Some((its, path)) if its == root => _ = open.insert(path, document),
                    None if root.as_os_str().is_empty() => {
                        open.insert(document.path.display().to_string(), document);
                    }
                    _ => {}
                }
            }
            let messages = self.published.update(&root, &open, &self.extensions, self.encoding);
            messages.into_iter().for_each(|message| self.send(Message::Notification(message)));
        }
    }

    fn send(&self, message: Message) {
        // Where the editor is gone, the loop ends with the next message.
        let _ = self.connection.sender.send(message);
    }
}

fn read<P: DeserializeOwned>(params: serde_json::Value) -> Option<P> {
    // A notification has no answer in which a fault could be named.
    serde_json::from_value(params).ok()
}
