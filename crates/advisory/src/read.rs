//! Reads feed documents from a directory: the one file that does I/O here.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use model::{Code, FeedName, Place, Problem};
use thiserror::Error;

use crate::recognise::recognise;
use crate::snapshot::{Document, FeedSource};
use crate::unpack::unpack;

/// The largest file that is read, as it lies on disk, in bytes.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The most files below one feed directory.
const FILES_MAX: usize = 200_000;

/// How deep below the feed directory files are looked for.
const DEPTH_MAX: usize = 16;

/// The name of the source that carries the problems of a directory in which no feed was found.
const NO_FEED: &str = "unrecognised";

/// A directory that cannot be read at all. What is wrong with a single file is a problem.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The directory cannot be listed.
    #[error("the feed directory {} cannot be read", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// HTTPS cannot be set up on this machine.
    #[error("HTTPS cannot be set up")]
    Http {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It has more files than any set of feeds.
    #[error("the feed directory {} holds more than {FILES_MAX} files", path.display())]
    TooManyFiles {
        /// The directory.
        path: PathBuf,
    },
}

/// Reads every feed document below a directory. Files are recognised by their content, not by their
/// name: Alpine's secdb JSON, VuXML (whole or yearly parts), Debian's security tracker JSON and its DSA
/// and DLA lists, OSV JSON, the KEV catalogue, EPSS scores, RSS and Atom; plain or in `.xz`, `.gz`, `.zip`, `.tar`, `.tar.gz`. What is none of these becomes a
/// warning; only hidden files and the texts that lie beside data (`*.md`, `LICENSE*`, `NOTICE*`,
/// `COPYING*`) are passed over in silence. Links to files are followed, links to directories are not.
///
/// There is one source per feed, ordered by feed name; documents are ordered by path. A problem of a
/// file that belongs to no feed, or cannot be opened, is told by the source that has the nearest
/// documents; where there is none, by a source named `unrecognised` without documents.
///
/// # Errors
/// [`ReadError`] where the directory itself cannot be listed.
pub fn read_directory(dir: &Path) -> Result<Vec<FeedSource>, ReadError> {
    let mut problems = Vec::new();
    let entries =
        fs::read_dir(dir).map_err(|source| ReadError::Directory { path: dir.to_owned(), source })?;
    let mut files = Vec::new();
    list(entries, DEPTH_MAX, &mut files, &mut problems);
    if files.len() > FILES_MAX {
        return Err(ReadError::TooManyFiles { path: dir.to_owned() });
    }
    files.sort();
    let mut sources: BTreeMap<&'static str, Vec<Document>> = BTreeMap::new();
    for path in files {
        match read_file(&path) {
            Ok(bytes) => sort_in(&path.to_string_lossy(), bytes, &mut sources, &mut problems),
            Err((code, message)) => problems.push(problem(code, &path, message)),
        }
    }
    let sources = sources.into_iter().map(|(feed, documents)| FeedSource {
        feed: FeedName::new(feed),
        documents,
        problems: Vec::new(),
    });
    Ok(assign(sources.collect(), problems))
}

/// Gives each problem to the source with the nearest documents, by path.
fn assign(mut sources: Vec<FeedSource>, problems: Vec<Problem>) -> Vec<FeedSource> {
    if sources.is_empty() && !problems.is_empty() {
        return vec![FeedSource { feed: FeedName::new(NO_FEED), documents: Vec::new(), problems }];
    }
    for problem in problems {
        let path = problem.place.to_string();
        let nearness = |source: &FeedSource| {
            source.documents.iter().map(|it| shared_directories(&it.label, &path)).max().unwrap_or_default()
        };
        let nearest = sources.iter().map(nearness).max().unwrap_or_default();
        if let Some(source) = sources.iter_mut().find(|source| nearness(source) == nearest) {
            source.problems.push(problem);
        }
    }
    sources
}

/// How many directories two paths have in common, from the root.
fn shared_directories(a: &str, b: &str) -> usize {
    a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b).count()
}

/// Collects the files of one directory and those below. Stops one past [`FILES_MAX`].
fn list(entries: fs::ReadDir, depth: usize, files: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    for entry in entries {
        let Ok(entry) = entry else { continue };
        let path = entry.path();
        if files.len() > FILES_MAX || is_passed_over(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_directory {
            // A link counts as what it leads to; a directory behind a link could lead in circles.
            if fs::metadata(&path).is_ok_and(|it| it.is_file()) {
                files.push(path);
            }
            continue;
        }
        match fs::read_dir(&path) {
            Ok(entries) if depth > 0 => list(entries, depth - 1, files, problems),
            Ok(_) => {
                let message = format!("more than {DEPTH_MAX} directories deep; what is below is not read");
                problems.push(problem(Code::FeedUnreadable, &path, message));
            }
            Err(error) => {
                problems.push(problem(Code::FeedUnreadable, &path, format!("cannot be listed: {error}")))
            }
        }
    }
}

fn is_passed_over(name: &str) -> bool {
    let is_text = ["LICENSE", "NOTICE", "COPYING", "README"].iter().any(|prefix| name.starts_with(prefix));
    name.starts_with('.') || is_text || name.ends_with(".md")
}

fn read_file(path: &Path) -> Result<Vec<u8>, (Code, String)> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    let read = read.map_err(|error| (Code::FeedUnreadable, format!("cannot be read: {error}")))?;
    if u64::try_from(read).is_ok_and(|read| read > FILE_BYTES_MAX) {
        return Err((Code::FeedTooLarge, format!("larger than {FILE_BYTES_MAX} bytes; it is not used")));
    }
    Ok(bytes)
}

/// Gives what is in a file to the feeds that it belongs to.
fn sort_in(
    label: &str,
    bytes: Vec<u8>,
    sources: &mut BTreeMap<&'static str, Vec<Document>>,
    problems: &mut Vec<Problem>,
) {
    let path = Path::new(label);
    let unpacked = match unpack(bytes) {
        Ok(unpacked) => unpacked,
        Err(message) => return problems.push(problem(Code::FeedUnreadable, path, message)),
    };
    let mut strangers: Vec<String> = Vec::new();
    for file in unpacked {
        let base = file.name.rsplit('/').next().unwrap_or_default();
        if !file.name.is_empty() && is_passed_over(base) {
            continue;
        }
        let name = if file.name.is_empty() { label.to_owned() } else { format!("{label}/{}", file.name) };
        match recognise(&file.bytes) {
            Some(feed) => sources.entry(feed).or_default().push(Document { label: name, bytes: file.bytes }),
            None => strangers.push(name),
        }
    }
    // One problem per file: an archive of something else has thousands.
    if let Some(first) = strangers.first() {
        let message = match strangers.len() {
            1 => format!("{first} is no document of a feed that ifrit knows"),
            count => format!("{count} documents of no feed that ifrit knows, the first: {first}"),
        };
        let hint = "expected secdb, VuXML, Debian's tracker or lists, OSV, KEV, EPSS, RSS or Atom";
        problems.push(problem(Code::FeedUnrecognised, path, message).with_hint(hint));
    }
}

fn problem(code: Code, path: &Path, message: impl Into<String>) -> Problem {
    Problem::new(code, Place::File { path: path.to_string_lossy().into_owned() }, message)
}
