from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.loading.schedule import (
    batch_bounds,
    batch_count,
    batch_grain,
    plan_windows,
    rank_slice,
    window_order,
)


@given(rows=st.integers(1, 10_000), batch_size=st.integers(1, 3_000))
def test_global_batches_cover_an_epoch_evenly(rows: int, batch_size: int) -> None:
    bounds = [batch_bounds(rows, batch_size, b) for b in range(batch_count(rows, batch_size))]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == rows
    assert all(before[1] == after[0] for before, after in pairwise(bounds))
    sizes = [end - begin for begin, end in bounds]
    assert max(sizes) <= batch_size
    grain = batch_grain(batch_size)
    assert max(sizes) - min(sizes) < 2 * grain
    assert all(size % grain == 0 for size in sizes[:-1])


@given(begin=st.integers(0, 10**12), size=st.integers(1, 300), world_size=st.integers(1, 70))
def test_rank_slices_share_a_global_batch(begin: int, size: int, world_size: int) -> None:
    slices = [rank_slice(begin, begin + size, rank, world_size) for rank in range(world_size)]
    real = [part.positions[part.weights > 0] for part in slices]
    assert np.array_equal(np.concatenate(real), np.arange(begin, begin + size))
    assert {len(part.positions) for part in slices} == {-(-size // world_size)}
    every = np.concatenate([part.weights for part in slices])
    assert np.isclose(np.mean(every), 1.0)
    assert all((part.positions < begin + size).all() for part in slices)


@given(
    part_rows=st.lists(st.integers(1, 50), min_size=1, max_size=30),
    window_rows=st.integers(1, 200),
    seed=st.none() | st.integers(0, 5),
)
def test_windows_hold_every_part_once_and_no_more_rows_than_allowed(
    part_rows: list[int], window_rows: int, seed: int | None
) -> None:
    windows = plan_windows(part_rows, window_rows, seed, epoch=1)
    assert sorted(part for window in windows for part in window.parts) == [*range(len(part_rows))]
    first = 0
    for window in windows:
        assert window.first == first
        assert window.rows == sum(part_rows[part] for part in window.parts)
        assert window.rows <= window_rows or len(window.parts) == 1
        first += window.rows


def test_epochs_and_windows_are_shuffled_differently() -> None:
    first, second = (plan_windows([10] * 40, 100, 0, epoch) for epoch in (0, 1))
    assert [window.parts for window in first] != [window.parts for window in second]
    orders = [window_order(window, 0, epoch).tolist() for window in first[:2] for epoch in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
