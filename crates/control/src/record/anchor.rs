//! Anchors: places outside of the database that checkpoints are brought to. Whoever changes the database then has to
//! change these too.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use model::{Code, Place, Problem};

use super::git::{self, GitFault};
use super::note::SignedCheckpoint;
use crate::error::Error;
use crate::notify::{self, Channels};
use crate::session::Session;

/// The largest file of checkpoints that is read, in bytes: some hundred thousand.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What became of bringing a checkpoint to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchored {
    /// The place: `git`, `push:origin`, `notify:team`, `file:PATH`.
    pub place: String,
    /// Why it is not there and nobody is to blame: the workspace is no git repository.
    pub absent: Option<String>,
    /// What went wrong.
    pub problem: Option<Problem>,
}

impl Anchored {
    /// Says whether the checkpoint is there.
    pub fn has_arrived(&self) -> bool {
        self.absent.is_none() && self.problem.is_none()
    }
}

/// What is known of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorState {
    /// The place.
    pub place: String,
    /// How many checkpoints were read there; `None` = it cannot be read from here.
    pub checkpoints: Option<usize>,
    /// The newest: of how many records, and when it was signed, or brought there where it cannot be read.
    pub newest: Option<(u64, Timestamp)>,
    /// Why it has none, or cannot be read, or could not be written the last time.
    pub problem: Option<String>,
}

/// Where a checkpoint goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Destination {
    Git,
    Push(String),
    Channel(String),
    File(String),
}

impl Destination {
    fn parse(word: &str) -> Option<Self> {
        let (kind, rest) = word.split_once(':').unwrap_or((word, ""));
        match (kind, rest) {
            ("git", "") => Some(Self::Git),
            ("notify", name) if !name.is_empty() => Some(Self::Channel(name.to_owned())),
            ("file", path) if !path.is_empty() => Some(Self::File(path.to_owned())),
            _ => None,
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Git => "git".to_owned(),
            Self::Push(remote) => format!("push:{remote}"),
            Self::Channel(name) => format!("notify:{name}"),
            Self::File(path) => format!("file:{path}"),
        }
    }
}

/// Brings a checkpoint to the places of the settings: to all of them, or to those alone that do not have it.
pub(super) async fn bring(
    session: &Session,
    signed: &SignedCheckpoint,
    channels: Option<&Channels>,
    to_all: bool,
) -> Result<Vec<Anchored>, Error> {
    let size = signed.checkpoint.size;
    let known = session.store.anchors().await?;
    let has_it = |place: &str| {
        known
            .iter()
            .any(|it| it.place == place && it.problem.is_none() && it.arrived.is_some_and(|it| it.0 >= size))
    };
    let mut anchored = Vec::new();
    for (word, destination) in destinations(session) {
        let Some(destination) = destination else {
            anchored.push(failed(&word, "it is no anchor: expected `git`, `notify:NAME` or `file:PATH`"));
            continue;
        };
        let place = destination.place();
        if !to_all && has_it(&place) {
            continue;
        }
        let came = match &destination {
            Destination::Git | Destination::Push(_) => to_git(session, signed, &destination).await,
            Destination::File(path) => to_file(session, path, signed).map(|()| None),
            Destination::Channel(name) => to_channel(session, channels, name, signed).await.map(|()| None),
        };
        let it = match came {
            Ok(absent) => Anchored { place: place.clone(), absent, problem: None },
            Err(why) => failed(&place, &why),
        };
        let why = it.absent.as_deref().or(it.problem.as_ref().map(|problem| problem.message.as_str()));
        session.store.note_anchor(&place, size, session.clock.now(), why).await?;
        anchored.push(it);
    }
    Ok(anchored)
}

/// What was read at the places that can be read from here, and what is known of all of them.
#[derive(Debug, Default)]
pub(super) struct ReadAnchors {
    /// Place and note.
    pub notes: Vec<(String, String)>,
    /// In the order of the settings.
    pub states: Vec<AnchorState>,
}

/// Reads the anchors of the settings.
pub(super) async fn read(session: &Session) -> Result<ReadAnchors, Error> {
    let known = session.store.anchors().await?;
    let mut found = ReadAnchors::default();
    for (word, destination) in destinations(session) {
        let place = destination.as_ref().map_or(word, Destination::place);
        let last = known.iter().find(|it| it.place == place);
        let mut state = AnchorState {
            checkpoints: None,
            newest: last.and_then(|last| last.arrived),
            problem: last.and_then(|last| last.problem.clone()),
            place,
        };
        let notes = match &destination {
            None => Some(Err("it is no anchor: expected `git`, `notify:NAME` or `file:PATH`".to_owned())),
            Some(Destination::Git) => {
                let notes =
                    git::read(&session.workspace.root, session.workspace.settings.audit_git_ref()).await;
                Some(notes.map_err(why))
            }
            Some(Destination::File(path)) => Some(read_file(&session.workspace.resolve(path, home(session)))),
            Some(Destination::Push(_) | Destination::Channel(_)) => None,
        };
        match notes {
            Some(Ok(notes)) => {
                state.checkpoints = Some(notes.len());
                let read = notes.iter().filter_map(|note| SignedCheckpoint::parse(note).ok());
                let dated = read.filter_map(|it| Some((it.checkpoint.size, it.checkpoint.at?)));
                state.newest = dated.max_by_key(|(size, at)| (*at, *size));
                found.notes.extend(notes.into_iter().map(|note| (state.place.clone(), note)));
            }
            Some(Err(why)) => {
                (state.newest, state.problem) = (None, Some(why));
            }
            None => {}
        }
        found.states.push(state);
    }
    Ok(found)
}

fn destinations(session: &Session) -> Vec<(String, Option<Destination>)> {
    let settings = &session.workspace.settings;
    let mut list = Vec::new();
    for word in settings.audit_anchors() {
        let destination = Destination::parse(word);
        let is_git = destination == Some(Destination::Git);
        list.push((word.clone(), destination));
        if is_git {
            let remotes = settings.audit_push_remotes().iter();
            list.extend(remotes.map(|it| (format!("push:{it}"), Some(Destination::Push(it.clone())))));
        }
    }
    list
}

fn failed(place: &str, why: &str) -> Anchored {
    let message = format!("anchor {place}: {why}");
    let problem = Problem::new(Code::AuditAnchorFailed, Place::Nowhere, message);
    let problem = problem.with_hint("the checkpoint itself is kept; `ifrit audit anchor` tries again");
    Anchored { place: place.to_owned(), absent: None, problem: Some(problem) }
}

fn why(fault: GitFault) -> String {
    match fault {
        GitFault::NotThere(why) => why.to_owned(),
        GitFault::Failed(why) => why,
    }
}

/// Returns why there is nothing to write to, where that is nobody's failure.
async fn to_git(
    session: &Session,
    signed: &SignedCheckpoint,
    destination: &Destination,
) -> Result<Option<String>, String> {
    let (root, notes) = (&session.workspace.root, session.workspace.settings.audit_git_ref());
    if !notes.starts_with("refs/notes/") {
        return Err(format!("`audit.git_ref` must begin with refs/notes/, got `{notes}`"));
    }
    let done = match destination {
        Destination::Push(remote) => git::push(root, notes, remote).await,
        _ => git::write(root, notes, &signed.note).await,
    };
    match done {
        Ok(()) => Ok(None),
        Err(GitFault::NotThere(why)) => Ok(Some(why.to_owned())),
        Err(GitFault::Failed(why)) => Err(why),
    }
}

fn home(session: &Session) -> Option<&Path> {
    session.surroundings.home.as_deref()
}

fn to_file(session: &Session, path: &str, signed: &SignedCheckpoint) -> Result<(), String> {
    let path = session.workspace.resolve(path, home(session));
    let opened = OpenOptions::new().create(true).append(true).mode(0o644).open(&path);
    // In one piece, as appending to a file takes it; an empty line parts it from the next.
    let text = format!("{}\n", signed.note);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| error.to_string())
}

/// Reads the notes of a file: text, empty line, signatures, empty line, and so on.
fn read_file(path: &Path) -> Result<Vec<String>, String> {
    let opened = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    opened.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(split_notes(&text))
}

pub(super) fn split_notes(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split("\n\n").filter(|part| !part.trim().is_empty()).collect();
    let join = |pair: &[&str]| format!("{}\n", pair.join("\n\n").trim_end_matches('\n'));
    parts.chunks(2).map(join).collect()
}

async fn to_channel(
    session: &Session,
    channels: Option<&Channels>,
    name: &str,
    signed: &SignedCheckpoint,
) -> Result<(), String> {
    let channels =
        channels.ok_or_else(|| "it is told at the next run, or by `ifrit audit anchor`".to_owned())?;
    let title = format!("checkpoint of the audit record: {} records", signed.checkpoint.size);
    notify::send_one(session, channels, name, &title, &signed.note).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown() {
        let check = |word: &str, expected: Option<&str>| {
            let place = Destination::parse(word).map(|it| it.place());
            assert_eq!(place.as_deref(), expected, "{word}");
        };
        check("git", Some("git"));
        check("notify:team", Some("notify:team"));
        check("file:/mnt/other/ifrit-audit", Some("file:/mnt/other/ifrit-audit"));
        for bad in ["", "git:x", "notify:", "notify", "file", "push:origin", "mail"] {
            check(bad, None);
        }
    }

    #[test]
    fn notes_of_a_file_come_back() {
        let note = |number: u64| format!("origin\n{number}\nroot\n\n\u{2014} origin AAAA\n");
        let text = format!("{}\n{}\n", note(1), note(2));
        assert_eq!(split_notes(&text), [note(1), note(2)]);
        assert_eq!(split_notes(&note(3)), [note(3)]);
        assert_eq!(split_notes("\n\n\n"), Vec::<String>::new());
    }
}
