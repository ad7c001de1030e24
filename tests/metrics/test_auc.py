"""AUC against counting every pair, and its laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.metrics.auc import auc


def count_pairs(labels: np.ndarray, scores: np.ndarray) -> float:
    positives, negatives = scores[labels == 1], scores[labels == 0]
    differences = positives[:, None].astype(float) - negatives[None, :].astype(float)
    return float(np.mean((differences > 0) + 0.5 * (differences == 0)))


@st.composite
def labelled_scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Both classes; few distinct integer scores, so that ties are common."""
    rows = draw(st.integers(2, 60))
    labels = draw(arrays.arrays(np.int64, rows, elements=st.integers(0, 1)))
    labels[:2] = 0, 1
    scores = draw(arrays.arrays(np.int64, rows, elements=st.integers(-5, 5)))
    return labels, scores


@given(labelled_scores())
def test_equals_counting_every_pair_with_ties_as_a_half(case: tuple) -> None:
    labels, scores = case
    assert auc(labels, scores) == pytest.approx(count_pairs(labels, scores), abs=1e-12)


@given(labelled_scores())
def test_a_strictly_rising_map_of_the_scores_changes_nothing(case: tuple) -> None:
    labels, scores = case
    assert auc(labels, np.exp(scores / 2)) == auc(labels, scores)


@given(labelled_scores())
def test_flipping_the_sign_of_the_scores_gives_one_minus_it(case: tuple) -> None:
    labels, scores = case
    assert auc(labels, -scores) == pytest.approx(1 - auc(labels, scores), abs=1e-12)


@given(labelled_scores())
def test_swapping_the_classes_gives_one_minus_it(case: tuple) -> None:
    labels, scores = case
    assert auc(1 - labels, scores) == pytest.approx(1 - auc(labels, scores), abs=1e-12)


@given(labelled_scores(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(case: tuple, random: object) -> None:
    labels, scores = case
    order = list(range(len(labels)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert auc(labels[order], scores[order]) == auc(labels, scores)


@given(labelled_scores(), st.integers(2, 4))
def test_repeating_every_row_changes_nothing(case: tuple, times: int) -> None:
    labels, scores = case
    assert auc(np.tile(labels, times), np.tile(scores, times)) == auc(labels, scores)


@pytest.mark.parametrize(
    ("labels", "scores", "expected"),
    [
        ([0, 0, 1, 1], [1, 2, 3, 4], 1.0),
        ([1, 1, 0, 0], [1, 2, 3, 4], 0.0),
        ([0, 1, 0, 1], [7, 7, 7, 7], 0.5),
        # Pairs (2,1) won, (2,2) tied, (3,1) and (3,2) won: 3.5 of 4.
        ([0, 1, 0, 1], [1, 2, 2, 3], 0.875),
    ],
)
def test_hand_cases(labels: list[int], scores: list[int], expected: float) -> None:
    assert auc(np.array(labels), np.array(scores)) == expected


@pytest.mark.parametrize("labels", [[1, 1], [0, 0], []])
def test_no_pair_of_classes_is_nan(labels: list[int]) -> None:
    assert math.isnan(auc(np.array(labels), np.arange(len(labels)) / 2))


def test_a_nan_score_is_nan_and_not_a_rank() -> None:
    assert math.isnan(auc(np.array([0, 1, 1]), np.array([0.1, np.nan, 0.3])))


def test_infinite_scores_have_a_rank() -> None:
    assert auc(np.array([0, 1]), np.array([-np.inf, np.inf])) == 1.0


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.bool_])
def test_label_types_do_not_matter(dtype: type) -> None:
    labels = np.array([0, 1] * 300)
    scores = np.arange(600) % 7
    assert auc(labels.astype(dtype), scores) == auc(labels, scores)


def test_a_million_rows_are_counted_exactly() -> None:
    # Scores 0 .. n-1, labels alternate 0, 1: positive number i beats i + 1 of n / 2 negatives.
    half = 500_000
    labels = np.tile([0, 1], half)
    assert auc(labels, np.arange(2 * half)) == (half + 1) / (2 * half)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"labels are \(2,\), predictions \(3,\)"):
        auc(np.zeros(2), np.zeros(3))
