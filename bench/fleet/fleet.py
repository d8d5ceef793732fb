"""What every benchmark on a fleet needs: the fleet's description, a measured run, a delayed network."""

import contextlib
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SAMPLE_SECS = 0.05


def target_directory():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def enter(script, hosts, arguments, peers):
    """Boots a fleet of N Debian hosts and runs the script again inside its namespace.

    The peers' Python environments are made before: inside there is no network but the fleet's.
    """
    if "IFRIT_FLEET" in os.environ:
        return tomllib.loads((pathlib.Path(os.environ["IFRIT_FLEET"]) / "fleet.toml").read_text())
    release = target_directory() / "release"
    if not (release / "ifrit").exists():
        sys.exit("no release build: cargo build --release --bins")
    variables = [f"CARGO_TARGET_DIR={target_directory()}", *(f"BENCH_{peer}={make_venv(peer)}" for peer in peers)]
    with tempfile.TemporaryDirectory() as folder:
        command = [release / "ifrit-fleet", "up", str(hosts), folder, "--"]
        command += ["env", *variables, sys.executable, script, *arguments]
        sys.exit(subprocess.run(command).returncode)


def venv(peer):
    """Returns the directory of a peer's Python environment, inside a fleet."""
    return pathlib.Path(os.environ[f"BENCH_{peer}"])


def make_venv(tool):
    """Makes a peer's Python environment and returns its directory; exits where that cannot be done."""
    made = subprocess.run([ROOT / "scripts/venv", tool], stdout=subprocess.PIPE, text=True)
    if made.returncode:
        sys.exit(f"no {tool} here")
    return made.stdout.strip()


@contextlib.contextmanager
def network_delay(namespace, rtt_ms):
    """Moves the controller behind a cable of that round trip; yields the namespace to run in."""
    if not rtt_ms:
        yield namespace
        return
    folder = tempfile.mkdtemp()
    subprocess.run(["cc", "-O2", "-pthread", "-o", f"{folder}/delay", HERE / "delay.c"], check=True)
    far, address = f"{namespace}-ctl", "198.18.0.1/16"
    ip = lambda *words: subprocess.run(["ip", *words], check=True)
    bridge = bridge_of(namespace)
    ip("netns", "add", far)
    shim = None
    try:
        ip("-n", far, "link", "set", "lo", "up")
        ip("-n", namespace, "addr", "del", address, "dev", bridge)
        shim = subprocess.Popen(
            [f"{folder}/delay", str(rtt_ms * 1000), f"/run/netns/{far}", f"/run/netns/{namespace}"],
            stdout=subprocess.PIPE,
        )
        shim.stdout.readline()
        os.setpriority(os.PRIO_PROCESS, shim.pid, -19)
        ip("-n", namespace, "link", "set", "tapb", "master", bridge, "up")
        ip("-n", far, "addr", "add", address, "dev", "tapa")
        ip("-n", far, "link", "set", "tapa", "up")
        yield far
    finally:
        if shim:
            shim.kill()
            shim.wait()
        ip("netns", "del", far)
        ip("-n", namespace, "addr", "add", address, "dev", bridge)


def bridge_of(namespace):
    shown = subprocess.run(["ip", "-n", namespace, "-o", "link", "show", "type", "bridge"],
                           check=True, stdout=subprocess.PIPE, text=True).stdout
    return shown.split(":")[1].strip()


class Run:
    """One measured run of a tool: wall seconds, CPU seconds and peak MB of its whole process tree."""

    def __init__(self, namespace, command, directory, environment):
        before = os.times()
        started = time.monotonic()
        self.peak_mb = 0.0
        with open(pathlib.Path(directory) / "output.log", "w") as log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", namespace, *map(str, command)], cwd=directory, env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
            sampler = threading.Thread(target=self._sample, args=(process,))
            sampler.start()
            self.status = process.wait()
        self.wall = time.monotonic() - started
        sampler.join()
        after = os.times()
        self.cpu = (after.children_user - before.children_user) + (after.children_system - before.children_system)
        end_leftovers(namespace)

    def _sample(self, process):
        while process.poll() is None:
            self.peak_mb = max(self.peak_mb, resident_mb(process.pid))
            time.sleep(SAMPLE_SECS)


def end_leftovers(namespace):
    """Ends ssh's multiplexing masters (ControlPersist), which outlive their tool: the next run must not profit."""
    pids = subprocess.run(["ip", "netns", "pids", namespace], stdout=subprocess.PIPE, text=True).stdout.split()
    for pid in pids:
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "ssh":
                os.kill(int(pid), signal.SIGKILL)


def resident_mb(session):
    """Returns the memory of every process of a session."""
    pages = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                fields = pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) == session:
                    pages += int(fields[21])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def compare(tools, rounds, ours):
    """Runs the tools in turns; prints medians and how many times more each takes than ours."""
    runs = {name: [] for name in tools}
    for _ in range(rounds):
        for name, run in tools.items():
            runs[name].append(run())
    median = lambda name, field: statistics.median(getattr(run, field) for run in runs[name])
    print(f"{'tool':10} {'wall s':>8} {'ratio':>7} {'CPU s':>8} {'ratio':>7} {'peak MB':>8}  exit")
    for name in tools:
        wall, cpu, peak = (median(name, field) for field in ("wall", "cpu", "peak_mb"))
        print(f"{name:10} {wall:8.2f} {wall / median(ours, 'wall'):6.1f}x {cpu:8.2f} "
              f"{cpu / median(ours, 'cpu'):6.1f}x {peak:8.0f}  {[run.status for run in runs[name]]}", flush=True)
