"""A small run that TorchX launched on this machine, for the tests of what shows runs."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TORCHX = Path(sys.executable).with_name("torchx")
SPEC = """
[run]
directory = "runs/small"
[data]
format = "criteo"
source = "unused"
directory = "{dataset}"
[model]
sets = 2
embedding_dim = 4
hidden_dim = 16
dcnv2 = {{ layers = 1 }}
[train]
batch_size = 128
epochs = 1
device = "cpu"
log_every = 1
"""


@dataclass(frozen=True)
class LaunchedRun:
    """A working directory, the run in it, and the jobs that trained and evaluated it."""

    directory: Path
    train_job: str
    evaluate_job: str

    @property
    def path(self) -> Path:
        return self.directory / "runs" / "small"


def torchx(directory: Path, *arguments: str) -> str:
    """What ``torchx`` prints in a directory, with the environment on its PATH."""
    path = f"{TORCHX.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [TORCHX, *arguments],
        cwd=directory,
        env={**os.environ, "PATH": path, "HOME": str(directory), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def launched_run(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> LaunchedRun:
    """Trained and evaluated by ``torchx run`` with the repository's .torchxconfig."""
    directory = tmp_path_factory.mktemp("launched")
    (directory / ".torchxconfig").write_text((ROOT / ".torchxconfig").read_text())
    (directory / "small.toml").write_text(SPEC.format(dataset=tiny_dataset))
    jobs = [
        torchx(directory, "run", f"mep.{stage}", "--spec", "small.toml", "-j", "1x1").split()[0]
        for stage in ("train", "evaluate")
    ]
    return LaunchedRun(directory, *jobs)
