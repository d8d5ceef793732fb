//! Becoming root without a prompt.

use model::UserName;

use crate::connector::{ConnectError, ExecOutput};
use crate::target::Escalation;

/// The characters of what sudo or doas said that are quoted.
const SAID_CHARS_MAX: usize = 200;
/// What sudo and doas say where they do not let somebody become root without asking, and what shells
/// say where there is no such program.
const REFUSALS: [&str; 11] = [
    "sudo: a password is required",
    "sudo: a terminal is required",
    "sudo: sorry, you must have a tty",
    "is not in the sudoers file",
    "is not allowed to execute",
    "may not run sudo",
    "doas: Authentication required",
    "doas: Authorization required",
    "doas: Operation not permitted",
    "doas: doas is not enabled",
    "not found",
];

/// Returns what a login needs to become root: nothing where it is root.
pub(crate) fn needed(escalation: Escalation, user: &UserName) -> Escalation {
    if user.as_str() == "root" { Escalation::None } else { escalation }
}

/// Returns what stands before a command to run it as root; it reads the same in any shell.
pub(crate) fn prefix(escalation: Escalation) -> &'static str {
    match escalation {
        Escalation::None => "",
        Escalation::Sudo => "sudo -n -- ",
        Escalation::Doas => "doas -n ",
    }
}

/// Makes an error of an exec that ended before its script began because the login did not become root.
pub(crate) fn check(
    escalation: Escalation,
    user: &UserName,
    output: ExecOutput,
) -> Result<ExecOutput, ConnectError> {
    let Some(program) = escalation.program() else { return Ok(output) };
    // A script that ran has said something on standard output.
    if !output.stdout.is_empty() || output.exit_status.is_none_or(|status| status == 0) {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if !said.contains(program) || !REFUSALS.iter().any(|refusal| said.contains(refusal)) {
        return Ok(output);
    }
    let said = said.trim().chars().take(SAID_CHARS_MAX).collect();
    Err(ConnectError::NotEscalated { program, user: user.clone(), said })
}

#[cfg(test)]
mod tests {
    use plan::StreamEnd;

    use super::*;

    fn is_refused(escalation: Escalation, stdout: &str, stderr: &str, exit_status: Option<u32>) -> bool {
        let output = ExecOutput {
            stdout: stdout.into(),
            stderr: stderr.into(),
            exit_status,
            end: StreamEnd::Complete,
        };
        check(escalation, &UserName::new("me"), output).is_err()
    }

    #[test]
    fn refusals_are_told_from_other_failures() {
        let cases = [
            (Escalation::Sudo, "", "sudo: a password is required\n", Some(1), true),
            (Escalation::Sudo, "", "me is not in the sudoers file.\nsudo: x", Some(1), true),
            (Escalation::Sudo, "", "sh: 1: sudo: not found\n", Some(127), true),
            (Escalation::Doas, "", "doas: Authentication required\n", Some(1), true),
            (Escalation::Sudo, "answer", "sudo: a password is required\n", Some(1), false),
            (Escalation::Sudo, "", "sudo: a password is required\n", Some(0), false),
            (Escalation::Sudo, "", "sudo: a password is required\n", None, false),
            (Escalation::Sudo, "", "sh: something else\n", Some(1), false),
            (Escalation::None, "", "sudo: a password is required\n", Some(1), false),
        ];
        for (escalation, stdout, stderr, status, expected) in cases {
            assert_eq!(is_refused(escalation, stdout, stderr, status), expected, "{stderr:?} {stdout:?}");
        }
    }

    #[test]
    fn root_needs_nothing() {
        assert_eq!(needed(Escalation::Sudo, &UserName::new("root")), Escalation::None);
        assert_eq!(needed(Escalation::Sudo, &UserName::new("me")), Escalation::Sudo);
    }
}
