//! What connecting to many hosts costs at least: `bare IDENTITY_FILE PROGRAM <HOSTS`, with a line
//! `NAME ADDRESS HOST_KEY` for each host.
//!
//! It logs in to all of them at the same time, as root, runs the program (one word), and does so once more on the
//! same connections. It prints the seconds of both. `bench/deploy/run` calls it; it is an example and no test.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use fleet::{Access, Connector, Identities, Limits, SshConnector, Target, TargetConnection};
use model::{Address, HostKey, HostName, UserName};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(identity), Some(program)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bare IDENTITY_FILE PROGRAM <HOSTS".into());
    };
    let targets: Vec<Target> =
        std::io::stdin().lines().map(|line| target(&line?)).collect::<Result<_, _>>()?;
    let identities = Identities { agent_socket: None, key_files: vec![identity.into()] };
    let connector = Arc::new(SshConnector::new(identities).keeping_connections());
    let cold = run(&connector, &targets, &program).await?;
    let warm = run(&connector, &targets, &program).await?;
    connector.close().await;
    show(cold, warm);
    Ok(())
}

/// Returns how many seconds it took until all had answered.
async fn run(
    connector: &Arc<SshConnector>,
    targets: &[Target],
    program: &str,
) -> Result<f64, Box<dyn Error>> {
    let begun = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for target in targets {
        let (connector, target, script) = (Arc::clone(connector), target.clone(), format!("{program}\n"));
        running.spawn(async move { connector.exec(&target, script.as_bytes(), &Limits::default()).await });
    }
    while let Some(output) = running.join_next().await {
        if output??.exit_status != Some(0) {
            return Err(format!("{program} did not end well").into());
        }
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn target(line: &str) -> Result<Target, Box<dyn Error>> {
    let [name, address, key] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
        return Err(format!("expected NAME ADDRESS HOST_KEY, got `{line}`").into());
    };
    let connection = TargetConnection::Ssh {
        address: Address::new(address),
        port: 22,
        user: UserName::new("root"),
        pinned: vec![HostKey::new(key)],
    };
    Ok(Target { host: HostName::new(name)?, connection, access: Access::default() })
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn show(cold: f64, warm: f64) {
    println!("{cold:.3} {warm:.3}");
}
