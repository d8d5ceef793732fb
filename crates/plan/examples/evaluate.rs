//! Times the evaluation of a deploy for every host of a workspace: `evaluate WORKSPACE DEPLOY FACTS ROUNDS`.
//!
//! FACTS is a file of the workspace with a list `FACTS` that says what each host is like. It prints one line
//! of JSON: microseconds per host, the median of the rounds and the least. `bench/evaluate/run` calls it; it is an example
//! and no test.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use model::Host;
use plan::testing::{GivenFacts, any_secret, digest_with_names};
use plan::{Evaluated, HostView};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, deploy, facts, rounds] = arguments.as_slice() else {
        return Err("usage: evaluate WORKSPACE DEPLOY FACTS ROUNDS".into());
    };
    let (root, rounds) = (Path::new(root), rounds.parse::<usize>()?.max(1));
    let extensions = [plan::extension(), plan::testing::extension()];
    let began = Instant::now();
    let (workspace, problems) = lang::load(root, &extensions);
    let load = began.elapsed();
    if let Some(problem) = problems.first() {
        return Err(problem.to_string().into());
    }
    let deploy = workspace.deploys.iter().find(|it| it.name == *deploy).ok_or("no such deploy")?;
    let given = GivenFacts::read(root, &extensions, (facts, "FACTS")).map_err(|it| format!("{it:#?}"))?;
    let assets = |path: &str| lang::read_asset(root, path);
    let folders = |path: &str| lang::list_assets(root, path);
    let view = |host| HostView {
        inventory: &workspace.inventory,
        host,
        os: None,
        assets: &assets,
        folders: &folders,
        secrets: &any_secret,
        secret_digest: &digest_with_names,
    };
    let hosts: Vec<&Host> = workspace.inventory.hosts.iter().collect();
    let (mut steps, mut whole, mut last) = (0, Vec::new(), Vec::new());
    for _ in 0..rounds {
        let began = Instant::now();
        let known: Result<Vec<_>, _> = hosts.iter().map(|host| given.gather(deploy, &view(host))).collect();
        whole.push(began.elapsed());
        let known = known.map_err(|problem| format!("{problem:#?}"))?;
        let began = Instant::now();
        for (host, facts) in hosts.iter().zip(&known) {
            match plan::evaluate(deploy, &view(host), facts) {
                Ok(Evaluated::Complete(its)) => steps = its.len(),
                other => return Err(format!("{}: {other:#?}", host.name).into()),
            }
        }
        last.push(began.elapsed());
    }
    whole.sort();
    last.sort();
    // The median and the least.
    let each = |times: &[std::time::Duration]| {
        let at = |at: usize| times.get(at).map_or(0, |time| time.as_micros()) / hosts.len().max(1) as u128;
        format!("[{}, {}]", at(times.len() / 2), at(0))
    };
    write_line(&format!(
        "{{\"hosts\": {}, \"steps\": {steps}, \"load_ms\": {}, \"all_passes_us\": {}, \"last_pass_us\": {}}}",
        hosts.len(),
        load.as_millis(),
        each(&whole),
        each(&last)
    ))
}

fn write_line(line: &str) -> Result<(), Box<dyn Error>> {
    use std::io::Write as _;
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
