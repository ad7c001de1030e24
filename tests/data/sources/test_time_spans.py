"""Cutting a log by time in bounded memory, against all of its times at once."""

import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.data.sources.chunks import VALUES, Chunk
from pipeline.data.sources.files import SourceFile
from pipeline.data.sources.parquet_source import ParquetSource
from pipeline.data.sources.split_rules import TimeRule
from pipeline.data.sources.time_spans import Spans, TimeTable
from pipeline.data.sources.time_split import cut_by_time, time_field
from pipeline.spec_data import SplitSpec

SPLIT = SplitSpec(by="time", column="t", shares=[0.5, 0.25, 0.25])


def gather(counted: Iterable[tuple[np.ndarray, np.ndarray]], limit: int) -> Spans:
    table = TimeTable(limit)
    for times, counts in counted:
        table.add(times, counts)
    return table.spans()


class Log:
    """A source in memory, which counts how often it is read."""

    def __init__(self, blocks: list[list[int]]) -> None:
        self.size = self.bytes_done = len(blocks)
        self.reads = 0
        self._blocks = blocks

    def blocks(self) -> Iterator[list[int]]:
        self.reads += 1
        return iter(self._blocks)

    def parse(self, block: list[int]) -> Chunk:
        coded = pa.array(list(map(str, block)), VALUES.value_type).dictionary_encode()
        rows = np.arange(len(block))
        return Chunk({"time": coded}, rows.astype(np.uint8), rows, None, len(block), {})


def begins(times: list[int], shares: tuple[float, ...]) -> list[int]:
    """The first time of each split but the first: its first row has a share's rows before it."""
    ordered = sorted(times)
    ends = [end * len(times) for end in list(accumulate(shares))[:-1]]
    return [
        next(t for i, t in enumerate(ordered) if i >= end and t != ordered[i - 1]) for end in ends
    ]


@given(
    st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=12), min_size=1, max_size=12),
    st.sampled_from([8, 20, 1_000]),
)
def test_the_cut_is_the_same_however_few_times_are_held(
    blocks: list[list[int]], limit: int
) -> None:
    times = [time for block in blocks for time in block]
    try:
        expected = begins(times, SPLIT.shares)
    except StopIteration:
        assume(False)
    assume(expected[0] != expected[1])
    assert cut_by_time(SPLIT, [Log(blocks)], 2, limit) == TimeRule("t", *map(float, expected))


def test_a_log_of_few_times_is_read_once_and_one_of_many_twice() -> None:
    reads = []
    for limit in (1_000, 128):
        log = Log([list(range(at, at + 10)) for at in range(0, 500, 10)])
        assert cut_by_time(SPLIT, [log], 2, limit) == TimeRule("t", 250.0, 375.0)
        reads.append(log.reads)
    assert reads == [1, 2]


def test_times_that_all_fall_between_the_first_two_are_told_apart_again() -> None:
    between = [list(range(at, at + 10)) for at in range(1, 500, 10)]
    log = Log([[-(10**6), 10**6] + [10**6 + more for more in range(40)], *between])
    times = [time for block in log._blocks for time in block]
    assert cut_by_time(SPLIT, [log], 2, 32) == TimeRule(
        "t", *map(float, begins(times, SPLIT.shares))
    )


def test_a_time_of_nearly_all_rows_is_told_from_its_neighbours() -> None:
    blocks = [[*range(at, at + 10), *[2_000] * 44] for at in range(0, 500, 10)]
    log = Log([*blocks, [3_000] * 1_300, [4_000] * 1_000])
    assert cut_by_time(SPLIT, [log], 2, 32) == TimeRule("t", 3_000.0, 4_000.0)
    assert log.reads == 1


def test_spans_have_about_equal_numbers_of_rows() -> None:
    rng = np.random.default_rng(0)
    blocks = [np.unique(rng.integers(0, 1 << 40, 1_000)).astype(float) for _ in range(200)]
    spans = gather(((block, np.ones(len(block), np.int64)) for block in blocks), 4_096)
    assert spans.rows.sum() == sum(map(len, blocks))
    assert len(spans) <= 4_096
    # 1,024 shares of the rows that were there when they were joined.
    assert spans.rows[spans.joined].max() <= 5 * spans.rows.sum() / 1_024


@pytest.mark.parametrize("rising", [True, False])
def test_memory_is_bounded_however_many_times_there_are(rising: bool) -> None:
    def peak(blocks: int) -> int:
        rng = np.random.default_rng(0)

        def counted() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for number in range(blocks):
                first = number * 10_000 if rising else 0
                times = first + rng.random(10_000) * (10_000 if rising else 1 << 40)
                yield np.sort(times), np.ones(10_000, np.int64)

        tracemalloc.start()
        gather(counted(), 1 << 16)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few, many = peak(20), peak(200)
    assert many < 1.1 * few
    # 24 bytes a span, and what sorting them takes.
    assert many < 200 * (1 << 16)


def test_parquet_gives_its_time_and_label_alone(tmp_path: Path) -> None:
    rows = 200_000
    rng = np.random.default_rng(0)
    wide = {f"f{i}": rng.integers(0, 1 << 60, rows) for i in range(20)}
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"label": [0, 1] * (rows // 2), "t": range(rows), **wide}), path)
    field = time_field(SPLIT)
    source = ParquetSource(SourceFile(str(path)), [field], ["label"], "fail", 1 << 16, None)
    before = _bytes_read()
    assert cut_by_time(SPLIT, [source], 2) == TimeRule("t", rows * 0.5, rows * 0.75)
    assert _bytes_read() - before < path.stat().st_size / 5


def _bytes_read() -> int:
    """What this process has asked the system for."""
    return int(Path("/proc/self/io").read_text().split()[1])
