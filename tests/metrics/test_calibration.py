"""Calibration and its curve against hand cases, and their laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.metrics.calibration import calibration, calibration_curve

# Multiples of 1/16: sums are exact and ties are common.
SIXTEENTHS = st.integers(0, 16).map(lambda numerator: numerator / 16)


def test_is_expected_over_observed_clicks() -> None:
    assert calibration(np.array([1, 0, 0, 1]), np.array([0.5, 0.5, 0.25, 0.25])) == 0.75


def test_doubling_the_predictions_doubles_it() -> None:
    labels, predictions = np.array([1, 0, 0]), np.array([0.25, 0.125, 0.5])
    assert calibration(labels, 2 * predictions) == 2 * calibration(labels, predictions)


def test_no_click_is_nan() -> None:
    assert math.isnan(calibration(np.zeros(3), np.full(3, 0.1)))


def test_float32_predictions_are_summed_in_float64() -> None:
    rows = 3_000_001
    predictions = np.full(rows, 0.1, dtype=np.float32)
    expected = float(np.float32(0.1))
    assert calibration(np.ones(rows), predictions) == pytest.approx(expected, rel=1e-12)


def test_curve_of_distinct_predictions_has_bins_of_equal_mass() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 0, 1])
    predictions = np.array([0.3, 0.1, 0.2, 0.4, 0.8, 0.6, 0.5, 0.7])
    curve = calibration_curve(labels, predictions, bins=4)
    assert curve.count.tolist() == [2, 2, 2, 2]
    assert curve.mean_prediction == pytest.approx([0.15, 0.35, 0.55, 0.75])
    assert curve.observed_rate.tolist() == [0, 0.5, 0.5, 1]


def test_equal_predictions_share_a_bin() -> None:
    curve = calibration_curve(np.array([0, 1, 0, 1]), np.array([0.5, 0.5, 0.5, 0.75]), bins=4)
    assert curve.count.tolist() == [3, 1]
    assert curve.mean_prediction.tolist() == [0.5, 0.75]
    assert curve.observed_rate == pytest.approx([1 / 3, 1])


@given(arrays.arrays(np.float64, st.integers(1, 50), elements=SIXTEENTHS), st.integers(1, 60))
def test_curve_keeps_every_row_and_the_totals(predictions: np.ndarray, bins: int) -> None:
    labels = (np.arange(len(predictions)) % 3 == 0).astype(np.uint8)
    curve = calibration_curve(labels, predictions, bins)
    assert curve.count.sum() == len(predictions)
    assert (curve.count > 0).all()
    assert len(curve.count) <= bins
    assert curve.mean_prediction @ curve.count == pytest.approx(predictions.sum())
    assert curve.observed_rate @ curve.count == pytest.approx(labels.sum())
    assert (np.diff(curve.mean_prediction) > 0).all()


@given(
    arrays.arrays(np.float64, 30, elements=SIXTEENTHS),
    st.permutations(range(30)),
    st.integers(1, 10),
)
def test_curve_does_not_depend_on_the_order_of_the_rows(
    predictions: np.ndarray, order: list[int], bins: int
) -> None:
    labels = np.arange(30) % 2
    expected = calibration_curve(labels, predictions, bins)
    found = calibration_curve(labels[order], predictions[order], bins)
    assert found.count.tolist() == expected.count.tolist()
    assert found.mean_prediction.tolist() == expected.mean_prediction.tolist()
    assert found.observed_rate.tolist() == expected.observed_rate.tolist()


def test_curve_of_no_rows_is_empty() -> None:
    assert calibration_curve(np.empty(0), np.empty(0), bins=5).count.tolist() == []


def test_curve_needs_a_bin() -> None:
    with pytest.raises(ValueError, match="0 bins"):
        calibration_curve(np.zeros(2), np.zeros(2), bins=0)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"both must be \(rows,\)"):
        calibration(np.zeros(1), np.zeros(3))
