"""Saves a training while it goes on, with at most one write under way."""

import copy
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp

from pipeline.console import InputError
from pipeline.data import whole_directories
from pipeline.data.whole_files import write_whole
from pipeline.distributed.runtime import Runtime
from pipeline.training.checkpoints.background import BackgroundWrite, writable
from pipeline.training.checkpoints.directories import partial, remove_old, step_directory
from pipeline.training.checkpoints.interruption import interruptible
from pipeline.training.checkpoints.progress import Progress
from pipeline.training.checkpoints.record import RECORD_FILE, CheckpointRecord, FileEntry
from pipeline.training.checkpoints.storage import MODEL, HostCopy, is_of_model
from pipeline.training.checkpoints.stored_tensor import SavePlanner, StoredTensor
from pipeline.training.run_directory import RunDirectory


@dataclass
class _Pending:
    """A checkpoint that is not published yet.

    Attributes:
        record: of the checkpoint; on rank 0 alone it has the tensors.
        step: where it will stand.
        is_best: whether ``best/`` gets the model too.
        write: this rank's part.
        is_whole: whether all of it is on disk, under its partial names.
    """

    record: CheckpointRecord
    step: Path
    is_best: bool
    write: BackgroundWrite
    is_whole: bool = False


class CheckpointSaver:
    """Copies the state to host memory, writes it in a thread, publishes it when it is whole.

    ``save`` returns when the copy is taken. The ranks agree that all have written, and rank 0
    publishes, at the next ``poll``, ``settle`` or ``save``: the threads take part in no collective.
    All methods are collective. What keeps any rank's thread from writing is raised on every rank.
    """

    def __init__(
        self, directory: RunDirectory, identity: dict[str, Any], keep: int, runtime: Runtime
    ) -> None:
        """Nothing is written yet.

        Args:
            directory: of the run, with its spec and plan.
            identity: the settings that shape the weights.
            keep: how many checkpoints stay, beside the best.
            runtime: this rank's place.
        """
        self._directory, self._identity, self._keep = directory, identity, keep
        self._runtime = runtime
        self._pending: _Pending | None = None

    def save(
        self, state: dict[str, StoredTensor], progress: Progress, is_best: bool = False
    ) -> None:
        """Takes a copy and starts to write it, after the one before has been published.

        Args:
            state: the tensors of the model and the optimizers.
            progress: where the training stands.
            is_best: whether ``best/`` shall hold this model.

        Raises:
            InputError: the one before could not be written.
        """
        self.settle()
        host = HostCopy(self._runtime.rank)
        with interruptible():
            dcp.save(state, storage_writer=host, planner=SavePlanner())
        record = CheckpointRecord(copy.deepcopy(progress), self._identity, host.tensors, files={})
        step = step_directory(self._directory.checkpoints, progress.step)
        places = {partial(step): list(host.files)}
        if is_best:
            places[partial(self._directory.best)] = [*filter(is_of_model, host.files)]
        self._pending = _Pending(record, step, is_best, BackgroundWrite(host.files, places))

    def poll(self) -> None:
        """Publishes the checkpoint that is being written if it is whole by now.

        Raises:
            InputError: it could not be written.
        """
        if self._pending is None:
            return
        running = torch.tensor(int(self._pending.write.is_running))
        dist.all_reduce(running)
        if not running:
            self.settle()

    def wait(self) -> Path:
        """Waits until the checkpoint is whole, and returns where it stands until it is published.

        Raises:
            InputError: it could not be written.
        """
        pending = self._pending
        assert pending is not None, "nothing has been saved"
        if not pending.is_whole:
            files = self._written_by_all(pending)
            self._on_main(lambda: self._write_records(pending, files))
            pending.is_whole = True
        return partial(pending.step)

    def settle(self) -> None:
        """Waits until the checkpoint is whole, and publishes it: the best model first.

        Raises:
            InputError: it could not be written.
        """
        pending = self._pending
        if pending is None:
            return
        self.wait()
        self._on_main(lambda: self._publish(pending))
        self._pending = None

    def _written_by_all(self, pending: _Pending) -> dict[str, FileEntry]:
        """The files of all ranks, which must all have written theirs."""
        results: list[Any] = [None] * self._runtime.world_size
        dist.all_gather_object(results, pending.write.result())
        failures = [result for result in results if isinstance(result, str)]
        if failures:
            if self._runtime.is_main:
                for place in (pending.step, self._directory.best):
                    shutil.rmtree(partial(place), ignore_errors=True)
            raise InputError(failures[0])
        return {name: entry for result in results for name, entry in result.items()}

    def _write_records(self, pending: _Pending, files: dict[str, FileEntry]) -> None:
        whole = replace(pending.record, files=files)
        self._write_record(partial(pending.step), whole)
        if pending.is_best:
            of_model = replace(
                whole,
                tensors={key: one for key, one in whole.tensors.items() if key.startswith(MODEL)},
                files={name: entry for name, entry in files.items() if is_of_model(name)},
            )
            self._write_record(partial(self._directory.best), of_model)

    def _write_record(self, place: Path, record: CheckpointRecord) -> None:
        of_run = self._directory
        for path in (of_run.spec_file, of_run.plan_file, of_run.plan_record_file):
            shutil.copyfile(path, place / path.name)
        write_whole(place / RECORD_FILE, record.text().encode())
        _flush(place / RECORD_FILE)
        _flush(place)

    def _publish(self, pending: _Pending) -> None:
        if pending.is_best:
            whole_directories.replace(partial(self._directory.best), self._directory.best)
            _flush(self._directory.path)
        whole_directories.replace(partial(pending.step), pending.step)
        _flush(self._directory.checkpoints)
        remove_old(self._directory.checkpoints, self._keep)

    def _on_main(self, action: Callable[[], None]) -> None:
        """Runs on rank 0; what keeps it from writing is raised on every rank."""
        failure: list[str | None] = [None]
        if self._runtime.is_main:
            try:
                with writable(self._directory.checkpoints):
                    action()
            except InputError as error:
                failure = [str(error)]
        dist.broadcast_object_list(failure)
        if failure[0] is not None:
            raise InputError(failure[0])


def _flush(path: Path) -> None:
    """Brings a file's bytes or a directory's entries to the disk, to outlast a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
