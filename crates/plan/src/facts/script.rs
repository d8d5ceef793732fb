//! The one script that carries all questions to a host.

use std::fmt::Write;

use super::fact::{ABSENT, Fact, FactRequests};
use super::files::SHOW_FILES;
use crate::sh::GO_HOME;

/// The bytes of output taken from one fact: 8 MiB. (The largest seen, a desktop's dpkg list, has 0.4 MB.)
pub(super) const FACT_OUTPUT_BYTES_MAX: usize = 8 << 20;

/// A word drawn at random for one exec, so that content cannot forge a frame marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Makes a nonce of 128 random bits; the caller draws them.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let mut text = String::with_capacity(32);
        for byte in bytes {
            write!(text, "{byte:02x}").expect("invariant: writing into a String does not fail");
        }
        Self(text)
    }

    /// Returns it as 32 lower-case hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the one script that asks everything, to be sent on the standard input of a POSIX `sh`.
///
/// A shell reads its standard input as it goes, and some run a truncated last line at end of file.
/// So the script is one function definition whose call is the last line, and the call is a quoted
/// word: a stream cut anywhere before its last quote is a syntax error and runs nothing.
///
/// Every answer is framed: a line `begin NONCE FACT`, the output (capped), a line
/// `end NONCE FACT STATUS`; after the last answer a line `done NONCE`. A newline stands before each
/// marker, so that output without a final newline does no harm.
pub fn script(requests: &FactRequests, nonce: &Nonce) -> Vec<u8> {
    let mut text = Vec::with_capacity(32 << 10);
    text.extend_from_slice(b"ifrit_facts() {\n{\n");
    text.extend_from_slice(SHOW_FILES.as_bytes());
    for (index, fact) in requests.facts().iter().enumerate() {
        text.extend(format!("fact_{index}() {{{}", fact.definition().snippet).into_bytes());
        text.extend(requests.calls(*fact, nonce));
        text.extend_from_slice(b"\n}\n");
    }
    let nonce = nonce.as_str();
    let (cap, absent) = (FACT_OUTPUT_BYTES_MAX.to_string(), ABSENT.to_string());
    text.extend(ASK.replace("NONCE", nonce).replace("CAP", &cap).replace("ABSENT", &absent).into_bytes());
    for (index, fact) in requests.facts().iter().enumerate() {
        let (guard, name) = (fact.definition().guard, fact.name());
        if *fact == Fact::Asked {
            text.extend(format!("{GO_HOME}go_home\nask_all fact_{index} {name}\n").into_bytes());
            continue;
        }
        let ask = format!("if {guard}; then ask fact_{index} {name}; else absent {name}; fi\n");
        text.extend(ask.into_bytes());
    }
    text.extend(format!("printf '\\ndone %s\\n' {nonce}\n").into_bytes());
    text.extend_from_slice(b"} </dev/null\n}\n'ifrit_facts'\n");
    text
}

/// Returns what the output of a [`script`] ends with.
pub fn end_of_answers(nonce: &Nonce) -> Vec<u8> {
    format!("\ndone {}\n", nonce.as_str()).into_bytes()
}

/// `head` keeps the output within bounds: an answer that is longer loses its end marker, by which it
/// is known. A writer that head left behind is ended by SIGPIPE. The questions of a deploy bound their own answers, and
/// the stream is bounded where it is read: they need no head.
const ASK: &str = r#"PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
LC_ALL=C
export PATH LC_ALL
umask 077
ask() {
printf '\nbegin %s %s\n' NONCE "$2"
{ "$1"; printf '\nend %s %s %s\n' NONCE "$2" "$?"; } | head -c CAP
}
ask_all() (
printf '\nbegin %s %s\n' NONCE "$2"
"$1"
printf '\nend %s %s %s\n' NONCE "$2" "$?"
)
absent() {
printf '\nbegin %s %s\n\nend %s %s ABSENT\n' NONCE "$1" NONCE "$1"
}
"#;

#[cfg(test)]
pub(super) mod tests;
