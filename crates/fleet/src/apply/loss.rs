//! Why a host was lost on its way, in plain words.

use std::time::Duration;

use model::{Code, HostName, HostPlan, Place, Problem, RunId};
use plan::StreamEnd;

use crate::connector::ExecOutput;

/// The characters of what a host said instead of an answer that are quoted.
const SAID_CHARS_MAX: usize = 200;

/// Where a host was when it was lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost<'a> {
    pub run: &'a RunId,
    pub plan: &'a HostPlan,
    /// Whether its script was heard.
    pub has_begun: bool,
    /// The step at work.
    pub open: Option<usize>,
    pub why: Why,
}

/// Why nobody listens any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Its connection ended before its script did.
    Disconnected,
    /// All its time was used up.
    Overdue(Duration),
    /// It answered keepalives and said nothing for longer than its step may take.
    Silent(Duration),
    /// What it told could not be put on record.
    Unrecorded,
}

impl Lost<'_> {
    /// Says it to a person.
    pub(super) fn problem(&self, output: Option<&ExecOutput>) -> Problem {
        let place = Place::Host { host: self.plan.host.clone(), part: String::new() };
        let mut message = self.message(output);
        if let Some(said) = output.and_then(|output| self.said(output)) {
            message.push_str(&format!("; it said `{said}`"));
        }
        let run = self.run;
        let problem = Problem::new(Code::ApplyInDoubt, place, message);
        problem.with_hint(format!("the host's own journal tells what came of it: `ifrit run resume {run}`"))
    }

    fn message(&self, output: Option<&ExecOutput>) -> String {
        let at = self.at();
        match (self.why, output.map(|output| (output.end, output.exit_status))) {
            (Why::Unrecorded, _) => "what it has told could not be recorded".to_owned(),
            (Why::Silent(limit), _) => {
                let limit = seconds(limit);
                format!("it is connected and said nothing for {limit} {at}, longer than that may take")
            }
            (Why::Overdue(limit), _) => format!("its time of {} was over {at}", seconds(limit)),
            (Why::Disconnected, Some((StreamEnd::Complete, Some(status)))) => {
                format!("its script ended early {at}, with exit status {status}")
            }
            (Why::Disconnected, Some((StreamEnd::Complete, None))) => {
                format!("its script was killed {at}")
            }
            (Why::Disconnected, Some((StreamEnd::TooLarge, _))) => {
                format!("it sent more than may be taken {at}, and was cut off")
            }
            (Why::Disconnected, Some((StreamEnd::TimedOut, _))) => format!("its time was over {at}"),
            (Why::Disconnected, Some((StreamEnd::Cut, _)) | None) => format!("connection lost {at}"),
        }
    }

    /// Says where on its way the host was.
    fn at(&self) -> String {
        let steps = self.plan.steps.len();
        match self.open {
            Some(open) => {
                let name = self.plan.steps.get(open).map(|it| format!(" ({} {})", it.operation, it.subject));
                format!("during step {} of {steps}{}", open + 1, name.unwrap_or_default())
            }
            None if self.has_begun => "between two steps".to_owned(),
            None => "before its first step".to_owned(),
        }
    }

    /// Returns what it said to a person. What a script that was heard prints is for ifrit alone.
    fn said(&self, output: &ExecOutput) -> Option<String> {
        let streams: &[&Vec<u8>] =
            if self.has_begun { &[&output.stderr] } else { &[&output.stderr, &output.stdout] };
        let said = streams.iter().find(|text| !text.trim_ascii().is_empty())?;
        Some(shortened(said))
    }
}

/// Returns the problem of a host whose login ran no script: nothing was done there.
pub(super) fn no_shell(host: &HostName, output: &ExecOutput) -> Problem {
    let place = Place::Host { host: host.clone(), part: String::new() };
    let status = output.exit_status.map_or_else(|| "none".to_owned(), |status| status.to_string());
    let said = [&output.stderr, &output.stdout].into_iter().find(|text| !text.trim_ascii().is_empty());
    let said = said.map_or_else(|| "nothing".to_owned(), |text| format!("`{}`", shortened(text)));
    let message = format!("its login ran no script, exit status {status}; it said {said}");
    Problem::new(Code::CollectCut, place, message).with_hint(
        "nothing was done; the login must be allowed to run /bin/sh: check its shell, ForceCommand and key options",
    )
}

fn shortened(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    // One line: whoever prints it makes the rest harmless.
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SAID_CHARS_MAX).collect()
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use model::{Change, ClientName, Condition, Step};

    use super::*;

    fn plan() -> HostPlan {
        let step = Step {
            operation: "files.template".to_owned(),
            subject: "/etc/x".to_owned(),
            place: Place::Nowhere,
            change: Change::Certain,
            diff: Vec::new(),
            probe: None,
            action: String::new(),
            bodies: Vec::new(),
            condition: Condition::Always,
            is_handler: false,
            risks: Vec::new(),
            time_limit: Duration::from_secs(1),
        };
        HostPlan {
            client: ClientName::new("acme").expect("a name"),
            host: HostName::new("web-1").expect("a name"),
            facts_at: Timestamp::UNIX_EPOCH,
            fact_passes: 1,
            steps: vec![step; 10],
        }
    }

    fn check(why: Why, has_begun: bool, open: Option<usize>, output: Option<ExecOutput>, expected: &str) {
        let (plan, run) = (plan(), RunId::from_bytes([1; 16]));
        let problem = Lost { run: &run, plan: &plan, has_begun, open, why }.problem(output.as_ref());
        assert_eq!(problem.message, expected);
        let hint = problem.hint.expect("a hint");
        assert!(hint.ends_with("`ifrit run resume 01010101010101010101010101010101`"), "{hint}");
    }

    #[test]
    fn a_loss_is_told_in_plain_words() {
        let output = |end, exit_status, stdout: &str, stderr: &str| {
            Some(ExecOutput { stdout: stdout.into(), stderr: stderr.into(), exit_status, end })
        };
        let lost = Why::Disconnected;
        let third = "during step 3 of 10 (files.template /etc/x)";
        check(lost, true, Some(2), None, &format!("connection lost {third}"));
        // What it said so far is for ifrit alone.
        let cut = output(StreamEnd::Cut, None, "\n5f3a begin\n\n5f3a start 2\n", "");
        check(lost, true, Some(2), cut, &format!("connection lost {third}"));
        check(lost, true, None, output(StreamEnd::Cut, None, "", ""), "connection lost between two steps");
        check(lost, false, None, None, "connection lost before its first step");
        check(
            lost,
            true,
            Some(2),
            output(StreamEnd::Complete, Some(137), "\n5f3a begin\n", "Killed\n"),
            &format!("its script ended early {third}, with exit status 137; it said `Killed`"),
        );
        check(
            Why::Overdue(Duration::from_secs(3600)),
            true,
            Some(2),
            output(StreamEnd::TimedOut, None, "\n5f3a begin\n", ""),
            &format!("its time of 3600 s was over {third}"),
        );
        check(
            Why::Silent(Duration::from_secs(70)),
            true,
            Some(9),
            None,
            "it is connected and said nothing for 70 s during step 10 of 10 (files.template /etc/x), longer than that may take",
        );
        let host = plan().host;
        let output = output(StreamEnd::Complete, Some(1), "This account is not available.\n", "");
        let problem = no_shell(&host, &output.expect("one"));
        assert_eq!(
            problem.message,
            "its login ran no script, exit status 1; it said `This account is not available.`"
        );
    }
}
