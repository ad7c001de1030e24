"""The calibration curve of a stream, against sorting all rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rows_of_ranks import EXACT, Rows, metrics_here

from pipeline.metrics.calibration import CalibrationCurve
from pipeline.metrics.click_metrics import CALIBRATION_BINS

pytestmark = pytest.mark.usefixtures("alone")
QUARTERS = st.integers(-8, 8).map(lambda numerator: numerator / 4)


def curve_of(scores: np.ndarray, labels: np.ndarray, capacity: int = EXACT) -> CalibrationCurve:
    count = len(scores)
    columns = scores[None].astype(np.float32), labels[None].astype(np.float32)
    rows = Rows(*columns, np.ones(count, np.float32), np.zeros(count, int))
    return metrics_here(rows, capacity).curve


def sorted_curve(scores: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Bins begin at the rows of each 20th of all, or the first that scores as they do."""
    order = np.argsort(scores)
    ranked = scores[order].astype(np.float64)
    wanted = np.arange(CALIBRATION_BINS) * len(scores) // CALIBRATION_BINS
    starts = np.unique(np.searchsorted(ranked, ranked[wanted]))
    count = np.diff(starts, append=len(scores))
    predictions = np.add.reduceat(1 / (1 + np.exp(-ranked)), starts) / count
    return [predictions, np.add.reduceat(labels[order].astype(float), starts) / count, count]


@settings(max_examples=50)
@given(arrays.arrays(np.float32, st.integers(1, 120), elements=QUARTERS), st.integers(0, 99))
def test_is_that_of_all_rows_sorted(scores: np.ndarray, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 2, len(scores))
    curve = curve_of(scores, labels)
    predictions, rates, count = sorted_curve(scores, labels)
    assert curve.count.tolist() == count.tolist()
    assert curve.mean_prediction == pytest.approx(predictions, rel=1e-12)
    assert curve.observed_rate == pytest.approx(rates, rel=1e-12)


def test_distinct_predictions_make_bins_of_equal_mass() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(-50, 50) / 10)
    curve = curve_of(scores, scores > 0)
    assert curve.count.tolist() == [5] * CALIBRATION_BINS
    assert curve.observed_rate.tolist() == [0] * 10 + [0.2 * 4] + [1] * 9
    assert (np.diff(curve.mean_prediction) > 0).all()


def test_merged_cells_change_it_by_no_more_than_their_mass() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=20_000).astype(np.float32)
    labels = rng.random(20_000) < 0.3
    curve, expected = curve_of(scores, labels, 1_024), sorted_curve(scores, labels)
    assert curve.count == pytest.approx(expected[2], abs=100)
    assert curve.mean_prediction == pytest.approx(expected[0], abs=0.003)
    assert curve.observed_rate == pytest.approx(expected[1], abs=0.03)
