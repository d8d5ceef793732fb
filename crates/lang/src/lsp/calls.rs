//! The call that the cursor stands in: which arguments its function takes, and which one comes now.

use lsp_types::{
    CompletionItem, CompletionItemKind, Documentation, InsertTextFormat, ParameterInformation,
    ParameterLabel, Position, SignatureHelp, SignatureInformation,
};

use super::functions::Functions;
use crate::docs::FunctionDoc;

/// How far back the beginning of a call is looked for, in characters.
const LOOK_BACK_MAX: usize = 20_000;

/// The call around a cursor.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    /// What is called: `files.put`.
    function: String,
    /// The names of the arguments that were given by name before the cursor.
    named: Vec<String>,
    /// How many arguments end before the cursor.
    ended: usize,
    /// The name of the argument that the cursor is in, where it has one.
    current: Option<String>,
    /// Whether nothing but the beginning of a word stands in the argument that the cursor is in.
    is_word: bool,
}

impl Functions {
    /// Shows the parameters of the function whose call the cursor stands in.
    pub fn signature_help(&self, text: &str, at: Position) -> Option<serde_json::Value> {
        let call = call_at(text, at)?;
        let function = self.called(&call)?;
        let parameters: Vec<&String> = function.declared.iter().filter(|it| is_parameter(it)).collect();
        let by_name =
            call.current.as_ref().and_then(|name| parameters.iter().position(|it| name_of(it) == name));
        let active = by_name.unwrap_or(call.ended);
        let information = |declared: &&String| ParameterInformation {
            label: ParameterLabel::Simple((*declared).clone()),
            documentation: said_of(function, name_of(declared)).map(Documentation::String),
        };
        let signature = SignatureInformation {
            label: function.signature.clone(),
            documentation: Some(Documentation::String(function.summary.clone())),
            parameters: Some(parameters.iter().map(information).collect()),
            active_parameter: None,
        };
        let help = SignatureHelp {
            signatures: vec![signature],
            active_signature: Some(0),
            active_parameter: u32::try_from(active).ok(),
        };
        serde_json::to_value(help).ok()
    }

    /// Offers the names of arguments that the call around the cursor can still take.
    pub fn complete_arguments(&self, text: &str, at: Position) -> Vec<CompletionItem> {
        let Some(call) = call_at(text, at).filter(|call| call.is_word) else { return Vec::new() };
        let Some(function) = self.called(&call) else { return Vec::new() };
        let item = |name: &str| CompletionItem {
            label: format!("{name} ="),
            kind: Some(CompletionItemKind::FIELD),
            detail: function.declared.iter().find(|it| name_of(it) == name).cloned(),
            documentation: said_of(function, name).map(Documentation::String),
            insert_text: Some(format!("{name} = ")),
            insert_text_format: Some(InsertTextFormat::PLAIN_TEXT),
            filter_text: Some(name.to_owned()),
            // Before everything else that could stand there.
            sort_text: Some(format!(" {name}")),
            ..CompletionItem::default()
        };
        let positional_only = function.declared.iter().position(|it| it == "/").unwrap_or(0);
        let names = function.declared.iter().skip(positional_only).filter(|it| is_parameter(it));
        let names = names.map(|it| name_of(it)).filter(|name| !call.named.iter().any(|it| it == name));
        // What is given by its place is not offered by its name.
        let placed: Vec<&str> =
            function.declared.iter().take(call.ended - call.named.len()).map(|it| name_of(it)).collect();
        names.filter(|name| !placed.contains(name)).map(item).collect()
    }

    fn called(&self, call: &Call) -> Option<&FunctionDoc> {
        self.0.iter().find(|it| it.name == call.function)
    }
}

/// Puts items before what is offered otherwise: a list, or an object with one.
pub(super) fn joined(items: Vec<CompletionItem>, mut found: serde_json::Value) -> serde_json::Value {
    let items = items.into_iter().filter_map(|item| serde_json::to_value(item).ok());
    let list = if found.is_array() { Some(&mut found) } else { found.get_mut("items") };
    if let Some(list) = list.and_then(serde_json::Value::as_array_mut) {
        list.splice(0..0, items);
    }
    found
}

fn is_parameter(declared: &str) -> bool {
    declared != "*" && declared != "/" && !declared.starts_with('*')
}

fn name_of(declared: &str) -> &str {
    declared.split(':').next().unwrap_or(declared)
}

fn said_of(function: &FunctionDoc, name: &str) -> Option<String> {
    let said = function.parameters.iter().find(|(parameter, _)| parameter == name);
    said.map(|(_, text)| text.clone()).filter(|text| !text.is_empty())
}

/// Finds the innermost call whose brackets are open at the cursor. What is in strings and comments does
/// not count; code before it may be wrong.
fn call_at(text: &str, at: Position) -> Option<Call> {
    let before = before_cursor(text, at)?;
    let mut open: Vec<Open> = Vec::new();
    let mut letters = before.iter().enumerate();
    while let Some((index, letter)) = letters.next() {
        match letter {
            '#' => _ = letters.find(|(_, letter)| **letter == '\n'),
            '"' | '\'' => {
                // A string that is still open holds the cursor.
                let Some(length) = before.get(index..).and_then(string_length) else { break };
                (1..length).for_each(|_| _ = letters.next());
            }
            '(' | '[' | '{' => open.push(Open { bracket: *letter, index, commas: Vec::new() }),
            ')' | ']' | '}' => _ = open.pop(),
            ',' => {
                if let Some(innermost) = open.last_mut() {
                    innermost.commas.push(index);
                }
            }
            _ => {}
        }
    }
    let call = open.pop().filter(|innermost| innermost.bracket == '(')?;
    let name: Vec<char> =
        before.get(..call.index)?.iter().rev().take_while(|it| is_part(**it)).copied().collect();
    let function: String = name.into_iter().rev().collect();
    if function.is_empty() {
        return None;
    }
    let starts = std::iter::once(call.index).chain(call.commas.iter().copied());
    let ends = call.commas.iter().copied().chain(std::iter::once(before.len()));
    let part = |(start, end)| without_comments(before.get(start + 1..end).unwrap_or_default());
    let parts: Vec<String> = starts.zip(ends).map(part).collect();
    let (current, ended) = parts.split_last()?;
    Some(Call {
        function,
        named: ended.iter().filter_map(|part| given_name(part)).collect(),
        ended: ended.len(),
        current: given_name(current),
        is_word: current.trim().chars().all(|letter| is_part(letter) && letter != '.'),
    })
}

/// A bracket that was not closed.
struct Open {
    bracket: char,
    index: usize,
    commas: Vec<usize>,
}

/// Returns the end of the text before the cursor.
fn before_cursor(text: &str, at: Position) -> Option<Vec<char>> {
    let line = usize::try_from(at.line).ok()?;
    let column = usize::try_from(at.character).ok()?;
    let mut lines: Vec<&str> = text.split('\n').take(line + 1).collect();
    let last = lines.pop().filter(|_| lines.len() == line)?;
    // Statements begin at the first column or in a body: from there on brackets are counted.
    let start = lines.iter().rposition(|line| line.starts_with("def ")).unwrap_or(0);
    let mut before: Vec<char> = lines.get(start..)?.join("\n").chars().collect();
    before.push('\n');
    before.extend(last.chars().take(column));
    let cut = before.len().saturating_sub(LOOK_BACK_MAX);
    Some(before.split_off(cut))
}

/// Returns how many characters a string at the beginning has with its quotes; `None` where it has no end.
fn string_length(text: &[char]) -> Option<usize> {
    let quote = *text.first()?;
    let width = if text.get(1) == Some(&quote) && text.get(2) == Some(&quote) { 3 } else { 1 };
    let mut at = width;
    while at < text.len() {
        match text.get(at) {
            Some('\\') => at += 1,
            Some('\n') if width == 1 => return Some(at),
            Some(letter) if *letter == quote && text.get(at..at + width)?.iter().all(|it| *it == quote) => {
                return Some(at + width);
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Leaves comments out, and what looks like one: nothing that matters here stands behind a `#`.
fn without_comments(text: &[char]) -> String {
    let text: String = text.iter().collect();
    let lines: Vec<&str> = text.split('\n').map(|line| line.split('#').next().unwrap_or_default()).collect();
    lines.join("\n")
}

/// Returns the name of `name = value`.
fn given_name(argument: &str) -> Option<String> {
    let (name, value) = argument.split_once('=')?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.chars().all(|letter| is_part(letter) && letter != '.');
    (is_name && !value.starts_with('=')).then(|| name.to_owned())
}

fn is_part(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '.'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The function, names given, arguments ended, name of the current one, whether it is a word.
    type Expected<'a> = Option<(&'a str, &'a [&'a str], usize, Option<&'a str>, bool)>;

    /// The cursor is at the `|`.
    fn check(text: &str, expected: Expected<'_>) {
        let (before, after) = text.split_once('|').expect("a cursor");
        let line = before.matches('\n').count();
        let character = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let at = Position {
            line: u32::try_from(line).expect("small"),
            character: u32::try_from(character).expect("small"),
        };
        let got = call_at(&format!("{before}{after}"), at);
        let expected = expected.map(|(function, named, ended, current, is_word)| Call {
            function: function.to_owned(),
            named: named.iter().map(|it| (*it).to_owned()).collect(),
            ended,
            current: current.map(str::to_owned),
            is_word,
        });
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn the_innermost_open_call_is_found() {
        check("files.put(|", Some(("files.put", &[], 0, None, true)));
        check("def deploy(host):\n    files.put(\"a\", mo|", Some(("files.put", &[], 1, None, true)));
        check("f(a = 1, b|)", Some(("f", &["a"], 1, None, true)));
        check("f(a = |", Some(("f", &[], 0, Some("a"), false)));
        check("f(a == |", Some(("f", &[], 0, None, false)));
        check("f(g(1, 2), |", Some(("f", &[], 1, None, true)));
        check("f([1, 2|", None);
        check("f(\"(,\", # g(\n    x|", Some(("f", &[], 1, None, true)));
        check("f(\"a|\")", Some(("f", &[], 0, None, false)));
        check("f(\"\"\"a\n(\"\"\", |", Some(("f", &[], 1, None, true)));
        check("(|", None);
        check("x = 1|", None);
        check("f(host.na|", Some(("f", &[], 0, None, false)));
        check("def a():\n    f((\n\ndef b():\n    g(|", Some(("g", &[], 0, None, true)));
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_much(text in ".{0,200}", line in 0_u32..5, character in 0_u32..50) {
            call_at(&text, Position { line, character });
        }
    }
}
