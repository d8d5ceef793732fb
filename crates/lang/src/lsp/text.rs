//! Where files and characters are, in the editor's terms and in ours.

use std::path::{Path, PathBuf};

use lsp_types::{InitializeParams, Position, PositionEncodingKind, Uri};
use starlark_lsp::server::LspUri;

use crate::WORKSPACE_FILE;

/// How the editor counts columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// In units of UTF-16, as every editor can.
    Utf16,
    /// In characters, as we do.
    Utf32,
}

impl Encoding {
    /// Takes characters where the editor offers them.
    pub fn choose(params: &InitializeParams) -> Self {
        let general = params.capabilities.general.as_ref();
        let offered = general.and_then(|it| it.position_encodings.as_deref()).unwrap_or_default();
        if offered.contains(&PositionEncodingKind::UTF32) { Self::Utf32 } else { Self::Utf16 }
    }

    /// Turns the editor's position into one that counts characters; absent where the text has no such
    /// line. A column behind the end of its line is that end.
    pub fn to_characters(self, text: &str, position: Position) -> Option<Position> {
        let line = text.split('\n').nth(usize::try_from(position.line).ok()?)?.trim_end_matches('\r');
        let mut units = usize::try_from(position.character).ok()?;
        let mut characters = 0;
        for letter in line.chars() {
            let width = if self == Self::Utf16 { letter.len_utf16() } else { 1 };
            if units < width {
                break;
            }
            units -= width;
            characters += 1;
        }
        Some(Position { line: position.line, character: characters })
    }

    /// Turns a column that counts characters of a line into the editor's.
    pub fn column(self, line: &str, characters: usize) -> u32 {
        let width = |letter: char| if self == Self::Utf16 { letter.len_utf16() } else { 1 };
        let columns: usize = line.chars().take(characters).map(width).sum();
        u32::try_from(columns).unwrap_or(u32::MAX)
    }
}

/// Finds workspaces.
#[derive(Debug, Clone)]
pub(super) struct Whereabouts {
    /// The workspace of the files below it, where one is given.
    pub root: Option<PathBuf>,
}

impl Whereabouts {
    /// Returns the root of a file's workspace and the path from there, with `/`.
    pub fn locate(&self, path: &Path) -> Option<(PathBuf, String)> {
        let is_root = |directory: &&Path| directory.join(WORKSPACE_FILE).is_file();
        let given = self.root.as_deref().filter(|root| path.starts_with(root));
        let root = given.or_else(|| path.ancestors().skip(1).find(is_root))?;
        let below = path.strip_prefix(root).ok()?.to_str()?;
        Some((root.to_owned(), below.to_owned()))
    }
}

/// Returns the path that a URI names, if it names a file.
pub(super) fn path_of(uri: &Uri) -> Option<PathBuf> {
    match LspUri::try_from(uri.clone()) {
        Ok(LspUri::File(path)) => Some(path),
        _ => None,
    }
}

/// Returns the URI of a file.
pub(super) fn uri_of(path: &Path) -> Option<Uri> {
    Uri::try_from(&LspUri::File(path.to_owned())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(encoding: Encoding, text: &str, (line, column): (u32, u32), expected: Option<u32>) {
        let got = encoding.to_characters(text, Position { line, character: column });
        assert_eq!(got.map(|it| it.character), expected, "{text:?} {line}:{column}");
    }

    #[test]
    fn columns_are_counted_as_the_editor_does() {
        check(Encoding::Utf16, "ab\ncd", (1, 1), Some(1));
        check(Encoding::Utf16, "a\u{1f600}b", (0, 3), Some(2));
        check(Encoding::Utf32, "a\u{1f600}b", (0, 3), Some(3));
        check(Encoding::Utf16, "a\u{1f600}b", (0, 2), Some(1));
        check(Encoding::Utf16, "ab\r\n", (0, 99), Some(2));
        check(Encoding::Utf16, "ab", (1, 0), None);
        assert_eq!(Encoding::Utf16.column("a\u{1f600}b", 2), 3);
        assert_eq!(Encoding::Utf32.column("a\u{1f600}b", 2), 2);
    }
}
