//! pyinfra's operations as the steps of a plan.
//!
//! A step keeps in its action what is needed to hold the plan to what pyinfra says later: where the deploy is,
//! a hash of its files, and a keyed digest of what the operation would do. The action itself, should anything
//! ever send it to a host, does nothing but fail.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{Change, Condition, DiffLine, Place, Plan, Risk, Step};
use serde::{Deserialize, Serialize};

use super::event::Operation;

/// What the deploy of such a plan is called: this and the path of its file.
const TITLE: &str = "pyinfra ";
/// What the action of each step begins with.
const MARK: &str = "# ifrit pyinfra 1 ";
/// What follows, for a shell.
const REFUSAL: &str = "\necho 'only pyinfra can take this step' >&2\nexit 1\n";
/// The characters of a subject.
const SUBJECT_CHARS_MAX: usize = 160;
/// The lines that a step shows of what it would do.
const LINES_MAX: usize = 60;
/// The characters of such a line.
const LINE_CHARS_MAX: usize = 400;

/// Where a plan's deploy is, and what it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Frame {
    /// The directory that pyinfra runs in, relative to the workspace.
    pub directory: String,
    /// The deploy's file, relative to the workspace.
    pub deploy: String,
    /// The hash of the directory's files.
    pub tree: String,
    /// The key of the digests, in hexadecimal digits.
    pub salt: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    frame: Frame,
    guarded: bool,
    digest: String,
}

/// What a fresh look at a host says of its plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as it was planned, or a part of it is done already.
    AsPlanned,
    /// Nothing is left to do.
    Done,
    /// It is not.
    Stale {
        /// The first step that is not as planned.
        step: usize,
        /// What pyinfra would do now.
        found: String,
    },
}

/// Says whether a plan is one of a pyinfra deploy.
pub fn is_pyinfra(plan: &Plan) -> bool {
    frame(plan).is_some()
}

/// Returns what a plan of this deploy is called.
pub(super) fn title(frame: &Frame) -> String {
    format!("{TITLE}{}", frame.deploy)
}

/// Returns where the deploy of a plan is; `None` = it is no plan of pyinfra, or has no step.
pub(super) fn frame(plan: &Plan) -> Option<Frame> {
    if !plan.deploy.starts_with(TITLE) {
        return None;
    }
    let kept = plan.hosts.iter().flat_map(|host| &host.steps).next().and_then(kept)?;
    (title(&kept.frame) == plan.deploy).then_some(kept.frame)
}

/// Makes the steps of a host of what pyinfra would do there.
pub(super) fn steps(operations: &[Operation], frame: &Frame, time_limit: Duration) -> Vec<Step> {
    operations.iter().map(|operation| step(operation, frame, time_limit)).collect()
}

/// Holds a plan to what pyinfra would do now. What is done meanwhile is no difference.
pub(super) fn compare(planned: &[Step], now: &[Operation]) -> Verdict {
    for (number, operation) in now.iter().enumerate() {
        let stale =
            |why: String| Verdict::Stale { step: number.min(planned.len().saturating_sub(1)), found: why };
        let Some(step) = planned.get(number) else {
            return stale(format!("one more operation: {}", name(operation)));
        };
        if (&step.operation, &step.subject) != (&function(operation), &subject(operation)) {
            return stale(format!("another operation: {}", name(operation)));
        }
        let is_same = kept(step).is_some_and(|kept| kept.digest == operation.digest);
        if operation.changes && !(step.is_sent() && is_same) {
            let commands = operation.commands.first().map_or("something", String::as_str);
            return stale(shortened(commands, LINE_CHARS_MAX));
        }
    }
    if now.len() < planned.len() {
        return Verdict::Stale { step: now.len(), found: "no such operation any more".to_owned() };
    }
    if now.iter().any(|operation| operation.changes) { Verdict::AsPlanned } else { Verdict::Done }
}

/// Says whether pyinfra looks first whether there is something to do for a step.
pub(super) fn is_guarded(step: &Step) -> bool {
    kept(step).is_some_and(|kept| kept.guarded)
}

fn kept(step: &Step) -> Option<Kept> {
    let text = step.action.strip_prefix(MARK)?.lines().next()?;
    serde_json::from_str(text).ok()
}

fn step(operation: &Operation, frame: &Frame, time_limit: Duration) -> Step {
    let kept = Kept { frame: frame.clone(), guarded: operation.guarded, digest: operation.digest.clone() };
    // A structure of texts and booleans has a JSON form.
    let kept = serde_json::to_string(&kept).unwrap_or_default();
    let change = match (operation.changes, operation.conditional) {
        (false, _) => Change::None,
        (true, false) => Change::Certain,
        (true, true) => Change::Undecided,
    };
    let path = frame.deploy.clone();
    Step {
        operation: function(operation),
        subject: subject(operation),
        place: match operation.line {
            Some(line) => Place::Spot { path, line, column: 1 },
            None => Place::File { path },
        },
        change,
        diff: lines(operation),
        probe: None,
        action: format!("{MARK}{kept}{REFUSAL}"),
        bodies: Vec::new(),
        condition: Condition::Always,
        is_handler: false,
        risks: if change == Change::None { Vec::new() } else { risks(operation) },
        time_limit,
    }
}

fn function(operation: &Operation) -> String {
    operation.operation.clone().unwrap_or_else(|| "pyinfra".to_owned())
}

fn subject(operation: &Operation) -> String {
    let is_named = operation.operation.as_deref() != Some(operation.name.as_str());
    let text = if is_named { operation.name.clone() } else { operation.arguments.join(", ") };
    shortened(&text, SUBJECT_CHARS_MAX)
}

fn name(operation: &Operation) -> String {
    format!("{} {}", function(operation), subject(operation))
}

fn lines(operation: &Operation) -> Vec<DiffLine> {
    let all: Vec<&str> = operation.commands.iter().flat_map(|command| command.lines()).collect();
    let mut lines: Vec<DiffLine> =
        all.iter().take(LINES_MAX).map(|line| DiffLine::Added(shortened(line, LINE_CHARS_MAX))).collect();
    if all.len() > LINES_MAX {
        lines.push(DiffLine::Same(format!("and {} more lines", all.len() - LINES_MAX)));
    }
    lines
}

fn shortened(text: &str, most: usize) -> String {
    let one_line = text.replace(['\n', '\r'], " ");
    if one_line.chars().count() <= most {
        return one_line;
    }
    one_line.chars().take(most - 3).chain("...".chars()).collect()
}

/// What Python does is known to its author alone; what its functions are made for is known too.
fn risks(operation: &Operation) -> Vec<Risk> {
    let function = operation.operation.as_deref().unwrap_or_default();
    let (module, word) = function.split_once('.').unwrap_or((function, ""));
    let mut risks = BTreeSet::from([Risk::Unknown]);
    match (module, word) {
        ("server", "user" | "group" | "user_authorized_keys" | "security_limit")
        | ("iptables" | "selinux" | "ssh", _) => {
            risks.insert(Risk::Access);
        }
        ("server", "reboot") => {
            risks.insert(Risk::Reboot);
        }
        ("systemd" | "openrc" | "runit" | "sysvinit" | "upstart" | "launchd" | "bsdinit" | "service", _)
        | ("server", "service") => {
            risks.insert(Risk::Restart);
        }
        _ => {}
    }
    risks.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame_of(deploy: &str) -> Frame {
        let word = |text: &str| text.to_owned();
        Frame { directory: word(""), deploy: word(deploy), tree: word("aa"), salt: word("bb") }
    }

    fn operation(function: &str, changes: bool, commands: &[&str]) -> Operation {
        let commands: Vec<String> = commands.iter().map(|text| (*text).to_owned()).collect();
        Operation {
            name: format!("do {function}"),
            arguments: Vec::new(),
            operation: Some(function.to_owned()),
            line: Some(3),
            changes,
            conditional: false,
            guarded: function != "server.shell",
            digest: commands.join("|"),
            commands,
        }
    }

    fn planned(operations: &[Operation]) -> Vec<Step> {
        steps(operations, &frame_of("web.py"), Duration::from_secs(1))
    }

    #[test]
    fn a_plan_is_held_to_what_pyinfra_says() {
        let (put, quiet) = (operation("files.put", true, &["a"]), operation("server.user", false, &[]));
        let plan = planned(&[put.clone(), quiet.clone()]);
        let done = operation("files.put", false, &[]);
        let check = |now: &[Operation], expected: Option<usize>| {
            let got = match compare(&plan, now) {
                Verdict::Stale { step, .. } => Some(step),
                Verdict::AsPlanned | Verdict::Done => None,
            };
            assert_eq!(got, expected, "{now:?}");
        };
        check(&[put.clone(), quiet.clone()], None);
        check(&[done.clone(), quiet.clone()], None);
        check(&[operation("files.put", true, &["b"]), quiet.clone()], Some(0));
        check(&[put.clone(), operation("server.user", true, &["c"])], Some(1));
        check(&[put.clone(), operation("server.group", false, &[])], Some(1));
        check(std::slice::from_ref(&put), Some(1));
        check(&[put.clone(), quiet.clone(), put.clone()], Some(1));
        assert_eq!(compare(&plan, &[put, quiet.clone()]), Verdict::AsPlanned);
        assert_eq!(compare(&plan, &[done, quiet]), Verdict::Done);
    }

    #[test]
    fn steps_say_what_is_done_and_how_risky_it_is() {
        let check = |function: &str, expected: &[Risk]| {
            let steps = planned(&[operation(function, true, &["a\nb"])]);
            assert_eq!(steps[0].risks, expected, "{function}");
            assert_eq!(steps[0].diff, ["a", "b"].map(|text| DiffLine::Added(text.to_owned())));
        };
        check("files.put", &[Risk::Unknown]);
        check("server.user", &[Risk::Access, Risk::Unknown]);
        check("server.reboot", &[Risk::Reboot, Risk::Unknown]);
        check("systemd.service", &[Risk::Restart, Risk::Unknown]);
        let quiet = planned(&[operation("server.user", false, &[])]);
        assert_eq!((quiet[0].change, quiet[0].risks.len()), (Change::None, 0));
        let long = "x".repeat(1000);
        let many = vec![long.as_str(); 100];
        let steps = planned(&[operation("server.shell", true, &many)]);
        assert_eq!(steps[0].diff.len(), LINES_MAX + 1);
        assert!(!is_guarded(&steps[0]));
    }

    #[test]
    fn only_a_plan_of_pyinfra_is_one() {
        let host = |steps: Vec<Step>| model::HostPlan {
            client: model::ClientName::new("acme").expect("a name"),
            host: model::HostName::new("web-1").expect("a name"),
            facts_at: jiff::Timestamp::UNIX_EPOCH,
            fact_passes: 1,
            steps,
        };
        let steps = planned(&[operation("files.put", true, &["a"])]);
        let check = |deploy: &str, steps: Vec<Step>, expected: bool| {
            let plan = plan::plan(deploy, vec![host(steps)], plan::Order::Together);
            assert_eq!(is_pyinfra(&plan), expected, "{deploy}");
        };
        check("pyinfra web.py", steps.clone(), true);
        check("pyinfra other.py", steps.clone(), false);
        check("web", steps.clone(), false);
        let mut foreign = steps;
        foreign[0].action = "true".to_owned();
        check("pyinfra web.py", foreign, false);
    }
}
