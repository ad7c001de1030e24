"""Small trainings on the tiny dataset, in this process or under torchrun, for several folders."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from ranks import run_ranks

from pipeline import train
from pipeline.spec import Spec
from pipeline.spec_file import to_toml
from pipeline.training.checkpoints.directories import whole_checkpoints
from pipeline.training.checkpoints.rows import checkpoint_record, read_tensor
from pipeline.training.run_directory import RunDirectory, read_journal

SpecMaker = Callable[..., Spec]
SEVERAL = Path(__file__).parent / "distributed" / "several_trainings.py"


@pytest.fixture
def make_spec(tiny_dataset: Path, tmp_path: Path) -> SpecMaker:
    """Builds a spec of a small model on the tiny dataset; sections given replace single values."""

    def make(name: str = "run", **sections: dict[str, Any]) -> Spec:
        values: dict[str, Any] = {
            "run": {"directory": str(tmp_path / name), "seed": 1},
            "data": {"format": "criteo", "source": "unused", "directory": str(tiny_dataset)},
            "model": {
                "sets": 2,
                "embedding_dim": 5,
                "hidden_dim": 16,
                "dropout": 0.0,
                "normalization": "layer",
                "initialization": "uniform",
                "initialization_scale": 0.1,
                "dcnv2": {"layers": 2},
            },
            "embedding_optimizer": {"name": "adagrad", "learning_rate": 0.05, "eps": 1e-3},
            "train": {"batch_size": 128, "epochs": 2, "device": "cpu", "log_every": 1},
        }
        for section, changes in sections.items():
            values[section] = {**values.get(section, {}), **changes}
        if "groups" in values["model"]:
            del values["model"]["sets"], values["model"]["embedding_dim"]
        return Spec.model_validate(values)

    return make


def write_spec(spec: Spec) -> Path:
    """The spec as a file beside its run directory."""
    path = Path(spec.run.directory).with_suffix(".toml")
    path.write_text(to_toml(spec))
    return path


def train_here(spec: Spec) -> None:
    """Trains in this process, alone."""
    train.main([str(write_spec(spec))])


def start_torchrun(module: str, spec: Spec, processes: int) -> subprocess.Popen[str]:
    """Starts a stage under torchrun, in a process group of its own."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
    return subprocess.Popen(
        [
            *command,
            "--rdzv_backend",
            "c10d",
            "--rdzv_endpoint",
            "localhost:0",
            "-m",
            module,
            write_spec(spec),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def run_stage(module: str, spec: Spec, processes: int) -> None:
    """Runs a stage, which must succeed, by so many ranks."""
    run_ranks(module, [write_spec(spec)], processes)


def run_together(specs: Mapping[str, Spec], processes: int, node_ranks: int) -> None:
    """Trains and evaluates them all in one job of so many processes, so many a node."""
    run_ranks(SEVERAL, [node_ranks, *map(write_spec, specs.values())], processes)


def losses(spec: Spec) -> list[float]:
    """The loss at every log point of a run."""
    points = read_journal(RunDirectory(spec.run_directory).journal_file)
    return [point["loss"] for point in points if point["kind"] == "train"]


def finish(process: subprocess.Popen[str]) -> None:
    """Waits for a stage that must succeed."""
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILLs torchrun and its workers, which are in sessions of their own."""
    if process.poll() is None:
        for victim in [process.pid, *children(process.pid)]:
            os.kill(victim, signal.SIGKILL)
    process.communicate()


def children(parent: int) -> list[int]:
    """Every descendant of a process, as /proc has it now."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # A thread or a process that ends meanwhile.
        for task in Path(f"/proc/{parent}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *children(child)]
    return found


def last_checkpoint(spec: Spec) -> Path:
    """The newest checkpoint of a run."""
    return whole_checkpoints(RunDirectory(spec.run_directory).checkpoints)[-1]


def last_state(spec: Spec) -> dict[str, torch.Tensor]:
    """The model and optimizer tensors of a run's last checkpoint, by name."""
    directory = last_checkpoint(spec)
    record = checkpoint_record(directory)
    return {name: read_tensor(directory, record, name) for name in record.tensors}
