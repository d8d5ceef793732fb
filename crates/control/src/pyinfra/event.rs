//! What report.py tells, one line each. It comes from a program of others: any bytes are read or refused.

use serde::Deserialize;

/// The longest line, in bytes: a deploy of thousands of operations fits.
pub(super) const LINE_BYTES_MAX: usize = 32 << 20;

/// Something that report.py tells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Event {
    /// pyinfra has logged in.
    Connected {
        /// pyinfra's version.
        version: String,
    },
    /// Every operation is known and none has begun.
    Prepared {
        /// The operations in their order.
        operations: Vec<Operation>,
    },
    /// An operation begins.
    Started {
        /// Its place, from 0.
        operation: usize,
    },
    /// An operation has ended.
    Ended(Ending),
}

/// An operation of a deploy on one host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Operation {
    /// The deploy's name for it, else its function.
    pub name: String,
    /// Its arguments, where the deploy has no name for it.
    pub arguments: Vec<String>,
    /// Its function: `files.put`; `None` = it cannot be told.
    pub operation: Option<String>,
    /// The line of the deploy that calls it.
    pub line: Option<usize>,
    /// Whether it would change something now.
    pub changes: bool,
    /// Whether it depends on others (`_if`).
    pub conditional: bool,
    /// Whether pyinfra looks first whether there is something to do.
    pub guarded: bool,
    /// What it would do, as text; hidden values are masked.
    pub commands: Vec<String>,
    /// A keyed digest of all of it.
    pub digest: String,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Ending {
    /// Its place, from 0.
    pub operation: usize,
    /// Whether all of it succeeded.
    pub succeeded: bool,
    /// Whether it has done anything.
    pub changed: bool,
    /// Whether the connection broke in it.
    pub lost: bool,
    /// What the host printed.
    pub stdout: String,
    /// What the host printed to standard error.
    pub stderr: String,
}

/// Reads a line of standard output; `None` = it is not report.py's, or not understood.
pub(super) fn read_line(nonce: &str, line: &[u8]) -> Option<Event> {
    let rest = line.strip_prefix(nonce.as_bytes())?.strip_prefix(b" ")?;
    serde_json::from_slice(rest).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_read_or_refused() {
        let check = |line: &str, expected: Option<Event>| {
            assert_eq!(read_line("n0", line.as_bytes()), expected, "{line}");
        };
        let connected = Event::Connected { version: "3.10.0".to_owned() };
        check(r#"n0 {"event": "connected", "version": "3.10.0"}"#, Some(connected));
        check(r#"n0 {"event": "started", "operation": 2, "more": 1}"#, Some(Event::Started { operation: 2 }));
        for bad in [
            r#"{"event": "connected", "version": "3.10.0"}"#,
            r#"n1 {"event": "connected", "version": "3.10.0"}"#,
            r#"n0 {"event": "connected"}"#,
            r#"n0 {"event": "started", "operation": -1}"#,
            "n0 ",
            "",
        ] {
            check(bad, None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = read_line("n0", &bytes);
            let mut line = b"n0 ".to_vec();
            line.extend(bytes);
            let _ = read_line("n0", &line);
        }
    }
}
