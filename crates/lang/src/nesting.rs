//! How deep code nests, measured on its tokens. The parser and the compiler walk code by recursion
//! and know no limit: a file of 100,000 opening brackets would end the process.

use starlark::codemap::{CodeMap, FileSpan, Pos, Span};
use starlark_syntax::lexer::{Lexer, Token};

use crate::limits::NESTING_MAX;
use crate::parse::DIALECT;

/// Returns the spot where code nests deeper than [`NESTING_MAX`], if it does. The measure is an
/// upper bound of the depth of the syntax tree: every bracket that is open, every operator since the
/// last comma or line within each of them, every block.
pub(crate) fn too_deep(path: &str, content: &str) -> Option<FileSpan> {
    let code = CodeMap::new(path.to_owned(), content.to_owned());
    // Operators seen in each open bracket, the outermost first.
    let mut open: Vec<usize> = vec![0];
    let mut depth = 0_usize;
    let mut blocks = 0_usize;
    let mut branches = 0_usize;
    for token in Lexer::new(content, &DIALECT, code.clone()) {
        // What the lexer refuses, the parser will report.
        let Ok((start, token, _)) = token else { break };
        match Step::of(&token) {
            Step::Open => {
                open.push(0);
                depth += 1;
            }
            Step::Close => {
                // The call or index itself stays part of the chain that follows it: `f()()()`.
                let inner = if open.len() > 1 { open.pop().unwrap_or(0) + 1 } else { 0 };
                depth = depth.saturating_sub(inner) + 1;
                add(&mut open, 1);
            }
            Step::Deepen => {
                add(&mut open, 1);
                depth += 1;
            }
            Step::Rest => {
                depth = depth.saturating_sub(open.last().copied().unwrap_or(0));
                add_reset(&mut open);
            }
            Step::Block(change) => blocks = blocks.saturating_add_signed(change),
            Step::Branch => branches += 1,
            Step::Flat => {}
        }
        if depth + blocks > NESTING_MAX || branches > NESTING_MAX * 10 {
            let at = Pos::new(u32::try_from(start).ok()?);
            return Some(code.file_span(Span::new(at, at)));
        }
    }
    None
}

fn add(open: &mut [usize], count: usize) {
    if let Some(last) = open.last_mut() {
        *last += count;
    }
}

fn add_reset(open: &mut [usize]) {
    if let Some(last) = open.last_mut() {
        *last = 0;
    }
}

/// What a token does to the depth.
enum Step {
    Open,
    Close,
    Deepen,
    Rest,
    Block(isize),
    Branch,
    Flat,
}

impl Step {
    fn of(token: &Token) -> Self {
        match token {
            Token::OpeningCurly | Token::OpeningRound | Token::OpeningSquare | Token::FStringExprStart => {
                Self::Open
            }
            Token::ClosingCurly | Token::ClosingRound | Token::ClosingSquare | Token::FStringExprEnd => {
                Self::Close
            }
            Token::Comma | Token::Newline | Token::Semicolon => Self::Rest,
            Token::Indent => Self::Block(1),
            Token::Dedent => Self::Block(-1),
            Token::Elif => Self::Branch,
            Token::Identifier(_) | Token::Int(_) | Token::Float(_) | Token::String(_) | Token::Bytes(_) => {
                Self::Flat
            }
            Token::FStringStart(_) | Token::FStringText(_) | Token::FStringEnd | Token::Comment(_) => {
                Self::Flat
            }
            _ => Self::Deepen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, is_too_deep: bool) {
        assert_eq!(too_deep("x.star", code).is_some(), is_too_deep, "{}", &code[..code.len().min(40)]);
    }

    #[test]
    fn deep_code_is_refused_and_long_code_is_not() {
        for piece in ["(", "[", "-", "not ", "1+", "lambda: ", "f\"{(", "x if y else ", "a.", "a[", "f(", "~"]
        {
            check(&format!("x = {}", piece.repeat(NESTING_MAX * 2)), true);
        }
        check(&format!("x = f{}", "()".repeat(NESTING_MAX * 2)), true);
        check(&format!("x = [{}]", "host(\"a\", tags = [1, -2, a.b]),\n".repeat(20_000)), false);
        check(&"x = f(1 + 2)\n".repeat(20_000), false);
        check(&"def f(x):\n    if x:\n        return [x]\n".repeat(5_000), false);
    }
}
