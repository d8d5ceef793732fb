//! `ifrit respond`: an emergency, gate by gate. Every gate can be left; the same command goes on from there.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::Context as _;
use control::apply::{RunAnswer, RunHostState};
use control::deploy::Connections;
use control::incident::IncidentHostState;
use control::report::View;
use control::respond::{self, Picture, Progress, RespondRequest};
use control::settings::Unattended;
use control::{ClientScope, OnFaultyWorkspace, Session};
use model::{ClientName, HostName, IncidentId, IncidentKind, Stage};
use tokio::sync::mpsc::channel;

use super::apply::{is_agreed, running, show};
use super::plan_text::{print_left_out, print_notes, print_plan, print_totals};
use super::run_text::print_summary;
use super::{bell, count, incident_json, open, plan_json, report, respond_text, scope, selector, verify};
use crate::arguments::{GateArguments, GlobalArguments, ReportFormat, RespondArguments, StageArgument};
use crate::environment;
use crate::exit::Exit;
use crate::failure::UsageError;
use crate::interrupt::Interrupts;
use crate::printer::Printer;

/// How many events may wait to be shown; then the run waits.
const UPDATES_MAX: usize = 256;
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

    async fn plan(
        &self,
        id: IncidentId,
        picture: &Picture,
        fixable: usize,
        printer: &mut Printer,
    ) -> anyhow::Result<Result<Option<Progress>, Left>> {
        let hosts = count(fixable, "host");
        if !self.ask(&format!("Plan what closes it on {hosts}? (hosts are asked; their package lists are brought up to date)"), printer) {
            return Ok(Err(Left::Declined));
        }
        let environment = std::sync::Arc::new(environment::secret);
        let planned =
            respond::plan(&self.session, id, &self.request, picture, environment, &self.connections).await?;
        print_left_out(&planned.left_out, printer);
        let Some(saved) = &planned.saved else {
            printer
                .complain("nothing can be done about it now: `ifrit incident show` says why for each host");
            return Ok(Ok(None));
        };
        if self.is_json() {
            plan_json::print(saved, &planned.left_out, printer)?;
        } else {
            print_plan(&saved.plan, printer);
            print_notes(saved, printer);
            print_totals(saved, planned.left_out.len(), printer);
        }
        Ok(Ok(respond::progress(&self.session, id).await?))
    }

    async fn apply(
        &self,
        id: IncidentId,
        progress: Progress,
        printer: &mut Printer,
    ) -> anyhow::Result<Option<Left>> {
        let plan = &progress.saved;
        if !respond::is_approved(&self.session, &plan.id).await? {
            let risks: Vec<&str> = plan.needs_approval.iter().map(|risk| risk.as_str()).collect();
            printer.complain(format_args!(
                "the plan needs the approval of a second person: {}",
                risks.join(", ")
            ));
            printer.say(format_args!("  ifrit approve {}", plan.id));
            return Ok(Some(Left::Approval));
        }
        if self.stops_after(Stage::Approved) {
            respond::approved(&self.session, id).await?;
            return Ok(Some(Left::Asked));
        }
        for (hosts, what, stage) in
            [(&progress.canaries, "canary", Stage::Canaried), (&progress.others, "other", Stage::Applied)]
        {
            if !hosts.is_empty() {
                let named = named(hosts);
                if !self.ask(
                    &format!("Apply it to {} now: {named}?", count(hosts.len(), &format!("{what} host"))),
                    printer,
                ) {
                    return Ok(Some(Left::Declined));
                }
                respond::approved(&self.session, id).await?;
                let answer = self.run(plan.id.as_str(), &progress, hosts, printer).await?;
                respond::take_results(&self.session, id, &answer).await?;
                print_summary(&answer, self.is_json(), printer)?;
                let is_well = answer.hosts.iter().all(|host| host.state == RunHostState::Done);
                // A canary that is not well holds the others; of the others each stands for itself.
                if answer.halted.is_some() || (!is_well && stage == Stage::Canaried) {
                    return Ok(Some(Left::Failed));
                }
            }
            if self.stops_after(stage) {
                return Ok(Some(Left::Asked));
            }
        }
        Ok(None)
    }

    async fn run(
        &self,
        plan: &str,
        progress: &Progress,
        hosts: &BTreeSet<HostName>,
        printer: &mut Printer,
    ) -> anyhow::Result<RunAnswer> {
        let mut running = running(&self.gates.running, &self.interrupts);
        running.only = Some(hosts.clone());
        let (sender, receiver) = channel(UPDATES_MAX);
        let apply = control::apply::apply(&self.session, plan, &running, &self.connections, sender);
        let (answer, shown) =
            tokio::join!(apply, show(&progress.saved.plan, receiver, self.is_json(), printer));
        self.interrupts.end();
        shown?;
        Ok(answer?)
    }

    async fn resume(
        &self,
        id: IncidentId,
        run: &str,
        progress: Option<&Progress>,
        printer: &mut Printer,
    ) -> anyhow::Result<()> {
        let Some(progress) = progress else { return Ok(()) };
        let running = running(&self.gates.running, &self.interrupts);
        let (sender, receiver) = channel(UPDATES_MAX);
        let resume = control::apply::resume(&self.session, run, false, &running, &self.connections, sender);
        let (answer, shown) =
            tokio::join!(resume, show(&progress.saved.plan, receiver, self.is_json(), printer));
        self.interrupts.end();
        shown?;
        let answer = answer?;
        print_summary(&answer, self.is_json(), printer)?;
        respond::take_results(&self.session, id, &answer).await?;
        Ok(())
    }

    /// Looks at the hosts again, which changes nothing there.
    async fn prove(&self, id: IncidentId, printer: &mut Printer) -> anyhow::Result<()> {
        printer.say("looking at the hosts again");
        let proof = respond::prove(&self.session, id, &self.connections).await?;
        for host in &proof.gone {
            printer.complain(format_args!(
                "{host} is not declared any more, or no scan finds it: nobody can look, so it is unknown"
            ));
        }
        let scanned =
            proof.scan.problems.iter().chain(proof.scan.hosts.iter().flat_map(|host| &host.problems));
        scanned.for_each(|problem| printer.problem(problem));
        match self.is_json() {
            true => verify::print_json(&proof.answer, false, printer)?,
            false if proof.answer.hosts.is_empty() => {}
            false => verify::print(&proof.answer, false, printer),
        }
        bell::ring(&self.session, self.is_json(), printer).await
    }

    /// Writes a report for each client; while hosts are open only if a person wants it so.
    async fn report(&self, id: IncidentId, printer: &mut Printer) -> anyhow::Result<()> {
        let view = control::incident::view(&self.session, &ClientScope::All, id).await?;
        let open = view.hosts.iter().filter(|host| !host.state.is_settled()).count();
        if open > 0 {
            let question = format!("{} still open. Write the clients' reports all the same?", are(open));
            if self.is_unattended || !self.ask(&question, printer) {
                printer.say("no report is written while hosts are open; `ifrit report incident` writes one at any time");
                return Ok(());
            }
        }
        let clients: BTreeSet<ClientName> = view.hosts.iter().map(|host| host.client.clone()).collect();
        let folder = self.gates.out.clone().unwrap_or_else(|| {
            let root = &self.session.workspace.root;
            root.join(self.session.workspace.settings.respond_reports())
        });
        for client in clients {
            let path = self.report_of(id, &client, folder.clone()).await?;
            printer.say(format_args!("report for {client}: {}", path.display()));
        }
        control::incident::advance(&self.session, id, Stage::Reported).await?;
        Ok(())
    }

    async fn report_of(
        &self,
        id: IncidentId,
        client: &ClientName,
        folder: PathBuf,
    ) -> anyhow::Result<PathBuf> {
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the directory {}", folder.display()))?;
        let path = folder.join(format!("{id}-{client}.html"));
        let of = View::Client(client.clone());
        report::write_incident_report(&self.session, &ClientScope::All, id, &of, ReportFormat::Html, &path)
            .await?;
        Ok(path)
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

fn are(hosts: usize) -> String {
    let verb = if hosts == 1 { "is" } else { "are" };
    format!("{} {verb}", count(hosts, "host"))
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
