"""Where a log is cut by time: a scan of the time column, before anything else is read.

Rows of one time stay together. They belong to the split in which the first of them falls when all
rows stand in the order of time; so the cut depends on no order, thread or block. It is made on the
rows read: those that are skipped later for another fault count.

The scan runs in threads of this process, whatever the engine. Of Parquet it reads the columns of
the time and the label, of text the whole file. Memory is bounded (``time_spans.py``): a log of more
distinct times than are held at once is scanned twice.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np

from pipeline.console import InputError, progress
from pipeline.data.sources.chunks import Chunk
from pipeline.data.sources.files import SourceFile
from pipeline.data.sources.split_rules import TimeRule, times_of
from pipeline.data.sources.time_spans import LIMIT, Counts, Spans, TimeTable
from pipeline.data.threads import thread_count
from pipeline.spec_data import FieldSpec, SplitSpec


class _Source(Protocol):
    path: SourceFile
    size: int
    bytes_done: int

    def blocks(self) -> Iterator[object]: ...

    def parse(self, block: object) -> Chunk: ...


def time_field(split: SplitSpec) -> FieldSpec:
    """What the scan reads."""
    return FieldSpec(name="time", column=split.column)


def cut_by_time(
    split: SplitSpec, sources: Sequence[_Source], threads: int, limit: int = LIMIT
) -> TimeRule:
    """Finds the times at which the valid and the test split begin.

    Args:
        split: the spec's section.
        sources: with ``time_field`` as their only field.
        threads: to scan in, as ``prepare.threads``.
        limit: spans of time to hold, at the most.

    Raises:
        InputError: when the column cannot be cut: too few distinct times, or numbers and dates.
    """
    train, valid, test = (share / sum(split.shares) for share in split.shares)
    table = TimeTable(limit)
    for times, counts in _scan(sources, split.column, threads):
        table.add(times, counts)
    spans = table.spans()
    wanted = np.array([train, train + valid]) * spans.rows.sum()
    while len(unclear := _unclear(spans, wanted)):
        spans = _counted_anew(spans, unclear, _scan(sources, split.column, threads), limit)
    if not len(spans):
        _refuse_first(sources, split.column)
    starts = np.searchsorted(spans.before, wanted)
    if len(spans) < 3 or starts[0] == starts[1] or starts[1] == len(spans):
        more = "more than " if spans.joined.any() else ""
        raise InputError(
            f"data.split: column {split.column!r} has {more}{len(spans):,} distinct times, which "
            f"cannot be cut into shares of {train:.3g}, {valid:.3g} and {test:.3g}"
        )
    return TimeRule(split.column, *spans.first[starts].tolist())


def _refuse_first(sources: Sequence[_Source], column: str) -> None:
    """Names the first value of a log in which none is a time."""
    for source in sources:
        for block in source.blocks():
            values = source.parse(block).columns["time"]
            if len(values):
                found = TimeRule(column, np.nan, np.nan).describe(values[0].as_py())
                raise InputError(f"{source.path}: no row has a time that can be read: {found}")


def _unclear(spans: Spans, wanted: np.ndarray) -> np.ndarray:
    """The places of spans of several times in which a split may begin.

    It begins at the first time that has at least the ``wanted`` rows before it: that of a span, or
    one within the span before.
    """
    places = np.unique(np.searchsorted(spans.before, wanted) - 1)
    places = places[places >= 0]
    return places[spans.joined[places]]


def _counted_anew(spans: Spans, places: np.ndarray, scan: Iterator[Counts], limit: int) -> Spans:
    """Puts the times that a second scan finds in the place of the spans that they lie in."""
    tables = [TimeTable(limit) for _ in places]
    for times, counts in scan:
        for place, table in zip(places, tables, strict=True):
            inside = (times >= spans.first[place]) & (times <= spans.last[place])
            table.add(times[inside], counts[inside])
    found = spans.select(np.delete(np.arange(len(spans)), places))
    for table in tables:
        found = found.beside(table.spans())
    return found


def _scan(sources: Sequence[_Source], column: str, threads: int) -> Iterator[Counts]:
    """Yields the distinct times of every block and their counts."""
    dates_seen: set[bool] = set()
    workers = thread_count(threads)
    pending: deque[Future[Chunk]] = deque()
    with (
        progress("times", sum(source.size for source in sources), "bytes") as advance,
        ThreadPoolExecutor(workers, thread_name_prefix="times") as pool,
    ):

        def counted() -> Counts:
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
