//! `ifrit respond`: an emergency, gate by gate. Every gate can be left; the same command goes on from there.

mod gates;

use std::collections::BTreeSet;
use std::io::IsTerminal as _;

use control::deploy::Connections;
use control::incident::IncidentHostState;
use control::respond::{self, Picture, Progress, RespondRequest};
use control::settings::Unattended;
use control::{ClientScope, OnFaultyWorkspace, Session};
use model::{HostName, IncidentId, IncidentKind, Stage};

use super::apply::is_agreed;
use super::{count, incident_json, open, respond_text, scope, selector};
use crate::arguments::{GateArguments, GlobalArguments, RespondArguments, StageArgument};
use crate::environment;
use crate::exit::Exit;
use crate::failure::UsageError;
use crate::interrupt::Interrupts;
use crate::printer::Printer;

/// Hosts that a question names; the others are counted.
const HOSTS_NAMED_MAX: usize = 6;

pub async fn run(
    global: &GlobalArguments,
    arguments: &RespondArguments,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let (words, hosts) = split(&arguments.words)?;
    let session = open(global, OnFaultyWorkspace::Refuse).await?;
    let request = match words {
        [word] if model::IncidentId::parse(word).is_some() && hosts.is_some() => {
            let why = "an incident has its hosts: leave `on` out";
            return Err(UsageError(why.to_owned()).into());
        }
        [word] if model::IncidentId::parse(word).is_some() && !arguments.client.is_empty() => {
            let why = "an incident has its clients: leave `--client` out";
            return Err(UsageError(why.to_owned()).into());
        }
        [word] if model::IncidentId::parse(word).is_some() => resumed(&session, word, arguments).await?,
        [] => return Err(UsageError("say what it is about before `on`".to_owned()).into()),
        words => RespondRequest {
            incident: None,
            kind: IncidentKind::Emergency,
            words: words.to_vec(),
            scope: scope(&arguments.client),
            selector: hosts.map(selector).transpose()?,
            deploy: arguments.deploy.clone(),
            reboots: arguments.gates.reboot,
        },
    };
    let (exit, _) = go(session, request, &arguments.gates, printer).await?;
    Ok(exit)
}

/// Splits the words at `on`.
pub fn split(words: &[String]) -> anyhow::Result<(&[String], Option<&[String]>)> {
    match words.iter().position(|word| word == "on") {
        None => Ok((words, None)),
        Some(at) if at + 1 < words.len() => Ok((&words[..at], Some(&words[at + 1..]))),
        Some(_) => Err(UsageError("say which hosts after `on`, or leave `on` out".to_owned()).into()),
    }
}

/// Goes on with an incident by what it was opened with.
async fn resumed(
    session: &Session,
    word: &str,
    arguments: &RespondArguments,
) -> anyhow::Result<RespondRequest> {
    let id = control::incident::find(session, word).await?;
    let view = control::incident::view(session, &ClientScope::All, id).await?;
    if view.stage == Stage::Closed {
        return Err(UsageError(format!("{id} is closed; `ifrit incident show {id}` shows it")).into());
    }
    let words = view.selector.as_deref().map(|text| vec![text.to_owned()]);
    Ok(RespondRequest {
        incident: Some(id),
        kind: view.kind,
        words: view.words,
        scope: view.scope,
        selector: words.as_deref().map(selector).transpose()?,
        deploy: arguments.deploy.clone().or(view.deploy),
        reboots: arguments.gates.reboot,
    })
}

/// Goes from gate to gate, and says which incident it was.
pub async fn go(
    session: Session,
    request: RespondRequest,
    gates: &GateArguments,
    printer: &mut Printer,
) -> anyhow::Result<(Exit, Option<IncidentId>)> {
    let interrupts = Interrupts::watch()?;
    let is_unattended = match (gates.yes, session.workspace.settings.respond_unattended(), request.kind) {
        (false, ..) => false,
        (true, Unattended::Always, _) | (true, Unattended::Exercise, IncidentKind::Exercise) => true,
        (true, Unattended::Never | Unattended::Exercise, _) => {
            let why = "--yes is not allowed here: the setting `respond.unattended` of ifrit.toml does not let questions be \
                       answered without a person";
            return Err(UsageError(why.to_owned()).into());
        }
    };
    let connections = Connections::new(&session);
    let mut flow = Flow { session, request, gates, connections, interrupts, is_unattended };
    let ended = flow.go(printer).await;
    let Flow { session, connections, .. } = flow;
    connections.close().await;
    session.close().await;
    ended
}

/// Where an emergency was left.
enum Left {
    /// Somebody said no, or nobody was there to ask.
    Declined,
    /// As the command line asked for.
    Asked,
    /// A second person must sign.
    Approval,
    /// Hosts did not come to their end.
    Failed,
}

struct Flow<'a> {
    session: Session,
    request: RespondRequest,
    gates: &'a GateArguments,
    connections: Connections,
    interrupts: Interrupts,
    is_unattended: bool,
}

impl Flow<'_> {
    async fn go(&mut self, printer: &mut Printer) -> anyhow::Result<(Exit, Option<IncidentId>)> {
        let picture = respond::look(&self.session, &self.request).await?;
        let known = respond::open_already(&self.session, &self.request, &picture).await?;
        if let (Some(known), None) = (known, &self.request.deploy) {
            // What it was opened with is gone on with.
            let view = control::incident::view(&self.session, &ClientScope::All, known).await?;
            self.request.deploy = view.deploy;
        }
        let is_empty = picture.hosts.is_empty() && picture.excepted.is_empty() && known.is_none();
        if self.is_json() {
            respond_text::print_json(&picture, printer)?;
        } else {
            if !is_empty {
                respond_text::print_picture(&picture, printer);
            }
            respond_text::print_unjudged(&picture, &self.request.words, printer);
        }
        if is_empty {
            printer
                .say("no host is known to be vulnerable, as far as they were scanned: no incident is opened");
            printer.say(format_args!(
                "`ifrit who {}` says what is known of every host",
                self.request.words.join(" ")
            ));
            // Of whom nothing can be told, nothing is well.
            let exit = if picture.unjudged.is_empty() { Exit::Nothing } else { Exit::Unknown };
            return Ok((exit, None));
        }
        let id = respond::open(&self.session, &self.request, &picture).await?;
        let word = if known.is_some() { "goes on" } else { "is opened" };
        printer.say(format_args!(
            "{} {word}: `ifrit incident show {id}` shows it",
            shown(id, self.request.kind)
        ));
        let view = control::incident::view(&self.session, &ClientScope::All, id).await?;
        let unseen = view.hosts.iter().filter(|host| host.state == IncidentHostState::Patched).count();
        if unseen > 0 {
            printer.say(format_args!("{} patched since the last scan, and not proven yet", were(unseen)));
        }
        let left = match self.gates(id, &picture, printer).await? {
            None => None,
            Some(left) => {
                self.say_how_to_go_on(id, &left, printer);
                Some(left)
            }
        };
        let environment: control::secrets::Environment = std::sync::Arc::new(environment::secret);
        for problem in control::record::seal_after_run(&self.session, &environment).await {
            printer.problem(&problem);
        }
        let view = control::incident::view(&self.session, &ClientScope::All, id).await?;
        if self.is_json() {
            incident_json::print(&view, printer)?;
        }
        let is_settled = view.hosts.iter().all(|host| host.state.is_settled());
        if left.is_none() && !self.is_json() {
            respond_text::print_end(&view, printer);
        }
        Ok((if left.is_none() && is_settled { Exit::Nothing } else { Exit::Something }, Some(id)))
    }

    /// Goes through the gates; returns why it stopped before the last one.
    async fn gates(
        &self,
        id: IncidentId,
        picture: &Picture,
        printer: &mut Printer,
    ) -> anyhow::Result<Option<Left>> {
        if self.stops_after(Stage::Opened) {
            return Ok(Some(Left::Asked));
        }
        respond::catch_up(&self.session, id).await?;
        let mut progress = respond::progress(&self.session, id).await?;
        if let Some(run) = progress.as_ref().and_then(|it| it.lost.clone()) {
            if !self.ask(&format!("Run {} was lost. Settle and resume it?", &run.as_str()[..12]), printer) {
                return Ok(Some(Left::Declined));
            }
            self.resume(id, run.as_str(), progress.as_ref(), printer).await?;
            progress = respond::progress(&self.session, id).await?;
        }
        if let Some(progress) = progress.as_ref().filter(|it| !it.held_by.is_empty()) {
            printer.complain(format_args!(
                "the plan did not come to its end on its canary {}: the others of it wait for a new plan",
                named(&progress.held_by)
            ));
        }
        let is_over = progress.as_ref().is_none_or(Progress::is_over);
        // What was applied is looked at before anything new is planned.
        let is_unseen = self.has_patched(id).await?;
        let is_fixable = |host: &&respond::Affected| host.host.state == IncidentHostState::Vulnerable;
        let fixable = picture.hosts.iter().filter(is_fixable).count();
        if is_over && fixable > 0 && !is_unseen {
            match self.plan(id, picture, fixable, printer).await? {
                Ok(planned) => progress = planned,
                Err(left) => return Ok(Some(left)),
            }
        }
        if self.stops_after(Stage::Planned) {
            return Ok(Some(Left::Asked));
        }
        if let Some(progress) = progress.filter(|it| !it.is_over())
            && let Some(left) = self.apply(id, progress, printer).await?
        {
            return Ok(Some(left));
        }
        self.prove(id, printer).await?;
        if self.stops_after(Stage::Verified) {
            return Ok(Some(Left::Asked));
        }
        self.report(id, printer).await?;
        Ok(None)
    }

    /// Says whether hosts were patched that nobody has looked at since.
    async fn has_patched(&self, id: IncidentId) -> anyhow::Result<bool> {
        let view = control::incident::view(&self.session, &ClientScope::All, id).await?;
        Ok(view.hosts.iter().any(|host| host.state == IncidentHostState::Patched))
    }

    fn ask(&self, question: &str, printer: &mut Printer) -> bool {
        if self.is_unattended {
            printer.say(format_args!("{question} yes (--yes)"));
            return true;
        }
        if !std::io::stdin().is_terminal() {
            printer.complain(format_args!("{question} Nobody is here to ask."));
            return false;
        }
        is_agreed(question, printer)
    }

    fn stops_after(&self, stage: Stage) -> bool {
        let wanted = self.gates.stop_after.map(|wanted| match wanted {
            StageArgument::Opened => Stage::Opened,
            StageArgument::Planned => Stage::Planned,
            StageArgument::Approved => Stage::Approved,
            StageArgument::Canaried => Stage::Canaried,
            StageArgument::Applied => Stage::Applied,
            StageArgument::Verified => Stage::Verified,
        });
        wanted == Some(stage)
    }

    fn say_how_to_go_on(&self, id: IncidentId, left: &Left, printer: &mut Printer) {
        let verb = match self.request.kind {
            IncidentKind::Emergency => "respond",
            IncidentKind::Exercise => "drill",
        };
        let words = format!("`ifrit {verb} {id}`");
        match left {
            Left::Asked | Left::Declined => printer.say(format_args!("stopped here; {words} goes on")),
            Left::Approval => printer.say(format_args!("then {words} goes on")),
            Left::Failed => printer.complain(format_args!(
                "stopped: hosts did not come to their end, and the others are left as they are; look at them (`ifrit runs`), then {words} goes on"
            )),
        }
    }

    fn is_json(&self) -> bool {
        self.gates.running.json
    }
}

fn shown(id: IncidentId, kind: IncidentKind) -> String {
    match kind {
        IncidentKind::Emergency => format!("incident {id}"),
        IncidentKind::Exercise => format!("exercise {id}"),
    }
}

fn were(hosts: usize) -> String {
    let verb = if hosts == 1 { "was" } else { "were" };
    format!("{} {verb}", count(hosts, "host"))
}

fn named(hosts: &BTreeSet<HostName>) -> String {
    let shown: Vec<&str> = hosts.iter().take(HOSTS_NAMED_MAX).map(HostName::as_str).collect();
    match hosts.len().saturating_sub(HOSTS_NAMED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
