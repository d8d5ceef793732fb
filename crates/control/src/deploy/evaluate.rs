//! Evaluates a deploy for many hosts: each one goes its own way between code and host, so that a slow or
//! dead one holds none of the others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use fleet::{Limits, ProgressState, Target};
use futures::StreamExt as _;
use lang::Deploy;
use model::{Code, Content, Host, HostName, HostPlan, OsRelease, Place, Problem};
use plan::{Evaluated, FACT_PASSES_MAX, FactRequests, Facts, HostView};
use store::ClientScope;
use tokio::sync::mpsc::Sender;

use super::Connections;
use super::assets::Assets;
use crate::Progress;
use crate::error::Error;
use crate::scan::limits;
use crate::secrets::Secrets;
use crate::session::Session;

/// One deploy, evaluated for several hosts.
pub(crate) struct Evaluation<'s> {
    session: &'s Session,
    deploy: &'s Deploy,
    secrets: &'s Secrets,
    connections: &'s Connections,
    limits: Limits,
    systems: HashMap<HostName, OsRelease>,
    assets: Assets,
}

impl<'s> Evaluation<'s> {
    pub(crate) async fn new(
        session: &'s Session,
        deploy: &'s Deploy,
        secrets: &'s Secrets,
        connections: &'s Connections,
    ) -> Result<Self, Error> {
        let records = session.store.hosts(&ClientScope::All).await?;
        let systems = records.into_iter().filter_map(|record| Some((record.name, record.os?))).collect();
        let (limits, assets) = (limits(session), Assets::new(&session.workspace.root));
        Ok(Self { session, deploy, secrets, connections, limits, systems, assets })
    }

    /// Plans every host; the answers are in their order.
    pub(super) async fn plan_hosts(
        &self,
        hosts: &[&Host],
        targets: &[Target],
        progress: Option<Sender<Progress>>,
    ) -> Vec<Result<HostPlan, Vec<Problem>>> {
        let (finished, total) = (AtomicUsize::new(0), hosts.len());
        let (finished, progress) = (&finished, progress.as_ref());
        let mut work = Vec::with_capacity(total);
        for (at, (host, target)) in hosts.iter().zip(targets).enumerate() {
            work.push(async move {
                let planned = self.plan_host(host, target).await;
                let finished = finished.fetch_add(1, Ordering::Relaxed) + 1;
                if let Some(progress) = progress {
                    let problems = planned.as_ref().err().map_or(0, Vec::len);
                    let state = ProgressState::Finished { problems };
                    // Full or gone: planning does not wait for who watches it.
                    progress.try_send(Progress { host: host.name.clone(), state, finished, total }).ok();
                }
                (at, planned)
            });
        }
        let parallel = self.limits.concurrent_hosts_max.max(1);
        let mut planned: Vec<_> = futures::stream::iter(work).buffer_unordered(parallel).collect().await;
        planned.sort_by_key(|(at, _)| *at);
        planned.into_iter().map(|(_, planned)| planned).collect()
    }

    async fn plan_host(&self, host: &Host, target: &Target) -> Result<HostPlan, Vec<Problem>> {
        let (mut facts, mut facts_at) = (Facts::default(), self.session.clock.now());
        let (mut fact_passes, mut troubles) = (0_u32, Vec::new());
        loop {
            let requests = match self.evaluate(host, &facts) {
                Ok(Evaluated::Complete(steps)) => {
                    let (client, host) = (host.client.clone(), host.name.clone());
                    return Ok(HostPlan { client, host, facts_at, fact_passes, steps });
                }
                Ok(Evaluated::Needs(requests)) => requests,
                Err(mut problems) => {
                    problems.append(&mut troubles);
                    return Err(problems);
                }
            };
            if usize::try_from(fact_passes).unwrap_or(usize::MAX) >= FACT_PASSES_MAX {
                return Err(vec![endless(&host.name)]);
            }
            fact_passes += 1;
            facts_at = self.session.clock.now();
            troubles = self.ask(target, requests, &mut facts).await.map_err(|problem| vec![problem])?;
        }
    }

    /// Asks a host all that the deploy wants to know of it; returns the facts with which it is evaluated to
    /// its end, or to its fault.
    pub(crate) async fn gather(&self, host: &Host, target: &Target) -> Result<Facts, Problem> {
        let mut facts = Facts::default();
        for _ in 0..FACT_PASSES_MAX {
            let Ok(Evaluated::Needs(requests)) = self.evaluate(host, &facts) else { return Ok(facts) };
            self.ask(target, requests, &mut facts).await?;
        }
        Ok(facts)
    }

    /// Asks a host and adds its answers; returns what was wrong with them.
    async fn ask(
        &self,
        target: &Target,
        requests: FactRequests,
        facts: &mut Facts,
    ) -> Result<Vec<Problem>, Problem> {
        let asked = [(target.clone(), requests)];
        let answers = fleet::ask(&asked, self.connections.connector(), &self.limits, None).await;
        let answers = answers.into_iter().next().unwrap_or_else(|| Err(endless(&target.host)));
        let (more, problems) = plan::read_facts(&target.host, &answers?);
        facts.merge(more);
        Ok(problems)
    }

    fn evaluate(&self, host: &Host, facts: &Facts) -> Result<Evaluated, Vec<Problem>> {
        self.viewed(host, |view| plan::evaluate(self.deploy, view, facts))
    }

    /// Does something with all that is known of a host before it is asked.
    pub(crate) fn viewed<T>(&self, host: &Host, work: impl FnOnce(&HostView<'_>) -> T) -> T {
        let root = &self.session.workspace.root;
        let view = HostView {
            inventory: &self.session.workspace.inventory,
            host,
            os: self.systems.get(&host.name),
            assets: &|path: &str| self.assets.read(path),
            folders: &|path: &str| lang::list_assets(root, path),
            secrets: &|name: &str| self.secrets.version(name, &host.client),
            secret_digest: &|content: &Content| self.secrets.digest(content),
        };
        work(&view)
    }
}

fn endless(host: &HostName) -> Problem {
    let place = Place::Host { host: host.clone(), part: String::new() };
    let message = format!("the deploy still asks for more facts after {FACT_PASSES_MAX} rounds");
    Problem::new(Code::PlanFactUnknown, place, message)
        .with_hint("let no fact depend on a chain of other facts")
}
