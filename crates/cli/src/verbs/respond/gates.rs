//! What is done behind each gate.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use control::ClientScope;
use control::apply::{RunAnswer, RunHostState};
use control::report::View;
use control::respond::{self, Picture, Progress};
use model::{ClientName, HostName, IncidentId, Stage};
use tokio::sync::mpsc::channel;

use super::super::apply::{running, show};
use super::super::plan_text::{print_left_out, print_notes, print_plan, print_totals};
use super::super::run_text::print_summary;
use super::super::{bell, count, plan_json, report, verify};
use super::{Flow, Left, named};
use crate::arguments::ReportFormat;
use crate::environment;
use crate::printer::Printer;

/// How many events may wait to be shown; then the run waits.
const UPDATES_MAX: usize = 256;

impl Flow<'_> {
    pub(super) async fn plan(
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

    pub(super) async fn apply(
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

    pub(super) async fn resume(
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
    pub(super) async fn prove(&self, id: IncidentId, printer: &mut Printer) -> anyhow::Result<()> {
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
    pub(super) async fn report(&self, id: IncidentId, printer: &mut Printer) -> anyhow::Result<()> {
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
}

fn are(hosts: usize) -> String {
    let verb = if hosts == 1 { "is" } else { "are" };
    format!("{} {verb}", count(hosts, "host"))
}
