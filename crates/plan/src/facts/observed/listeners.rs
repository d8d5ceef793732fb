//! Listening sockets, with their program and the package that owns its file.
//!
//! Linux: proc_net(5) joined with the sockets that each process has open, so that neither ss nor
//! netstat is needed. FreeBSD: sockstat(1). A program's name is its own word (prctl(2)); the package
//! is told by the path of the file it runs.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::{BTreeMap, BTreeSet};

use model::{Listener, PackageName, Transport};

use crate::facts::fact::Definition;
use crate::facts::faults::{Faults, quote};
use crate::facts::package::lines;

/// The sockets taken of one host.
const LISTENERS_MAX: usize = 50_000;

/// Sections: `net` (sockets, then `O INODE PID`), `names` (`PID NAME`), `binaries` (ls or procstat),
/// `owners` (dpkg's lists as grep prints them, `PACKAGE<tab>PATH` of apk, the words of `pkg which`).
///
/// Only sockets that listen and processes that own one leave the host: a busy one has 100,000
/// connections. dpkg's lists are searched by grep, which takes a tenth of `dpkg-query -S`. On a host
/// with merged /usr a package's list may still say /bin, so both spellings are looked for.
pub(in crate::facts) const DEFINITION: Definition = Definition {
    name: "listeners",
    guard: "[ -r /proc/net/tcp ] || [ -x /usr/bin/sockstat ]",
    snippet: r#"
if [ ! -r /proc/net/tcp ]; then
  found=$(sockstat -46lq) || return
  printf '= sockstat\n%s\n' "$found"
  pids=$(printf '%s\n' "$found" | awk '$(NF-4) ~ /^[0-9]+$/ && !seen[$(NF-4)]++ { print $(NF-4) }')
  [ -n "$pids" ] || return 0
  binaries=$(procstat -b $pids 2>/dev/null | awk '$NF ~ /^\// { print $1, $NF }')
  printf '= binaries\n%s\n' "$binaries"
  [ -x /usr/local/sbin/pkg ] && [ -f /var/db/pkg/local.sqlite ] || return 0
  echo '= owners'
  printf '%s\n' "$binaries" | awk '!seen[$2]++ { print $2 }' | while read -r path; do
    printf '%s|' "$path"
    /usr/local/sbin/pkg which -q "$path" || echo
  done
  return 0
fi
set --
for file in /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6; do
  [ ! -r "$file" ] || set -- "$@" "$file"
done
found=$(ls -ln /proc/[0-9]*/fd 2>/dev/null | awk '
FILENAME ~ /^\/proc\/net\// {
  if ($4 == "0A" || ($4 == "07" && FILENAME ~ /udp/)) { print "S", FILENAME, $2, $10; wanted[$10] = 1 }
  next
}
/^\/proc\/[0-9]+\/fd:$/ { split($0, part, "/"); pid = part[3]; next }
/ -> socket:\[[0-9]+\]$/ {
  inode = $NF
  gsub(/[^0-9]/, "", inode)
  if (inode in wanted) {
    print "O", inode, pid
    if (!(pid in known)) { known[pid] = 1; pids = pids " " pid }
  }
}
END { printf "P%s", pids }' "$@" -)
printf '= net\n%s\n= names\n' "$found"
set --
for pid in ${found##*P}; do
  read -r name 2>/dev/null <"/proc/$pid/comm" || continue
  printf '%s %s\n' "$pid" "$name"
  set -- "$@" "/proc/$pid/exe"
done
[ $# -gt 0 ] || return 0
binaries=$(ls -ln "$@" 2>/dev/null)
printf '= binaries\n%s\n= owners\n' "$binaries"
IFS='
'
set -f
set --
for line in $binaries; do
  path=${line#*/exe -> }
  path=${path%" (deleted)"}
  case $path in
    /usr/?*) set -- "$@" "$path" "${path#/usr}" ;;
    /?*) set -- "$@" "$path" "/usr$path" ;;
  esac
done
set +f
[ $# -gt 0 ] || return 0
if [ -d /var/lib/dpkg/info ]; then
  printf '%s\n' "$@" | grep -HxF -f - /var/lib/dpkg/info/*.list
else
  for file in /lib/apk/db/installed /usr/lib/apk/db/installed; do
    [ ! -r "$file" ] || printf '%s\n' "$@" | awk '
NR == FNR { wanted[$0] = 1; next }
/^P:/ { package = substr($0, 3) }
/^F:/ { folder = "/" substr($0, 3) }
/^R:/ { path = folder "/" substr($0, 3); if (path in wanted) print package "\t" path }' - "$file"
  done
fi
return 0"#,
    read: |seen, output, faults| seen.observed.listeners = Some(parse(output, faults)),
};

/// A socket before it is joined.
struct Socket {
    transport: Transport,
    address: IpAddr,
    port: u16,
    /// The socket's inode, by which Linux joins it with its owners.
    inode: Option<u64>,
    pid: Option<u32>,
}

/// What the sections say.
#[derive(Default)]
struct Sections {
    sockets: Vec<Socket>,
    /// The lowest process id of each socket: a server's children share it.
    owners: BTreeMap<u64, u32>,
    names: BTreeMap<u32, String>,
    binaries: BTreeMap<u32, String>,
    packages: BTreeMap<String, String>,
}

fn parse(output: &[u8], faults: &mut Faults) -> Vec<Listener> {
    let mut sections = Sections::default();
    let mut section = String::new();
    for line in lines(output, faults).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix("= ") {
            name.clone_into(&mut section);
            continue;
        }
        let is_read = match section.as_str() {
            "net" => sections.read_net(&line),
            "sockstat" => sections.read_sockstat(&line),
            "names" => sections.read_name(&line),
            "binaries" => sections.read_binary(&line),
            "owners" => sections.read_owner(&line),
            _ => None,
        };
        if is_read.is_none() {
            faults.ignored(format!("no listener of {section} is in {}", quote(&line)));
        }
    }
    let found: BTreeSet<Listener> = sections.sockets.iter().map(|socket| sections.join(socket)).collect();
    let mut found: Vec<_> = found.into_iter().collect();
    // The key is the first three: of several programs on one port (SO_REUSEPORT) one is named.
    found.dedup_by(|later, kept| {
        let is_same =
            (later.transport, later.address, later.port) == (kept.transport, kept.address, kept.port);
        if is_same && kept.process.is_none() {
            std::mem::swap(later, kept);
        }
        is_same
    });
    found
}

impl Sections {
    fn join(&self, socket: &Socket) -> Listener {
        let owner = || self.owners.get(&socket.inode?).copied();
        let pid = socket.pid.or_else(owner);
        let binary = pid.and_then(|pid| self.binaries.get(&pid));
        let package = binary.and_then(|path| self.package(path));
        Listener {
            transport: socket.transport,
            address: socket.address,
            port: socket.port,
            process: pid.and_then(|pid| self.names.get(&pid)).cloned(),
            package: package.map(|name| PackageName::new(name.as_str())),
        }
    }

    /// Looks for a path in both spellings of a merged /usr.
    fn package(&self, path: &str) -> Option<&String> {
        let other = match path.strip_prefix("/usr") {
            Some(rest) => rest.to_owned(),
            None => format!("/usr{path}"),
        };
        self.packages.get(path).or_else(|| self.packages.get(&other))
    }

    fn add(&mut self, socket: Socket) {
        if self.sockets.len() < LISTENERS_MAX {
            self.sockets.push(socket);
        }
    }

    /// Reads `S /proc/net/tcp6 ADDRESS:PORT INODE`, `O INODE PID` and passes over `P PIDS`.
    fn read_net(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["S", file, local, inode] => {
                let transport = if file.contains("udp") { Transport::Udp } else { Transport::Tcp };
                let (address, port) = local.split_once(':')?;
                let address = hex_address(address)?;
                let port = u16::from_str_radix(port, 16).ok()?;
                let inode = inode.parse().ok()?;
                self.add(Socket { transport, address, port, inode: Some(inode), pid: None });
            }
            ["O", inode, pid] => {
                let pid = pid.parse().ok()?;
                let lowest = self.owners.entry(inode.parse().ok()?).or_insert(pid);
                *lowest = pid.min(*lowest);
            }
            [first, ..] if first.starts_with('P') => {}
            _ => return None,
        }
        Some(())
    }

    /// Reads `USER COMMAND PID FD PROTO LOCAL FOREIGN`; only the command may have blanks.
    fn read_sockstat(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, command @ .., pid, _, protocol, local, _] = words.as_slice() else { return None };
        let transport = match *protocol {
            word if word.starts_with("tcp") => Transport::Tcp,
            word if word.starts_with("udp") => Transport::Udp,
            // SCTP, divert: no listener in the sense of this page.
            _ => return Some(()),
        };
        let (address, port) = local.rsplit_once(':')?;
        // A UDP socket that is not bound yet.
        if port == "*" {
            return Some(());
        }
        let address = match address {
            "*" if protocol.ends_with("4") && !protocol.ends_with("64") => Ipv4Addr::UNSPECIFIED.into(),
            "*" => Ipv6Addr::UNSPECIFIED.into(),
            address => {
                let address = address.trim_matches(['[', ']']);
                address.split('%').next().unwrap_or_default().parse().ok()?
            }
        };
        // The kernel's own sockets show `?` for the process.
        let pid = pid.parse().ok();
        self.names.extend(pid.map(|pid| (pid, command.join(" "))));
        self.add(Socket { transport, address, port: port.parse().ok()?, inode: None, pid });
        Some(())
    }

    fn read_name(&mut self, line: &str) -> Option<()> {
        let (pid, name) = line.split_once(' ')?;
        self.names.insert(pid.parse().ok()?, name.to_owned());
        Some(())
    }

    /// Reads `... /proc/PID/exe -> PATH` of ls and `PID PATH`.
    fn read_binary(&mut self, line: &str) -> Option<()> {
        let (pid, path) = match line.split_once("/exe -> ") {
            Some((head, path)) => (head.rsplit('/').next()?, path),
            None => line.split_once(' ')?,
        };
        // A program that was replaced while it ran is still the package's.
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        self.binaries.insert(pid.parse().ok()?, path.to_owned());
        Some(())
    }

    /// Reads `/var/lib/dpkg/info/NAME[:ARCHITECTURE].list:PATH`, `NAME<tab>PATH` of apk and
    /// `PATH|NAME-VERSION` of pkg.
    fn read_owner(&mut self, line: &str) -> Option<()> {
        let (name, path) = if let Some(rest) = line.strip_prefix("/var/lib/dpkg/info/") {
            let (list, path) = rest.split_once(".list:")?;
            (list.split(':').next()?, path)
        } else if let Some((path, package)) = line.split_once('|') {
            // A FreeBSD version never holds a hyphen.
            (package.rsplit_once('-').map_or("", |(name, _)| name), path)
        } else {
            line.split_once('\t')?
        };
        if !name.is_empty() {
            self.packages.entry(path.to_owned()).or_insert_with(|| name.to_owned());
        }
        Some(())
    }
}

/// Reads an address of /proc/net: words of 32 bits, each in the host's byte order. Every platform
/// that ifrit knows runs little-endian, except Alpine's and Debian's s390x.
fn hex_address(text: &str) -> Option<IpAddr> {
    let word = |index: usize| {
        let digits = text.get(index * 8..index * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::swap_bytes)
    };
    match text.len() {
        8 => Some(Ipv4Addr::from_bits(word(0)?).into()),
        32 => {
            let bits =
                (0..4).try_fold(0_u128, |bits, index| Some((bits << 32) | u128::from(word(index)?)))?;
            Some(Ipv6Addr::from_bits(bits).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
