"""Score cells: exact while they are scores, within their bound when merged, in any order."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.metrics.score_cells import (
    ScoreCells,
    cells_of_rows,
    coarsen_cells,
    key_scores,
    merge_cells,
    score_keys,
)

ANY_FLOAT = st.floats(width=32, allow_nan=False)


def cells_of(scores: np.ndarray, labels: np.ndarray) -> ScoreCells:
    rows = torch.from_numpy(scores), torch.from_numpy(labels), torch.ones(len(scores))
    return cells_of_rows(*rows)


def listed(cells: ScoreCells) -> list[list[float]]:
    columns = (cells.first, cells.last, cells.positive, cells.negative)
    return [column.tolist() for column in columns]


def random_rows(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(-2, 1.5, rows).astype(np.float32)
    return scores, (rng.random(rows) < 1 / (1 + np.exp(-scores))).astype(np.float32)


@given(arrays.arrays(np.float32, st.integers(0, 50), elements=ANY_FLOAT))
def test_keys_are_in_the_order_of_their_scores_and_lead_back_to_them(scores: np.ndarray) -> None:
    keys = score_keys(torch.from_numpy(scores)).numpy()
    for one, other in zip(range(len(scores)), range(1, len(scores)), strict=False):
        assert np.sign(int(keys[one]) - int(keys[other])) == (
            int(scores[one] > scores[other]) - int(scores[one] < scores[other])
        )
    assert key_scores(torch.from_numpy(keys)).tolist() == scores.tolist()


def test_a_cell_holds_the_weights_of_both_classes_of_one_score() -> None:
    scores = torch.tensor([2.0, -1.0, 2.0, 2.0])
    weights = torch.tensor([0.5, 3.0, 4.0, 0.25])
    cells = cells_of_rows(scores, torch.tensor([1.0, 0.0, 0.0, 1.0]), weights)
    assert key_scores(cells.first).tolist() == [-1.0, 2.0]
    assert cells.last.tolist() == cells.first.tolist()
    assert cells.positive.tolist() == [0, 0.75]
    assert cells.negative.tolist() == [3, 4]


@given(st.lists(st.integers(0, 40), max_size=4), st.randoms(use_true_random=False))
def test_merged_in_any_order_they_are_the_cells_of_all_rows(
    sizes: list[int], random: object
) -> None:
    rng = np.random.default_rng(len(sizes))
    scores = (rng.integers(-9, 9, sum(sizes)) / 4).astype(np.float32)
    labels = rng.integers(0, 2, sum(sizes)).astype(np.float32)
    cuts = np.cumsum(sizes)[:-1]
    parts = list(zip(np.split(scores, cuts), np.split(labels, cuts), strict=True)) if sizes else []
    random.shuffle(parts)  # type: ignore[attr-defined]
    pieces = [cells_of(*part) for part in [*parts, (scores[:0], labels[:0])]]
    assert listed(merge_cells(pieces)) == listed(cells_of(scores, labels))


@pytest.mark.parametrize("capacity", [100, 1_000])
def test_coarse_cells_keep_every_row_in_ranges_that_lie_apart(capacity: int) -> None:
    scores, labels = random_rows(0, 20_000)
    cells = coarsen_cells(cells_of(scores, labels), capacity)
    assert capacity // 4 < len(cells) <= capacity
    assert (cells.first[1:] > cells.last[:-1]).all()
    keys = score_keys(torch.from_numpy(scores))
    holder = torch.searchsorted(cells.first, keys, right=True) - 1
    assert (keys <= cells.last[holder]).all()
    assert cells.positive.tolist() == holder[labels > 0].bincount(minlength=len(cells)).tolist()
    assert cells.negative.tolist() == holder[labels == 0].bincount(minlength=len(cells)).tolist()


def test_few_enough_cells_stay_as_they_are() -> None:
    cells = cells_of(*random_rows(0, 500))
    assert coarsen_cells(cells, 500) is cells


@given(st.integers(0, 1_000), st.permutations(range(3)), st.integers(8, 300))
def test_coarse_cells_of_parts_merge_alike_in_any_order(
    seed: int, order: list[int], capacity: int
) -> None:
    parts = [
        coarsen_cells(cells_of(*random_rows(seed + part, 400 * (part + 1))), capacity << part)
        for part in range(3)
    ]
    expected = merge_cells(parts)
    assert listed(merge_cells([parts[place] for place in order])) == listed(expected)
    one_by_one = merge_cells([merge_cells([parts[order[0]], parts[order[1]]]), parts[order[2]]])
    assert listed(one_by_one) == listed(expected)
    assert (expected.first[1:] > expected.last[:-1]).all()


def test_scores_all_over_float32_still_fit() -> None:
    bits = torch.randint(-(2**31), 2**31, (20_000,), dtype=torch.int64).int()
    scores = bits.view(torch.float32)
    scores = scores[scores.isfinite()]
    labels = (torch.arange(len(scores)) % 2).float()
    cells = coarsen_cells(cells_of_rows(scores, labels, torch.ones(len(scores))), 16)
    assert 0 < len(cells) <= 16
    assert float(cells.positive.sum() + cells.negative.sum()) == len(scores)
