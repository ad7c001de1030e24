"""Reads a prepared split as batches: the same global batches for every number of ranks."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from pipeline.data.batch import Batch
from pipeline.data.loading.ahead import prepared_ahead
from pipeline.data.loading.rows import Rows, concatenate, rows_of_table, to_batch
from pipeline.data.loading.schedule import (
    Window,
    batch_bounds,
    batch_count,
    plan_windows,
    rank_slice,
    window_order,
)
from pipeline.data.manifest import DenseField, Field, Manifest
from pipeline.data.parts import read_part


@dataclass(frozen=True)
class _Loaded:
    """A decoded window and the order of its rows in the epoch."""

    window: Window
    rows: Rows
    order: np.ndarray

    @property
    def end(self) -> int:
        return self.window.first + self.window.rows

    def take(self, positions: np.ndarray) -> Rows:
        """The rows at the epoch's ``positions``, all of them in this window."""
        return self.rows.take(self.order[positions - self.window.first])


class Loader:
    """One rank's batches of one split.

    An epoch is a pure function of (shuffle seed, epoch number): every row once, cut into global
    batches that are the same for every world size. A rank gets an equally long slice of each, see
    ``schedule.py``. The next window is decoded in a thread while the current one is
    used, so about two windows are in memory; a split that fits in one window is decoded once.

    Attributes:
        fields: those of the batches that have ids.
        labels: those of the batches, by task.
    """

    def __init__(
        self,
        directory: Path,
        manifest: Manifest,
        split: str,
        batch_size: int,
        rank: int,
        world_size: int,
        window_rows: int,
        shuffle_seed: int | None,
        labels: Sequence[str],
        device: torch.device,
    ) -> None:
        """Prepares to read; no file is opened yet.

        Args:
            directory: the dataset directory.
            manifest: its manifest.
            split: train, valid or test.
            batch_size: rows of a global batch, at the most.
            rank: of this process.
            world_size: the number of processes.
            window_rows: rows that are in memory and shuffled together.
            shuffle_seed: not negative; None reads in the files' order.
            labels: those of the batches, by task.
            device: where the batches will go. For CUDA they come in page-locked memory, made in a
                thread while the one before is used.
        """
        self._directory = directory
        self.fields, self._dense, self.labels = manifest.fields, manifest.dense, tuple(labels)
        self._parts = manifest.splits[split].parts
        self._rows = manifest.splits[split].rows
        self._batch_size = batch_size
        self._rank, self._world_size = rank, world_size
        self._window_rows, self._shuffle_seed = window_rows, shuffle_seed
        self._device = device
        self._checked: set[int] = set()
        self._only_window: Rows | None = None

    @property
    def rows(self) -> int:
        """Rows of the split, over all ranks."""
        return self._rows

    @property
    def batches_per_epoch(self) -> int:
        """Batches that each rank gets in an epoch."""
        return batch_count(self._rows, self._batch_size) if self._rows else 0

    @property
    def mean_rows(self) -> float:
        """Rows of a global batch, in the mean over an epoch."""
        return self._rows / self.batches_per_epoch

    def rows_before(self, batch: int) -> int:
        """Rows of an epoch that come before a global batch."""
        if batch == self.batches_per_epoch:
            return self._rows
        return batch_bounds(self._rows, self._batch_size, batch)[0]

    def files_of(self, epoch: int, batch: int) -> list[str]:
        """The parts that hold the rows of a global batch, among others of its windows."""
        begin, end = batch_bounds(self._rows, self._batch_size, batch)
        return [
            self._parts[part].file
            for window in self._windows(epoch)
            if window.first < end and begin < window.first + window.rows
            for part in window.parts
        ]

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from ``start_batch`` on.

        Raises:
            InputError: when a part is missing or not what the manifest says.
        """
        batches = self._batches(epoch, start_batch)
        if self._device.type != "cuda":
            return batches
        # The thread's own device is the first one otherwise, whatever the rank.
        on_device = partial(torch.cuda.set_device, self._device)
        return prepared_ahead(batches, Batch.pin_memory, on_device)

    def _batches(self, epoch: int, start_batch: int) -> Iterator[Batch]:
        if start_batch >= self.batches_per_epoch:
            return
        first, _ = batch_bounds(self._rows, self._batch_size, start_batch)
        needed = [window for window in self._windows(epoch) if window.first + window.rows > first]
        current: deque[_Loaded] = deque()
        coming = self._decode_ahead(needed, epoch)
        for batch in range(start_batch, self.batches_per_epoch):
            begin, end = batch_bounds(self._rows, self._batch_size, batch)
            while current and current[0].end <= begin:
                current.popleft()
            while not current or current[-1].end < end:
                current.append(next(coming))
            part = rank_slice(begin, end, self._rank, self._world_size)
            yield to_batch(_gather(current, part.positions), part.weights, self.fields)

    def _windows(self, epoch: int) -> list[Window]:
        part_rows = [part.rows for part in self._parts]
        return plan_windows(part_rows, self._window_rows, self._shuffle_seed, epoch)

    def _decode_ahead(self, windows: Sequence[Window], epoch: int) -> Iterator[_Loaded]:
        """Yields the windows decoded, with the next one under way in a thread."""
        with ThreadPoolExecutor(1, thread_name_prefix="window") as thread:
            following: Future[_Loaded] = thread.submit(self._decode, windows[0], epoch)
            for window in windows[1:]:
                loaded = following.result()
                following = thread.submit(self._decode, window, epoch)
                yield loaded
            yield following.result()

    def _decode(self, window: Window, epoch: int) -> _Loaded:
        order = window_order(window, self._shuffle_seed, epoch)
        if self._only_window is not None:
            return _Loaded(window, self._only_window, order)
        rows = concatenate([self._read(part) for part in window.parts])
        if window.rows == self._rows:
            self._only_window = rows
        return _Loaded(window, rows, order)

    def _read(self, number: int) -> Rows:
        """One part, checked against the manifest the first time."""
        check = number not in self._checked
        columns: list[Field | DenseField] = [*self.fields, *self._dense]
        table = read_part(self._directory, self._parts[number], columns, self.labels, check)
        self._checked.add(number)
        return rows_of_table(table, self.fields, self._dense, self.labels)


def _gather(windows: Sequence[_Loaded], positions: np.ndarray) -> Rows:
    """The rows at rising ``positions``, from the windows that cover them."""
    cuts = np.searchsorted(positions, [loaded.end for loaded in windows]).tolist()
    pieces = [
        loaded.take(positions[start:stop])
        for loaded, start, stop in zip(windows, [0, *cuts[:-1]], cuts, strict=True)
        if stop > start
    ]
    return concatenate(pieces)
