//! Checkpoints as git notes: on the commit that is checked out, below a ref of their own. Each new one takes the place
//! of the one before, which stays in the history of the ref.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::timeout;

/// The time for one call of git that asks no other machine.
const LOCAL_TIME_MAX: Duration = Duration::from_secs(20);

/// The time for pushing notes.
const PUSH_TIME_MAX: Duration = Duration::from_secs(60);

/// The most that is read of git's output, in bytes: notes of some hundred thousand checkpoints.
const OUTPUT_BYTES_MAX: u64 = 64 << 20;

/// The most that is read of what git says about a failure, in bytes.
const ERROR_BYTES_MAX: u64 = 4 << 10;

/// Who commits notes: they are ifrit's, whoever runs it, and need no set-up of git.
const IDENTITY: [&str; 4] = ["-c", "user.name=ifrit", "-c", "user.email=ifrit@localhost"];

/// Why git did not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GitFault {
    /// There is nothing to write into, which is nobody's failure: no repository, or no commit yet.
    NotThere(&'static str),
    /// It failed, in its words.
    Failed(String),
}

/// Puts a note on the commit that is checked out.
///
/// # Errors
/// [`GitFault`].
pub(super) async fn write(root: &Path, notes: &str, note: &str) -> Result<(), GitFault> {
    let head = head(root).await?;
    let arguments = ["notes", "--ref", notes, "add", "--force", "--file=-", head.as_str()];
    git(root, &arguments, note.as_bytes(), LOCAL_TIME_MAX).await.map(drop)
}

/// Pushes the notes to a remote; never with force.
///
/// # Errors
/// [`GitFault`].
pub(super) async fn push(root: &Path, notes: &str, remote: &str) -> Result<(), GitFault> {
    if remote.starts_with('-') {
        return Err(GitFault::Failed(format!("`{remote}` is no name of a remote")));
    }
    let spec = format!("{notes}:{notes}");
    git(root, &["push", "--quiet", "--", remote, &spec], b"", PUSH_TIME_MAX).await.map(drop)
}

/// Returns every note that was ever below the ref.
///
/// # Errors
/// [`GitFault`].
pub(super) async fn read(root: &Path, notes: &str) -> Result<Vec<String>, GitFault> {
    if git(root, &["rev-parse", "--git-dir"], b"", LOCAL_TIME_MAX).await.is_err() {
        return Err(GitFault::NotThere("the workspace is no git repository"));
    }
    let name = format!("{notes}^{{commit}}");
    let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", name.as_str()];
    if git(root, &arguments, b"", LOCAL_TIME_MAX).await.is_err() {
        return Ok(Vec::new());
    }
    let listed = git(root, &["rev-list", "--objects", notes, "--"], b"", LOCAL_TIME_MAX).await?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    // Commits stand there without a path, trees and notes with one.
    let objects = listed.lines().filter_map(|line| line.split_once(' ')).filter(|(_, path)| !path.is_empty());
    let objects: String = objects.map(|(object, _)| format!("{object}\n")).collect();
    let batch = git(root, &["cat-file", "--batch"], objects.as_bytes(), LOCAL_TIME_MAX).await?;
    Ok(read_batch(&batch))
}

/// Takes the blobs out of what `git cat-file --batch` prints: `HASH TYPE SIZE`, the content, a line end.
fn read_batch(mut batch: &[u8]) -> Vec<String> {
    let mut blobs = Vec::new();
    while let Some(end) = batch.iter().position(|byte| *byte == b'\n') {
        let header = String::from_utf8_lossy(&batch[..end]).into_owned();
        let mut words = header.split(' ').skip(1);
        let (kind, size) = (words.next(), words.next().and_then(|size| size.parse::<usize>().ok()));
        let rest = &batch[end + 1..];
        let Some(content) = size.and_then(|size| rest.get(..size)) else { break };
        if kind == Some("blob") {
            blobs.push(String::from_utf8_lossy(content).into_owned());
        }
        batch = rest.get(content.len() + 1..).unwrap_or_default();
    }
    blobs
}

async fn head(root: &Path) -> Result<String, GitFault> {
    match git(root, &["rev-parse", "--git-dir"], b"", LOCAL_TIME_MAX).await {
        Ok(_) => {}
        Err(GitFault::Failed(why)) if !why.contains("not a git repository") => {
            return Err(GitFault::Failed(why));
        }
        Err(_) => return Err(GitFault::NotThere("the workspace is no git repository")),
    }
    let head = git(root, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], b"", LOCAL_TIME_MAX).await;
    let none = GitFault::NotThere("the git repository of the workspace has no commit yet");
    Ok(String::from_utf8_lossy(&head.map_err(|_| none)?).trim().to_owned())
}

/// Runs git in a directory. It asks nobody anything, and runs no hook.
async fn git(root: &Path, arguments: &[&str], input: &[u8], time: Duration) -> Result<Vec<u8>, GitFault> {
    let failed = |why: String| GitFault::Failed(why);
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(["--no-pager", "-c", "core.hooksPath=/dev/null"]).args(IDENTITY);
    command.args(arguments).env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| failed(format!("git cannot be started: {error}")))?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(failed("git has no pipes".to_owned()));
    };
    let (mut output, mut said) = (Vec::new(), Vec::new());
    let talk = async {
        let (mut stdout, mut stderr) = (stdout.take(OUTPUT_BYTES_MAX), stderr.take(ERROR_BYTES_MAX));
        let write = async {
            // Where git went away, its status says so.
            stdin.write_all(input).await.ok();
            drop(stdin);
        };
        let read = async { stdout.read_to_end(&mut output).await };
        let ((), read, _) = tokio::join!(write, read, stderr.read_to_end(&mut said));
        read.map_err(|error| error.to_string())?;
        child.wait().await.map_err(|error| error.to_string())
    };
    let status = timeout(time, talk).await;
    let status = status.map_err(|_| failed(format!("git did not end within {} s", time.as_secs())))?;
    if status.map_err(failed)?.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&said);
    let line =
        said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("git failed and says nothing");
    Err(failed(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(root: &Path, arguments: &[&str]) {
        let git = std::process::Command::new("git").arg("-C").arg(root).args(arguments).output();
        assert!(git.expect("git").status.success(), "{arguments:?}");
    }

    #[tokio::test]
    async fn notes_come_back_with_those_before_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, notes) = (folder.path(), "refs/notes/ifrit-audit");
        let no_repository = GitFault::NotThere("the workspace is no git repository");
        assert_eq!(write(root, notes, "a").await, Err(no_repository.clone()));
        assert_eq!(read(root, notes).await, Err(no_repository));
        run(root, &["init", "--quiet"]);
        let no_commit = GitFault::NotThere("the git repository of the workspace has no commit yet");
        assert_eq!(write(root, notes, "a").await, Err(no_commit));
        assert_eq!(read(root, notes).await, Ok(vec![]));
        let commit =
            ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "x"];
        run(root, &commit);
        let note = "origin\n1\nroot\n\n\u{2014} origin AAAA\n";
        let texts: Vec<String> = (0..3).map(|number| note.replace('1', &number.to_string())).collect();
        for (number, text) in texts.iter().enumerate() {
            assert_eq!(write(root, notes, text).await, Ok(()));
            if number == 1 {
                run(root, &commit);
            }
        }
        let mut found = read(root, notes).await.expect("read");
        found.sort();
        assert_eq!(found, texts, "as they were written, to the byte");
        let error = push(root, notes, "nowhere").await.expect_err("no such remote");
        assert!(matches!(&error, GitFault::Failed(why) if why.contains("nowhere")), "{error:?}");
        assert!(push(root, notes, "--exec=x").await.is_err());
        let bare = tempfile::tempdir().expect("a folder");
        run(bare.path(), &["init", "--quiet", "--bare"]);
        run(root, &["remote", "add", "origin", bare.path().to_str().expect("UTF-8")]);
        assert_eq!(push(root, notes, "origin").await, Ok(()));
        assert_eq!(read(bare.path(), notes).await.expect("read").len(), 3);
    }

    #[test]
    fn nonsense_for_a_batch_is_read_as_far_as_it_goes() {
        assert_eq!(read_batch(b"aa blob 2\nxy\nbb tree 1\n\n\ncc blob 1\nz\n"), ["xy", "z"]);
        assert_eq!(read_batch(b"aa blob 99\nxy\n"), Vec::<String>::new());
        assert_eq!(read_batch(b"\xff\n"), Vec::<String>::new());
        assert_eq!(read_batch(b"aa missing\n"), Vec::<String>::new());
    }
}
