//! What may be wrong with a plan as a whole, before it runs.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Change, Code, Connection, HostName, HostPlan, Inventory, Level, Plan, Risk, Service, ServicePackage, Step,
};

/// The names that sshd's service has.
const SSHD: [&str; 4] = ["ssh", "sshd", "ssh.service", "sshd.service"];
/// The hosts from which on "all at once" is worth a warning.
const TOGETHER_MIN: usize = 2;

/// A remark on a plan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Which kind.
    pub code: Code,
    /// How bad.
    pub severity: Level,
    /// The hosts it is about, sorted.
    pub hosts: Vec<HostName>,
    /// What it is, in one sentence.
    pub message: String,
}

/// Looks at a plan; the remarks are sorted, each once.
pub fn lint(plan: &Plan, inventory: &Inventory) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut by_message: BTreeMap<(Code, String), BTreeSet<HostName>> = BTreeMap::new();
    for host in &plan.hosts {
        for (code, message) in of_host(host, inventory) {
            by_message.entry((code, message)).or_default().insert(host.host.clone());
        }
    }
    for ((code, message), hosts) in by_message {
        notes.push(note(code, hosts.into_iter().collect(), message));
    }
    notes.extend(restarted_services(plan, inventory));
    notes.extend(reboots(plan));
    notes.sort();
    notes
}

fn note(code: Code, hosts: Vec<HostName>, message: String) -> Note {
    Note { code, severity: code.level(), hosts, message }
}

fn sent(host: &HostPlan) -> impl Iterator<Item = &Step> {
    host.steps.iter().filter(|step| step.is_sent())
}

fn of_host(host: &HostPlan, inventory: &Inventory) -> Vec<(Code, String)> {
    let login = inventory.host(host.host.as_str()).and_then(|host| match &host.connection {
        Connection::Ssh { user, .. } => user.as_ref().map(|user| user.as_str()),
        Connection::Local => None,
    });
    // Where nothing is declared the login is root or what settings say.
    let login = login.unwrap_or("root");
    let mut found = Vec::new();
    for step in sent(host) {
        let subject = step.subject.as_str();
        let service = subject.split(" (").next().unwrap_or_default();
        let is_service = step.operation.ends_with(".service") || step.operation == "service";
        let stops = added(step).any(|line| ["stopped", "disabled", "stop"].contains(&line));
        if is_service && SSHD.contains(&service) && stops {
            found.push((Code::PlanCutsAccess, format!("it stops or disables {service}")));
        }
        let goes = added(step).any(|line| line == "absent");
        if step.operation == "server.user" && subject == login && goes {
            found.push((
                Code::PlanCutsAccess,
                format!("it removes the account {login}, by which ifrit comes in"),
            ));
        }
        if step.operation == "server.user_authorized_keys" {
            found.extend(keys(step, login));
        }
        let is_keys_file = subject.ends_with("/.ssh/authorized_keys") || subject.ends_with("/.ssh");
        let removes = step.operation == "files.absent" || (step.operation.starts_with("files.") && goes);
        if is_keys_file && removes {
            found.push((Code::PlanLastAdminKey, format!("it removes {subject}")));
        }
        if step.operation == "server.shell"
            && step.probe.is_none()
            && step.condition == model::Condition::Always
        {
            found.push((Code::PlanUnguarded, format!("{} runs `{subject}` every time", step.place)));
        }
    }
    found
}

fn keys(step: &Step, login: &str) -> Option<(Code, String)> {
    let removed = step.diff.iter().filter(|line| matches!(line, model::DiffLine::Removed(_))).count();
    let kept =
        step.diff.iter().any(|line| matches!(line, model::DiffLine::Same(text) if text.contains("AAAA")));
    let user = &step.subject;
    if removed == 0 || kept {
        return None;
    }
    let message = format!("it replaces every key of {user} that its diff shows");
    let code = if user == login { Code::PlanCutsAccess } else { Code::PlanLastAdminKey };
    Some((code, message))
}

fn added(step: &Step) -> impl Iterator<Item = &str> {
    step.diff.iter().filter_map(|line| match line {
        model::DiffLine::Added(text) => Some(text.as_str()),
        _ => None,
    })
}

/// Restarts of a critical service on all of its hosts in one wave.
fn restarted_services(plan: &Plan, inventory: &Inventory) -> Vec<Note> {
    let mut notes = Vec::new();
    for service in inventory.services.iter().filter(|service| service.is_critical) {
        let words = words_of(service);
        let restarts = |host: &&HostPlan| sent(host).any(|step| restarts(step, &words));
        let hit: BTreeSet<&HostName> = plan.hosts.iter().filter(restarts).map(|host| &host.host).collect();
        let all = service.hosts.iter().all(|host| hit.contains(host));
        let wave = plan.waves.iter().find(|wave| service.hosts.iter().all(|host| wave.contains(host)));
        if all && wave.is_some() && !service.hosts.is_empty() {
            let message = format!("it restarts or stops {} on all of its hosts in one wave", service.name);
            notes.push(note(Code::PlanRestartTogether, service.hosts.clone(), message));
        }
    }
    notes
}

fn words_of(service: &Service) -> Vec<&str> {
    let package = match &service.package {
        Some(ServicePackage::Package(name)) => Some(name.as_str()),
        _ => None,
    };
    std::iter::once(service.name.as_str()).chain(package).collect()
}

fn restarts(step: &Step, words: &[&str]) -> bool {
    let is_named = words.iter().any(|word| step.subject.split([' ', ',', '.']).any(|part| part == *word));
    step.risks.contains(&Risk::Reboot)
        || (step.risks.contains(&Risk::Restart) && is_named && step.change != Change::None)
}

/// Restarts of all hosts at once.
fn reboots(plan: &Plan) -> Option<Note> {
    let reboots = |host: &&HostPlan| sent(host).any(|step| step.risks.contains(&Risk::Reboot));
    let hosts: Vec<HostName> = plan.hosts.iter().filter(reboots).map(|host| host.host.clone()).collect();
    let is_together = plan.waves.len() == 1 && hosts.len() == plan.hosts.len() && hosts.len() >= TOGETHER_MIN;
    let message = "it restarts all its hosts in one wave: give it an order".to_owned();
    is_together.then(|| note(Code::PlanRebootTogether, hosts, message))
}

#[cfg(test)]
mod tests;
