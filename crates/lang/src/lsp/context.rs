//! What `starlark_lsp` needs to know of a workspace.

use std::path::{Path, PathBuf};

use lsp_types::CompletionItemKind;
use starlark::docs::DocModule;
use starlark::syntax::AstModule;
use starlark_lsp::completion::{StringCompletionResult, StringCompletionType};
use starlark_lsp::server::{LspContext, LspEvalResult, LspUri, StringLiteralResult};

use crate::extension::{Extension, Scope};
use crate::files::{find, read, resolve, scope_of};
use crate::globals::globals;
use crate::lsp::text::Whereabouts;
use crate::nesting::too_deep;
use crate::parse::DIALECT;

/// The workspaces, read-only.
pub(super) struct Context {
    whereabouts: Whereabouts,
    inventory: DocModule,
    deploys: DocModule,
    tests: DocModule,
    others: DocModule,
}

impl Context {
    pub fn new(extensions: &[Extension], whereabouts: Whereabouts) -> Self {
        let documentation = |scope| globals(scope, extensions).documentation();
        Self {
            whereabouts,
            inventory: documentation(Scope::Inventory),
            deploys: documentation(Scope::Deploys),
            tests: documentation(Scope::Tests),
            others: documentation(Scope::Everywhere),
        }
    }

    fn locate(&self, uri: &LspUri) -> Result<(PathBuf, String), String> {
        let LspUri::File(path) = uri else { return Err("not a file".to_owned()) };
        let outside = || format!("{} lies in no workspace", path.display());
        self.whereabouts.locate(path).ok_or_else(outside)
    }
}

impl LspContext for Context {
    /// Parses only: diagnostics come from loading the whole workspace.
    fn parse_file_with_contents(&self, uri: &LspUri, content: String) -> LspEvalResult {
        let path = uri.path().to_string_lossy();
        if too_deep(&path, &content).is_some() {
            return LspEvalResult::default();
        }
        LspEvalResult { diagnostics: Vec::new(), ast: AstModule::parse(&path, content, &DIALECT).ok() }
    }

    fn resolve_load(&self, path: &str, current: &LspUri, _root: Option<&Path>) -> Result<LspUri, String> {
        let (root, from) = self.locate(current)?;
        Ok(LspUri::File(root.join(resolve(&from, path)?)))
    }

    fn render_as_load(
        &self,
        target: &LspUri,
        _current: &LspUri,
        _root: Option<&Path>,
    ) -> Result<String, String> {
        Ok(format!("//{}", self.locate(target)?.1))
    }

    fn resolve_string_literal(
        &self,
        _literal: &str,
        _current: &LspUri,
        _root: Option<&Path>,
    ) -> Result<Option<StringLiteralResult>, String> {
        Ok(None)
    }

    fn get_load_contents(&self, uri: &LspUri) -> Result<Option<String>, String> {
        let (root, path) = self.locate(uri)?;
        // A file that cannot be read is reported where it is loaded.
        Ok(read(&root, &path).ok())
    }

    fn get_environment(&self, uri: &LspUri) -> DocModule {
        let path = self.locate(uri).map(|(_, path)| path).unwrap_or_default();
        let environment = match scope_of(&path) {
            Scope::Inventory => &self.inventory,
            Scope::Deploys => &self.deploys,
            Scope::Tests => &self.tests,
            Scope::Everywhere => &self.others,
        };
        environment.clone()
    }

    fn get_uri_for_global_symbol(&self, _current: &LspUri, _symbol: &str) -> Result<Option<LspUri>, String> {
        Ok(None)
    }

    /// Offers the files that `load` can name.
    fn get_string_completion_options(
        &self,
        uri: &LspUri,
        kind: StringCompletionType,
        _current: &str,
        _root: Option<&Path>,
    ) -> Result<Vec<StringCompletionResult>, String> {
        if kind != StringCompletionType::LoadPath {
            return Ok(Vec::new());
        }
        let (root, from) = self.locate(uri)?;
        let (files, _) = find(&root);
        let others = files.into_iter().filter(|file| file.path != from);
        let option = |path: String| StringCompletionResult {
            value: format!("//{path}"),
            insert_text: None,
            insert_text_offset: 0,
            kind: CompletionItemKind::FILE,
        };
        Ok(others.map(|file| option(file.path)).collect())
    }
}
