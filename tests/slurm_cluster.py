"""The Slurm cluster that the tests marked ``slurm`` run on, and the loss of one of its nodes."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

# Among sinfo's words for a node: planned and mixed are busy in part.
IN_SERVICE = {"idle", "plnd", "mix", "alloc"}


@pytest.fixture(scope="session")
def slurm_cluster() -> None:
    """Skips where no cluster answers. SLURM_CONF says which, as for every client of Slurm."""
    if shutil.which("sinfo") is None:
        pytest.skip("Slurm's clients are not installed")
    answer = subprocess.run(["sinfo"], capture_output=True, text=True, timeout=60)
    if answer.returncode != 0:
        pytest.skip(f"no Slurm cluster answers: {answer.stderr.strip()[:200]}")


def client(*command: str) -> list[str]:
    """The lines that a client of Slurm prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()


def newest_job(log_dir: Path) -> str:
    """The number of the last job that logs there."""
    return max((path.name.split("-")[1] for path in log_dir.glob("slurm-*-*.log")), key=int)


def wait_until(condition: Callable[[], object], seconds: float = 300) -> None:
    """Waits until it is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.1)


def running(command: str) -> list[int]:
    """The processes on this machine whose command line has these words in a row."""
    lines = {path: " ".join(_words(path)) for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [int(path.parent.name) for path, line in lines.items() if command in line]


class LostNode:
    """Kills everything that is a node of a cluster on this machine, and brings the node back."""

    def __init__(self, name: str) -> None:
        daemons = [
            path.parent
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if _words(path)[:3] == ["slurmd", "-N", name]
        ]
        if not daemons:
            pytest.skip(f"{name} is not a slurmd -N {name} on this machine")
        (self._daemon,) = daemons
        self._command = _words(self._daemon / "cmdline")
        self.name = name

    def kill(self) -> None:
        """SIGKILLs the daemon, its step managers and their processes; tells the controller.

        The controller would find out by itself after SlurmdTimeout, 5 minutes.
        """
        processes = _processes_on(self.name)
        managers = {parent for pid in processes if _name(parent := _parent(pid)) == "slurmstepd"}
        for pid in {int(self._daemon.name), *managers, *processes}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        client("scontrol", "update", f"nodename={self.name}", "state=down", "reason=lost")

    def start(self) -> None:
        """Starts the daemon again, as after a reboot of the node."""
        subprocess.run(self._command, check=True, timeout=60)
        wait_until(lambda: set(client("sinfo", "-h", "-n", self.name, "-o", "%t")) <= IN_SERVICE)


def _processes_on(node: str) -> set[int]:
    """What Slurm started there: it tells every process its node."""
    wanted, found = f"SLURMD_NODENAME={node}".encode(), set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                found.add(int(process.name))
    return found


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split("\0")[:-1]
    except OSError:
        return []


def _parent(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(status.split("PPid:")[1].split()[0])


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split(":")[0]
    except OSError:
        return ""
