"""The chain on stages of a few lines.

They stand in a ``pipeline`` package of the working directory, which ``python -m`` finds before the
installed one.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PREPARE = """
import sys, time
from pathlib import Path
print("prepare", sys.prefix, sys.argv[1:])
if not Path(sys.argv[1]).exists():
    print(f"error: {sys.argv[1]}: no such spec file", file=sys.stderr)
    sys.exit(2)
if "prepare=wait" in sys.argv:
    time.sleep(60)
"""
TRAIN = """
import os, signal, sys, time
from pathlib import Path
rank = os.environ["RANK"]
Path(f"pid{rank}").write_text(str(os.getpid()))
if rank == "0":
    print("train", sys.prefix, sys.argv[1:], "of", os.environ["WORLD_SIZE"])
if rank == "1" and "train=die" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
if "train=wait" in sys.argv:
    time.sleep(60)
"""
EVALUATE = """
import sys
print("evaluate", sys.prefix, sys.argv[1:])
"""


@pytest.fixture
def small_stages(tmp_path: Path) -> Path:
    """A working directory with a spec and the three small stages."""
    package = tmp_path / "pipeline"
    package.mkdir()
    stages = {"__init__": "", "prepare": PREPARE, "train": TRAIN, "evaluate": EVALUATE}
    for name, source in stages.items():
        (package / f"{name}.py").write_text(source)
    (tmp_path / "a.toml").write_text("")
    return tmp_path


def start_chain(
    scheduler: str, directory: Path, *arguments: str, path: str = "/usr/bin:/bin"
) -> subprocess.Popen[str]:
    """Starts the chain with a PATH that has no environment on it."""
    command = [sys.executable, "-m", "components.chain", "--scheduler", scheduler, *arguments]
    environment = {**os.environ, "PATH": path, "HOME": str(directory)}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=directory, env=environment, stdout=pipe, stderr=pipe, text=True
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def alive(directory: Path) -> list[str]:
    """The processes that still run in a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == directory:
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found
