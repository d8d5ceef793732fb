//! The patterns that a selector's values are.

use std::fmt;

/// A pattern over a name: `*` stands for any run of characters, `?` for one; all others for
/// themselves. It is never empty and holds only ASCII letters, digits, `.`, `_`, `-`, `*`, `?` and,
/// for an operating system, `:`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob(Box<str>);

impl Glob {
    /// Wraps a pattern whose characters were checked.
    pub(super) fn new(checked: &str) -> Self {
        Self(checked.into())
    }

    pub(super) fn anything() -> Self {
        Self("*".into())
    }

    /// Returns the pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether the whole text matches. Takes at most the product of both lengths in steps.
    pub fn matches(&self, text: &str) -> bool {
        let (mut pattern, mut text) = (self.0.chars(), text.chars());
        // Where to go on after the last star, once it has swallowed one more character.
        let mut retry = None;
        loop {
            let (wanted, mut after) = (pattern.next(), text.clone());
            match (wanted, after.next()) {
                (None, None) => return true,
                (Some('*'), _) => retry = Some((pattern.clone(), text.clone())),
                (Some(wanted), Some(found)) if wanted == '?' || wanted == found => text = after,
                _ => {
                    let Some((after_star, swallowed)) = &mut retry else { return false };
                    if swallowed.next().is_none() {
                        return false;
                    }
                    (pattern, text) = (after_star.clone(), swallowed.clone());
                }
            }
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
