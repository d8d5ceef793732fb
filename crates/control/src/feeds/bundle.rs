//! Offline bundles: what was fetched here goes, signed, to where there is no net.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use advisory::{
    BundledDocument, Content, Delivered, Delivery, PublicKey, SigningKey, Validators, read_bundle,
    secret_key_text, write_bundle,
};
use jiff::Timestamp;
use model::FeedName;
use store::DocumentRecord;

use super::{OnShrunken, SyncOutcome, SyncedFeed, sync};
use crate::error::Error;
use crate::session::Session;

/// The largest bundle that is read, in bytes.
const BUNDLE_BYTES_MAX: u64 = 2 << 30;

/// The largest key file that is read, in bytes.
const KEY_BYTES_MAX: u64 = 4 << 10;

/// What to do with a feed of a bundle that is older than the one in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOlder {
    /// Leave the newer one in use: an old bundle, played again, must not hide what is known since.
    Refuse,
    /// A person wants the older one.
    Accept,
}

/// What an export wrote.
#[derive(Debug, Clone)]
pub struct Exported {
    /// How many documents each feed has in the bundle.
    pub feeds: BTreeMap<FeedName, usize>,
    /// The size of the bundle, in bytes.
    pub size: usize,
    /// The key that whoever imports it must trust.
    pub signed_by: PublicKey,
}

/// What an import did.
#[derive(Debug, Clone)]
pub struct Imported {
    /// When the bundle was made.
    pub created_at: Timestamp,
    /// Whose signature it has.
    pub signed_by: PublicKey,
    /// What became of each feed.
    pub feeds: Vec<SyncedFeed>,
}

/// Makes a key that signs bundles, in a new file for its owner's eyes only, and returns its public half.
///
/// # Errors
/// [`Error::AlreadyThere`], [`Error::Write`], [`Error::Random`].
pub fn make_key(path: &Path) -> Result<PublicKey, Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Error::Random { why: error.to_string() })?;
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| writeln!(file, "{}", secret_key_text(&seed)));
    match written {
        Ok(()) => Ok(SigningKey::from_seed(&seed).public_key()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Error::AlreadyThere { path: path.to_owned() })
        }
        Err(source) => Err(Error::Write { path: path.to_owned(), source }),
    }
}

/// Writes the documents of every feed in use into a signed bundle.
///
/// # Errors
/// [`Error::Read`] and [`Error::BundleKey`] for the key, [`Error::NothingToExport`], [`Error::Write`],
/// [`Error::Store`].
pub async fn export(session: &Session, path: &Path, key: &Path) -> Result<Exported, Error> {
    let key = SigningKey::parse(&read_key(key)?).map_err(|source| Error::BundleKey { source })?;
    let mut documents = Vec::new();
    let mut feeds: BTreeMap<FeedName, usize> = BTreeMap::new();
    for DocumentRecord { feed, label, fetched_at, .. } in session.store.feed_documents().await? {
        if let Some(body) = session.store.feed_document(&feed, &label).await? {
            *feeds.entry(feed.clone()).or_default() += 1;
            documents.push(BundledDocument { feed, label, fetched_at, body });
        }
    }
    if documents.is_empty() {
        return Err(Error::NothingToExport);
    }
    let bundle = write_bundle(&documents, session.clock.now(), &key);
    // Written beside and renamed, so that nobody carries half a bundle away.
    let beside = path.with_added_extension("part");
    let written = fs::write(&beside, &bundle).and_then(|()| fs::rename(&beside, path));
    written.map_err(|source| Error::Write { path: path.to_owned(), source })?;
    Ok(Exported { feeds, size: bundle.len(), signed_by: key.public_key() })
}

/// Puts the feeds of a bundle into use, after its signature was checked with the given keys and those of
/// the settings.
///
/// # Errors
/// [`Error::Read`], [`Error::BundleKey`], [`Error::NoTrustedKey`], [`Error::Bundle`]: nothing was changed.
/// [`Error::Store`] where a snapshot cannot be kept. A bad or older feed is a row of the result.
pub async fn import(
    session: &Session,
    path: &Path,
    keys: &[String],
    on_older: OnOlder,
) -> Result<Imported, Error> {
    let texts = keys.iter().chain(session.workspace.settings.feeds_trusted_keys());
    let trusted: Result<Vec<_>, _> = texts.map(|text| PublicKey::parse(text)).collect();
    let trusted = trusted.map_err(|source| Error::BundleKey { source })?;
    if trusted.is_empty() {
        return Err(Error::NoTrustedKey);
    }
    let bytes = read_limited(path, BUNDLE_BYTES_MAX)?;
    let bundle =
        read_bundle(&bytes, &trusted).map_err(|source| Error::Bundle { path: path.to_owned(), source })?;
    let known = session.store.feed_documents().await?;
    let origin = format!("{} of {}", path.display(), bundle.created_at);
    let mut by_feed: BTreeMap<FeedName, Vec<BundledDocument>> = BTreeMap::new();
    for document in bundle.documents {
        by_feed.entry(document.feed.clone()).or_default().push(document);
    }
    let mut feeds = Vec::new();
    for (feed, documents) in by_feed {
        let older = older(&feed, &documents, &known).filter(|_| on_older == OnOlder::Refuse);
        feeds.push(match older {
            Some(why) => SyncedFeed { feed, outcome: SyncOutcome::Refused { why }, problems: Vec::new() },
            None => sync::take(session, delivery(feed, documents), &origin, OnShrunken::Refuse).await?,
        });
    }
    Ok(Imported { created_at: bundle.created_at, signed_by: bundle.signed_by, feeds })
}

/// Says why the feed in a bundle is older than the one in use, if it is.
fn older(feed: &FeedName, documents: &[BundledDocument], known: &[DocumentRecord]) -> Option<String> {
    let offered = documents.iter().map(|it| it.fetched_at).max()?;
    let in_use = known.iter().filter(|it| it.feed == *feed).map(|it| it.fetched_at).max()?;
    (offered < in_use).then(|| format!("the bundle's was fetched at {offered}, the one in use at {in_use}"))
}

fn delivery(feed: FeedName, documents: Vec<BundledDocument>) -> Delivery {
    let delivered = |document: BundledDocument| Delivered {
        label: document.label,
        validators: Validators::default(),
        fetched_at: Some(document.fetched_at),
        content: Content::New(document.body),
    };
    Delivery { feed, documents: documents.into_iter().map(delivered).collect(), problems: Vec::new() }
}

fn read_key(path: &Path) -> Result<String, Error> {
    let bytes = read_limited(path, KEY_BYTES_MAX)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read_limited(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    let read = read.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    if u64::try_from(read).is_ok_and(|read| read > bytes_max) {
        let source = std::io::Error::other(format!("larger than {bytes_max} bytes"));
        return Err(Error::Read { path: path.to_owned(), source });
    }
    Ok(bytes)
}
