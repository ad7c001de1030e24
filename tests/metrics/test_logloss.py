"""The logistic loss against a sum by hand, torch, and its laws."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.metrics.logloss import logloss


def test_equals_the_sum_by_hand() -> None:
    expected = -(math.log(0.9) + math.log(1 - 0.2) + math.log(0.5)) / 3
    assert logloss(np.array([1, 0, 1]), np.array([0.9, 0.2, 0.5])) == pytest.approx(expected)


@given(arrays.arrays(np.float64, 20, elements=st.floats(0.001, 0.999)), st.integers(0, 2**20 - 1))
def test_equals_torch_binary_cross_entropy(probabilities: np.ndarray, bits: int) -> None:
    labels = np.array([(bits >> i) & 1 for i in range(20)])
    expected = torch.nn.functional.binary_cross_entropy(
        torch.from_numpy(probabilities), torch.from_numpy(labels).double()
    )
    assert logloss(labels, probabilities) == pytest.approx(expected.item(), rel=1e-12)


@given(arrays.arrays(np.float64, 10, elements=st.floats(0, 1)))
def test_swapping_the_classes_and_the_probabilities_changes_nothing(p: np.ndarray) -> None:
    labels = np.arange(10) % 2
    # Not to the last bit: 1 - p rounds.
    assert logloss(1 - labels, 1 - p) == pytest.approx(logloss(labels, p), rel=1e-2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_certain_mistake_costs_34_5_nats_and_not_infinity(dtype: type) -> None:
    loss = logloss(np.array([0, 1]), np.array([1, 0], dtype=dtype))
    assert loss == pytest.approx(-math.log(1e-15), rel=0.01)


def test_certain_and_right_costs_nothing() -> None:
    assert logloss(np.array([0, 1]), np.array([0.0, 1.0])) == pytest.approx(0, abs=1e-14)


def test_no_rows_is_nan() -> None:
    assert math.isnan(logloss(np.empty(0), np.empty(0)))


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"both must be \(rows,\)"):
        logloss(np.zeros(1), np.zeros(3))
