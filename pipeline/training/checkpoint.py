"""Checkpoints of a sharded model, in torch.distributed.checkpoint's format.

A checkpoint directory holds the ranks' tensors and ``progress.json``. It is written under a name
that ends in ``.partial`` and published, that is renamed, when whole; so any directory without that
ending is whole. The tensors are loaded in place into a model of any sharding and number of ranks.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn

from pipeline.console import InputError
from pipeline.data.whole_directories import replace
from pipeline.distributed.runtime import Runtime
from pipeline.distributed.sharding import TABLE_KEY
from pipeline.model.tables import Table
from pipeline.training.early_stopping import EarlyStopping
from pipeline.training.optimizers import Optimizers

KEPT_CHECKPOINTS = 2
_PROGRESS_FILE = "progress.json"
_PARTIAL = ".partial"


@dataclass
class Progress:
    """Where a training stands.

    Attributes:
        step: optimizer steps taken.
        epoch: the epoch that comes next or goes on.
        batch: the global batch of that epoch that comes next.
        seconds: time spent in training steps.
        stopping: the early stopping's memory.
    """

    stopping: EarlyStopping
    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0


def training_state(module: nn.Module, optimizers: Optimizers) -> dict[str, Any]:
    """The tensors of the model and both optimizers, as references: loading fills them in place."""
    return {
        "model": module.state_dict(),
        "embedding_optimizer": optimizers.embedding.state_dict()["state"],
        "dense_optimizer": optimizers.dense.state_dict()["state"],
    }


def write_checkpoint(
    directory: Path, state: dict[str, Any], progress: Progress, runtime: Runtime
) -> Path:
    """Writes all of a checkpoint but its name, and returns where it stands. Collective."""
    partial = directory.with_name(directory.name + _PARTIAL)
    if runtime.is_main:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    dist.barrier()
    with _interruptible():
        dcp.save(state, checkpoint_id=partial)
    if runtime.is_main:
        (partial / _PROGRESS_FILE).write_text(json.dumps(asdict(progress)) + "\n")
    dist.barrier()
    return partial


def publish_checkpoint(directory: Path, runtime: Runtime) -> None:
    """Gives a written checkpoint its name, in the place of one that is there. Collective."""
    if runtime.is_main:
        replace(directory.with_name(directory.name + _PARTIAL), directory)
    dist.barrier()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lets Ctrl-C through, which torch.distributed.checkpoint reports as a failure of its own."""
    try:
        yield
    except dcp.CheckpointException as error:
        for failure, _ in error.failures.values():
            if isinstance(failure, KeyboardInterrupt):
                raise failure from None
        raise


def load_checkpoint(directory: Path, state: dict[str, Any]) -> Progress:
    """Fills ``state``'s tensors from a checkpoint and returns where it stood. Collective.

    Raises:
        InputError: the checkpoint cannot be read, or holds another model.
    """
    try:
        values = json.loads((directory / _PROGRESS_FILE).read_text())
        with _interruptible():
            dcp.load(state, checkpoint_id=directory)
    except (OSError, ValueError, RuntimeError, dcp.CheckpointException) as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"{directory}: the checkpoint does not load: {reason}") from error
    return Progress(stopping=EarlyStopping(**values.pop("stopping")), **values)


def step_directory(checkpoints: Path, step: int) -> Path:
    """The checkpoint of a step; names sort by step."""
    return checkpoints / f"step-{step:010d}"


def whole_checkpoints(checkpoints: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    return sorted(path for path in checkpoints.glob("step-*") if path.name[5:].isdigit())


def remove_old_checkpoints(checkpoints: Path) -> None:
    """Keeps the last ones, and clears what killed runs left."""
    kept = whole_checkpoints(checkpoints)[-KEPT_CHECKPOINTS:]
    for path in checkpoints.glob("step-*"):
        if path not in kept:
            shutil.rmtree(path)


def read_table(directory: Path, table: Table) -> torch.Tensor:
    """One table from a checkpoint, (rows, columns) without padding columns. Not collective."""
    key = f"model.{TABLE_KEY.format(table.name)}"
    weight = torch.empty(table.rows, table.physical_columns)
    with _interruptible():
        dcp.load({key: weight}, checkpoint_id=directory, no_dist=True)
    return weight[:, : table.columns]
