//! What feeds say, with the dates between which they said it. Nothing here belongs to a client.

mod documents;
mod news;
mod read;
mod scores;
mod snapshot;
mod wire;

pub use documents::{DocumentRecord, NewDocument};
pub use news::{NewNews, NewsRecord};
pub use scores::{NewScores, ScoresReport};

/// The longest key, id, package name or release of a feed's entry, in bytes: these are indexed, and
/// real ones have fewer than 130. An entry with a longer one is reported and not recorded.
const ENTRY_PART_BYTES_MAX: usize = 512;
