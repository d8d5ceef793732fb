//! `ifrit deploy`: plan, show, ask, apply.

use control::OnFaultyWorkspace;
use control::deploy::Connections;

use super::apply::{apply, is_agreed};
use super::plan::{exit, hosts_of, plan, show};
use super::plan_text::print_next;
use super::{open, plan_json, selector};
use crate::arguments::{DeployArguments, GlobalArguments};
use crate::exit::Exit;
use crate::interrupt::Interrupts;
use crate::printer::Printer;

pub async fn run(
    global: &GlobalArguments,
    arguments: &DeployArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let interrupts = Interrupts::watch()?;
    let selector = selector(hosts_of(&arguments.words)?)?;
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let connections = Connections::new(&session);
    let planned = plan(&session, &arguments.deploy, &selector, &connections, printer).await?;
    let (saved, is_json) = (&planned.saved, arguments.running.json);
    if is_json {
        plan_json::print(saved, &planned.left_out, printer)?;
    } else {
        show(&planned, printer);
    }
    let changing = saved.counts().changing;
    // What needs a second person is not applied by one, and there is nothing to ask about nothing.
    let is_wanted = changing > 0
        && saved.needs_approval.is_empty()
        && (arguments.yes || is_agreed(&format!("Apply it to {changing} host(s)?"), printer));
    if !is_wanted {
        if !is_json {
            print_next(saved, printer);
        }
        connections.close().await;
        session.close().await;
        return Ok(exit(&planned));
    }
    let id = saved.id.as_str();
    let applied =
        apply(&session, id, &saved.plan, &arguments.running, &connections, &interrupts, printer).await?;
    connections.close().await;
    session.close().await;
    // Hosts that could not be planned are not where they should be either.
    let has_left_out = !planned.left_out.is_empty();
    Ok(if has_left_out && applied != Exit::Interrupted { Exit::Unknown } else { applied })
}
