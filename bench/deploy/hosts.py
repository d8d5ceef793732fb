"""Looks at the hosts of a fleet from outside: what a tool left on their disks, what it cost them; and undoes it."""

import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import time

# What a host has for itself: its state in memory, and its processes' scratch space.
MEMORY = ("/proc", "/sys", "/dev", "/run", "/tmp")
SETTLE_SECS_MAX = 40
SETTLE_POLL_SECS = 0.05
TICKS = os.sysconf("SC_CLK_TCK")


class Host:
    """One host of the fleet: its disk as it was, its log, its sshd."""

    def __init__(self, description, number):
        self.name = description["host"][number]["name"]
        self.namespace, self.link = description["namespace"], f"v{number}"
        folder = pathlib.Path(description["identity"]).parent / "hosts" / self.name
        self.upper, self.log = folder / "upper", folder / "log"
        self.sshd = first_process(folder)
        # The host's root as it sees it itself: writing here is like writing there.
        self.root = pathlib.Path(f"/proc/{self.sshd}/root")
        self.original = {path: self.read(path) for path in self.written()}

    def written(self):
        """Returns every path that was written on the host since it was made, those removed among them."""
        found = []
        for folder, folders, files in os.walk(self.upper):
            inside = "/" + os.path.relpath(folder, self.upper).removeprefix(".")
            found += [os.path.join(inside, name) for name in folders + files]
        return [path for path in sorted(found) if not path.startswith(MEMORY)]

    def read(self, path):
        """Returns what is at a path of the host: kind, mode, owner, group, content; `None` = nothing."""
        return read(self.root / path.lstrip("/"))

    def changes(self):
        """Returns what differs from the host as it was made: path -> what is there now."""
        now = {path: self.read(path) for path in self.written()}
        return {path: there for path, there in now.items() if there != self.before(path)}

    def before(self, path):
        # What was not written when the host was made is this machine's own: the overlay's lower layer.
        return self.original[path] if path in self.original else read(pathlib.Path(path))

    def reset(self):
        """Makes the disk what it was; fails where that cannot be done."""
        for folder in ("tmp", "run/ifrit"):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        (self.root / "tmp").mkdir(mode=0o1777, exist_ok=True)
        for path in sorted(self.changes(), reverse=True):
            write(self.root / path.lstrip("/"), self.before(path))
        # A folder that had to be made again may have got its files after itself.
        for path in sorted(self.changes()):
            write(self.root / path.lstrip("/"), self.before(path))
        if self.changes():
            raise SystemExit(f"{self.name}: cannot be reset: {sorted(self.changes())}")

    def settle(self):
        """Waits until no session is left, so that the host's CPU time is complete."""
        children = pathlib.Path(f"/proc/{self.sshd}/task/{self.sshd}/children")
        deadline = time.monotonic() + SETTLE_SECS_MAX
        while children.read_text().strip() and time.monotonic() < deadline:
            time.sleep(SETTLE_POLL_SECS)

    def cpu(self):
        """Returns the CPU seconds of the host: its first process and all that it has reaped, which is all."""
        fields = pathlib.Path(f"/proc/{self.sshd}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(map(int, fields[11:15])) / TICKS

    def counts(self):
        """Returns how many connections and execs its sshd has logged; an sftp subsystem counts as an exec."""
        log = self.log.read_text(errors="replace")
        return log.count("Accepted publickey for "), log.count("Starting session: ")

    def plug(self, state):
        """Pulls the cable (`down`: no RST, no FIN) or plugs it in again (`up`)."""
        subprocess.run(["ip", "-n", self.namespace, "link", "set", self.link, state], check=True)


def first_process(folder):
    """Returns the process id of a host's sshd: the child of the `unshare` that was given the host's folder."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            if words[0] == b"unshare" and str(folder).encode() in words:
                return int(pathlib.Path(f"/proc/{entry}/task/{entry}/children").read_text().split()[0])
        except (OSError, IndexError):
            continue
    raise SystemExit(f"no process of {folder}")


def read(path):
    try:
        seen = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    content = b""
    if stat.S_ISLNK(seen.st_mode):
        content = os.readlink(path).encode()
    elif stat.S_ISREG(seen.st_mode):
        content = path.read_bytes()
    return seen.st_mode, seen.st_uid, seen.st_gid, content


def write(path, wanted):
    if wanted is None or (os.path.lexists(path) and stat.S_IFMT(path.lstat().st_mode) != stat.S_IFMT(wanted[0])):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if wanted is None:
        return
    mode, user, group, content = wanted
    if stat.S_ISDIR(mode):
        path.mkdir(exist_ok=True)
    elif stat.S_ISLNK(mode):
        path.unlink(missing_ok=True)
        path.symlink_to(content.decode())
    elif stat.S_ISREG(mode) and read(path) != wanted:
        path.write_bytes(content)
    os.chown(path, user, group, follow_symlinks=False)
    if not stat.S_ISLNK(mode):
        path.chmod(stat.S_IMODE(mode))


def shown(state):
    """Returns a state of a path in one line."""
    if state is None:
        return "absent"
    mode, user, group, content = state
    return f"{stat.filemode(mode)} {user}:{group} {hashlib.sha256(content).hexdigest()[:12]} ({len(content)} bytes)"
