"""Which rows of a split are looked at."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.overview.sample import (
    SAMPLED_ROWS,
    concatenate_samples,
    sampled_positions,
    take_sample,
)
from pipeline.data.ragged import Ragged

MOST = SAMPLED_ROWS["valid"]


def positions(rows: int, part_rows: int) -> list[int]:
    """Those of a whole split, counted from its first row."""
    found: list[int] = []
    for start in range(0, rows, part_rows):
        stop = min(start + part_rows, rows)
        found += (start + sampled_positions("valid", rows, start, stop)).tolist()
    return found


@given(rows=st.integers(1, 20 * MOST), parts=st.integers(1, 30))
def test_the_rows_do_not_depend_on_the_parts(rows: int, parts: int) -> None:
    assert positions(rows, -(-rows // parts)) == positions(rows, rows)


@given(rows=st.integers(MOST + 1, 2**40))
def test_a_large_split_gives_a_bounded_number_of_rows_spread_evenly(rows: int) -> None:
    found = sampled_positions("valid", rows, 0, rows)
    assert len(found) == MOST
    assert found[0] == 0
    assert found[-1] < rows
    steps = np.diff(found)
    assert steps.max() - steps.min() <= 1
    assert steps.min() >= 1


@pytest.mark.parametrize("rows", [1, 1_000, MOST])
def test_a_small_split_gives_every_row(rows: int) -> None:
    assert positions(rows, 700) == list(range(rows))


def test_samples_of_parts_join_to_the_rows_of_the_split() -> None:
    parts = [
        pa.table(
            {
                "id": pa.array([1, 2, 3], pa.int32()),
                "several": pa.array([[1], [2, 3], [4]], pa.list_(pa.int32())),
                "label": pa.array([0, 1, 1], pa.float32()),
            }
        ),
        pa.table(
            {
                "id": pa.array([4], pa.int32()),
                "several": pa.array([[5, 6, 7]], pa.list_(pa.int32())),
                "label": pa.array([0], pa.float32()),
            }
        ),
    ]
    positions = [np.array([1, 2]), np.array([0])]
    samples = [take_sample(*pair, ["label"]) for pair in zip(parts, positions, strict=True)]
    joined = concatenate_samples(samples)
    assert joined.rows == 3
    assert joined.columns["id"].tolist() == [2, 3, 4]
    several = joined.column("several")
    assert isinstance(several.values, Ragged)
    assert several.flat.tolist() == [2, 3, 4, 5, 6, 7]
    assert several.values.lengths.tolist() == [2, 1, 3]
    assert several.flat_labels.tolist() == [True, True, True, False, False, False]
