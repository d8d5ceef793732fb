//! How documents of feeds come in: over HTTPS, or from a directory.

use std::path::PathBuf;

use jiff::Timestamp;
use model::{FeedName, Problem};

use crate::read::{ReadError, read_directory};
use crate::snapshot::FeedSource;

/// What a server says of one version of a document (RFC 9110, section 8.8), to ask it later whether
/// there is a newer one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, with its quotes.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// A document to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The feed that it belongs to.
    pub feed: FeedName,
    /// Its URL.
    pub url: String,
    /// Those of the version that is there already; empty = none is.
    pub validators: Validators,
}

/// What came of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Its bytes, as they came; perhaps compressed.
    New(Vec<u8>),
    /// The version that is there already is the newest.
    Unchanged,
    /// It could not be had.
    Failed(Problem),
}

/// One document, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The URL, or the path for a file.
    pub label: String,
    /// Those of the delivered version.
    pub validators: Validators,
    /// When it was fetched from its origin, where that was not just now (a bundle).
    pub fetched_at: Option<Timestamp>,
    /// What came.
    pub content: Content,
}

/// The documents of one feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The feed.
    pub feed: FeedName,
    /// Its documents, ordered by label.
    pub documents: Vec<Delivered>,
    /// What went wrong and belongs to none of the documents.
    pub problems: Vec<Problem>,
}

/// Brings documents of feeds. A real seam: there is one for the net and one for files.
pub trait FeedTransport {
    /// Returns one delivery for each feed, ordered by feed. Trouble with one document is a part of its
    /// delivery.
    ///
    /// # Errors
    /// [`ReadError`] where nothing at all can be had.
    fn deliver(&self, wanted: &[Wanted]) -> impl Future<Output = Result<Vec<Delivery>, ReadError>> + Send;
}

/// Brings every feed document below a directory, whatever is wanted: a directory is the whole truth.
#[derive(Debug, Clone)]
pub struct DirectoryTransport {
    /// The directory.
    pub directory: PathBuf,
}

impl FeedTransport for DirectoryTransport {
    async fn deliver(&self, _: &[Wanted]) -> Result<Vec<Delivery>, ReadError> {
        Ok(read_directory(&self.directory)?.into_iter().map(delivery).collect())
    }
}

fn delivery(source: FeedSource) -> Delivery {
    let FeedSource { feed, documents, problems } = source;
    let documents = documents.into_iter().map(|document| Delivered {
        label: document.label,
        validators: Validators::default(),
        fetched_at: None,
        content: Content::New(document.bytes),
    });
    Delivery { feed, documents: documents.collect(), problems }
}
