//! Which process works on a run, so that a dead one's claims need not be waited for on the same machine.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// A process of this or another machine.
///
/// A number alone is given to another process sooner or later: the time at which the process began tells them
/// apart, the boot tells machines and boots apart, the namespace tells apart what runs in containers, where
/// numbers have another meaning, and a process of another user may be hidden (hidepid of proc(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProcessId {
    number: u32,
    /// In the kernel's ticks since the boot.
    begun: u64,
    /// The boot, the process namespace and the user.
    place: String,
}

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Alive,
    Dead,
    /// It is of another machine, container or user, or this system does not say.
    Unknown,
}

impl ProcessId {
    /// Returns this process; `None` where the system does not say what it takes (proc(5) of Linux).
    pub(super) fn own() -> Option<Self> {
        let number = std::process::id();
        Some(Self { number, begun: begun(number)?, place: place()? })
    }

    /// Reads what its `Display` wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        let (number, begun) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(Self { number, begun, place: words.next()?.to_owned() })
    }

    /// Says whether it lives, where that can be told from here.
    pub(super) fn life(&self) -> Life {
        match Self::own() {
            Some(own) if own.place == self.place => match begun(self.number) {
                Some(begun) if begun == self.begun => Life::Alive,
                Some(_) | None => Life::Dead,
            },
            Some(_) | None => Life::Unknown,
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.number, self.begun, self.place)
    }
}

/// Returns when a process began. One that has ended and that its parent has not asked about is none.
fn begun(number: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name, in parentheses, may have any characters in it; the state follows, and 19 words later the time.
    let (_, words) = stat.rsplit_once(')')?;
    let mut words = words.split_ascii_whitespace();
    if matches!(words.next()?, "Z" | "X") {
        return None;
    }
    words.nth(18)?.parse().ok()
}

/// Returns what tells this boot, process namespace and user from others.
fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let user = fs::metadata("/proc/self").ok()?.uid();
    Some(format!("{} {} {user}", boot.trim(), namespace.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_living_the_dead_and_strangers_are_told_apart() {
        // A system that does not say is waited for as before.
        let Some(own) = ProcessId::own() else { return };
        assert_eq!(own.life(), Life::Alive);
        assert_eq!(ProcessId::parse(&own.to_string()), Some(own.clone()));
        assert_eq!(ProcessId { begun: own.begun + 1, ..own.clone() }.life(), Life::Dead);
        assert_eq!(ProcessId { place: "elsewhere".to_owned(), ..own.clone() }.life(), Life::Unknown);
        let mut child = std::process::Command::new("sleep").arg("600").spawn().expect("a process");
        let number = child.id();
        let id = ProcessId { number, begun: begun(number).expect("it lives"), place: own.place };
        assert_eq!(id.life(), Life::Alive);
        child.kill().expect("it was there");
        child.wait().expect("it is gone");
        assert_eq!(id.life(), Life::Dead);
        for bad in ["", "x", "1", "1 2", "1 x place", "-1 2 place"] {
            assert_eq!(ProcessId::parse(bad), None, "{bad:?}");
        }
    }
}
