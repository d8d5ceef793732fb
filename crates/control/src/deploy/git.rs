//! What git says of the workspace: which commit a plan was made of, and what stood in it.

use std::path::Path;
use std::process::{Command, Stdio};

/// The most that is unpacked of a commit, in bytes: 64 MiB.
const COMMIT_BYTES_MAX: u64 = 64 << 20;

/// The state of the working tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    /// The commit that is checked out, in hexadecimal digits.
    pub commit: String,
    /// Whether files differ from it, or are there and not in it.
    pub is_dirty: bool,
}

/// What is asked of git about every plan.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// What [`revision`] returns.
    pub revision: Option<Revision>,
    /// What [`email`] returns.
    pub email: Option<String>,
}

/// Asks git on other threads; the questions are under way when this returns, before the answer is waited for.
pub(crate) fn ask(root: &Path) -> impl Future<Output = Answer> {
    let (one, other) = (root.to_owned(), root.to_owned());
    let revision = tokio::task::spawn_blocking(move || revision(&one));
    let email = tokio::task::spawn_blocking(move || email(&other));
    // No answer is what a broken thread gives, as a broken git does.
    async { Answer { revision: revision.await.ok().flatten(), email: email.await.ok().flatten() } }
}

/// Returns the commit of the workspace; `None` where it lies in no repository, has no commit, or git is
/// not there.
pub(crate) fn revision(root: &Path) -> Option<Revision> {
    let commit = git(root, &["rev-parse", "--verify", "HEAD"])?.trim().to_owned();
    if !is_commit(&commit) {
        return None;
    }
    // The database may lie in the workspace, and changes all the time.
    let status =
        git(root, &["status", "--porcelain", "-uall", "--", ".", ":(exclude)*.db", ":(exclude)*.db-*"])?;
    Some(Revision { commit, is_dirty: !status.trim().is_empty() })
}

/// Returns the mail address that git puts into commits here.
pub(crate) fn email(root: &Path) -> Option<String> {
    let email = git(root, &["config", "--get", "user.email"])?.trim().to_owned();
    (!email.is_empty()).then_some(email)
}

/// Writes the workspace as it stood in a commit into a directory.
///
/// # Errors
/// Why not.
pub(crate) fn unpack(root: &Path, commit: &str, into: &Path) -> Result<(), String> {
    if !is_commit(commit) {
        return Err(format!("`{}` is no commit", commit.escape_default()));
    }
    let mut child = command(root, &["archive", "--format=tar", commit])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("git cannot be started: {error}"))?;
    let stdout = child.stdout.take().ok_or("git has no output")?;
    let unpacked = tar::Archive::new(std::io::Read::take(stdout, COMMIT_BYTES_MAX)).unpack(into);
    let status = child.wait().map_err(|error| format!("git did not end: {error}"))?;
    if !status.success() {
        return Err(format!("git does not have commit {commit} here: fetch it"));
    }
    unpacked.map_err(|error| format!("commit {commit} cannot be unpacked: {error}"))
}

fn is_commit(text: &str) -> bool {
    (40..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = command(root, arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn command(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(arguments);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}
