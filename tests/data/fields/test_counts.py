from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.fields.counts import Counts, RunningCounts, summed

texts = st.tuples(st.just(pa.string()), st.lists(st.lists(st.text("abc", max_size=3)), max_size=5))
ids = st.tuples(st.just(pa.int32()), st.lists(st.lists(st.integers(0, 50)), max_size=5))


def pairs(counted: Counts) -> list[tuple[str | int, int]]:
    return list(zip(counted.values.to_pylist(), counted.counts.tolist(), strict=True))


@given(st.one_of(texts, ids))
def test_chunks_add_up(kind_and_chunks: tuple[pa.DataType, list[list[str | int]]]) -> None:
    kind, chunks = kind_and_chunks
    running, expected = RunningCounts(), Counter[str | int]()
    for chunk in chunks:
        weights = np.arange(1, len(chunk) + 1)
        running.add(Counts(pa.array(chunk, kind), weights))
        for value, weight in zip(chunk, weights.tolist(), strict=True):
            expected[value] += weight
    total = running.total()
    assert dict(pairs(total)) == expected
    assert len(total.values) == len(expected)


@pytest.mark.parametrize("values", [["b", "a", "b"], [2, 1, 2], [0.5, None, 0.5]])
def test_equal_values_are_taken_together(values: list[str | float | None]) -> None:
    counted = summed(pa.array(values), np.array([1, 10, 100]))
    assert pairs(counted) == [(values[0], 101), (values[1], 10)]


def test_sums_beyond_what_a_float_can_count_are_exact() -> None:
    running = RunningCounts()
    for count in (2**53, 1, 1):
        running.add(Counts(pa.array(["x"]), np.array([count])))
    assert running.total().counts.tolist() == [2**53 + 2]
