//! By which way somebody acts.

/// By which way somebody acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// The command line.
    Cli,
    /// The HTTP API.
    Api,
}

impl Via {
    /// Every way.
    pub const ALL: [Self; 2] = [Self::Cli, Self::Api];

    /// Returns the word for it in the store and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Api => "api",
        }
    }

    /// Reads the word that [`Via::as_str`] writes.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|via| via.as_str() == word)
    }

    /// Reads the word in a row.
    pub(crate) fn read(word: &str) -> Result<Self, String> {
        Self::parse(word).ok_or_else(|| format!("via `{word}` is not known"))
    }
}
