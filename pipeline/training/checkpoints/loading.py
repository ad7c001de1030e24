"""Fills a training or a model from a checkpoint, after checking that it is what was written."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn

from pipeline.console import InputError
from pipeline.distributed.runtime import Runtime
from pipeline.training.checkpoints.directories import set_aside, whole_checkpoints
from pipeline.training.checkpoints.interruption import interruptible
from pipeline.training.checkpoints.progress import Progress
from pipeline.training.checkpoints.record import (
    RECORD_FILE,
    CheckpointRecord,
    DamagedCheckpointError,
    check_digest,
    read_record,
)
from pipeline.training.checkpoints.state import model_tensors
from pipeline.training.checkpoints.storage import MappedFiles
from pipeline.training.checkpoints.stored_tensor import LoadPlanner, StoredTensor
from pipeline.training.run_directory import differences

# What a checkpoint is to fill, given what it holds.
Targets = Callable[[CheckpointRecord], dict[str, StoredTensor]]


def load_newest(
    checkpoints: Path, targets: Targets, identity: dict[str, Any], runtime: Runtime
) -> tuple[Path, Progress] | None:
    """Loads the newest checkpoint that is undamaged, if there are any. Collective.

    Damaged ones are named in a warning and renamed, see ``set_aside``.

    Returns:
        Where it stands and where the training stood.

    Raises:
        InputError: all are damaged, or it is of another spec or model.
    """
    damaged: dict[Path, str] = {}
    for directory in _newest_first(checkpoints, runtime):
        found = _checked(directory, runtime)
        if isinstance(found, CheckpointRecord):
            _check_identity(directory, found, identity)
            _fill(directory, found, targets(found))
            if runtime.is_main:
                _put_aside(damaged)
            return directory, found.progress
        damaged[directory] = found
    if damaged:
        reasons = "; ".join(f"{path.name}: {reason}" for path, reason in damaged.items())
        raise InputError(
            f"{checkpoints}: no checkpoint can be read ({reasons}); put one back from a copy, or "
            "remove the run directory to train from the beginning"
        )
    return None


def replaced_best(best: Path, at: Progress, runtime: Runtime) -> bool:
    """Whether the best model is of a later step than a training goes on from. Collective.

    The model that the training remembers as the best made way for it, and is gone. The validation
    that found it is made again, but on CUDA its weights are not the same to the bit.
    """
    later = [False]
    if runtime.is_main and (best / RECORD_FILE).is_file():
        try:
            later = [read_record(best).progress.step > at.step]
        except DamagedCheckpointError:
            later = [True]  # As good as gone too.
    dist.broadcast_object_list(later)
    return later[0]


def load_model(directory: Path, module: nn.Module, runtime: Runtime) -> None:
    """Fills a model from a checkpoint of it. Collective.

    Raises:
        InputError: it is damaged or of another model.
    """
    _fill(directory, checked_record(directory, runtime), model_tensors(module))


def checked_record(directory: Path, runtime: Runtime) -> CheckpointRecord:
    """What a checkpoint holds, after reading all of it. Collective.

    Raises:
        InputError: it is damaged.
    """
    found = _checked(directory, runtime)
    if isinstance(found, str):
        raise InputError(
            f"{directory}: the checkpoint does not load: {found}; put it back from a copy, or "
            "train again in another run.directory"
        )
    return found


def _newest_first(checkpoints: Path, runtime: Runtime) -> list[Path]:
    """Rank 0's view of the checkpoints: other nodes may see a new one later."""
    found = [whole_checkpoints(checkpoints)[::-1] if runtime.is_main else []]
    dist.broadcast_object_list(found)
    return found[0]


def _checked(directory: Path, runtime: Runtime) -> CheckpointRecord | str:
    """The record of an undamaged checkpoint, or what is wrong with it; the same on all ranks.

    Each rank reads and digests its share of the files.
    """
    record, reason = None, None
    try:
        record = read_record(directory)
        for name in sorted(record.files)[runtime.rank :: runtime.world_size]:
            check_digest(directory, name, record.files[name])
    except DamagedCheckpointError as error:
        reason = str(error)
    reasons: list[str | None] = [None] * runtime.world_size
    dist.all_gather_object(reasons, reason)
    first = next((reason for reason in reasons if reason is not None), None)
    if first is not None:
        return first
    assert record is not None
    return record


def _check_identity(directory: Path, record: CheckpointRecord, identity: dict[str, Any]) -> None:
    changed = differences(record.identity, identity)
    if changed:
        raise InputError(
            f"{directory}: a checkpoint of another spec ({'; '.join(changed)}); set it back, or "
            "give another run.directory"
        )


def _fill(directory: Path, record: CheckpointRecord, targets: dict[str, StoredTensor]) -> None:
    _check_tensors(directory, record, targets)
    try:
        with interruptible():
            dcp.load(targets, storage_reader=MappedFiles(directory, record), planner=LoadPlanner())
    except (OSError, RuntimeError, dcp.CheckpointException) as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"{directory}: the checkpoint does not load: {reason}") from error
    for target in targets.values():
        target.settle()


def _check_tensors(
    directory: Path, record: CheckpointRecord, targets: dict[str, StoredTensor]
) -> None:
    """Names the first tensor of the model that the checkpoint has not, or has in another shape."""
    for name, target in targets.items():
        entry = record.tensors.get(name)
        found = "none" if entry is None else " x ".join(map(str, entry.shape)) or "one number"
        if entry is None or entry.shape != target.shape:
            wanted = " x ".join(map(str, target.shape)) or "one number"
            raise InputError(
                f"{directory}: the checkpoint does not load: {name} is {wanted} in this model, "
                f"{found} in the checkpoint; use the program and the spec that wrote it"
            )


def _put_aside(damaged: dict[Path, str]) -> None:
    for directory, reason in damaged.items():
        aside = set_aside(directory)
        print(
            f"warning: {directory}: damaged and skipped ({reason}); the one before it is taken. "
            f"It stands at {aside.name} now and may be removed",
            file=sys.stderr,
            flush=True,
        )
