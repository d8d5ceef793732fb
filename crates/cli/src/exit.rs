//! Exit statuses: few, the same for every verb, safe to build scripts on.

use std::fmt::Write as _;
use std::process::ExitCode;

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, and nothing to act on.
    Nothing,
    /// Done, and there is something to act on.
    Something,
    /// The command line makes no sense.
    Usage,
    /// Nothing known to act on, but not everything could be judged.
    Unknown,
    /// No answer: workspace, database, feeds or machine failed.
    NoAnswer,
    /// Interrupted by Ctrl-C.
    Interrupted,
}

impl Exit {
    const ALL: [Self; 6] =
        [Self::Nothing, Self::Something, Self::Usage, Self::Unknown, Self::NoAnswer, Self::Interrupted];

    /// Returns the number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Something => 1,
            Self::Usage => 2,
            Self::Unknown => 3,
            Self::NoAnswer => 4,
            Self::Interrupted => 130,
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Nothing => {
                "Done, nothing to act on: nobody is vulnerable (`who`, `findings`, `audit-root`, `audit-packages`), the workspace \
                 is sound (`check`), every host answered completely (`scan`), every feed was taken (`feeds sync`), \
                 every declared service was seen to run (`services`), the database is whole (`db check`), every host is as \
                 it should be (`plan`), every host came to its end (`apply`, `deploy`, `run resume`), every finding \
                 that was asked for is closed (`patch`), every test passed (`test`)."
            }
            Self::Something => {
                "Done, something to act on: somebody is vulnerable, the workspace has errors, a host did not answer \
                 completely, a feed was refused or could not be read in part, a host's key is not trusted, a declared service does not run, the \
                 database is damaged, a plan changes something (`plan`), a step failed or was stale (`apply`, `deploy`, \
                 `run resume`), a plan was shown and not applied (`deploy`, `patch`, `pyinfra`), a finding is still open or waits for a \
                 restart (`patch`), a test failed or could not be loaded (`test`), a file would be formatted otherwise (`fmt --check`), \
                 something on record was changed, dropped, swapped or cut off (`audit verify`), an anchor failed (`audit checkpoint`)."
            }
            Self::Usage => {
                "The command line makes no sense: unknown flag, malformed selector or id, no such host, client or platform."
            }
            Self::Unknown => {
                "Nobody is known to be vulnerable (`who`, `findings`, `audit-root`, `audit-packages`) and no service to be down \
                 (`services`), but some could not be judged, or the inventory has errors and hosts may be missing; hosts \
                 were left out of a plan, or are unreachable, in doubt or not touched (`plan`, `apply`, `deploy`, `run \
                 resume`, `patch`), whatever came of the others; no checkpoint outside of the database was there to compare the record \
                 with (`audit verify`). Never read this as safe."
            }
            Self::NoAnswer => {
                "No answer: no workspace, a workspace with errors where a sound one is needed, settings \
                 that may hide which database is meant, a database, feed \
                 directory or root that cannot be read, versions that have no order (`version-compare`), \
                 an answer that could not be written out whole (a full disk), a plan that is not approved, a record that \
                 could not be written."
            }
            Self::Interrupted => {
                "Interrupted by Ctrl-C. A run (`apply`, `deploy`, `patch`, `run resume`) lets hosts at work come to their end \
                 first; `ifrit run resume` takes the others."
            }
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Returns docs/reference/exit-codes.md.
pub fn render_reference() -> String {
    let mut text = String::from("# Exit statuses\n\n| status | meaning |\n|---|---|\n");
    for exit in Exit::ALL {
        let _ = writeln!(text, "| {} | {} |", exit.code(), exit.meaning());
    }
    text.push_str("\nA status of 101 is a bug in ifrit: please report what standard error says.\n");
    text
}
