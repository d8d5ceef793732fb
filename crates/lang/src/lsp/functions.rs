//! Our own functions at a cursor: what `starlark_lsp` does not see, because it follows no namespace
//! (`data.json`) and looks only into code that parses.

use lsp_types::{
    CompletionItem, CompletionItemKind, Documentation, Hover, HoverContents, MarkupContent, MarkupKind,
    Position,
};

use crate::docs::{FunctionDoc, functions};
use crate::extension::{Extension, Scope};
use crate::files::scope_of;

/// Every function, by the kinds of file that see it.
pub(super) struct Known {
    inventory: Functions,
    deploys: Functions,
    tests: Functions,
    others: Functions,
}

/// The functions that a file sees.
pub(super) struct Functions(pub(super) Vec<FunctionDoc>);

impl Known {
    pub fn new(extensions: &[Extension]) -> Self {
        let all = functions(extensions);
        let of = |scope: Scope| {
            let sees = |it: &&FunctionDoc| it.scope == scope || it.scope == Scope::Everywhere;
            Functions(all.iter().filter(sees).cloned().collect())
        };
        Self {
            inventory: of(Scope::Inventory),
            deploys: of(Scope::Deploys),
            tests: of(Scope::Tests),
            others: of(Scope::Everywhere),
        }
    }

    /// Returns those that a file sees, by its path from the root.
    pub fn of(&self, path: &str) -> &Functions {
        match scope_of(path) {
            Scope::Inventory => &self.inventory,
            Scope::Deploys => &self.deploys,
            Scope::Tests => &self.tests,
            Scope::Everywhere => &self.others,
        }
    }
}

impl Functions {
    /// Explains the member of a namespace under the cursor: `data.json`.
    pub fn hover_member(&self, text: &str, at: Position) -> Option<serde_json::Value> {
        let name = name_at(text, at)?;
        if name.contains('.') { self.explain(&name) } else { None }
    }

    /// Explains the function under the cursor.
    pub fn hover(&self, text: &str, at: Position) -> Option<serde_json::Value> {
        self.explain(&name_at(text, at)?)
    }

    /// Offers the members of the namespace before the cursor: `data.` or `data.js`.
    pub fn complete_member(&self, text: &str, at: Position) -> Option<serde_json::Value> {
        let line: Vec<char> = line_of(text, at)?.chars().take(usize::try_from(at.character).ok()?).collect();
        let start = line.iter().rposition(|letter| !is_part(*letter)).map_or(0, |it| it + 1);
        let typed: String = line.get(start..)?.iter().collect();
        let (namespace, _) = typed.rsplit_once('.')?;
        let member = |it: &FunctionDoc| {
            let label = it.name.strip_prefix(namespace)?.strip_prefix('.')?.to_owned();
            Some(item(label, it))
        };
        let items: Vec<CompletionItem> = self.0.iter().filter_map(member).collect();
        if items.is_empty() { None } else { serde_json::to_value(items).ok() }
    }

    /// Offers every function.
    pub fn complete(&self) -> Option<serde_json::Value> {
        let items: Vec<CompletionItem> = self.0.iter().map(|it| item(it.name.clone(), it)).collect();
        serde_json::to_value(items).ok()
    }

    fn explain(&self, name: &str) -> Option<serde_json::Value> {
        let function = self.0.iter().find(|it| it.name == name)?;
        let hover = Hover { contents: HoverContents::Markup(markup(function)), range: None };
        serde_json::to_value(hover).ok()
    }
}

fn item(label: String, function: &FunctionDoc) -> CompletionItem {
    CompletionItem {
        label,
        kind: Some(CompletionItemKind::FUNCTION),
        detail: Some(function.signature.clone()),
        documentation: Some(Documentation::MarkupContent(markup(function))),
        ..CompletionItem::default()
    }
}

fn markup(function: &FunctionDoc) -> MarkupContent {
    let mut value = format!(
        "```python\n{}\n```\n\n{}\n\n{}",
        function.signature,
        function.summary,
        function.details.trim()
    );
    for (name, meaning) in &function.parameters {
        value.push_str(&format!("\n- `{name}`: {meaning}"));
    }
    MarkupContent { kind: MarkupKind::Markdown, value }
}

/// Returns the name around the cursor, with what is before its dots.
fn name_at(text: &str, at: Position) -> Option<String> {
    let line: Vec<char> = line_of(text, at)?.chars().collect();
    let at = usize::try_from(at.character).ok()?.min(line.len());
    let (before, after) = line.split_at_checked(at)?;
    let start = before.iter().rposition(|letter| !is_part(*letter)).map_or(0, |it| it + 1);
    let rest = after.iter().take_while(|letter| is_part(**letter) && **letter != '.');
    let name: String = before.get(start..)?.iter().chain(rest).collect();
    (!name.is_empty()).then_some(name)
}

fn line_of(text: &str, at: Position) -> Option<&str> {
    text.split('\n').nth(usize::try_from(at.line).ok()?)
}

fn is_part(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '.'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, column: u32, expected: Option<&str>) {
        let name = name_at(line, Position { line: 0, character: column });
        assert_eq!(name.as_deref(), expected, "{line} at {column}");
    }

    #[test]
    fn names_at_the_cursor() {
        check("x = data.json(1)", 5, Some("data"));
        check("x = data.json(1)", 9, Some("data.json"));
        check("x = data.json(1)", 13, Some("data.json"));
        check("host(\"ü\")", 0, Some("host"));
        check("host(\"ü\")", 4, Some("host"));
        check("a + b", 3, None);
        check("host", 99, Some("host"));
    }

    #[test]
    fn members_are_offered_after_the_dot() {
        let known = Known::new(&[]);
        let offered = |text: &str| {
            let character = u32::try_from(text.chars().count()).expect("a short text");
            known.of("inventory/a.star").complete_member(text, Position { line: 0, character })
        };
        let labels = |value: serde_json::Value| -> Vec<String> {
            let items: Vec<CompletionItem> = serde_json::from_value(value).expect("items");
            items.into_iter().map(|it| it.label).collect()
        };
        assert_eq!(
            offered("x = data.js").map(labels),
            Some(["csv", "json", "json_command", "toml"].map(str::to_owned).to_vec())
        );
        assert_eq!(offered("x = dat"), None);
        assert_eq!(offered("x = y."), None);
        assert!(
            known.of("deploys/a.star").complete_member("data.", Position { line: 0, character: 5 }).is_none()
        );
    }
}
