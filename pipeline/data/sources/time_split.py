"""Where a log is cut by time: a scan of the time column, before anything else is read.

Memory holds the log's distinct times, 16 bytes each: 40 MB for a month of seconds. Rows of one time
stay together. They belong to the split in which the first of them falls when all rows stand in the
order of time; so the cut depends on no order, thread or block. It is made on the rows read: those
that are skipped later for another fault count.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np

from pipeline.console import InputError, progress
from pipeline.data.sources.chunks import Chunk
from pipeline.data.sources.split_rules import TimeRule, times_of
from pipeline.spec_data import FieldSpec, SplitSpec


class _Source(Protocol):
    size: int
    bytes_done: int

    def blocks(self) -> Iterator[object]: ...

    def parse(self, block: object) -> Chunk: ...


def time_field(split: SplitSpec) -> FieldSpec:
    """What the scan reads."""
    return FieldSpec(name="time", column=split.column)


def cut_by_time(split: SplitSpec, sources: Sequence[_Source]) -> TimeRule:
    """Finds the times at which the valid and the test split begin.

    Args:
        split: the spec's section.
        sources: with ``time_field`` as their only field.

    Raises:
        InputError: when the column cannot be cut: too few distinct times, or numbers and dates.
    """
    times, counts = _merged(_scan(sources, split.column))
    before = np.cumsum(counts) - counts
    train, valid, test = (share / sum(split.shares) for share in split.shares)
    rows = counts.sum()
    starts = np.searchsorted(before, [train * rows, (train + valid) * rows])
    if len(times) < 3 or starts[0] == starts[1] or starts[1] == len(times):
        raise InputError(
            f"data.split: column {split.column!r} has {len(times):,} distinct times, which cannot "
            f"be cut into shares of {train:.3g}, {valid:.3g} and {test:.3g}"
        )
    return TimeRule(split.column, *times[starts].tolist())


def _scan(sources: Sequence[_Source], column: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the distinct times of every block and their counts."""
    dates_seen: set[bool] = set()
    workers = os.cpu_count() or 1
    pending: deque[Future[Chunk]] = deque()
    with (
        progress("times", sum(source.size for source in sources), "bytes") as advance,
        ThreadPoolExecutor(workers, thread_name_prefix="times") as pool,
    ):

        def counted() -> tuple[np.ndarray, np.ndarray]:
            coded = pending.popleft().result().columns["time"]
            found = times_of(coded.dictionary)
            counts = np.bincount(coded.indices.to_numpy(), minlength=len(coded.dictionary))
            used = (counts > 0) & ~np.isnan(found.times)
            dates_seen.update(found.are_dates[used].tolist())
            if len(dates_seen) > 1:
                raise InputError(
                    f"data.split: column {column!r} holds both numbers and dates; write its times "
                    "in one way"
                )
            return found.times[used], counts[used]

        for source in sources:
            done = 0
            for block in source.blocks():
                pending.append(pool.submit(source.parse, block))
                advance(source.bytes_done - done)
                done = source.bytes_done
                if len(pending) > workers:
                    yield counted()
        while pending:
            yield counted()


def _merged(parts: Iterator[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Distinct times, rising, and their counts."""
    times, counts = np.empty(0), np.empty(0, dtype=np.int64)
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    for part in parts:
        waiting.append(part)
        # As many as there are already, so that a large table is not merged for every block.
        if sum(len(found) for found, _ in waiting) > max(len(times), 1 << 16):
            times, counts = _sum([(times, counts), *waiting])
            waiting = []
    return _sum([(times, counts), *waiting])


def _sum(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    times, places = np.unique(np.concatenate([found for found, _ in parts]), return_inverse=True)
    counts = np.zeros(len(times), dtype=np.int64)
    np.add.at(counts, places, np.concatenate([found for _, found in parts]))
    return times, counts
