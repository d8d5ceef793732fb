//! A workspace in a temporary directory, and a shell as its only host.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use model::{
    ClientName, Connection, Content, ContentPiece, Host, HostName, Inventory, Place, Problem, SecretVersion,
    Step,
};
use sha2::{Digest, Sha256};

use crate::facts::{Facts, Nonce, StreamEnd, read_answer, read_facts, script};
use crate::{Evaluated, FactRequests, HostView, evaluate};

/// The secret of these tests.
pub(crate) const SECRET: &str = "correct horse";

/// A workspace.
pub(crate) struct Team {
    pub root: tempfile::TempDir,
    pub inventory: Inventory,
}

impl Team {
    /// Makes a workspace with one deploy, `deploys/d.star`, of these lines within `def deploy(host)`.
    pub(crate) fn new(body: &str) -> Self {
        let lines: String = body.lines().map(|line| format!("    {line}\n")).collect();
        Self::of_file(&format!("def deploy(host):\n{lines}"))
    }

    /// Makes a workspace whose deploy is this file.
    pub(crate) fn of_file(text: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(root.path().join("deploys")).expect("a directory");
        fs::write(root.path().join(lang::WORKSPACE_FILE), "").expect("a file");
        fs::write(root.path().join("deploys/d.star"), text).expect("a file");
        let client = ClientName::new("acme").expect("a name");
        let host = |name: &str| {
            let name = HostName::new(name).expect("a name");
            Host::new(name, client.clone(), Connection::Local, Place::Nowhere)
        };
        let inventory = Inventory { hosts: vec![host("db-1"), host("web-1")], ..Inventory::default() };
        Self { root, inventory }
    }

    /// Adds a file to the workspace.
    pub(crate) fn with_file(self, path: &str, content: &str) -> Self {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
        self
    }

    /// Loads the workspace; it must be without problems.
    pub(crate) fn load(&self) -> lang::Workspace {
        let (workspace, problems) = lang::load(self.root.path(), &[crate::extension()]);
        assert_eq!(problems, []);
        workspace
    }

    /// Evaluates the deploy for `web-1`.
    pub(crate) fn evaluate(&self, facts: &Facts) -> Result<Evaluated, Vec<Problem>> {
        self.evaluate_in(&self.load(), facts)
    }

    /// Evaluates the deploy of a workspace that is loaded.
    pub(crate) fn evaluate_in(
        &self,
        workspace: &lang::Workspace,
        facts: &Facts,
    ) -> Result<Evaluated, Vec<Problem>> {
        let assets = |path: &str| lang::read_asset(self.root.path(), path);
        let folders = |path: &str| lang::list_assets(self.root.path(), path);
        let secrets = |name: &str| match name {
            "none" => Err("there is no such secret".to_owned()),
            name => Ok(SecretVersion { name: name.to_owned(), version: "1".to_owned() }),
        };
        let secret_digest = |content: &Content| Some(Sha256::digest(revealed(content)).into());
        let host = self.inventory.host("web-1").expect("it is there");
        let view = HostView {
            inventory: &self.inventory,
            host,
            os: None,
            assets: &assets,
            folders: &folders,
            secrets: &secrets,
            secret_digest: &secret_digest,
        };
        evaluate(&workspace.deploys[0], &view, facts)
    }

    /// Evaluates with the facts of the machine that the test runs on, as a shell finds them.
    pub(crate) fn steps(&self, shell: &[&str]) -> Vec<Step> {
        let mut facts = Facts::default();
        let workspace = self.load();
        for _ in 0..crate::FACT_PASSES_MAX {
            match self.evaluate_in(&workspace, &facts) {
                Ok(Evaluated::Complete(steps)) => return steps,
                Ok(Evaluated::Needs(requests)) => facts.merge(ask(shell, &requests)),
                Err(problems) => panic!("{problems:#?}"),
            }
        }
        panic!("the deploy asks for ever");
    }
}

/// Returns the shells that are here.
pub(crate) fn shells() -> Vec<Vec<&'static str>> {
    let all = [vec!["dash"], vec!["busybox", "sh"], vec!["bash", "--posix"]];
    let is_here = |shell: &Vec<&str>| {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).args(["-c", ":"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let here: Vec<Vec<&str>> = all.into_iter().filter(is_here).collect();
    assert!(!here.is_empty(), "no shell is here");
    here
}

/// Asks the machine that the test runs on.
pub(crate) fn ask(shell: &[&str], requests: &FactRequests) -> Facts {
    let nonce = Nonce::from_bytes([7; 16]);
    let text = script(requests, &nonce);
    let (_, stdout, _) = run(shell, &text, &BTreeMap::new());
    let answers = read_answer(requests, &nonce, &stdout, StreamEnd::Complete);
    let host = HostName::new("web-1").expect("a name");
    let (facts, problems) = read_facts(&host, &answers);
    assert_eq!(problems, [], "{}", String::from_utf8_lossy(&stdout));
    facts
}

/// Does a step as a host would, and checks its probe before and after.
pub(crate) fn apply(shell: &[&str], step: &Step) {
    let told = |when: &str| {
        step.probe.as_ref().map(|probe| {
            let (_, stdout, stderr) = function(shell, &probe.script, &BTreeMap::new());
            assert_eq!(stderr, "", "{when}: {}", probe.script);
            stdout.trim_end_matches('\n').to_owned()
        })
    };
    let before = told("before");
    if let (Some(before), Some(planned)) = (&before, step.probe.as_ref().and_then(|it| it.before.as_ref())) {
        assert_eq!(before, planned, "{} {}: stale", step.operation, step.subject);
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut bodies = BTreeMap::new();
    for (number, body) in step.bodies.iter().enumerate() {
        let path = folder.path().join(number.to_string());
        fs::write(&path, revealed(body)).expect("a file");
        bodies.insert(Step::body_variable(number), path.display().to_string());
    }
    let (status, stdout, stderr) = function(shell, &step.action, &bodies);
    assert_eq!(
        status,
        Some(0),
        "{shell:?} {} {}: {stdout} {stderr}\n{}",
        step.operation,
        step.subject,
        step.action
    );
    let after = told("after");
    if let (Some(after), Some(planned)) = (after, step.probe.as_ref().and_then(|it| it.after.as_ref())) {
        assert_eq!(&after, planned, "{shell:?} {} {}", step.operation, step.subject);
    }
}

/// Runs text as the body of a function; standard output and error as text.
pub(crate) fn function(
    shell: &[&str],
    body: &str,
    set: &BTreeMap<String, String>,
) -> (Option<i32>, String, String) {
    let text = format!("step() {{\n{body}\n}}\nstep\n");
    let (status, stdout, stderr) = run(shell, text.as_bytes(), set);
    (status, String::from_utf8_lossy(&stdout).into_owned(), stderr)
}

fn run(shell: &[&str], text: &[u8], set: &BTreeMap<String, String>) -> (Option<i32>, Vec<u8>, String) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("script");
    fs::write(&path, text).expect("a file");
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .arg(&path)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .envs(set)
        .current_dir(Path::new("/"))
        .stdin(Stdio::null())
        .output()
        .expect("the shell starts");
    (output.status.code(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Puts the secret in its places.
pub(crate) fn revealed(content: &Content) -> Vec<u8> {
    let piece = |piece: &ContentPiece| match piece {
        ContentPiece::Plain(bytes) => bytes.clone(),
        ContentPiece::Secret(_) => SECRET.as_bytes().to_vec(),
    };
    content.0.iter().flat_map(piece).collect()
}
