//! Feeds in, findings out: reads what vendors publish, parses it, indexes it and matches it against
//! what is installed.
//!
//! The doors, in the order of the stream: [`FeedTransport::deliver`] (with [`read_directory`] the only
//! one that touches files or the net), [`check_document`], [`sync`], [`AdvisoryIndex::new`],
//! [`match_packages`]. All but the first are pure: no I/O, no clock, no randomness; the same input
//! gives the same answer, byte by byte.
//!
//! Exactness first: an answer here decides whether somebody gets up at night. What cannot be judged
//! is [`model::FindingState::Unknown`], never safe. Three silences are not safety either:
//! * a release that no feed speaks of ([`AdvisoryIndex::covers`] says which are),
//! * a FreeBSD release past its end of life: an entry about the base system names the releases that were
//!   supported when it was written, and others are as if not affected or fixed (`pkg audit` has it so), and
//! * a package of a covered release that no entry names. Debian's DSA and DLA lists, for one, name
//!   only what was fixed by an advisory; a vulnerability that is still open is not in them.

mod aliases;
mod bundle;
mod check;
mod cve;
mod debian;
mod debian_tracker;
mod epss;
mod glob;
mod https;
mod ids;
mod index;
mod judge;
mod kev;
mod keys;
mod matching;
mod news;
mod osv;
mod osv_ranges;
mod osv_scope;
mod plain;
mod read;
mod recognise;
mod scope;
mod secdb;
mod severity;
mod snapshot;
mod software;
mod sorting;
mod transport;
mod unpack;
mod vuxml;
mod vuxml_entry;

pub use bundle::{Bundle, BundleError, BundledDocument, read_bundle, write_bundle};
pub use check::{check_document, pack};
pub use glob::glob_matches;
pub use https::{HttpLimits, HttpsTransport};
pub use index::AdvisoryIndex;
pub use keys::{InvalidKey, PublicKey, SigningKey, secret_key_text};
pub use matching::{Match, match_packages, needed_ids};
pub use read::{ReadError, read_directory};
pub use snapshot::{Coverage, Document, FeedError, FeedSnapshot, FeedSource, feed, sync};
pub use software::{SoftwarePackages, software_packages};
pub use transport::{Content, Delivered, Delivery, DirectoryTransport, FeedTransport, Validators, Wanted};
