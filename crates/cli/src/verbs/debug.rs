//! `ifrit debug`.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use control::SystemClock;
use control::debug::{DebugRequest, Explained, Opening, TracedLine};
use model::{HostPlan, Place};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::plan_text::{heading, step_lines};
use super::surroundings;
use crate::arguments::{DebugArguments, GlobalArguments};
use crate::environment;
use crate::exit::Exit;
use crate::failure::UsageError;
use crate::printer::{Printer, clean};

pub async fn run(
    global: &GlobalArguments,
    arguments: &DebugArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let request = request(arguments)?;
    if let (true, Some(request)) = (arguments.explain, &request) {
        let explained = control::debug::explain(opening(global), request).await?;
        return Ok(print(&explained, request, printer));
    }
    if std::io::stdin().is_terminal() {
        let why = "an editor starts this and speaks with it over standard input; on a terminal use `ifrit debug \
                   DEPLOY on HOST --explain`";
        return Err(UsageError(why.to_owned()).into());
    }
    serve(opening(global), request).await?;
    Ok(Exit::Nothing)
}

/// Serves the editor on a thread of its own, so that Ctrl-C ends the command whatever is being read.
async fn serve(opening: Opening, request: Option<DebugRequest>) -> anyhow::Result<()> {
    let (sender, ended) = oneshot::channel();
    let handle = Handle::current();
    std::thread::Builder::new().name("debugger".to_owned()).spawn(move || {
        let streams = (std::io::stdin(), std::io::stdout());
        let result = control::debug::serve(streams, opening, request, handle, shown);
        // Nobody waits any more after Ctrl-C.
        let _ = sender.send(result);
    })?;
    Ok(ended.await??)
}

fn opening(global: &GlobalArguments) -> Opening {
    Opening {
        start: global.workspace.clone().unwrap_or_else(|| PathBuf::from(".")),
        surroundings: surroundings(global),
        clock: Box::new(SystemClock),
        environment: Arc::new(environment::secret),
    }
}

fn request(arguments: &DebugArguments) -> anyhow::Result<Option<DebugRequest>> {
    let Some(deploy) = arguments.deploy.clone() else { return Ok(None) };
    let host = match arguments.words.split_first() {
        Some((on, rest)) if on == "on" && !rest.is_empty() => rest.join(" "),
        _ => return Err(UsageError("say which host: `on HOST`, for example `on web-1`".to_owned()).into()),
    };
    Ok(Some(DebugRequest { deploy, host, facts: arguments.facts.clone() }))
}

/// The lines that an editor shows of a plan.
fn shown(plan: &HostPlan) -> Vec<String> {
    let mut lines = vec![format!("{}: the plan, of which nothing is applied", plan.host)];
    lines.extend(step_lines(plan));
    lines.into_iter().map(|line| clean(&line)).collect()
}

fn print(explained: &Explained, request: &DebugRequest, printer: &mut Printer) -> Exit {
    let steps = steps_by_line(explained);
    for (path, text) in &explained.files {
        printer.data(format_args!("{path} on {}", request.host));
        let lines = |(at, _): &(&(String, usize), &TracedLine)| at.0 == *path;
        let numbers: Vec<usize> = explained.lines.iter().filter(lines).map(|(at, _)| at.1).collect();
        let (first, last) = (numbers.first().copied().unwrap_or(1), numbers.last().copied().unwrap_or(0));
        for (number, line) in (1..).zip(text.lines()).skip_while(|(at, _)| *at < first) {
            if number > last {
                break;
            }
            let at = (path.clone(), number);
            print_line(number, line, explained.lines.get(&at), printer);
            for step in steps.get(&at).into_iter().flatten() {
                printer.data(format_args!("           | {step}"));
            }
        }
        printer.data("");
    }
    match &explained.plan {
        Ok(plan) => {
            step_lines(plan).iter().for_each(|line| printer.data(line));
            printer.say("nothing was changed and no plan was saved");
            Exit::Nothing
        }
        Err(problems) => {
            problems.iter().for_each(|problem| printer.problem(problem));
            Exit::NoAnswer
        }
    }
}

/// Prints how often a line ran, the line, and what it set.
fn print_line(number: usize, line: &str, traced: Option<&TracedLine>, printer: &mut Printer) {
    let count = traced.map_or_else(String::new, |traced| format!("{}x", traced.count));
    printer.data(format_args!("{count:>5} {number:>4} {line}"));
    for (name, value) in traced.iter().flat_map(|traced| &traced.set) {
        printer.data(format_args!("           | {name} = {value}"));
    }
}

/// Returns the steps that came of each line, in words.
fn steps_by_line(explained: &Explained) -> BTreeMap<(String, usize), Vec<String>> {
    let mut steps: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (at, step) in explained.plan.iter().flat_map(|plan| &plan.steps).enumerate() {
        if let Place::Spot { path, line, .. } = &step.place {
            let change = if step.is_sent() { "" } else { ": as it should be" };
            let text = format!("step {}: {}{change}", at + 1, heading(step));
            steps.entry((path.clone(), *line)).or_default().push(text);
        }
    }
    steps
}
